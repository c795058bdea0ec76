/** Settings and sealed credentials for an adapter, owned by the platform, a tenant, or a customer of a tenant. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table connections (
    id uuid primary key,
    owner text not null check (owner in ('platform', 'tenant', 'customer')),
    tenant_id uuid references tenants,
    customer_id uuid,
    mode text not null check (mode in ('live', 'sandbox')),
    channel text not null,
    adapter text not null,
    name text not null,
    settings jsonb not null,
    secrets text not null,
    -- Names the account at the provider, where one callback address serves several.
    account text,
    is_default boolean not null default false,
    position int not null default 0,
    health text not null default 'unknown' check (health in ('unknown', 'ok', 'failing')),
    health_note text,
    health_at timestamptz,
    created_at timestamptz not null default clock_now(),
    updated_at timestamptz not null default clock_now(),
    archived_at timestamptz,
    check ((owner = 'platform') = (tenant_id is null)),
    check ((owner = 'customer') = (customer_id is not null))
  );
  create unique index connections_one_default on connections (owner, coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'), coalesce(customer_id, '00000000-0000-0000-0000-000000000000'), channel, mode)
    where is_default and archived_at is null;
  create unique index connections_one_sandbox on connections (tenant_id, channel) where mode = 'sandbox';
  create index connections_tenant on connections (tenant_id, channel, mode);
  create index connections_account on connections (adapter, account) where account is not null;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table connections;
`);
