/** The API's own description: the OpenAPI document, the reference page, the page of errors. All made of the route objects. */
import { type Route, route } from '../../lib/http.ts';
import { openApi } from './openapi.ts';

export { errorsOf } from './openapi.ts';
export { reference, type Section } from './reference.ts';

export interface DocsDeps {
  readonly routes: () => readonly Route[];
  readonly publicUrl: () => string;
}

export const docsRoutes = ({ routes, publicUrl }: DocsDeps): readonly Route[] => [
  route({
    method: 'GET',
    path: '/api/v1/openapi.json',
    auth: 'open',
    tag: 'Documentation',
    summary: 'This API as an OpenAPI 3.1 document',
    replies: { 200: { description: 'The document.' } },
    errors: [],
    hidden: true,
    handler: async () => ({ status: 200, body: openApi(routes(), publicUrl()) }),
  }),
];
