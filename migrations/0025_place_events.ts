/**
 * The order in which events became true: by the transaction that wrote them, so that whoever reads up to the oldest transaction
 * still open has missed none. What a bulk is born with has no place: it is announced by the bulk, not a message at a time.
 * A dump that is loaded elsewhere begins with low transaction numbers again; `event_position` is then made anew with an offset.
 */
import type { Knex } from 'knex';

// Indexes are made without locking out those who write.
export const config = { transaction: false };

const INDEXES = [
  { name: 'feed', columns: '(tenant_id, position, id)', where: 'position is not null' },
  { name: 'unplaced', columns: '(tenant_id, id)', where: 'position is null' },
];

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create or replace function event_position(transaction xid8) returns bigint language sql immutable strict as 'select transaction::text::bigint';
    -- Before which nothing can appear any more. Transactions of other databases of the server do not count; one of which nothing
    -- is known, because it has ended meanwhile, does.
    create or replace function event_horizon() returns bigint language sql stable as $$
      select event_position(coalesce((
        select x from pg_snapshot_xip(s) x
        where not exists (select from pg_stat_activity a where a.backend_xid = x::xid
          and a.datid <> (select oid from pg_database where datname = current_database()))
        order by x limit 1
      ), pg_snapshot_xmax(s))) from pg_current_snapshot() s
    $$;
    alter table events add column if not exists position bigint;
    alter table events alter position set default event_position(pg_current_xact_id());
    -- Up to where the events of a rollout were counted, beside the id of the last.
    alter table rollouts add column if not exists place bigint not null default 0;
  `);
  const { rows } = await knex.raw(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'events'::regclass`,
  );
  for (const index of INDEXES) {
    await knex.raw(
      `create index if not exists events_${index.name} on only events ${index.columns} where ${index.where}`,
    );
    for (const { name } of rows as { name: string }[]) {
      const own = `${name}_${index.name}`;
      // What an interrupted run has left is of no use.
      const left = await knex.raw(`select indisvalid from pg_index where indexrelid = to_regclass(?)`, [own]);
      if (left.rows[0]?.indisvalid === false) await knex.raw(`drop index ${own}`);
      await knex.raw(`create index concurrently if not exists ${own} on ${name} ${index.columns} where ${index.where}`);
      await knex.raw(`alter index events_${index.name} attach partition ${own}`);
    }
  }
  await knex.raw('drop index if exists events_tenant');
}

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
    create index events_tenant on events (tenant_id, id);
    alter table rollouts drop place;
    drop index events_feed, events_unplaced;
    alter table events drop position;
    drop function event_horizon();
    drop function event_position(xid8);
  `);
