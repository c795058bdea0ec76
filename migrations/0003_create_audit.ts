/** Who did what: keys, credentials, portal actions. Sends are audited by their own rows. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table audit_log (
    id uuid primary key,
    tenant_id uuid not null,
    actor_kind text not null check (actor_kind in ('key', 'user', 'operator')),
    actor_id text not null,
    action text not null,
    target text,
    detail jsonb,
    ip text,
    request_id text,
    at timestamptz not null default clock_now()
  );
  create index audit_log_tenant on audit_log (tenant_id, id);
  -- Written once. Not even the owner of the table changes a row by accident.
  create rule audit_log_keep_rows as on update to audit_log do instead nothing;
  create rule audit_log_keep as on delete to audit_log do instead nothing;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table audit_log;
`);
