/** Wire shapes of auto-replies. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';

const closed = { additionalProperties: false } as const;
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Id = Type.String({ maxLength: 64 });

/** When a rule is asked at all. */
export const TRIGGERS = {
  keyword: 'The message is one of `keywords`, or contains one.',
  default: 'No rule with a keyword fits.',
  stop: 'The person said STOP: the one answer that still goes out.',
  start: 'The person said START.',
  help: 'The person said HELP.',
} as const;
const Trigger = Type.Union(
  (Object.keys(TRIGGERS) as (keyof typeof TRIGGERS)[]).map((trigger) => Type.Literal(trigger)),
  {
    description: Object.entries(TRIGGERS)
      .map(([trigger, says]) => `\`${trigger}\`: ${says}`)
      .join(' '),
  },
);
const Keywords = Type.Array(Type.String({ minLength: 1, maxLength: 100, pattern: '\\S' }), {
  maxItems: 50,
  description: 'Compared without case and surrounding spaces.',
});
const Match = Type.Union([Type.Literal('exact'), Type.Literal('contains')], {
  description: '`exact`: the whole message. `contains`: as whole words, anywhere in it.',
});
const Reply = Type.Object(
  {
    text: Type.Optional(Type.String({ minLength: 1, maxLength: 10_000, pattern: '\\S' })),
    subject: Type.Optional(Type.String({ minLength: 1, maxLength: 998, pattern: '^(?=.*\\S)[^\\r\\n]*$' })),
    template_id: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$' })),
    data: Type.Optional(Type.Record(Type.String({ maxLength: 128 }), Type.Unknown())),
    language: Type.Optional(Type.String({ pattern: '^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$' })),
    content: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "The channel's own content, such as buttons. The rule then names its `channel`.",
      }),
    ),
  },
  { ...closed, minProperties: 1, description: 'One of `text`, `template_id` and `content`.' },
);
export type Reply = Static<typeof Reply>;

const fields = {
  name: Type.String({ maxLength: 200, description: 'For people, in lists.' }),
  trigger: Trigger,
  keywords: Keywords,
  match: Match,
  channel: orNull(Type.String({ minLength: 1, maxLength: 64, description: 'Null: any.' })),
  connection_id: orNull(Type.String({ maxLength: 64, description: 'Only what is written to this one. Null: any.' })),
  reply: Reply,
  position: Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'The lowest that fits answers.' }),
  pause_minutes: Type.Integer({
    minimum: 0,
    maximum: 43_200,
    description: 'A person gets this answer at most once in so many minutes. 0: every time.',
  }),
  is_active: Type.Boolean(),
};

export const createAutoReply = Type.Object(
  { ...Type.Partial(Type.Object(fields)).properties, trigger: fields.trigger, reply: fields.reply },
  closed,
);
export type CreateAutoReply = Static<typeof createAutoReply>;
export const patchAutoReply = Type.Partial(Type.Object(fields), closed);
export type PatchAutoReply = Static<typeof patchAutoReply>;
export const autoReplyParams = Type.Object({ auto_reply_id: Id });

export const autoReplyItem = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('auto_reply'),
    livemode: Type.Boolean(),
    ...fields,
    failure_code: orNull(Type.String({ description: 'Why the last answer that failed could not be given.' })),
    failed_at: orNull(Type.String({ format: 'date-time' })),
    created_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
  },
  closed,
);
export type AutoReplyItem = Static<typeof autoReplyItem>;
