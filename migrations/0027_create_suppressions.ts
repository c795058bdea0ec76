/**
 * Who may not be written to. An address stands here as a keyed hash, which is what a send is compared with and what is left of
 * a person who was erased, and sealed beside it for those who look at the list.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table suppressions (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    channel text not null,
    -- Of tenant, channel and address.
    digest text not null,
    -- The address, sealed; null once its person was erased.
    sealed text,
    -- The sender that is not to write any more; null: all of the channel.
    connection_id uuid references connections,
    scope text not null check (scope in ('all', 'marketing')),
    reason text not null check (reason in ('stop_word', 'unsubscribe', 'hard_bounce', 'complaint', 'preference', 'manual')),
    -- The message of ours that it followed.
    message_id uuid,
    note text,
    created_by text,
    created_at timestamptz not null default clock_now()
  );
  create unique index suppressions_digest on suppressions (digest, mode, reason, scope, connection_id) nulls not distinct;
  create index suppressions_tenant on suppressions (tenant_id, mode, id);

  alter table suppressions enable row level security;
  do $$
  begin
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      grant select on suppressions to carillon_reader;
      create policy own_rows on suppressions for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
    end if;
  end $$;
`);

export const down = (knex: Knex): Promise<void> => knex.raw('drop table suppressions;');
