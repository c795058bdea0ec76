/** What the sandbox provider has taken: the finished message, and the receipts it still has to give. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table outbox (
    message_id uuid primary key,
    tenant_id uuid not null,
    connection_id uuid not null,
    channel text not null,
    address text not null,
    content jsonb not null,
    provider_id text not null,
    -- Refusals given so far; the message is taken once the script has no more of them.
    refused smallint not null default 0,
    accepted_at timestamptz,
    -- Receipts still to give, and when the next is due.
    steps jsonb not null,
    next_at timestamptz
  );
  create index outbox_tenant on outbox (tenant_id, message_id);
  create index outbox_next on outbox (next_at) where next_at is not null;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table outbox;
`);
