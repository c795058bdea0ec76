/** A key that is taken over remembers what its new notification is a retry of, so that one round trip stores both. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> => knex.raw('alter table idempotency add retry_of uuid');

export const down = (knex: Knex): Promise<void> => knex.raw('alter table idempotency drop retry_of');
