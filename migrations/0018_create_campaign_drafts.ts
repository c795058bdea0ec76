/** Drafts of campaigns: a file that was uploaded in the portal, and what was said of it so far, until it is sent or forgotten. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table campaign_drafts (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    user_id text not null,
    -- Null once it was sent.
    csv bytea,
    settings jsonb not null,
    -- Somebody has pressed the button; another press waits for that one.
    sending_until timestamptz,
    -- What it became.
    bulk_id uuid,
    created_at timestamptz not null default clock_now()
  );
  create index campaign_drafts_user on campaign_drafts (tenant_id, mode, user_id, id);
  create index campaign_drafts_age on campaign_drafts (created_at);

  alter table campaign_drafts enable row level security;
  do $$
  begin
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      grant select on campaign_drafts to carillon_reader;
      create policy own_rows on campaign_drafts for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
    end if;
  end $$;
`);

export const down = (knex: Knex): Promise<void> => knex.raw('drop table campaign_drafts');
