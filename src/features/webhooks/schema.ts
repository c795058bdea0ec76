/** Wire shapes of webhook endpoints and of what was delivered to them. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { listQuery } from '../../lib/list.ts';
import { EVENT_TYPES } from '../events/index.ts';

const Time = Type.String({ format: 'date-time' });
const Id = Type.String({ maxLength: 64 });
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

const Url = Type.String({
  minLength: 1,
  maxLength: 2_000,
  description: 'Where deliveries go: https, port 443 or above 1023, a public address.',
});
const Name = Type.String({ maxLength: 200, description: 'For people, in lists.' });
const types = Object.keys(EVENT_TYPES).map((type) => Type.Literal(type));
const EventTypes = orNull(
  Type.Array(Type.Union(types), {
    minItems: 1,
    maxItems: 50,
    uniqueItems: true,
    description: 'Which events it is told of. Null: all but `message.queued`.',
  }),
);

const Routing = Type.Union([Type.Literal('subscriptions'), Type.Literal('rules')], {
  description:
    '`subscriptions` (default): it is told of `event_types`. `rules`: of what routing rules send to it, and of nothing else.',
});
const Format = Type.Union([Type.Literal('native'), Type.Literal('messages'), Type.Literal('meta')], {
  description:
    '`native` (default): our envelope. `messages`: `{event, data}` with `messages.received` and statuses, as bots of WhatsApp gateways read them. ' +
    '`meta`: what Meta has sent us, byte for byte, for a bot that was written for Meta; `X-Hub-Signature-256` is made with the secret as the app secret.',
});

const Heartbeat = orNull(
  Type.Integer({
    minimum: 60,
    maximum: 86_400,
    description: 'After so many seconds of silence it is sent an `endpoint.heartbeat`. Null: never.',
  }),
);

export const endpointParams = Type.Object({ endpoint_id: Id });
export const deliveryParams = Type.Object({ delivery_id: Id });

export const createEndpoint = Type.Object(
  {
    url: Url,
    name: Type.Optional(Name),
    event_types: Type.Optional(EventTypes),
    routing: Type.Optional(Routing),
    format: Type.Optional(Format),
    heartbeat_seconds: Type.Optional(Heartbeat),
  },
  { additionalProperties: false },
);
export type CreateEndpoint = Static<typeof createEndpoint>;

export const patchEndpoint = Type.Object(
  {
    url: Type.Optional(Url),
    name: Type.Optional(Name),
    event_types: Type.Optional(EventTypes),
    routing: Type.Optional(Routing),
    format: Type.Optional(Format),
    heartbeat_seconds: Type.Optional(Heartbeat),
  },
  { additionalProperties: false },
);
export type PatchEndpoint = Static<typeof patchEndpoint>;

export const resumeEndpoint = Type.Object(
  {
    drain_per_second: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000,
        description: 'How fast what has waited goes out. Absent: as fast as it is taken.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type ResumeEndpoint = Static<typeof resumeEndpoint>;

export const endpointItem = Type.Object({
  id: Type.String(),
  object: Type.Literal('webhook'),
  livemode: Type.Boolean(),
  name: Type.String(),
  url: Type.String(),
  event_types: orNull(Type.Array(Type.String())),
  routing: Routing,
  format: Format,
  status: Type.Union([Type.Literal('active'), Type.Literal('paused'), Type.Literal('disabled')], {
    description: 'While it is paused or disabled its events wait; nothing is lost.',
  }),
  disabled_reason: orNull(
    Type.Union([Type.Literal('failing'), Type.Literal('gone')], {
      description: '`gone`: it answered 410. `failing`: 24 failures in a row and none else for five days.',
    }),
  ),
  drain_per_second: orNull(Type.Integer({ description: 'While it catches up.' })),
  heartbeat_seconds: orNull(Type.Integer()),
  failures_in_row: Type.Integer(),
  failing_since: orNull(Time),
  last_success_at: orNull(Time),
  previous_secret_ends_at: orNull(Type.String({ format: 'date-time', description: 'Until then two secrets sign.' })),
  created_at: Time,
  updated_at: Time,
});
export type EndpointItem = Static<typeof endpointItem>;

export const endpointWithSecret = Type.Object({
  ...endpointItem.properties,
  secret: Type.String({ description: '`whsec_` and 32 bytes in base64. Shown now and never again.' }),
});
export type EndpointWithSecret = Static<typeof endpointWithSecret>;

const Fault = orNull(
  Type.String({
    description:
      'Why there was no answer: `blocked_address`, `unreachable`, `no_answer` (in time, or it broke off), `answer_too_long`, `no_secret`.',
  }),
);
const Answer = orNull(Type.String({ description: 'The first 4 KB of what the endpoint answered.' }));

export const testResult = Type.Object({
  object: Type.Literal('webhook_test'),
  delivery_id: Type.String(),
  is_success: Type.Boolean(),
  status_code: orNull(Type.Integer()),
  duration_ms: Type.Integer(),
  fault: Fault,
  answer: Answer,
});
export type TestResult = Static<typeof testResult>;

export const replayBody = Type.Object(
  {
    since: Type.Optional(
      Type.String({ format: 'date-time', description: 'Deliveries made at or after this. Absent: all that are kept.' }),
    ),
    until: Type.Optional(Type.String({ format: 'date-time', description: 'Deliveries made before this.' })),
    status: Type.Optional(
      Type.Union([Type.Literal('failed'), Type.Literal('all')], {
        description: '`failed` (default): what has failed and is not on its way again. `all`: delivered ones too.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type ReplayBody = Static<typeof replayBody>;

export const replayResult = Type.Object({
  object: Type.Literal('webhook_replay'),
  deliveries: Type.Integer({ description: 'How many are sent again.' }),
  has_more: Type.Boolean({ description: 'There are more than one call takes.' }),
  next_since: orNull(Type.String({ format: 'date-time', description: '`since` of the next call.' })),
});
export type ReplayResult = Static<typeof replayResult>;

const Status = Type.Union([Type.Literal('waiting'), Type.Literal('delivered'), Type.Literal('failed')]);

export const deliveryQuery = Type.Object(
  {
    ...listQuery.properties,
    endpoint_id: Type.Optional(Id),
    status: Type.Optional(Status),
    event_type: Type.Optional(Type.String({ maxLength: 64 })),
  },
  { additionalProperties: false },
);
export type DeliveryQuery = Static<typeof deliveryQuery>;

export const deliveryItem = Type.Object({
  id: Type.String(),
  object: Type.Literal('webhook_delivery'),
  livemode: Type.Boolean(),
  endpoint_id: Type.String(),
  event_id: Type.String({ description: 'The `webhook-id` it is sent with, the same in every repeat.' }),
  event_type: Type.String({ description: '`provider.request`: what a provider has sent us, passed on.' }),
  format: Type.String({ description: 'That of its webhook when it was made; `X-Carillon-Format` of the request.' }),
  sequence: Type.Integer({ description: 'Counts up by one with each event of its endpoint.' }),
  status: Status,
  tries: Type.Integer(),
  next_attempt_at: orNull(Time),
  replay_of: orNull(Type.String({ description: 'The delivery that told of the event first.' })),
  created_at: Time,
  ended_at: orNull(Time),
});
export type DeliveryItem = Static<typeof deliveryItem>;

export const deliveryView = Type.Object({
  ...deliveryItem.properties,
  headers: Type.Record(Type.String(), Type.String(), {
    description: 'What is sent with every try. Time and signature are made anew for each.',
  }),
  body: Type.String({ description: 'What is sent, byte for byte.' }),
  attempts: Type.Array(
    Type.Object({
      number: Type.Integer(),
      started_at: Time,
      duration_ms: Type.Integer(),
      status_code: orNull(Type.Integer()),
      fault: Fault,
      answer: Answer,
    }),
  ),
});
export type DeliveryView = Static<typeof deliveryView>;

export const logQuery = Type.Object(
  {
    is_success: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    offset: Type.Integer({ minimum: 0, maximum: 100_000, default: 0 }),
  },
  { additionalProperties: false },
);
export type LogQuery = Static<typeof logQuery>;

export const logReply = Type.Object({
  status: Type.Integer(),
  message: Type.String(),
  data: Type.Object({
    total: Type.Integer(),
    limit: Type.Integer(),
    offset: Type.Integer(),
    logs: Type.Array(
      Type.Object({
        url: Type.String(),
        status_code: orNull(Type.Integer()),
        duration_ms: Type.Integer(),
        is_success: Type.Boolean(),
        error: Fault,
        response: Answer,
        event: Type.String(),
        attempt: Type.Integer(),
        delivery_id: Type.String(),
        created_at: Time,
      }),
    ),
  }),
});
export type LogReply = Static<typeof logReply>;
