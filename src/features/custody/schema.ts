/** What the operator sees of a quarantine, and says about it. */
import { type Static, Type } from '@sinclair/typebox';

const Time = Type.String({ format: 'date-time' });

export const quarantineView = Type.Object({
  object: Type.Literal('quarantine'),
  active: Type.Boolean(),
  since: Type.Union([Time, Type.Null()]),
  reason: Type.Union([Type.String(), Type.Null()]),
  messages: Type.Integer({ description: 'In all groups, shown or not.' }),
  has_more: Type.Boolean({ description: 'There are more groups than the thousand that are shown.' }),
  groups: Type.Array(
    Type.Object({
      tenant_id: Type.String(),
      bulk_id: Type.Union([Type.String(), Type.Null()]),
      messages: Type.Integer(),
      in_flight: Type.Integer({
        description: 'Of these, how many were being handed over when the backup was made: they may have left.',
      }),
      oldest_at: Time,
      newest_at: Time,
    }),
  ),
});
export type QuarantineView = Static<typeof quarantineView>;

export const choiceBody = Type.Object(
  {
    bulk_id: Type.Optional(Type.String({ maxLength: 64 })),
    before: Type.Optional(Type.String({ format: 'date-time', description: 'What was accepted before this.' })),
    all: Type.Optional(Type.Boolean({ description: 'Everything; this ends the quarantine.' })),
  },
  { additionalProperties: false },
);
export type ChoiceBody = Static<typeof choiceBody>;

export const chosenReply = Type.Object({ messages: Type.Integer() });
