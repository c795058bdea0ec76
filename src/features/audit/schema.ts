/** What the audit log looks like outside. */
import { type Static, Type } from '@sinclair/typebox';

const orNull = <T extends ReturnType<typeof Type.String>>(schema: T) => Type.Union([schema, Type.Null()]);

export const auditItem = Type.Object({
  id: Type.String(),
  object: Type.Literal('audit_entry'),
  action: Type.String({ description: 'What was done, in the past tense: `key.created`.' }),
  actor: Type.Object({
    kind: Type.Union([Type.Literal('key'), Type.Literal('user'), Type.Literal('operator')]),
    id: Type.String(),
  }),
  surface: Type.Union([Type.Literal('api'), Type.Literal('portal'), Type.Literal('admin')]),
  target: orNull(Type.String()),
  result: Type.Literal('succeeded', { description: 'Only what took effect is recorded.' }),
  detail: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
  ip: orNull(Type.String()),
  request_id: orNull(Type.String()),
  hash: Type.Union([Type.String(), Type.Null()], {
    description:
      'SHA-256 over the entry and the hash before it, within seconds; null until then. `carillon verify` checks them.',
  }),
  created_at: Type.String({ format: 'date-time' }),
});
export type AuditItem = Static<typeof auditItem>;
