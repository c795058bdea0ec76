/** The operator's word on what a restored store had open. */
import { type Route, route } from '../../lib/http.ts';
import { choiceBody, chosenReply, quarantineView } from './schema.ts';
import type { Custody } from './service.ts';

const OPERATORS = { auth: 'admin', tag: 'Operators', hidden: true } as const;

export const custodyRoutes = (custody: Custody): readonly Route[] => [
  route({
    ...OPERATORS,
    method: 'GET',
    path: '/api/admin/quarantine',
    summary: 'What waits because the store came out of a backup',
    replies: { 200: { description: 'By tenant and bulk', schema: quarantineView } },
    errors: [],
    handler: async () => ({ status: 200, body: await custody.list() }),
  }),
  route({
    ...OPERATORS,
    method: 'POST',
    path: '/api/admin/quarantine/release',
    summary: 'Let it go out',
    body: choiceBody,
    replies: { 200: { description: 'How many messages', schema: chosenReply } },
    errors: ['validation_failed', 'not_found'],
    handler: async ({ principal, body }) => ({ status: 200, body: await custody.release(principal.actor, body) }),
  }),
  route({
    ...OPERATORS,
    method: 'POST',
    path: '/api/admin/quarantine/discard',
    summary: 'Fail it, and never send it',
    body: choiceBody,
    replies: { 200: { description: 'How many messages', schema: chosenReply } },
    errors: ['validation_failed', 'not_found'],
    handler: async ({ principal, body }) => ({ status: 200, body: await custody.discard(principal.actor, body) }),
  }),
];
