/**
 * Old partitions of tables that are kept by time. Dropping one locks its table for a moment, so it is tried with little
 * patience: whoever is refused tries again an hour later.
 */
import type { Db, Sql } from './db.ts';

export interface Partition {
  readonly name: string;
  /** First id it may hold, and the first that it may not. */
  readonly from: string;
  readonly to: string;
}

const PATIENCE_MS = 200;

/** Oldest first. */
export const partitionsOf = (sql: Sql, table: string): Promise<Partition[]> =>
  sql.query(
    `select c.relname as name, bound[1] as "from", bound[2] as "to"
     from pg_inherits i join pg_class c on c.oid = i.inhrelid,
       regexp_match(pg_get_expr(c.relpartbound, c.oid), $$FROM \\('([0-9a-f-]+)'\\) TO \\('([0-9a-f-]+)'\\)$$) as bound
     where i.inhparent = to_regclass($1) and bound is not null order by bound[1]`,
    [table],
  );

/**
 * Drops the partitions of a table whose every row is older than so many days, unless `isOpen` finds work in one: asked under
 * the lock, so that none can come in between. Returns how many went.
 */
export async function dropOlder(
  db: Db,
  table: string,
  days: number,
  isOpen: (sql: Sql, partition: Partition) => Promise<boolean>,
): Promise<number> {
  const [limit] = await db.query<{ id: string }>(`select uuid_at(clock_now() - make_interval(days => $1)) as id`, [
    days,
  ]);
  let dropped = 0;
  for (const partition of await partitionsOf(db, table)) {
    if (!limit || partition.to > limit.id) break;
    if (await dropOne(db, partition, isOpen)) dropped++;
  }
  return dropped;
}

const dropOne = (
  db: Db,
  partition: Partition,
  isOpen: (sql: Sql, partition: Partition) => Promise<boolean>,
): Promise<boolean> =>
  db
    .transaction(async (trx) => {
      await trx.query(`set local lock_timeout = ${PATIENCE_MS}`);
      await trx.query(`lock table "${partition.name}" in access exclusive mode`);
      if (await isOpen(trx, partition)) return false;
      await trx.query(`drop table "${partition.name}"`);
      return true;
    })
    .catch((error: unknown) => {
      if (NOT_OURS.has((error as { code?: string }).code ?? '')) return false;
      throw error;
    });
/** Somebody is using it; or another process has dropped it first. */
const NOT_OURS = new Set(['55P03', '42P01']);
