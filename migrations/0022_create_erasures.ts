/**
 * Erasing a person: what is asked for, how far it is, and which messages were emptied, so that what a provider still says of
 * them can be emptied too. The addresses stand here sealed, and only until the work is done.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table erasures (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    -- What to look for; null once it is done.
    sealed text,
    -- Keyed hashes of the addresses.
    digests text[] not null,
    position jsonb not null,
    counts jsonb not null,
    -- Why it does not go on; null: it does.
    failure text,
    next_at timestamptz not null default clock_now(),
    created_at timestamptz not null default clock_now(),
    finished_at timestamptz
  );
  create index erasures_running on erasures (next_at) where finished_at is null;
  create index erasures_tenant on erasures (tenant_id, id);

  create table erased_messages (
    message_id uuid primary key,
    tenant_id uuid not null,
    erasure_id uuid not null references erasures on delete cascade,
    erased_at timestamptz not null default clock_now()
  );
  create index erased_messages_erasure on erased_messages (erasure_id, message_id);
  create index erased_messages_age on erased_messages (erased_at);

  alter table erasures enable row level security;
  alter table erased_messages enable row level security;
  do $$
  begin
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      grant select on erasures, erased_messages to carillon_reader;
      create policy own_rows on erasures for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
      create policy own_rows on erased_messages for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
    end if;
  end $$;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table erased_messages;
  drop table erasures;
`);
