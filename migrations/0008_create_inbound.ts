/** What providers tell us: the raw request first, then each receipt found in it, once. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table inbound_requests (
    id uuid primary key,
    connection_id uuid not null,
    method text not null,
    url text not null,
    headers jsonb not null,
    body bytea not null,
    received_at timestamptz not null default clock_now(),
    applied_at timestamptz,
    -- Not read before this: its connection could not be opened.
    due_at timestamptz not null default clock_now(),
    -- Why it could not be read; the bytes are kept, so that it can be once the fault is mended.
    error text
  ) partition by range (id);
  create index inbound_requests_waiting on inbound_requests (id) where applied_at is null;
  select ensure_partitions('inbound_requests', 90);
  -- Called at every start and once an hour, so that a month never begins without its partition.
  create function ensure_all_partitions() returns void language sql as $$
    select ensure_partitions('messages', 45), ensure_partitions('attempts', 85), ensure_partitions('events', 100), ensure_partitions('inbound_requests', 90)
  $$;

  create table receipts (
    connection_id uuid not null,
    key text not null,
    inbound_id uuid not null,
    tenant_id uuid,
    -- Null while no message of ours is known by the provider's id.
    message_id uuid,
    provider_id text,
    receipt text not null,
    fault text,
    provider_code text,
    provider_message text,
    -- The provider's time where it gave one, else ours.
    at timestamptz not null,
    received_at timestamptz not null default clock_now(),
    applied boolean not null default false,
    primary key (connection_id, key)
  );
  create index receipts_message on receipts (message_id) where message_id is not null;
  create index receipts_parked on receipts (connection_id, provider_id) where message_id is null;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop function ensure_all_partitions();
  drop table receipts, inbound_requests;
`);
