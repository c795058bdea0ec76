/** Wire shapes of contacts. */
import { type Static, Type } from '@sinclair/typebox';
import { listQuery } from '../../lib/list.ts';

const Time = Type.String({ format: 'date-time' });
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

const text = (max: number, description: string) =>
  Type.String({ minLength: 1, maxLength: max, pattern: '\\S', description });
const Phone = Type.String({
  pattern: '^\\+[1-9]\\d{6,14}$',
  description: 'E.164: a plus sign, the country code, the number; no spaces.',
});
const Email = Type.String({ format: 'email', maxLength: 320 });
const Metadata = Type.Record(Type.String({ maxLength: 128 }), Type.Unknown(), {
  maxProperties: 50,
  description: 'Whatever you want to remember; at most 50 names.',
});

const identity = Type.Object(
  {
    kind: Type.String({
      pattern: '^[a-z][a-z0-9_]{0,63}$',
      description: '`phone`, `email`, or a name of a provider such as `slack_user`.',
    }),
    value: text(320, 'The name itself.'),
    scope: Type.Optional(
      Type.String({ maxLength: 320, description: 'Within what it means this person, such as a workspace.' }),
    ),
    connection_id: Type.Optional(
      Type.String({ maxLength: 64, description: 'The connection within which it means this person.' }),
    ),
  },
  { additionalProperties: false },
);

const fields = {
  external_id: text(255, 'Your own id of this person. Nobody else has it.'),
  name: text(320, 'As it is shown.'),
  email: Email,
  phone: Phone,
};

export const createContact = Type.Object(
  {
    external_id: Type.Optional(fields.external_id),
    name: Type.Optional(fields.name),
    email: Type.Optional(fields.email),
    phone: Type.Optional(fields.phone),
    identities: Type.Optional(Type.Array(identity, { maxItems: 50 })),
    metadata: Type.Optional(Metadata),
  },
  { additionalProperties: false },
);
export type CreateContact = Static<typeof createContact>;

export const patchContact = Type.Object(
  {
    external_id: Type.Optional(orNull(fields.external_id)),
    name: Type.Optional(orNull(fields.name)),
    email: Type.Optional(orNull(fields.email)),
    phone: Type.Optional(orNull(fields.phone)),
    identities: Type.Optional(
      Type.Array(identity, { maxItems: 50, description: 'All that there are to be, beside `email` and `phone`.' }),
    ),
    metadata: Type.Optional(Metadata),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type PatchContact = Static<typeof patchContact>;

export const contactCard = Type.Object(
  {
    id: Type.String(),
    external_id: orNull(Type.String()),
    name: orNull(Type.String()),
    email: orNull(Type.String()),
    phone: orNull(Type.String()),
  },
  { additionalProperties: false },
);
export type ContactCard = Static<typeof contactCard>;

export const contactItem = Type.Object(
  {
    ...contactCard.properties,
    object: Type.Literal('contact'),
    livemode: Type.Boolean(),
    identities: Type.Array(
      Type.Object(
        {
          kind: Type.String(),
          value: Type.String(),
          scope: orNull(Type.String()),
          connection_id: orNull(Type.String({ description: 'Whose account has seen it; null: you have said it.' })),
          created_at: Time,
        },
        { additionalProperties: false },
      ),
    ),
    metadata: Type.Record(Type.String(), Type.Unknown()),
    merges: Type.Array(
      Type.Object(
        { id: Type.String(), contact_id: Type.String(), name: orNull(Type.String()), created_at: Time },
        { additionalProperties: false },
      ),
      { description: 'The contacts that were merged into this one. What they say shows where this one says nothing.' },
    ),
    created_at: Time,
    updated_at: Time,
  },
  { additionalProperties: false },
);
export type ContactItem = Static<typeof contactItem>;

export const contactQuery = Type.Object(
  {
    ...listQuery.properties,
    search: Type.Optional(
      text(320, 'In the name, the address or the external id of a contact, or one of its identities in full.'),
    ),
    external_id: Type.Optional(fields.external_id),
  },
  { additionalProperties: false },
);
export type ContactQuery = Static<typeof contactQuery>;

export const contactParams = Type.Object({ contact_id: Type.String({ maxLength: 64 }) });
export const mergeParams = Type.Object({
  contact_id: Type.String({ maxLength: 64 }),
  merge_id: Type.String({ maxLength: 64 }),
});
export const mergeBody = Type.Object(
  { contact_id: Type.String({ maxLength: 64, description: 'The contact that is to become a part of this one.' }) },
  { additionalProperties: false },
);
