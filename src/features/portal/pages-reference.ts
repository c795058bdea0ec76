/** The reference of the API, and the page that every error points to. Both are printed from the routes and the catalogue. */
import { ERRORS } from '../../lib/errors.ts';
import type { Route } from '../../lib/http.ts';
import { reference } from '../docs/index.ts';
import { reasons } from '../notifications/index.ts';
import type { Site } from './site.ts';

export interface ReferencePagesDeps {
  readonly site: Site;
  readonly routes: () => readonly Route[];
}

export const referencePages = ({ site, routes }: ReferencePagesDeps): readonly Route[] => [
  site.get(
    '/docs',
    'The reference of the API.',
    async (visit) =>
      visit.render('reference', { title: 'API reference', section: 'reference' }, { sections: reference(routes()) }),
    { open: true },
  ),
  site.get(
    '/docs/errors',
    'Every error, with what to do about it.',
    async (visit) =>
      visit.render(
        'errors',
        { title: 'Errors and reasons', section: 'reference' },
        { errors: Object.entries(ERRORS).map(([code, entry]) => ({ code, ...entry })), reasons: reasons() },
      ),
    { open: true },
  ),
];
