/** Who is to be erased, and how far it is. */
import { type Static, Type } from '@sinclair/typebox';

const Time = Type.String({ format: 'date-time' });

export const person = Type.Object(
  {
    recipient: Type.Record(Type.String({ maxLength: 64 }), Type.String({ minLength: 1, maxLength: 320 }), {
      minProperties: 1,
      maxProperties: 10,
      description: 'The person as in a send: phone, email and whatever else a channel knows somebody by.',
    }),
  },
  { additionalProperties: false },
);
export type Person = Static<typeof person>;

export const erasureView = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('erasure'),
    status: Type.Union([Type.Literal('running'), Type.Literal('completed')]),
    phase: Type.Union([Type.String(), Type.Null()], { description: 'What it is at; null once it is done.' }),
    failure: Type.Union([Type.String(), Type.Null()], {
      description: 'Why it does not go on; it is tried again by itself. Null: it does.',
    }),
    counts: Type.Object(
      {
        notifications: Type.Integer(),
        messages: Type.Integer({ description: 'Emptied of address, recipient and content.' }),
        cancelled: Type.Integer({ description: 'Of these, how many still waited and are never sent.' }),
        callbacks: Type.Integer({ description: 'Requests of providers whose bytes are gone.' }),
        mentions: Type.Integer({ description: 'Other rows in which the address was replaced.' }),
      },
      { additionalProperties: false },
    ),
    created_at: Time,
    finished_at: Type.Union([Time, Type.Null()]),
  },
  { additionalProperties: false, $id: 'Erasure' },
);
export type ErasureView = Static<typeof erasureView>;

export const erasureParams = Type.Object({ erasure_id: Type.String({ maxLength: 64 }) });
