/** SQL of bulks. */
import { copyLine, Lines } from '../../lib/copy.ts';
import type { Sql, Trx } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { RowFault } from './rows.ts';

/** Seconds an upload may be silent before another may go on with it. */
export const LEASE_SECONDS = 60;

export interface BulkRow {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly name: string | null;
  readonly status: 'receiving' | 'running' | 'paused' | 'cancelled';
  readonly channels: readonly string[];
  readonly rows: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly afterId: string;
  readonly lastId: string;
  readonly rowsHash: Buffer | null;
  /** Somebody is uploading it at this moment. */
  readonly receivedNow: boolean;
  readonly sendAt: Date | null;
  readonly createdAt: Date;
  readonly releasedAt: Date | null;
  readonly finishedAt: Date | null;
}

const BULK = `b.id, b.tenant_id as "tenantId", b.mode, b.name, b.status, b.request->'channels' as channels,
  b.rows, b.accepted, b.rejected, b.after_id as "afterId", b.last_id as "lastId", b.rows_hash as "rowsHash",
  coalesce(b.receiving_until > clock_now(), false) as "receivedNow", b.send_at as "sendAt", b.created_at as "createdAt",
  b.released_at as "releasedAt", b.finished_at as "finishedAt"`;

export interface NewBulk {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly name: string | null;
  readonly request: object;
  readonly key: string | null;
  readonly actorId: string;
  readonly ip: string;
  readonly requestId: string;
  readonly createdAt: Date;
  /** Below the ids of all its messages. */
  readonly afterId: string;
}

/** False: another one is being received under this key. */
export const insertBulk = async (sql: Sql, bulk: NewBulk): Promise<boolean> =>
  (
    await sql.query(
      `insert into bulks (id, tenant_id, mode, name, status, request, after_id, last_id, idempotency_key, receiving_until,
         actor_id, ip, request_id, created_at)
       values ($1, $2, $3, $4, 'receiving', $5, $12, $12, $6, clock_now() + make_interval(secs => $11), $7, $8, $9, $10)
       on conflict (tenant_id, mode, idempotency_key) where status = 'receiving' and idempotency_key is not null do nothing
       returning 1`,
      [
        bulk.id,
        bulk.tenantId,
        bulk.mode,
        bulk.name,
        JSON.stringify(bulk.request),
        bulk.key,
        bulk.actorId,
        bulk.ip,
        bulk.requestId,
        bulk.createdAt,
        LEASE_SECONDS,
        bulk.afterId,
      ],
    )
  ).length > 0;

export const findReceiving = async (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  key: string,
): Promise<BulkRow | undefined> =>
  (
    await sql.query<BulkRow>(
      `select ${BULK} from bulks b where tenant_id = $1 and mode = $2 and idempotency_key = $3 and status = 'receiving'`,
      [tenantId, mode, key],
    )
  )[0];

/** One of all who try goes on with an upload that broke off; the others hear `undefined`. */
export const takeOver = async (sql: Sql, id: string, request: object): Promise<BulkRow | undefined> =>
  (
    await sql.query<BulkRow>(
      `update bulks b set receiving_until = clock_now() + make_interval(secs => $2),
         request = case when rows = 0 then $3 else request end
       where id = $1 and status = 'receiving' and idempotency_key is not null and coalesce(receiving_until <= clock_now(), true) returning ${BULK}`,
      [id, LEASE_SECONDS, JSON.stringify(request)],
    )
  )[0];

export interface Progress {
  readonly rows: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly lastId: string;
  readonly hash: Buffer | null;
  /** When the first message is due, if every one has a time. */
  readonly earliest: Date | null;
}

/** Locks the bulk; false when it is no longer received, or somebody else has gone on with it. */
export const advance = async (sql: Sql, id: string, from: number, to: Progress): Promise<boolean> =>
  (
    await sql.query(
      `update bulks set rows = $3, accepted = $4, rejected = $5, last_id = $6, rows_hash = $7,
         send_at = $8,
         receiving_until = clock_now() + make_interval(secs => $9)
       where id = $1 and status = 'receiving' and rows = $2 returning 1`,
      [id, from, to.rows, to.accepted, to.rejected, to.lastId, to.hash, to.earliest, LEASE_SECONDS],
    )
  ).length > 0;

/** Whoever comes next may go on at once. */
export const letGo = (sql: Sql, id: string): Promise<unknown> =>
  sql.query(`update bulks set receiving_until = clock_now() where id = $1 and status = 'receiving'`, [id]);

/** An upload that can never become a bulk: the next round of housekeeping takes it away. */
export const giveUp = (sql: Sql, id: string): Promise<unknown> =>
  sql.query(
    `update bulks set receiving_until = '-infinity', idempotency_key = null where id = $1 and status = 'receiving'`,
    [id],
  );

/** False when it is no longer received, or somebody else has gone on with it. */
export async function markReleased(
  sql: Sql,
  { id, tenantId, rows, messages }: { id: string; tenantId: string; rows: number; messages: number },
): Promise<boolean> {
  const released = await sql.query(
    `update bulks set status = 'running', released_at = clock_now(), receiving_until = null,
       finished_at = case when $3 = 0 then clock_now() end
     where id = $1 and status = 'receiving' and rows = $2 returning 1`,
    [id, rows, messages],
  );
  if (released.length > 0 && messages > 0) await insertTally(sql, id, tenantId, messages);
  return released.length > 0;
}

export const insertTally = (sql: Sql, id: string, tenantId: string, queued: number): Promise<unknown> =>
  sql.query(`insert into bulk_tallies (bulk_id, tenant_id, queued) values ($1, $2, $3)`, [id, tenantId, queued]);

export const copyFaults = (
  trx: Trx,
  bulkId: string,
  tenantId: string,
  faults: readonly { readonly row: number; readonly error: RowFault }[],
): Promise<unknown> => {
  const lines = new Lines();
  for (const { row, error } of faults) lines.add(copyLine([bulkId, row, tenantId, JSON.stringify(error)]));
  return trx.batch([{ text: 'copy bulk_errors (bulk_id, row, tenant_id, error) from stdin', lines }]);
};

export const findBulk = async (sql: Sql, tenantId: string, mode: Mode, id: string): Promise<BulkRow | undefined> =>
  (
    await sql.query<BulkRow>(`select ${BULK} from bulks b where id = $1 and tenant_id = $2 and mode = $3`, [
      id,
      tenantId,
      mode,
    ])
  )[0];

export const listBulks = (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  limit: number,
  before: string | undefined,
): Promise<BulkRow[]> =>
  sql.query(
    `select ${BULK} from bulks b where tenant_id = $1 and mode = $2 and ($4::uuid is null or id < $4) order by id desc limit $3`,
    [tenantId, mode, limit, before ?? null],
  );

export interface Tallies {
  readonly bulkId: string;
  readonly queued: number;
  readonly sent: number;
  readonly delivered: number;
  readonly failed: number;
  /** Messages that were begun with, one way or the other, in the last 60 seconds. */
  readonly recent: number;
  /** Seconds since the first of those, at most 60. */
  readonly seconds: number;
  readonly lastAt: Date;
  readonly now: Date;
}

export const sumTallies = (sql: Sql, ids: readonly string[]): Promise<Tallies[]> =>
  sql.query(
    `select bulk_id as "bulkId", sum(queued)::int as queued, sum(sent)::int as sent, sum(delivered)::int as delivered,
       sum(failed)::int as failed,
       coalesce(-sum(queued) filter (where queued < 0 and at > clock_now() - interval '60 s'), 0)::int as recent,
       coalesce(extract(epoch from clock_now() - min(at) filter (where queued < 0 and at > clock_now() - interval '60 s')), 0)::float8 as seconds,
       max(at) filter (where queued <> 0) as "lastAt", clock_now() as now
     from bulk_tallies where bulk_id = any($1) group by bulk_id`,
    [ids],
  );

/** Locked, so that of two changes at once the second sees the first. */
export const lockBulk = async (sql: Sql, tenantId: string, mode: Mode, id: string): Promise<BulkRow | undefined> =>
  (
    await sql.query<BulkRow>(
      `select ${BULK} from bulks b where id = $1 and tenant_id = $2 and mode = $3 for update of b`,
      [id, tenantId, mode],
    )
  )[0];

export const setStatus = (sql: Sql, id: string, status: BulkRow['status']): Promise<unknown> =>
  sql.query(`update bulks set status = $2, receiving_until = null where id = $1`, [id, status]);

/** Bulks that are cancelled and whose messages may not all be. */
export const findCancelling = (sql: Sql, limit: number): Promise<{ id: string }[]> =>
  sql.query(`select id from bulks where status = 'cancelled' and finished_at is null order by id limit $1`, [limit]);

export const finish = (sql: Sql, id: string): Promise<unknown> =>
  sql.query(`update bulks set finished_at = clock_now() where id = $1 and finished_at is null`, [id]);

/** Takes some that have come to their end, of which nobody has told yet. Of each one that is going on the tallies are added up. */
export const takeEnded = (trx: Sql, limit: number): Promise<BulkRow[]> =>
  trx.query<BulkRow>(
    `update bulks b set told_at = clock_now() where b.id in (
       select o.id from bulks o where o.told_at is null and o.status <> 'receiving' and case when o.status = 'cancelled' then o.finished_at is not null
         else (o.send_at is null or o.send_at <= clock_now()) and coalesce((select sum(t.queued) from bulk_tallies t where t.bulk_id = o.id), 0) <= 0 end
       order by o.id limit $1 for update of o skip locked)
     returning ${BULK}`,
    [limit],
  );

/** An upload nobody has gone on with for so long. */
export const findAbandoned = async (sql: Sql, hours: number): Promise<BulkRow | undefined> =>
  (
    await sql.query<BulkRow>(
      `select ${BULK} from bulks b where status = 'receiving' and receiving_until < clock_now() - make_interval(hours => $1)
       limit 1 for update of b skip locked`,
      [hours],
    )
  )[0];

/** With what was cancelled one by one while it came in. */
export const deleteBulk = async (sql: Sql, { id, afterId, lastId }: BulkRow): Promise<void> => {
  await sql.query('delete from messages where bulk_id = $1 and id > $2 and id <= $3', [id, afterId, lastId]);
  await sql.query('delete from bulk_tallies where bulk_id = $1', [id]);
  await sql.query('delete from bulk_errors where bulk_id = $1', [id]);
  await sql.query('delete from bulks where id = $1', [id]);
};

export const faultsAfter = (
  sql: Sql,
  id: string,
  row: number,
  limit: number,
): Promise<{ row: number; error: RowFault }[]> =>
  sql.query(`select row, error from bulk_errors where bulk_id = $1 and row > $2 order by row limit $3`, [
    id,
    row,
    limit,
  ]);
