/** The first answer to each idempotency key, kept 35 days, written in the transaction of its effect. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table idempotency (
    tenant_id uuid not null,
    mode text not null,
    key text not null,
    request_hash bytea not null,
    notification_id uuid not null,
    status smallint not null,
    body text not null,
    expires_at timestamptz not null,
    -- Set when every message of it has definitely failed: the key is free again, the row remembers what it is a retry of.
    released_at timestamptz,
    primary key (tenant_id, mode, key)
  ) partition by hash (tenant_id, mode, key);
  do $$ begin
    for i in 0..7 loop
      execute format('create table idempotency_%s partition of idempotency for values with (modulus 8, remainder %s)', i, i);
    end loop;
  end $$;
  create index idempotency_expires on idempotency (expires_at);
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table idempotency;
`);
