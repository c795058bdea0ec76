/** What the owner of a connection lets it take, where that differs from what its adapter allows. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  alter table connections
    add column per_second double precision check (per_second between 0.1 and 100000),
    add column concurrency int check (concurrency between 1 and 4096);
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  alter table connections drop column per_second, drop column concurrency;
`);
