/**
 * The pipeline. A message row holds what was asked and how it stands; a due row says when a worker may take it and who
 * has; an attempt row exists before the first byte leaves. Message rows carry no index over a column that a status change
 * touches, so that status changes stay heap-only.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table messages (
    -- The notification has the same id but for the last digit, which is 0.
    id uuid primary key,
    tenant_id uuid not null,
    mode text not null check (mode in ('live', 'sandbox')),
    channel text not null,
    address text not null,
    recipient jsonb not null,
    connection_id uuid not null,
    template_version_id uuid,
    template_slug text,
    language text,
    -- What there is to render: raw fields, data, the channel's own content.
    input jsonb not null,
    category text not null,
    lane smallint not null check (lane between 0 and 2),
    on_unknown text not null check (on_unknown in ('wait', 'resend')),
    created_at timestamptz not null,
    -- Asked for later than at once.
    send_at timestamptz,
    -- No attempt begins after this.
    expires_at timestamptz not null,
    idempotency_key text,
    retry_of uuid,
    bulk_id uuid,
    actor_id text not null,
    ip text,
    request_id text,

    status text not null default 'queued' check (status in ('queued', 'sent', 'delivered', 'failed')),
    -- Written once, when nothing more is expected.
    outcome text check (outcome in ('delivered', 'failed', 'expired', 'cancelled', 'unreceipted', 'unknown')),
    failure_code text,
    attempts smallint not null default 0,
    outcome_unknown boolean not null default false,
    next_attempt_at timestamptz,
    sent_at timestamptz,
    delivered_at timestamptz,
    failed_at timestamptz,
    read_at timestamptz,
    complained_at timestamptz
  ) partition by range (id);
  create index messages_tenant on messages (tenant_id, mode, id);
  create index messages_address on messages (tenant_id, address, id);
  -- More than half of a page stays free: all its messages can change their status at once, grow by it, and stay there.
  select ensure_partitions('messages', 45);

  -- When a worker may take a message. A claim moves run_at to the end of its lease, so a lapsed lease is due again by itself.
  create table due (
    id uuid primary key,
    kind text not null default 'message',
    tenant_id uuid not null,
    connection_id uuid not null,
    lane smallint not null,
    run_at timestamptz not null,
    owner uuid,
    fence int not null default 0
  ) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
  create index due_ready on due (connection_id, lane, run_at);

  create table attempts (
    message_id uuid not null,
    number smallint not null,
    tenant_id uuid not null,
    connection_id uuid not null,
    fence int not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    -- Null while the call is under way, or when the process died in it.
    result text check (result in ('accepted', 'refused', 'refused_later', 'not_sent', 'unknown')),
    fault text,
    provider_code text,
    provider_message text,
    provider_id text,
    retry_at timestamptz,
    primary key (message_id, number)
  ) partition by range (message_id);
  create unique index attempts_one_open on attempts (message_id) where result is null;
  create unique index attempts_one_accepted on attempts (message_id) where result = 'accepted';
  select ensure_partitions('attempts', 85);

  -- The provider's id of what it took. Insert only.
  create table provider_refs (
    connection_id uuid not null,
    provider_id text not null,
    message_id uuid not null,
    attempt smallint not null,
    primary key (connection_id, provider_id)
  );

  create table events (
    id uuid primary key,
    tenant_id uuid not null,
    mode text not null,
    type text not null,
    message_id uuid,
    data jsonb not null
  ) partition by range (id);
  create index events_tenant on events (tenant_id, id);
  select ensure_partitions('events', 100);

  -- How far a sweep that visits everything once has come.
  create table cursors (name text primary key, position uuid not null);
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table cursors, events, provider_refs, attempts, due, messages;
`);
