/** What a bulk waits with: released, held back, cancelled or taken away, always as a whole or in batches that end. */
import type { Sql } from '../../lib/db.ts';
import { firstIdAt, timeOf } from '../../lib/ids.ts';
import type { Events } from '../events/index.ts';
import { applyWords } from './words.ts';

/** What a bulk waits with becomes due; what waits for the operator goes on waiting. */
export const releaseBulk = (sql: Sql, bulkId: string): Promise<unknown> =>
  sql.query(
    'update due set held = false, run_at = greatest(run_at, clock_now()) where bulk_id = $1 and held and not quarantined',
    [bulkId],
  );

/**
 * Nothing of it begins from now on; what is under way finishes. A worker that is just cutting a range leaves the rest of it in
 * a row that the first look cannot see.
 */
export async function holdBulk(sql: Sql, bulkId: string): Promise<void> {
  const hold = `update due set held = true where bulk_id = $1 and not held and kind <> 'deadline' returning 1`;
  while ((await sql.query(hold, [bulkId])).length > 0);
}

/** For good: only what was never begun, so that everything else can still come to its end. */
export const HOLD_UNBEGUN = `kind <> 'deadline' and not opened and tries = 0`;
export const holdUnbegun = (sql: Sql, bulkId: string): Promise<unknown> =>
  sql.query(
    `update due set held = (${HOLD_UNBEGUN}) where bulk_id = $1 and not quarantined and held <> (${HOLD_UNBEGUN})`,
    [bulkId],
  );

interface RangeRow {
  readonly id: string;
  readonly connectionId: string;
  readonly afterId: string;
  readonly lastId: string;
}

const FREE = 'owner is null and not opened';

/** Single queued messages that no worker has, taken out of the due table. */
const takeSingles = async (sql: Sql, bulkId: string, limit: number): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `delete from due where id in (
         select id from due where bulk_id = $1 and kind = 'message' and ${FREE}
           and exists (select from messages m where m.id = due.id and m.status = 'queued') limit $2 for update skip locked) returning id`,
      [bulkId, limit],
    )
  ).map(({ id }) => id);

/** A range that no worker has, taken out of the due table. */
const takeRange = async (sql: Sql, bulkId: string): Promise<RangeRow | undefined> =>
  (
    await sql.query<RangeRow>(
      `delete from due where id in (
         select id from due where bulk_id = $1 and kind = 'range' and ${FREE} limit 1 for update skip locked)
       returning id, connection_id as "connectionId", after_id as "afterId", last_id as "lastId"`,
      [bulkId],
    )
  )[0];

const messagesIn = async (
  sql: Sql,
  bulkId: string,
  { connectionId, afterId, lastId }: RangeRow,
  which = '',
): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `select id from messages m where bulk_id = $1 and connection_id = $2 and id > $3 and id <= $4 ${which}`,
      [bulkId, connectionId, afterId, lastId],
    )
  ).map(({ id }) => id);

/** Those of a range that wait in it, and not on their own account for another attempt. */
const WAITING = `and status = 'queued' and not exists (select from due d where d.id = m.id)`;

/** Messages of a cancelled bulk, about so many at most, become failed; `left`: some wait, or are with a worker. */
export async function cancelHeld(
  trx: Sql,
  deps: { readonly events: Events },
  bulkId: string,
  at: Date,
  limit: number,
): Promise<{ messages: number; left: boolean }> {
  await holdUnbegun(trx, bulkId);
  const ids = await takeSingles(trx, bulkId, limit);
  const range = ids.length === 0 ? await takeRange(trx, bulkId) : undefined;
  if (range) ids.push(...(await messagesIn(trx, bulkId, range, WAITING)));
  const word = { word: 'failed', at, code: 'cancelled', outcome: 'cancelled' } as const;
  await applyWords(trx, deps, new Map(ids.map((id) => [id, [word]])));
  const left = await trx.query('select 1 from due where bulk_id = $1 limit 1', [bulkId]);
  return { messages: ids.length, left: left.length > 0 };
}

/** An event is written soon after the ids of its chunk were made. */
const EVENT_WITHIN_MS = 600_000;
const endOfEvents = (messageId: string): string => firstIdAt(new Date(timeOf(messageId).getTime() + EVENT_WITHIN_MS));

/** Takes messages that were never released out of the store, with all that is kept of them; 0 when none is left. */
export async function dropHeld(trx: Sql, bulkId: string, tenantId: string, limit: number): Promise<number> {
  const singles = await takeSingles(trx, bulkId, limit);
  const range = singles.length === 0 ? await takeRange(trx, bulkId) : undefined;
  const ids = range ? await messagesIn(trx, bulkId, range) : singles;
  if (ids.length === 0) return range ? 1 : 0;
  const sorted = [...ids].sort();
  await trx.query(
    'delete from events where tenant_id = $1 and position is null and id > $2 and id < $3 and message_id = any($4)',
    [tenantId, sorted[0], endOfEvents(sorted.at(-1) as string), ids],
  );
  await trx.query('delete from messages where id = any($1)', [ids]);
  return ids.length;
}

/** A message as the results of a bulk tell of it. */
export interface BulkMessage {
  readonly id: string;
  readonly row: number;
  readonly channel: string;
  readonly address: string;
  readonly status: string;
  readonly failureCode: string | null;
}

/** In the order of the rows. */
export const bulkMessages = (
  sql: Sql,
  bulkId: string,
  afterId: string,
  lastId: string,
  limit: number,
): Promise<BulkMessage[]> =>
  sql.query(
    `select id, bulk_row as row, channel, address, status, failure_code as "failureCode" from messages
     where bulk_id = $1 and id > $2 and id <= $3 order by id limit $4`,
    [bulkId, afterId, lastId, limit],
  );
