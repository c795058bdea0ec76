/** Hours in which a message of a bulk is not to be sent, in the recipient's zone; and where the work of cancelling is found. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  -- {from, to, zone}: local times such as 21:00 and 08:00, and the IANA zone they are read in.
  alter table messages add quiet_hours jsonb;
  create index bulks_cancelling on bulks (id) where status = 'cancelled' and finished_at is null;
  create index bulks_abandoned on bulks (receiving_until) where status = 'receiving';
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop index bulks_abandoned, bulks_cancelling;
  alter table messages drop quiet_hours;
`);
