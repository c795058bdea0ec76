/**
 * What a notification falls back on stands with its first message: the steps, prepared when it was accepted. Its other messages
 * say only that there is something, so that their results are followed too. Almost all messages have none.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> => knex.raw('alter table messages add fallback jsonb');

export const down = (knex: Knex): Promise<void> => knex.raw('alter table messages drop fallback');
