/** Wire shapes of alert rules and of alerts. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { listQuery } from '../../lib/list.ts';

const Time = Type.String({ format: 'date-time' });
const Id = Type.String({ maxLength: 64 });
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const closed = { additionalProperties: false } as const;

const Metric = Type.Union(
  [
    Type.Literal('failure_rate'),
    Type.Literal('failures'),
    Type.Literal('latency_p95'),
    Type.Literal('endpoint_failures'),
  ],
  {
    description:
      '`failure_rate`: per cent of messages that failed. `failures`: how many. `latency_p95`: seconds from hand-over to arrival, which one ' +
      'message in twenty exceeds. `endpoint_failures`: failures in a row of a webhook.',
  },
);
export type Metric = Static<typeof Metric>;

export const Target = Type.Object(
  {
    email: Type.Optional(
      Type.String({
        maxLength: 320,
        description: 'Somebody who signs in to this account; from the installation itself.',
      }),
    ),
    channel: Type.Optional(
      Type.String({ maxLength: 64, description: 'Or a message of your own through one of your channels, …' }),
    ),
    recipient: Type.Optional(
      Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 320 }), {
        maxProperties: 10,
        description: '… to this recipient, as for send.',
      }),
    ),
  },
  closed,
);
export type Target = Static<typeof Target>;

const FIELDS = {
  name: Type.String({ minLength: 1, maxLength: 200 }),
  enabled: Type.Boolean({ description: 'Default true.' }),
  metric: Metric,
  threshold: Type.Number({
    exclusiveMinimum: 0,
    maximum: 1_000_000_000,
    description: 'Reached or exceeded: a breach.',
  }),
  window_minutes: Type.Integer({ minimum: 1, maximum: 1_440, description: 'How far back is looked. Default 15.' }),
  min_messages: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    description: 'Below so many messages in the window nothing is a breach. Default 1.',
  }),
  channel: orNull(Type.String({ maxLength: 64, description: 'Only messages of this channel. Null: all.' })),
  template_id: orNull(Type.String({ maxLength: 128, description: 'Only messages of this template. Null: all.' })),
  targets: Type.Array(Target, {
    maxItems: 10,
    description: 'Who is told, beside the webhooks that subscribe to `alert.fired` and `alert.recovered`.',
  }),
};

export const alertRuleParams = Type.Object({ alert_rule_id: Id });
export const createAlertRule = Type.Object(
  {
    name: FIELDS.name,
    metric: FIELDS.metric,
    threshold: FIELDS.threshold,
    enabled: Type.Optional(FIELDS.enabled),
    window_minutes: Type.Optional(FIELDS.window_minutes),
    min_messages: Type.Optional(FIELDS.min_messages),
    channel: Type.Optional(FIELDS.channel),
    template_id: Type.Optional(FIELDS.template_id),
    targets: Type.Optional(FIELDS.targets),
  },
  closed,
);
export type CreateAlertRule = Static<typeof createAlertRule>;
export const patchAlertRule = Type.Partial(createAlertRule, closed);
export type PatchAlertRule = Static<typeof patchAlertRule>;

export const alertRuleItem = Type.Object({
  id: Type.String(),
  object: Type.Literal('alert_rule'),
  livemode: Type.Boolean(),
  ...FIELDS,
  created_at: Time,
  updated_at: Time,
});
export type AlertRuleItem = Static<typeof alertRuleItem>;

export const alertQuery = Type.Object(
  {
    ...listQuery.properties,
    status: Type.Optional(
      Type.Union([Type.Literal('open'), Type.Literal('recovered')], { description: 'Absent: both.' }),
    ),
  },
  closed,
);
export type AlertQuery = Static<typeof alertQuery>;

export const alertItem = Type.Object({
  id: Type.String(),
  object: Type.Literal('alert'),
  livemode: Type.Boolean(),
  alert_rule_id: Type.String(),
  name: Type.String({ description: 'Name, metric and threshold are those of the rule when it fired.' }),
  metric: Metric,
  threshold: Type.Number(),
  value: Type.Number({ description: 'When it fired.' }),
  status: Type.Union([Type.Literal('open'), Type.Literal('recovered')]),
  fired_at: Time,
  recovered_at: orNull(Time),
});
export type AlertItem = Static<typeof alertItem>;
