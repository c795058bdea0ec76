/** Erasing a person. */
import { type Route, route } from '../../lib/http.ts';
import { erasureParams, erasureView, person } from './schema.ts';
import type { Erasures } from './service.ts';

const KEY = { auth: 'key', scope: 'manage', tag: 'Recipients' } as const;

export const erasureRoutes = (erasures: Erasures): readonly Route[] => [
  route({
    ...KEY,
    method: 'POST',
    path: '/api/v1/recipients/erase',
    summary: 'Erase a person',
    description:
      'Takes address, recipient fields and content of everything that was sent to these addresses, in the mode of the ' +
      'key, out of the store; what still waits for the person is cancelled. Other rows that repeat an address lose it. ' +
      'Statuses, times and counts stay. A long history is finished in the background: 202, and GET shows how far it is. ' +
      'Backups made before still hold the person.',
    audit: 'recipient.erased',
    body: person,
    replies: {
      200: { description: 'It is done', schema: erasureView },
      202: { description: 'It goes on in the background', schema: erasureView },
    },
    errors: ['validation_failed'],
    async handler({ principal, body }) {
      const erasure = await erasures.erase(principal, body);
      return { status: erasure.status === 'completed' ? 200 : 202, body: erasure };
    },
  }),
  route({
    ...KEY,
    method: 'GET',
    path: '/api/v1/recipients/erasures/:erasure_id',
    summary: 'How far an erasure is',
    params: erasureParams,
    replies: { 200: { description: 'The erasure', schema: erasureView } },
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await erasures.get(principal, params.erasure_id),
    }),
  }),
];
