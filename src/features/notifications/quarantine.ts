/**
 * What waits for the operator because the store came out of a backup: it may have been sent since, and nothing here knows. All
 * that was open is held as it stands, and leaves by the operator's word alone: released, it goes its way as if nothing had
 * happened; discarded, it fails and is never sent. What a pause or an unfinished upload held is held by that again afterwards.
 */
import type { Db, Sql, Trx } from '../../lib/db.ts';
import type { Events } from '../events/index.ts';
import { type ClosedAttempt, closeAttempts } from './claim.ts';
import { HOLD_UNBEGUN } from './held.ts';
import type { Word } from './status.ts';
import { applyWords } from './words.ts';

/** Which of it. Absent fields choose everything. */
export interface Choice {
  /** UUID. */
  readonly bulkId?: string;
  /** Accepted before this. */
  readonly before?: Date;
}

export interface Quarantined {
  readonly tenantId: string;
  readonly bulkId: string | null;
  readonly messages: number;
  /** Of these, how many were in the hands of a worker when the backup was made: nobody knows whether they left. */
  readonly open: number;
  readonly oldest: Date;
  readonly newest: Date;
}

const CHOSEN = `due.quarantined and ($1::uuid is null or due.bulk_id = $1) and ($2::timestamptz is null or coalesce(due.last_id, due.id) < uuid_at($2))`;
const valuesOf = ({ bulkId, before }: Choice): unknown[] => [bulkId ?? null, before ?? null];

/**
 * Whoever held a lease holds it no longer. Messages; a deadline is none. A worker that is just cutting a range leaves the rest
 * of it in a row that the first look cannot see.
 */
export const quarantineDue = async (trx: Sql): Promise<number> => {
  let messages = 0;
  for (;;) {
    const [row] = await trx.query<{ rows: number; messages: number }>(
      `with q as (
         update due set quarantined = true, held = true, owner = null, fence = fence + 1 where not quarantined returning size, kind
       ) select count(*)::int as rows, coalesce(sum(size) filter (where kind <> 'deadline'), 0)::int as messages from q`,
    );
    if (!row || row.rows === 0) return messages;
    messages += row.messages;
  }
};

/** How many groups are shown; whoever lists is given one more, so that it is seen when there are more. */
export const QUARANTINE_GROUPS = 1_000;

/** All that was chosen, however many groups it is in. */
export const countQuarantined = async (sql: Sql, choice: Choice = {}): Promise<number> =>
  (
    await sql.query<{ messages: number }>(
      `select coalesce(sum(size) filter (where kind <> 'deadline'), 0)::int as messages from due where ${CHOSEN}`,
      valuesOf(choice),
    )
  )[0]?.messages ?? 0;

/** By tenant and bulk, the largest first. */
export const listQuarantined = (sql: Sql, choice: Choice = {}): Promise<Quarantined[]> =>
  sql.query(
    `select tenant_id as "tenantId", bulk_id as "bulkId", coalesce(sum(size) filter (where kind <> 'deadline'), 0)::int as messages,
       coalesce(sum(size) filter (where opened), 0)::int as open, min(time_of(coalesce(after_id, id))) as oldest, max(time_of(coalesce(last_id, id))) as newest
     from due where ${CHOSEN} group by 1, 2 order by 3 desc, 1, 2 limit ${QUARANTINE_GROUPS + 1}`,
    valuesOf(choice),
  );

/** What waits may go, unless something else holds it. Returns how many messages. */
export const releaseQuarantined = async (sql: Sql, choice: Choice): Promise<number> => {
  const [row] = await sql.query<{ messages: number }>(
    `with r as (
       update due set quarantined = false, run_at = greatest(due.run_at, clock_now()),
         held = coalesce((select case b.status when 'receiving' then true when 'paused' then kind <> 'deadline'
           when 'cancelled' then (${HOLD_UNBEGUN}) end from bulks b where b.id = due.bulk_id), false)
       where ${CHOSEN} returning size, kind
     ) select coalesce(sum(size) filter (where kind <> 'deadline'), 0)::int as messages from r`,
    valuesOf(choice),
  );
  return row?.messages ?? 0;
};

interface Discarded {
  readonly id: string;
  readonly kind: 'message' | 'range' | 'deadline';
  readonly tenantId: string;
  readonly connectionId: string;
  readonly bulkId: string | null;
  readonly afterId: string | null;
  readonly lastId: string | null;
  readonly opened: boolean;
  readonly openedAt: Date | null;
  readonly tries: number;
  readonly fence: number;
}

const DISCARD_ROWS = 100;

/**
 * A batch of it fails for good; returns how many due rows, 0 when none is left. A message that may have left says so. Keys of
 * idempotency stay taken: a caller who asks again must not send what perhaps went out before the restore.
 */
export const discardQuarantined = (db: Db, deps: { readonly events: Events }, choice: Choice): Promise<number> =>
  db.transaction(async (trx) => {
    const rows = await trx.query<Discarded>(
      `delete from due where id in (select id from due where ${CHOSEN} limit ${DISCARD_ROWS} for update skip locked)
       returning id, kind, tenant_id as "tenantId", connection_id as "connectionId", bulk_id as "bulkId", after_id as "afterId",
         last_id as "lastId", opened, opened_at as "openedAt", tries, fence`,
      valuesOf(choice),
    );
    const words = new Map<string, readonly Word[]>();
    const attempts: ClosedAttempt[] = [];
    const [clock] = await trx.query<{ now: Date }>('select clock_now() as now');
    const at = clock?.now as Date;
    for (const row of rows)
      for (const id of row.kind === 'range' ? await waitingIn(trx, row) : [row.id]) {
        words.set(id, [row.opened || row.kind === 'deadline' ? unknown(at) : discarded(at)]);
        if (row.opened) attempts.push(lost(row, id));
      }
    if (attempts.length > 0) await closeAttempts(trx, attempts);
    await applyWords(trx, deps, await wanted(trx, words));
    return rows.length;
  });

const discarded = (at: Date): Word => ({ word: 'failed', at, code: 'discarded', outcome: 'cancelled' });
const unknown = (at: Date): Word => ({ word: 'failed', at, code: 'outcome_unknown', outcome: 'unknown' });

const lost = (row: Discarded, messageId: string): ClosedAttempt => ({
  messageId,
  tenantId: row.tenantId,
  connectionId: row.connectionId,
  number: row.kind === 'range' ? 1 : row.tries,
  fence: row.fence,
  startedAt: row.openedAt as Date,
  result: 'unknown',
  fault: 'outcome_unknown',
  providerCode: null,
  providerMessage: null,
  providerId: null,
  retryAt: null,
});

/** Of a range: those that wait in it and in no row of their own, and of which nothing was written down. */
const waitingIn = async (trx: Trx, row: Discarded): Promise<string[]> =>
  (
    await trx.query<{ id: string }>(
      `select id from messages m where bulk_id = $1 and connection_id = $2 and id > $3 and id <= $4 and status = 'queued'
         and not exists (select from due d where d.id = m.id) and not exists (select from attempts a where a.message_id = m.id)`,
      [row.bulkId, row.connectionId, row.afterId, row.lastId],
    )
  ).map(({ id }) => id);

/** A deadline of a whole notification, or of a message that is settled, owes nothing. */
async function wanted(trx: Trx, words: Map<string, readonly Word[]>): Promise<typeof words> {
  const rows = await trx.query<{ id: string }>(
    `select id from messages where id = any($1) and (status = 'queued' or outcome_unknown)`,
    [[...words.keys()]],
  );
  return new Map(rows.map(({ id }) => [id, words.get(id) as readonly Word[]]));
}

/** Which of these messages wait for the operator. */
export const quarantinedOf = (
  sql: Sql,
  messages: readonly { readonly id: string; readonly bulkId: string | null; readonly connectionId: string }[],
): Promise<{ id: string }[]> =>
  sql.query(
    `select m.id from jsonb_to_recordset($1) as m(id uuid, "bulkId" uuid, "connectionId" uuid)
     where exists (select from due where due.id = m.id and quarantined)
       or exists (select from due where due.bulk_id = m."bulkId" and due.connection_id = m."connectionId" and after_id < m.id and last_id >= m.id and quarantined)`,
    [JSON.stringify(messages.map(({ id, bulkId, connectionId }) => ({ id, bulkId, connectionId })))],
  );
