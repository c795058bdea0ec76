/**
 * What is older than the operator keeps, taken away month by month: messages with their attempts and events as whole
 * partitions, what providers said of them in batches after that. Whatever a worker still has to do stays.
 */
import type { Db, Sql } from '../../lib/db.ts';
import { dropOlder, type Partition, partitionsOf } from '../../lib/partitions.ts';
import { hasDue, hasUnvisited, purgeReceipts, purgeRefs } from './retention-store.ts';

/** Returns how many partitions went. `days` 0 keeps everything. */
export async function purgeOlder(db: Db, days: number): Promise<number> {
  if (days === 0) return 0;
  const isDue = (sql: Sql, { from, to }: Partition): Promise<boolean> => hasDue(sql, from, to);
  // Attempts and events before their messages: nothing is left behind that belongs to nothing.
  const attempts = await dropOlder(db, 'attempts', days, isDue);
  const events = await dropOlder(
    db,
    'events',
    days,
    async (sql, partition) => (await isDue(sql, partition)) || hasUnvisited(sql, partition.name),
  );
  const messages = await dropOlder(db, 'messages', days, isDue);
  const [oldest] = await partitionsOf(db, 'messages');
  if (oldest) {
    await purgeReceipts(db, oldest.from);
    // It has no index by time and is read whole, so only when something went.
    if (messages > 0) await purgeRefs(db, oldest.from);
  }
  return attempts + events + messages;
}
