/**
 * What an endpoint is told of, and in which words: rules of the tenant that send events to endpoints, the format of what is
 * sent, and bulks of which it was said that they have come to their end.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  alter table endpoints
    add column routing text not null default 'subscriptions' check (routing in ('subscriptions', 'rules')),
    add column format text not null default 'native';
  -- Who wants the words of providers as they came.
  create index endpoints_raw on endpoints (tenant_id, mode) where format not in ('native', 'messages') and status <> 'archived';
  -- That of the endpoint when it was made.
  alter table deliveries add column format text not null default 'native';

  create table webhook_rules (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    name text not null,
    -- The lowest first; of equals the older.
    priority int not null,
    enabled boolean not null,
    conditions jsonb not null,
    -- Endpoints; none: nobody.
    targets uuid[] not null,
    -- What it has matched is shown to no later rule.
    stop boolean not null,
    created_at timestamptz not null default clock_now(),
    updated_at timestamptz not null default clock_now()
  );
  create index webhook_rules_tenant on webhook_rules (tenant_id, mode, id);
  alter table webhook_rules enable row level security;
  do $$
  begin
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      grant select on webhook_rules to carillon_reader;
      create policy own_rows on webhook_rules for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
    end if;
  end $$;

  -- When its end was told.
  alter table bulks add column told_at timestamptz;
  update bulks b set told_at = clock_now() where released_at is not null and not exists (select from due d where d.bulk_id = b.id)
    or status = 'cancelled' and finished_at is not null;
  create index bulks_untold on bulks (id) where told_at is null and status <> 'receiving';
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop index bulks_untold;
  alter table bulks drop told_at;
  drop table webhook_rules;
  alter table deliveries drop format;
  drop index endpoints_raw;
  alter table endpoints drop routing, drop format;
`);
