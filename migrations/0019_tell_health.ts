/** How a connection fares, in more than a word: since when, why, and how long it is left alone. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  alter table connections
    add health_since timestamptz,
    -- The fault that its provider answered with.
    add health_fault text,
    -- Nothing is sent through it before this moment.
    add health_until timestamptz,
    drop constraint connections_health_check,
    add constraint connections_health_check check (health in ('unknown', 'ok', 'failing', 'resting'));
  update connections set health_since = health_at;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  update connections set health = 'failing' where health = 'resting';
  alter table connections
    drop constraint connections_health_check,
    add constraint connections_health_check check (health in ('unknown', 'ok', 'failing')),
    drop health_since, drop health_fault, drop health_until;
`);
