/**
 * A campaign waits in ranges of messages, not in a row each. A claim of a range loads as many of its messages as may start,
 * and cuts them off: the part that starts becomes a range of its own, held by this worker and marked as open before the
 * first byte leaves; the rest is due at once for anybody. A worker that dies leaves an open range: of its messages those
 * without a result are unknown, and nothing after it was touched.
 */
import type { Sql } from '../../lib/db.ts';
import { newId } from '../../lib/ids.ts';
import { type Claimed, finishDue, type TakenRow } from './claim.ts';
import { loadRanges } from './store.ts';
import type { Message } from './types.ts';

export interface OpenRange {
  readonly dueId: string;
  readonly fence: number;
  readonly work: readonly { readonly claimed: Claimed; readonly message: Message }[];
}

type TakenRange = TakenRow & { readonly bulkId: string; readonly afterId: string; readonly lastId: string };

/** What of these ranges is ours to send, in the order of the ids. A range without anything left is deleted. */
export async function openRanges(sql: Sql, owner: string, taken: readonly TakenRow[]): Promise<readonly OpenRange[]> {
  const ranges = taken.filter((row): row is TakenRange => row.afterId !== null);
  if (ranges.length === 0) return [];
  const rows = await loadRanges(
    sql,
    ranges.map((range) => ({
      ...range,
      lost: range.openSince !== null,
      quota: range.openSince ? range.size : range.quota,
    })),
  );
  const byRange = new Map<string, Message[]>();
  for (const { dueId, ...message } of rows) {
    const known = byRange.get(dueId);
    if (known) known.push(message);
    else byRange.set(dueId, [message]);
  }
  const empty = ranges.filter(({ id }) => !byRange.has(id));
  if (empty.length > 0)
    await finishDue(
      sql,
      empty.map(({ id }) => id),
    );
  const full = ranges.filter(({ id }) => byRange.has(id));
  const opened = await cutRanges(
    sql,
    owner,
    full.map((range) => {
      const messages = byRange.get(range.id) as Message[];
      const last = messages.at(-1)?.id as string;
      const whole = range.openSince !== null || messages.length < range.quota || last === range.lastId;
      return { ...range, cutAt: whole ? range.lastId : last, count: messages.length, rest: whole ? null : newId() };
    }),
  );
  return full
    .filter(({ id }) => opened.has(id))
    .map((range) => ({
      dueId: range.id,
      fence: range.fence,
      // Cancelled while it waited: nothing is owed.
      work: (byRange.get(range.id) as Message[])
        .filter(({ status }) => status === 'queued')
        .map((message) => ({ claimed: claimedOf(range, message.id), message })),
    }));
}

const claimedOf = ({ id, tenantId, connectionId, fence, openSince, now }: TakenRange, messageId: string): Claimed => ({
  id: messageId,
  tenantId,
  connectionId,
  dueId: id,
  fence,
  number: 1,
  openSince,
  deadline: false,
  now,
});

interface Cut {
  readonly id: string;
  readonly fence: number;
  readonly cutAt: string;
  readonly count: number;
  /** The id of the row for what is left; null: nothing is. */
  readonly rest: string | null;
  readonly lastId: string;
  readonly size: number;
  readonly wasDue: Date;
}

/** Opens what is still ours and not held back; what was held back meanwhile is given back as it was. */
async function cutRanges(sql: Sql, owner: string, cuts: readonly Cut[]): Promise<Set<string>> {
  if (cuts.length === 0) return new Set();
  const rows = await sql.query<{ id: string; open: boolean }>(
    `with c as (
       select * from jsonb_to_recordset($2) as c(id uuid, fence int, "cutAt" uuid, count int, rest uuid, "lastId" uuid, size int, "wasDue" timestamptz)
     ), cut as (
       update due set opened = due.opened or not held, opened_at = case when due.opened then due.opened_at else clock_now() end,
         last_id = case when held and not due.opened then due.last_id else c."cutAt" end,
         size = case when held and not due.opened then due.size else c.count end,
         owner = case when held and not due.opened then null else owner end,
         run_at = case when held and not due.opened then c."wasDue" else run_at end
       from c where due.id = c.id and due.fence = c.fence and due.owner = $1
       returning due.*
     ), rest as (
       insert into due (id, kind, tenant_id, connection_id, lane, run_at, bulk_id, after_id, last_id, size)
       select c.rest, 'range', cut.tenant_id, cut.connection_id, cut.lane, c."wasDue", cut.bulk_id, c."cutAt", c."lastId", greatest(1, c.size - c.count)
       from cut join c on c.id = cut.id where cut.opened and c.rest is not null
     )
     select id, opened as open from cut`,
    [
      owner,
      JSON.stringify(
        cuts.map(({ id, fence, cutAt, count, rest, lastId, size, wasDue }) => ({
          id,
          fence,
          cutAt,
          count,
          rest,
          lastId,
          size,
          wasDue,
        })),
      ),
    ],
  );
  return new Set(rows.filter(({ open }) => open).map(({ id }) => id));
}

/** A range whose every message has been written down. */
export const closeRange = (
  sql: Sql,
  owner: string,
  { dueId, fence }: Pick<OpenRange, 'dueId' | 'fence'>,
): Promise<unknown> => sql.query(`delete from due where id = $1 and owner = $2 and fence = $3`, [dueId, owner, fence]);
