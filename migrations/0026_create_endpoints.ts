/**
 * Webhooks to tenants. An endpoint is a cursor in the feed of events; what it has passed and subscribed to becomes deliveries,
 * one for each event, with the very bytes that are sent. Secrets stand apart, where the reading role does not look.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table endpoints (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    name text not null,
    url text not null,
    -- Null: all but message.queued.
    event_types text[],
    status text not null default 'active' check (status in ('active', 'paused', 'disabled', 'archived')),
    disabled_reason text check (disabled_reason in ('failing', 'gone')),
    -- The cursor: what comes after it in the feed is still to be told.
    position bigint not null,
    event_id uuid not null,
    -- Of the last delivery.
    sequence bigint not null default 0,
    -- Until the feed has been caught up with.
    drain_per_second int,
    -- No delivery is due before the one that was made last.
    drained_to timestamptz,
    -- Told at least so often that it is still told.
    heartbeat_seconds int,
    told_at timestamptz not null default clock_now(),
    failures_in_row int not null default 0,
    failing_since timestamptz,
    last_success_at timestamptz,
    -- How long the secret before still signs.
    overlap_until timestamptz,
    created_at timestamptz not null default clock_now(),
    updated_at timestamptz not null default clock_now()
  );
  create index endpoints_tenant on endpoints (tenant_id, mode, id) where status <> 'archived';
  create index endpoints_active on endpoints (id) where status = 'active';
  create index endpoints_heartbeat on endpoints (id) where status = 'active' and heartbeat_seconds is not null;

  create table endpoint_secrets (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    endpoint_id uuid not null references endpoints,
    sealed text not null,
    created_at timestamptz not null default clock_now(),
    -- Null: the newest.
    ends_at timestamptz
  );
  create index endpoint_secrets_endpoint on endpoint_secrets (endpoint_id, id);

  create table deliveries (
    id uuid primary key,
    tenant_id uuid not null,
    mode text not null,
    endpoint_id uuid not null references endpoints,
    event_id uuid not null,
    event_type text not null,
    sequence bigint not null,
    -- What is sent, every time the same.
    body text not null,
    status text not null default 'waiting' check (status in ('waiting', 'delivered', 'failed')),
    tries smallint not null default 0,
    -- When it is due; while somebody has it, the end of the lease.
    run_at timestamptz not null default clock_now(),
    owner uuid,
    fence int not null default 0,
    -- Sent again on request: the delivery that told of the event first.
    replay_of uuid,
    created_at timestamptz not null default clock_now(),
    ended_at timestamptz
  );
  create unique index deliveries_event on deliveries (endpoint_id, event_id) where replay_of is null;
  create index deliveries_due on deliveries (endpoint_id, run_at, sequence) where status = 'waiting';
  create index deliveries_leased on deliveries (endpoint_id) where owner is not null;
  create index deliveries_endpoint on deliveries (endpoint_id, id);
  create index deliveries_tenant on deliveries (tenant_id, mode, id);
  create index deliveries_replays on deliveries (replay_of) where replay_of is not null;
  create index deliveries_tests on deliveries (tenant_id, id) where event_type = 'endpoint.test';

  create table delivery_attempts (
    delivery_id uuid not null references deliveries on delete cascade,
    number smallint not null,
    tenant_id uuid not null,
    started_at timestamptz not null,
    duration_ms int not null,
    status_code int,
    -- Why there was no answer.
    fault text,
    -- Its first 4 KB.
    answer text,
    primary key (delivery_id, number)
  );
  create index delivery_attempts_tenant on delivery_attempts (tenant_id, delivery_id);

  alter table endpoints enable row level security;
  alter table deliveries enable row level security;
  alter table delivery_attempts enable row level security;
  do $$
  begin
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      grant select on endpoints, deliveries, delivery_attempts to carillon_reader;
      create policy own_rows on endpoints for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
      create policy own_rows on deliveries for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
      create policy own_rows on delivery_attempts for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
    end if;
  end $$;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table delivery_attempts;
  drop table deliveries;
  drop table endpoint_secrets;
  drop table endpoints;
`);
