/** How much a tenant or a key may ask for, what of it is used up, and how many codes an address was sent lately. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  -- Null: what the installation gives everybody.
  alter table tenants
    add column rate_requests int check (rate_requests between 1 and 1000000000),
    add column rate_seconds int check (rate_seconds between 1 and 3600),
    add column otp_per_hour int check (otp_per_hour between 0 and 1000),
    add constraint rate_whole check ((rate_requests is null) = (rate_seconds is null));
  alter table api_keys
    -- Null: from everywhere.
    add column allowed_ips text[],
    add column rate_requests int check (rate_requests between 1 and 1000000000),
    add column rate_seconds int check (rate_seconds between 1 and 3600),
    add constraint rate_whole check ((rate_requests is null) = (rate_seconds is null));

  -- What is left of a limit and not lent to a process. After a crash of the server all are full again.
  create unlogged table rate_buckets (
    -- A tenant or a key.
    subject uuid not null,
    mode text not null check (mode in ('live', 'sandbox')),
    -- Below zero: more was used than there was.
    tokens double precision not null,
    at timestamptz not null,
    primary key (subject, mode)
  ) with (fillfactor = 50);
  -- The processes that share the buckets.
  create unlogged table rate_members (
    id uuid primary key,
    seen_at timestamptz not null
  );

  -- When an address was sent a one-time code, within the last hour.
  create table otp_sends (
    tenant_id uuid not null references tenants,
    -- HMAC-SHA-256 under a key of the installation.
    address bytea not null,
    times timestamptz[] not null,
    primary key (tenant_id, address)
  ) with (fillfactor = 70);

  alter table rate_buckets enable row level security;
  alter table rate_members enable row level security;
  alter table otp_sends enable row level security;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table rate_buckets, rate_members, otp_sends;
  alter table api_keys drop column allowed_ips, drop column rate_requests, drop column rate_seconds;
  alter table tenants drop column rate_requests, drop column rate_seconds, drop column otp_per_hour;
`);
