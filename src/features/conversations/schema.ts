/** Wire shapes of conversations, their messages and what came with them. */
import { type Static, Type } from '@sinclair/typebox';
import { listQuery } from '../../lib/list.ts';
import { contactCard } from '../contacts/index.ts';

const Time = Type.String({ format: 'date-time' });
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
const Id = Type.String({ maxLength: 64 });
const closed = { additionalProperties: false } as const;

export const CONVERSATION_STATUSES = ['open', 'pending', 'resolved', 'on_hold'] as const;
const Status = Type.Union(
  CONVERSATION_STATUSES.map((status) => Type.Literal(status)),
  { description: '`resolved` and `pending` become `open` when the person writes again.' },
);
export type ConversationStatus = Static<typeof Status>;

const mediaItem = Type.Object(
  {
    id: Type.String(),
    mime: Type.String(),
    filename: orNull(Type.String()),
    size: orNull(Type.Integer({ description: 'Bytes; null until it is stored.' })),
    status: Type.Union([Type.Literal('waiting'), Type.Literal('stored'), Type.Literal('failed')], {
      description: 'It is copied from the provider when it arrives, because providers keep it for days only.',
    }),
    url: Type.String({ description: 'Path under which it is handed out once it is stored.' }),
  },
  closed,
);

const messageFields = {
  id: Type.String(),
  object: Type.Literal('message'),
  livemode: Type.Boolean(),
  channel: Type.String(),
  connection_id: Type.String(),
  conversation_id: Type.String(),
};

/** What somebody wrote: in answers, and as the data of `message.received`. */
export const inboundMessage = Type.Object(
  {
    ...messageFields,
    direction: Type.Union([Type.Literal('inbound'), Type.Literal('outbound')], {
      description: '`outbound`: our side wrote it by another way, such as the app of the provider.',
    }),
    contact: orNull(contactCard),
    from: Type.String({ description: 'The address of the person at the other end.' }),
    origin: Type.Union([Type.Literal('live'), Type.Literal('echo'), Type.Literal('history')]),
    content: Type.Object(
      {
        kind: Type.String({ description: '`text`, `image`, `button`, `list`, `location`, `mail`, …' }),
        text: orNull(Type.String({ description: 'What a person would read.' })),
        data: orNull(Type.Record(Type.String(), Type.Unknown())),
      },
      closed,
    ),
    media: Type.Array(mediaItem),
    reply_to: orNull(
      Type.Object(
        {
          provider_id: Type.String(),
          message_id: orNull(Type.String({ description: 'When it is one that was sent through here.' })),
        },
        closed,
      ),
    ),
    provider_id: Type.String(),
    created_at: Time,
    received_at: Time,
  },
  closed,
);
export type InboundItem = Static<typeof inboundMessage>;

const outboundMessage = Type.Object(
  {
    ...messageFields,
    direction: Type.Literal('outbound'),
    notification_id: Type.String(),
    status: Type.String(),
    failure: orNull(Type.Object({ code: Type.String(), message: Type.String() }, closed)),
    template_id: orNull(Type.String()),
    text: orNull(Type.String({ description: 'What the person reads.' })),
    preview: Type.Unknown({ description: 'The message as the person sees it; null when it cannot be drawn.' }),
    created_at: Time,
    sent_at: orNull(Time),
    delivered_at: orNull(Time),
    read_at: orNull(Time),
  },
  closed,
);
export type OutboundItem = Static<typeof outboundMessage>;
export const threadMessage = Type.Union([inboundMessage, outboundMessage]);
export type ThreadItem = Static<typeof threadMessage>;

export const conversationItem = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('conversation'),
    livemode: Type.Boolean(),
    channel: Type.String(),
    connection_id: Type.String(),
    address: Type.String(),
    contact: orNull(contactCard),
    status: Status,
    assignee: orNull(Type.String()),
    unread_count: Type.Integer(),
    last_inbound_at: orNull(Time),
    window_expires_at: orNull(
      Type.String({
        format: 'date-time',
        description:
          'Until then free text may be sent; afterwards a template. null: the channel has no such rule, or the person has never written.',
      }),
    ),
    last_message: orNull(
      Type.Object(
        { kind: Type.String(), text: orNull(Type.String()), created_at: Time },
        { ...closed, description: 'The newest that came in.' },
      ),
    ),
    created_at: Time,
    updated_at: Time,
  },
  closed,
);
export type ConversationItem = Static<typeof conversationItem>;

export const conversationQuery = Type.Object(
  {
    ...listQuery.properties,
    status: Type.Optional(Status),
    contact_id: Type.Optional(Id),
    assignee: Type.Optional(Type.String({ maxLength: 100, description: '`none`: those that nobody has.' })),
    channel: Type.Optional(Type.String({ maxLength: 64 })),
  },
  closed,
);
export type ConversationQuery = Static<typeof conversationQuery>;

export const threadQuery = Type.Object(
  {
    ...listQuery.properties,
    order: Type.Union([Type.Literal('asc'), Type.Literal('desc')], {
      default: 'asc',
      description: '`asc`: the oldest first. `desc`: the newest first.',
    }),
  },
  closed,
);
export type ThreadQuery = Static<typeof threadQuery>;

export const logQuery = Type.Object(
  {
    status: Type.Optional(
      Type.Union(
        ['queued', 'sent', 'delivered', 'failed', 'received'].map((status) => Type.Literal(status)),
        { description: '`received` is what came in.' },
      ),
    ),
    direction: Type.Optional(Type.Union([Type.Literal('inbound'), Type.Literal('outbound')])),
    recipient: Type.Optional(Type.String({ maxLength: 320, description: 'The address at the other end.' })),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    offset: Type.Integer({ minimum: 0, maximum: 10_000, default: 0 }),
  },
  closed,
);
export type LogQuery = Static<typeof logQuery>;

export const logReply = Type.Object({
  status: Type.Integer(),
  message: Type.String(),
  data: Type.Object({
    total: Type.Integer({ description: 'Counted up to 10,000 in each direction.' }),
    limit: Type.Integer(),
    offset: Type.Integer(),
    logs: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          message_id: Type.String(),
          recipient: Type.String({ description: 'The address at the other end.' }),
          direction: Type.Union([Type.Literal('inbound'), Type.Literal('outbound')]),
          type: Type.String({ description: '`template` or `text` of what went out, else the kind of what came in.' }),
          status: Type.String(),
          error_message: orNull(Type.String()),
          created_at: Time,
        },
        closed,
      ),
    ),
  }),
});
export type LogReply = Static<typeof logReply>;

export const conversationParams = Type.Object({ conversation_id: Id });
export const mediaParams = Type.Object({ media_id: Id });

export const patchConversation = Type.Object(
  {
    status: Type.Optional(Status),
    assignee: Type.Optional(
      orNull(
        Type.String({
          minLength: 1,
          maxLength: 100,
          pattern: '^[\\x21-\\x7e]+$',
          description: 'A person of yours (`usr_…`), or an id of your own system. null: nobody.',
        }),
      ),
    ),
    unread_count: Type.Optional(Type.Literal(0, { description: 'It was read.' })),
  },
  { ...closed, minProperties: 1 },
);
export type PatchConversation = Static<typeof patchConversation>;

export const replyBody = Type.Object(
  {
    text: Type.Optional(Type.String({ minLength: 1, maxLength: 100_000, pattern: '\\S' })),
    template_id: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$' })),
    data: Type.Optional(Type.Record(Type.String({ maxLength: 128 }), Type.Unknown())),
    language: Type.Optional(Type.String({ pattern: '^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$' })),
    subject: Type.Optional(Type.String({ minLength: 1, maxLength: 998, pattern: '^(?=.*\\S)[^\\r\\n]*$' })),
    content: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: "The channel's own content, as in a notification." }),
    ),
    idempotency_key: Type.Optional(Type.String()),
  },
  { ...closed, minProperties: 1, description: 'One of `text`, `template_id` and `content`.' },
);
export type ReplyBody = Static<typeof replyBody>;
