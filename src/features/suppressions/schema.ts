/** Wire shapes of suppressions. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { listQuery } from '../../lib/list.ts';

const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Channel = Type.String({ minLength: 1, maxLength: 64, description: 'Such as `sms`.' });
const Address = Type.String({
  minLength: 1,
  maxLength: 320,
  description: 'As it is written in a recipient: a number, a mail address, a member ID.',
});

/** Every reason, with what it says. */
export const REASONS = {
  stop_word: 'The person answered STOP, or the provider refuses because of such an answer.',
  unsubscribe: 'The person used the link or the button of a mail.',
  hard_bounce: 'A message came back: there is no such address.',
  complaint: 'The person called a message spam.',
  preference: 'The person has told the provider.',
  manual: 'Added by API or by hand.',
} as const;
export type Reason = keyof typeof REASONS;
const Reason = Type.Union(
  (Object.keys(REASONS) as Reason[]).map((reason) => Type.Literal(reason)),
  {
    description: Object.entries(REASONS)
      .map(([reason, says]) => `\`${reason}\`: ${says}`)
      .join(' '),
  },
);
const Scope = Type.Union([Type.Literal('all'), Type.Literal('marketing')], {
  description: '`marketing` lets transactional messages and one-time codes through; `all` nothing.',
});

export const suppressionParams = Type.Object({ suppression_id: Type.String({ maxLength: 64 }) });

export const addSuppression = Type.Object(
  {
    channel: Channel,
    address: Address,
    scope: Type.Optional(Scope),
    reason: Type.Optional(Reason),
    connection_id: Type.Optional(
      Type.String({ maxLength: 64, description: 'Only what this connection sends. Absent: all of the channel.' }),
    ),
    note: Type.Optional(Type.String({ maxLength: 500, description: 'For those who look at the list.' })),
  },
  { additionalProperties: false },
);
export type AddSuppression = Static<typeof addSuppression>;

export const addSuppressions = Type.Object(
  {
    suppressions: Type.Array(addSuppression, {
      minItems: 1,
      maxItems: 1_000,
      description: 'One or up to 1,000; all are added or none. Defaults: scope `all`, reason `manual`.',
    }),
  },
  { additionalProperties: false },
);

export const suppressionQuery = Type.Object(
  {
    ...listQuery.properties,
    channel: Type.Optional(Channel),
    address: Type.Optional(Address),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
);
export type SuppressionQuery = Static<typeof suppressionQuery>;

export const suppressionItem = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('suppression'),
    livemode: Type.Boolean(),
    channel: Type.String(),
    address: orNull(Type.String({ description: 'Null once the person was erased: the address is still recognised.' })),
    scope: Scope,
    reason: Reason,
    connection_id: orNull(Type.String({ description: 'The sender it is about. Null: all of the channel.' })),
    message_id: orNull(
      Type.String({ description: 'The message that it followed: one of yours, or the one that said STOP.' }),
    ),
    note: orNull(Type.String()),
    created_by: orNull(Type.String({ description: 'The key or the user that added it. Null: nobody of yours did.' })),
    created_at: Type.String({ format: 'date-time' }),
  },
  { additionalProperties: false },
);
export type SuppressionItem = Static<typeof suppressionItem>;
