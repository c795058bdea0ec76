/** Connections and gateways as they look outside. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';

const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const time = Type.String({ format: 'date-time' });
const name = Type.String({
  pattern: '^(?=.*\\S)[^\\u0000-\\u001f\\u007f]{1,100}$',
  description: '1 to 100 characters on one line.',
});
const word = Type.String({ pattern: '^[a-z][a-z0-9_]{0,39}$', description: 'lower-case letters, digits and _' });
const position = Type.Integer({ minimum: 0, maximum: 10_000, description: 'Order within the channel, lowest first.' });
const credentials = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  description: "The adapter's own fields. Secret ones are stored encrypted and never read back.",
});

const limit = (type: 'number' | 'integer', judged: object) =>
  Type.Optional(Type.Unsafe<number | null>({ type: [type, 'null'], ...judged }));
/** `null` goes back to what the adapter allows. */
export const limits = Type.Object(
  {
    per_second: limit('number', { minimum: 0.1, maximum: 100_000, description: 'Calls a second.' }),
    concurrency: limit('integer', { minimum: 1, maximum: 4_096, description: 'Calls in flight per process.' }),
  },
  {
    additionalProperties: false,
    description:
      'What this account at the provider may take, instead of what the adapter assumes. null: the adapter’s own.',
  },
);
export type Limits = Static<typeof limits>;

export const connectionParams = Type.Object({
  connection_id: Type.String({ pattern: '^con_[0-9A-HJKMNP-TV-Z]{26}$' }),
});

export const createConnection = Type.Object(
  {
    channel: word,
    adapter: Type.Optional(Type.String({ ...word, description: "Default: the channel's first." })),
    name: Type.Optional(name),
    credentials,
    is_default: Type.Optional(
      Type.Literal(true, {
        description: 'Live sends of the channel go here. The first connection of a channel is it anyway.',
      }),
    ),
    position: Type.Optional(position),
    limits: Type.Optional(limits),
  },
  { additionalProperties: false },
);
export type CreateConnection = Static<typeof createConnection>;

export const patchConnection = Type.Object(
  {
    name: Type.Optional(name),
    credentials: Type.Optional(credentials),
    is_default: Type.Optional(Type.Literal(true)),
    position: Type.Optional(position),
    limits: Type.Optional(limits),
  },
  { additionalProperties: false },
);
export type PatchConnection = Static<typeof patchConnection>;

const health = Type.Union(
  [Type.Literal('unknown'), Type.Literal('ok'), Type.Literal('failing'), Type.Literal('resting')],
  { description: 'failing: left alone and tried now and then. resting: the provider has asked for a pause.' },
);

export const connectionItem = Type.Object({
  id: Type.String(),
  object: Type.Literal('connection'),
  livemode: Type.Boolean(),
  channel: Type.String(),
  adapter: Type.String(),
  name: Type.String(),
  settings: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
  secrets: Type.Record(Type.String(), Type.Object({ set: Type.Boolean(), last_four: Type.Optional(Type.String()) })),
  is_default: Type.Boolean(),
  position: Type.Integer(),
  limits: Type.Object({
    per_second: Type.Union([Type.Number(), Type.Null()]),
    concurrency: Type.Union([Type.Integer(), Type.Null()]),
  }),
  health: Type.Object({
    status: Type.Union([...health.anyOf, Type.Literal('probing')], {
      description: `${health.description} probing: that pause is over, and the next message tells.`,
    }),
    note: orNull(Type.String({ description: 'The last words about it, the provider’s own where it had some.' })),
    at: orNull(time),
    since: orNull(time),
    until: orNull(Type.String({ format: 'date-time', description: 'Nothing is sent before; messages wait.' })),
    cause: orNull(
      Type.Object({
        code: Type.String(),
        owner: Type.String({ description: 'Who must act: tenant, provider or platform.' }),
        message: Type.String(),
        fix: Type.String(),
      }),
    ),
    waiting: Type.Integer({
      description: 'Messages that are due and wait for this connection; counted to ten thousand or more.',
    }),
  }),
  callback_url: orNull(Type.String()),
  created_at: time,
  updated_at: time,
});
export type ConnectionItem = Static<typeof connectionItem>;

export const testResult = Type.Object({ ok: Type.Literal(true), note: Type.String(), tested_at: time });
export type TestResult = Static<typeof testResult>;

export const gatewayItem = Type.Object({
  id: Type.String(),
  object: Type.Literal('gateway'),
  channel: Type.String(),
  label: Type.String(),
  status: health,
  sender: orNull(Type.String()),
  throughput: Type.Number({ description: 'Messages a second.' }),
  is_default: Type.Boolean({ description: 'What a send on this channel uses.' }),
});
export type GatewayItem = Static<typeof gatewayItem>;
