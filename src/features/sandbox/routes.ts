/** The HTTP of the outbox: what test keys have sent, and a hand to play the recipient with. */
import { Type } from '@sinclair/typebox';
import { type Route, route } from '../../lib/http.ts';
import { listOf, listQuery } from '../../lib/list.ts';
import type { Sandbox } from './index.ts';

/** What a recipient can be made to do. */
export const REACTIONS = ['delivered', 'read', 'failed', 'bounced', 'complained'] as const;

const item = Type.Object(
  {
    message_id: Type.String(),
    notification_id: Type.String(),
    channel: Type.String(),
    address: Type.String(),
    status: Type.String(),
    created_at: Type.String({ format: 'date-time' }),
    content: Type.Unknown({ description: 'The finished message, as the provider would have got it.' }),
    preview: Type.Optional(Type.Unknown({ description: 'The message as the person would have seen it.' })),
    pending: Type.Array(Type.String(), { description: 'Receipts that are still to come.' }),
  },
  { additionalProperties: false },
);
const params = Type.Object({ message_id: Type.String({ maxLength: 64 }) });
const common = { auth: 'key', tag: 'Sandbox', params } as const;

export const sandboxRoutes = (sandbox: Sandbox): readonly Route[] => [
  route({
    method: 'GET',
    path: '/api/v1/sandbox/outbox',
    auth: 'key',
    scope: 'read',
    tag: 'Sandbox',
    summary: 'List what test keys have sent',
    description: 'Newest first. A live key has an empty outbox.',
    query: Type.Composite(
      [
        listQuery,
        Type.Object({
          channel: Type.Optional(Type.String({ maxLength: 64 })),
          recipient: Type.Optional(Type.String({ maxLength: 320 })),
        }),
      ],
      { additionalProperties: false },
    ),
    replies: { 200: { description: 'A page.', schema: listOf(item) } },
    errors: [],
    handler: async ({ principal, query }) => ({ status: 200, body: await sandbox.list(principal, query) }),
  }),
  route({
    ...common,
    method: 'GET',
    path: '/api/v1/sandbox/outbox/:message_id',
    scope: 'read',
    summary: 'Get a message from the outbox',
    replies: { 200: { description: 'The message.', schema: item } },
    errors: ['not_found'],
    handler: async ({ principal, params: { message_id } }) => ({
      status: 200,
      body: await sandbox.get(principal, message_id),
    }),
  }),
  route({
    ...common,
    method: 'POST',
    path: '/api/v1/sandbox/outbox/:message_id/receipts',
    scope: 'send',
    audit: 'outbox.played',
    summary: 'Play the recipient',
    description: 'Lets the receipt come in through the same signed door as a real one.',
    body: Type.Object(
      { receipt: Type.Union(REACTIONS.map((name) => Type.Literal(name))) },
      { additionalProperties: false },
    ),
    replies: { 202: { description: 'On its way.' } },
    errors: ['not_found', 'conflict'],
    async handler({ principal, params: { message_id }, body: { receipt } }) {
      await sandbox.react(principal, message_id, receipt);
      return { status: 202 };
    },
  }),
  route({
    method: 'POST',
    path: '/api/v1/sandbox/messages',
    auth: 'key',
    scope: 'send',
    tag: 'Sandbox',
    audit: 'sandbox.written',
    summary: 'Play a person who writes',
    description:
      'With a test key: the message comes in through the same signed door as a real one, with all that follows. ' +
      '`reply_to` is the provider id of what it answers.',
    body: Type.Object(
      {
        channel: Type.String({ minLength: 1, maxLength: 64 }),
        from: Type.Record(Type.String(), Type.String({ minLength: 1, maxLength: 320 }), {
          minProperties: 1,
          maxProperties: 10,
          description: 'Recipient fields by which the person would be written to.',
        }),
        name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
        text: Type.String({ minLength: 1, maxLength: 10_000 }),
        reply_to: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
      },
      { additionalProperties: false },
    ),
    replies: {
      202: {
        description: 'On its way.',
        schema: Type.Object({ provider_id: Type.String() }, { additionalProperties: false }),
      },
    },
    errors: ['not_found', 'channel_unknown', 'invalid_recipient', 'validation_failed'],
    async handler({ principal, body: { reply_to, ...letter } }) {
      const written = await sandbox.write(principal, {
        ...letter,
        ...(reply_to === undefined ? {} : { replyTo: reply_to }),
      });
      return { status: 202, body: written, noted: {} };
    },
  }),
];
