/** SQL of what is taken away with age. */
import type { Sql } from '../../lib/db.ts';

const BATCH = 5_000;
/** Of 8 kB. */
const PAGES = 1_000;

/** A message between these ids waits for a worker. */
export const hasDue = async (sql: Sql, from: string, to: string): Promise<boolean> =>
  (
    await sql.query(
      `(select from due where id >= $1 and id < $2 limit 1)
       union all (select from due where bulk_id is not null and after_id < $2 and last_id >= $1 limit 1)`,
      [from, to],
    )
  ).length > 0;

/** Events that the sweep for overdue receipts has not come to. The name is that of one of our partitions. */
export const hasUnvisited = async (sql: Sql, partition: string): Promise<boolean> =>
  (
    await sql.query(
      `select from "${partition}" where id > coalesce((select position from cursors where name = 'receipt window'),
         '00000000-0000-0000-0000-000000000000') limit 1`,
    )
  ).length > 0;

/** What was said of messages before this id. */
export async function purgeReceipts(sql: Sql, before: string): Promise<void> {
  for (let count = BATCH; count === BATCH; ) {
    const gone = await sql.query(
      `delete from receipts where ctid = any(array(select ctid from receipts where message_id < $1 limit $2)) returning 1`,
      [before, BATCH],
    );
    count = gone.length;
  }
}

/** The providers' ids of messages before this id: page by page, each a statement of its own. */
export async function purgeRefs(sql: Sql, before: string): Promise<void> {
  const [size] = await sql.query<{ pages: number }>(
    `select (pg_relation_size('provider_refs') / current_setting('block_size')::int)::int as pages`,
  );
  for (let page = 0; page <= (size?.pages ?? 0); page += PAGES)
    await sql.query(
      `delete from provider_refs where ctid >= format('(%s,0)', $1::int)::tid and ctid < format('(%s,0)', $2::int)::tid and message_id < $3`,
      [page, page + PAGES, before],
    );
}
