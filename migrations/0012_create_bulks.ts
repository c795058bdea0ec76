/**
 * Bulks: one request for many people. Their messages are ordinary messages; what waits of them stands in ranges of the due
 * table. Progress is told in small sums that are only ever added, so that no row is fought over.
 */
import type { Knex } from 'knex';

const TABLES = ['bulks', 'bulk_errors', 'bulk_tallies'];

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table bulks (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    name text,
    -- receiving: rows still come in, or the upload broke off; nothing of it is sent.
    status text not null check (status in ('receiving', 'running', 'paused', 'cancelled')),
    -- What all rows share, as it was asked for.
    request jsonb not null,
    rows int not null default 0,
    accepted int not null default 0,
    rejected int not null default 0,
    -- The messages of the bulk lie in this range of ids (others may lie there too).
    after_id uuid,
    last_id uuid,
    idempotency_key text,
    -- SHA-256 over the rows so far, by which an upload that goes on proves to be the same.
    rows_hash bytea,
    -- Whoever receives renews it; after it the upload has broken off.
    receiving_until timestamptz,
    send_at timestamptz,
    actor_id text not null,
    ip text,
    request_id text,
    created_at timestamptz not null,
    released_at timestamptz,
    finished_at timestamptz
  );
  create index bulks_tenant on bulks (tenant_id, mode, id);
  create unique index bulks_receiving on bulks (tenant_id, mode, idempotency_key) where status = 'receiving' and idempotency_key is not null;

  create table bulk_errors (
    bulk_id uuid not null,
    -- Counted from 0, as in the answer.
    row int not null,
    tenant_id uuid not null,
    error jsonb not null,
    primary key (bulk_id, row)
  );

  create table bulk_tallies (
    bulk_id uuid not null,
    tenant_id uuid not null,
    at timestamptz not null default clock_now(),
    queued int not null default 0,
    sent int not null default 0,
    delivered int not null default 0,
    failed int not null default 0
  );
  create index bulk_tallies_bulk on bulk_tallies (bulk_id, at);

  alter table messages add bulk_row int;

  do $$
  declare tab text;
  begin
    foreach tab in array array['${TABLES.join("', '")}'] loop
      execute format('alter table %I enable row level security', tab);
      if exists (select from pg_roles where rolname = 'carillon_reader') then
        execute format('grant select on %I to carillon_reader', tab);
        execute format('create policy own_rows on %I for select to carillon_reader using (tenant_id = nullif(current_setting(''carillon.tenant'', true), '''')::uuid)', tab);
      end if;
    end loop;
  end $$;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  alter table messages drop bulk_row;
  drop table bulk_tallies, bulk_errors, bulks;
`);
