/** Conversations over HTTP. */
import { type Request, type Route, route } from '../../lib/http.ts';
import { listOf } from '../../lib/list.ts';
import { changeOf } from '../audit/index.ts';
import { keyOf } from '../idempotency/index.ts';
import { Accepted, IDEMPOTENCY, type Origin, POLICY } from '../notifications/index.ts';
import type { Media } from './media.ts';
import * as schema from './schema.ts';
import type { Conversations } from './service.ts';

const LOOK = { auth: 'key', scope: 'read', tag: 'Conversations' } as const;
const IT = { 200: { description: 'The conversation as it is now', schema: schema.conversationItem } };

const originOf = ({ principal, ip, requestId, at, headers: { traceparent } }: Request): Origin => ({
  principal,
  ip,
  requestId,
  at,
  traceparent,
});

export const conversationRoutes = (conversations: Conversations, media: Media): readonly Route[] => [
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/conversations',
    summary: 'List conversations',
    description: 'One for each address that has written to a connection. The one that was written to last comes first.',
    query: schema.conversationQuery,
    replies: { 200: { description: 'One page', schema: listOf(schema.conversationItem) } },
    errors: ['validation_failed'],
    handler: async ({ principal, query }) => ({ status: 200, body: await conversations.list(principal, query) }),
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/conversations/:conversation_id',
    summary: 'Get a conversation',
    params: schema.conversationParams,
    replies: IT,
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await conversations.get(principal, params.conversation_id),
    }),
  }),
  route({
    ...LOOK,
    scope: 'send',
    method: 'PATCH',
    path: '/api/v1/conversations/:conversation_id',
    summary: 'Assign a conversation, or change its status',
    audit: 'conversation.updated',
    params: schema.conversationParams,
    body: schema.patchConversation,
    replies: IT,
    errors: ['not_found', 'validation_failed'],
    async handler({ principal, params, body }) {
      const patched = await conversations.patch(principal, params.conversation_id, body);
      return { status: 200, body: patched, noted: changeOf(undefined, body) };
    },
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/conversations/:conversation_id/messages',
    summary: 'Read a conversation',
    description: 'What came in and what went out. Oldest first, or with `order=desc` newest first.',
    params: schema.conversationParams,
    query: schema.threadQuery,
    replies: { 200: { description: 'One page', schema: listOf(schema.threadMessage) } },
    errors: ['not_found', 'validation_failed'],
    handler: async ({ principal, params, query }) => ({
      status: 200,
      body: await conversations.messages(principal, params.conversation_id, query),
    }),
  }),
  route({
    ...LOOK,
    scope: 'send',
    method: 'POST',
    path: '/api/v1/conversations/:conversation_id/messages',
    summary: 'Answer',
    description:
      'Goes out by the connection and to the address of the conversation, as a notification. Where a channel takes free text for some ' +
      'hours only after the person has written, it is `outside_window` afterwards; a template may go out at any time.',
    params: schema.conversationParams,
    body: schema.replyBody,
    replies: { 202: { description: 'Accepted.', schema: Accepted } },
    errors: ['not_found', 'validation_failed', ...POLICY, ...IDEMPOTENCY],
    handler: (request) =>
      conversations.reply(
        originOf(request),
        request.params.conversation_id,
        request.body,
        keyOf(request.headers, request.body.idempotency_key),
      ),
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/v1/analytics/messages',
    summary: 'List messages of both directions',
    query: schema.logQuery,
    replies: { 200: { description: 'One page, newest first', schema: schema.logReply } },
    errors: ['validation_failed'],
    handler: async ({ principal, query }) => ({ status: 200, body: await conversations.log(principal, query) }),
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/media/:media_id',
    summary: 'Get what came with a message',
    description:
      'The file itself. While it is still being fetched from the provider it is 409 `conflict` with `Retry-After`.',
    params: schema.mediaParams,
    replies: { 200: { description: 'The file', type: 'application/octet-stream' } },
    errors: ['not_found', 'conflict'],
    async handler({ principal, params }) {
      const { mime, filename, bytes } = await media.get(principal, params.media_id);
      return {
        status: 200,
        body: bytes,
        type: mime,
        headers: {
          'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(filename).replace(/['()*]/g, (one) => `%${one.charCodeAt(0).toString(16)}`)}`,
          'Content-Security-Policy': "default-src 'none'; sandbox",
        },
      };
    },
  }),
];
