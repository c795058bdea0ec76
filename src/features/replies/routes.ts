/** Rules that answer by themselves. */
import { type Route, route } from '../../lib/http.ts';
import { listOf, listQuery } from '../../lib/list.ts';
import { changeOf } from '../audit/index.ts';
import * as schema from './schema.ts';
import type { Replies } from './service.ts';

const LOOK = { auth: 'key', scope: 'read', tag: 'Conversations' } as const;
const CHANGE = { auth: 'key', scope: 'manage', tag: 'Conversations' } as const;
const IT = { description: 'The rule as it is now', schema: schema.autoReplyItem } as const;

export const autoReplyRoutes = (replies: Replies): readonly Route[] => [
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/auto_replies',
    summary: 'List auto-replies',
    description: 'In the order in which they are asked.',
    query: listQuery,
    replies: { 200: { description: 'One page', schema: listOf(schema.autoReplyItem) } },
    errors: ['validation_failed'],
    handler: async ({ principal, query }) => ({ status: 200, body: await replies.list(principal, query) }),
  }),
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/auto_replies',
    summary: 'Create an auto-reply',
    description:
      'Answers what people write, once each message: the first active rule that fits, a `default` after those with keywords. ' +
      'Nothing else answers STOP, START and HELP than a rule of that trigger. Echoes, history and automatic mail are never answered.',
    audit: 'auto_reply.created',
    body: schema.createAutoReply,
    replies: { 201: IT },
    errors: ['validation_failed', 'conflict'],
    async handler({ principal, body }) {
      const made = await replies.create(principal, body);
      return { status: 201, body: made, noted: changeOf(undefined, made) };
    },
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/auto_replies/:auto_reply_id',
    summary: 'Get an auto-reply',
    params: schema.autoReplyParams,
    replies: { 200: IT },
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await replies.get(principal, params.auto_reply_id),
    }),
  }),
  route({
    ...CHANGE,
    method: 'PATCH',
    path: '/api/v1/auto_replies/:auto_reply_id',
    summary: 'Change an auto-reply',
    audit: 'auto_reply.updated',
    params: schema.autoReplyParams,
    body: schema.patchAutoReply,
    replies: { 200: IT },
    errors: ['not_found', 'validation_failed'],
    async handler({ principal, params, body }) {
      const before = await replies.get(principal, params.auto_reply_id);
      const after = await replies.patch(principal, params.auto_reply_id, body);
      return { status: 200, body: after, noted: changeOf(before, after) };
    },
  }),
  route({
    ...CHANGE,
    method: 'DELETE',
    path: '/api/v1/auto_replies/:auto_reply_id',
    summary: 'Remove an auto-reply',
    audit: 'auto_reply.deleted',
    params: schema.autoReplyParams,
    replies: { 204: { description: 'Removed' } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      const gone = await replies.remove(principal, params.auto_reply_id);
      return { status: 204, noted: changeOf(gone, undefined) };
    },
  }),
];
