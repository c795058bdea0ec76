/** The list of those who are not written to. */
import { Type } from '@sinclair/typebox';
import { type Route, route } from '../../lib/http.ts';
import { listOf } from '../../lib/list.ts';
import * as schema from './schema.ts';
import type { Suppressions } from './service.ts';

const LOOK = { auth: 'key', scope: 'read', tag: 'Recipients' } as const;
const CHANGE = { auth: 'key', scope: 'manage', tag: 'Recipients' } as const;

export const suppressionRoutes = (suppressions: Suppressions): readonly Route[] => [
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/suppressions',
    summary: 'List suppressions',
    description: 'Addresses that are not written to, in the mode of the key.',
    query: schema.suppressionQuery,
    replies: { 200: { description: 'One page, newest first', schema: listOf(schema.suppressionItem) } },
    errors: ['validation_failed'],
    handler: async ({ principal, query }) => ({ status: 200, body: await suppressions.list(principal, query) }),
  }),
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/suppressions',
    summary: 'Add suppressions',
    description:
      'A message to such an address has `failed` with `recipient_opted_out` and never reaches the provider; what falls back on ' +
      'it starts. Holds from the next attempt on, also for what waits already.',
    audit: 'suppression.created',
    body: schema.addSuppressions,
    bodyLimit: 1_048_576,
    replies: {
      200: {
        description: 'In the order of the request; what was there already as it is',
        schema: Type.Object({ object: Type.Literal('list'), data: Type.Array(schema.suppressionItem) }),
      },
    },
    errors: ['validation_failed'],
    async handler({ principal, body }) {
      const data = await suppressions.add(principal, body.suppressions);
      // Without addresses: this log outlives the people in it.
      return { status: 200, body: { object: 'list', data }, noted: { suppressions: data.map(({ id }) => id) } };
    },
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/suppressions/:suppression_id',
    summary: 'Get a suppression',
    params: schema.suppressionParams,
    replies: { 200: { description: 'The suppression', schema: schema.suppressionItem } },
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await suppressions.get(principal, params.suppression_id),
    }),
  }),
  route({
    ...CHANGE,
    method: 'DELETE',
    path: '/api/v1/suppressions/:suppression_id',
    summary: 'Remove a suppression',
    description:
      'The address is written to again. Some providers keep lists of their own, and the person may have said no for good reason.',
    audit: 'suppression.deleted',
    params: schema.suppressionParams,
    replies: { 204: { description: 'Removed' } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      const { channel, scope, reason } = await suppressions.remove(principal, params.suppression_id);
      return { status: 204, noted: { channel, scope, reason } };
    },
  }),
];
