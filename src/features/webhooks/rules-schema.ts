/** Wire shapes of routing rules and of trying them. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';

const Time = Type.String({ format: 'date-time' });
const Id = Type.String({ maxLength: 64 });
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const closed = { additionalProperties: false } as const;

const wordsOf = (item: TSchema, description: string) =>
  Type.Optional(Type.Array(item as ReturnType<typeof Type.String>, { minItems: 1, maxItems: 20, description }));
const Word = Type.String({ minLength: 1, maxLength: 200 });

const LEAF = {
  event_type: wordsOf(
    Type.String({ pattern: '^[a-z]{1,32}\\.([a-z_]{1,32}|\\*)$', description: 'An event type, or `message.*`.' }),
    'Type of the event, or all of a kind: `message.*`.',
  ),
  channel: wordsOf(Type.String({ minLength: 1, maxLength: 64 }), 'Id of the channel it is about.'),
  message_type: wordsOf(
    Type.String({ pattern: '^[a-z_]{1,32}$', description: 'A kind of content, such as `image`.' }),
    'Of a message that came in: `text`, `image`, `button`, … `interactive` is button, list and form.',
  ),
  sender: wordsOf(
    Word,
    'How the address begins that it came from: `+62812`, `ada@`; or, after an @, how it ends: `@shop.example`.',
  ),
  keyword: wordsOf(Word, 'Whole words in the text, upper or lower case.'),
  regex: wordsOf(
    Word,
    'Regular expressions (RE2) found in the first 4,000 characters of the text; `(?i)` in front takes upper and lower case.',
  ),
};
const ONE = { ...closed, minProperties: 1, maxProperties: 1 };
const Leaf = Type.Object(LEAF, ONE);
export type Leaf = Static<typeof Leaf>;
const group = <T extends TSchema>(item: T, most: number) => ({
  all: Type.Optional(Type.Array(item, { maxItems: most, description: 'All of these hold. None: always.' })),
  any: Type.Optional(Type.Array(item, { minItems: 1, maxItems: most, description: 'One of these holds.' })),
});
export const Conditions = Type.Object(group(Type.Object({ ...LEAF, ...group(Leaf, 10) }, ONE), 10), {
  ...ONE,
  description:
    'Conditions, each with one property of which one value must hold; joined by `all` or `any`, which may hold one more `all` or `any`.',
});
export type Conditions = Static<typeof Conditions>;

const FIELDS = {
  name: Type.String({ maxLength: 200, description: 'For people, in lists.' }),
  priority: Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    description: 'The lowest is asked first; of equals the older. Default 100.',
  }),
  enabled: Type.Boolean({ description: 'Default true.' }),
  conditions: Conditions,
  targets: Type.Array(Id, {
    maxItems: 20,
    uniqueItems: true,
    description: 'Ids of webhooks whose `routing` is `rules`. None: it goes nowhere, and with `stop` nobody gets it.',
  }),
  stop: Type.Boolean({ description: 'No later rule is asked about what this one has matched. Default false.' }),
};

export const ruleParams = Type.Object({ rule_id: Id });

export const createRule = Type.Object(
  {
    name: Type.Optional(FIELDS.name),
    priority: Type.Optional(FIELDS.priority),
    enabled: Type.Optional(FIELDS.enabled),
    conditions: FIELDS.conditions,
    targets: FIELDS.targets,
    stop: Type.Optional(FIELDS.stop),
  },
  closed,
);
export type CreateRule = Static<typeof createRule>;
export const patchRule = Type.Partial(createRule, closed);
export type PatchRule = Static<typeof patchRule>;

export const ruleItem = Type.Object({
  id: Type.String(),
  object: Type.Literal('webhook_rule'),
  livemode: Type.Boolean(),
  ...FIELDS,
  created_at: Time,
  updated_at: Time,
});
export type RuleItem = Static<typeof ruleItem>;

const FACTS = {
  channel: Type.Optional(Type.String({ maxLength: 64 })),
  message_type: Type.Optional(Type.String({ maxLength: 32 })),
  sender: Type.Optional(Type.String({ maxLength: 320 })),
  text: Type.Optional(Type.String({ maxLength: 20_000 })),
};
const Sample = Type.Object({ event_type: Type.String({ maxLength: 64 }), ...FACTS }, closed);

export const tryRules = Type.Object(
  {
    event_id: Type.Optional(Type.String({ maxLength: 64, description: 'An event of the feed.' })),
    sample: Type.Optional(
      Type.Object(Sample.properties, { ...closed, description: 'Or what an event could be about.' }),
    ),
    rules: Type.Optional(
      Type.Array(createRule, { maxItems: 50, description: 'Instead of those that are kept, in their order.' }),
    ),
  },
  closed,
);
export type TryRules = Static<typeof tryRules>;

export const triedRules = Type.Object({
  object: Type.Literal('webhook_rule_test'),
  facts: Type.Object(Sample.properties, { description: 'What of the event rules may ask for.' }),
  rules: Type.Array(
    Type.Object({
      rule_id: orNull(Type.String({ description: 'Null: one of the request.' })),
      name: Type.String(),
      enabled: Type.Boolean(),
      matches: Type.Boolean({ description: 'Its conditions hold.' }),
      reached: Type.Boolean({ description: 'It is switched on, and no rule before it has stopped.' }),
      conditions: Type.Array(
        Type.Object({
          path: Type.String({ description: 'Where it stands, such as `all.0.any.1`.' }),
          condition: Type.Object(LEAF),
          found: orNull(
            Type.String({ description: 'What it was compared with. Null: the event has nothing of the kind.' }),
          ),
          matches: Type.Boolean(),
        }),
      ),
    }),
  ),
  endpoints: Type.Array(
    Type.Object({
      endpoint_id: Type.String(),
      name: Type.String(),
      gets: Type.Boolean(),
      why: Type.String(),
    }),
    { description: 'Every webhook, and whether it would be told.' },
  ),
});
export type TriedRules = Static<typeof triedRules>;
