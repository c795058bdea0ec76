/**
 * The root of what is derived (sessions, form tokens, sandbox signatures, hashes of addresses), sealed like any secret. It stays
 * when an encryption key goes, so that no key has to be kept for its sake.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table installation (
    one boolean primary key default true check (one),
    root text not null,
    created_at timestamptz not null default clock_now()
  );
`);

export const down = (knex: Knex): Promise<void> => knex.raw('drop table installation');
