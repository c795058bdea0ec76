/** SQL of deliveries: made, taken, written down. A claim moves `run_at` to the end of the lease, so a lapsed lease is due again by itself. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { EndpointRow } from './store.ts';

export interface NewDelivery {
  readonly id: string;
  readonly eventId: string;
  readonly type: string;
  readonly sequence: number;
  readonly body: string;
}

/** In their order, none before the one that was made last, and no faster than the endpoint drains. Returns when the last is due. */
export async function insertDeliveries(
  trx: Sql,
  { id, tenantId, mode, format, drainPerSecond, drainedTo }: EndpointRow,
  deliveries: readonly NewDelivery[],
): Promise<Date | null> {
  const [row] = await trx.query<{ last: Date | null }>(
    `with made as (
       insert into deliveries (id, tenant_id, mode, endpoint_id, event_id, event_type, format, sequence, body, run_at)
       select d.id, $2, $3, $1, d."eventId", d.type, $7, d.sequence, d.body,
         greatest(clock_now(), $5::timestamptz + make_interval(secs => 1 / coalesce($4::float8, 'infinity')))
           + make_interval(secs => (d.sequence - min(d.sequence) over ()) / coalesce($4::float8, 'infinity'))
       from jsonb_to_recordset($6) as d(id uuid, "eventId" uuid, type text, sequence bigint, body text)
       on conflict do nothing returning run_at)
     select max(run_at) as last from made`,
    [id, tenantId, mode, drainPerSecond, drainedTo, JSON.stringify(deliveries), format],
  );
  return row?.last ?? drainedTo;
}

/** One delivery in the hands of a worker. */
export interface Claimed {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly endpointId: string;
  readonly eventId: string;
  readonly type: string;
  readonly format: string;
  readonly sequence: number;
  readonly body: string;
  readonly tries: number;
  readonly fence: number;
  readonly url: string;
}

const CLAIMED = `d.id, d.tenant_id as "tenantId", d.mode, d.endpoint_id as "endpointId", d.event_id as "eventId", d.event_type as type, d.format, d.sequence,
  d.body, d.tries, d.fence`;

/**
 * At most `limit`, and no more than `perEndpoint` of one endpoint in all processes: claims wait for each other, so that each
 * counts what the other has taken. Every endpoint with something waiting is visited once, by index. Of a store that was
 * restored nothing is taken that was there before, until the operator has looked.
 */
export async function claimDeliveries(
  trx: Sql,
  owner: string,
  { limit, perEndpoint, leaseSeconds }: { limit: number; perEndpoint: number; leaseSeconds: number },
): Promise<Claimed[]> {
  await trx.query(`select pg_advisory_xact_lock(hashtextextended('deliveries', 0))`);
  return trx.query<Claimed>(
    `with recursive source(endpoint_id) as (
       (select endpoint_id from deliveries where status = 'waiting' and (select store_is_known()) order by endpoint_id limit 1)
       union all
       select next.endpoint_id from source cross join lateral (
         select endpoint_id from deliveries where status = 'waiting' and endpoint_id > source.endpoint_id order by endpoint_id limit 1
       ) next
     ), ready as (
       select d.id, d.run_at, e.url from source join endpoints e on e.id = source.endpoint_id and e.status = 'active' cross join lateral (
         select id, run_at from deliveries
         where endpoint_id = e.id and status = 'waiting' and run_at <= clock_now() and not in_quarantine(event_id)
         order by run_at, sequence
         limit greatest(0, $3 - (select count(*) from deliveries f where f.endpoint_id = e.id and f.owner is not null and f.run_at > clock_now()))
       ) d
     ), picked as (select * from ready order by run_at limit $2)
     update deliveries d set owner = $1, fence = d.fence + 1, run_at = clock_now() + make_interval(secs => $4)
     from picked where d.id = picked.id and d.status = 'waiting' returning ${CLAIMED}, picked.url`,
    [owner, limit, perEndpoint, leaseSeconds],
  );
}

/** Sent at once by who asked for it: born taken. */
export const insertTest = (trx: Sql, owner: string, row: Claimed, leaseSeconds: number): Promise<unknown> =>
  trx.query(
    `insert into deliveries (id, tenant_id, mode, endpoint_id, event_id, event_type, format, sequence, body, owner, fence, run_at)
     values ($1, $2, $3, $4, $5, $6, $12, $7, $8, $9, $10, clock_now() + make_interval(secs => $11))`,
    [
      row.id,
      row.tenantId,
      row.mode,
      row.endpointId,
      row.eventId,
      row.type,
      row.sequence,
      row.body,
      owner,
      row.fence,
      leaseSeconds,
      row.format,
    ],
  );

/** Seconds until another test may be made; `undefined`: now. Whoever asks waits for who asked before. */
export async function waitForTest(trx: Sql, tenantId: string, perMinute: number): Promise<number | undefined> {
  await trx.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`webhook tests|${tenantId}`]);
  const [row] = await trx.query<{ tests: number; seconds: number | null }>(
    `select count(*)::int as tests, extract(epoch from min(created_at) + interval '1 minute' - clock_now())::float8 as seconds from deliveries
     where tenant_id = $1 and event_type = 'endpoint.test' and created_at > clock_now() - interval '1 minute'
       and id > uuid_at(clock_now() - interval '2 minutes')`,
    [tenantId],
  );
  return (row?.tests ?? 0) < perMinute ? undefined : Math.max(1, Math.ceil(row?.seconds ?? 1));
}

export interface Result {
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly statusCode: number | null;
  readonly fault: string | null;
  readonly answer: string | null;
}

/** The end of a delivery, or when it is tried again. False: somebody else has it now, and nothing was written. */
export async function closeDelivery(
  trx: Sql,
  owner: string,
  { id, tenantId, fence, tries }: Pick<Claimed, 'id' | 'tenantId' | 'fence' | 'tries'>,
  result: Result,
  then: { readonly status: 'delivered' | 'failed' } | { readonly waitMs: number },
): Promise<boolean> {
  const [status, waitMs] = 'status' in then ? [then.status, 0] : ['waiting', then.waitMs];
  const done = await trx.query(
    `update deliveries set status = $4, tries = $5, owner = null, run_at = clock_now() + make_interval(secs => $6),
       ended_at = case when $4 <> 'waiting' then clock_now() end
     where id = $1 and owner = $2 and fence = $3 and status = 'waiting' returning 1`,
    [id, owner, fence, status, tries + 1, waitMs / 1_000],
  );
  if (done.length === 0) return false;
  await trx.query(
    `insert into delivery_attempts (delivery_id, number, tenant_id, started_at, duration_ms, status_code, fault, answer)
     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
    [id, tries + 1, tenantId, result.startedAt, result.durationMs, result.statusCode, result.fault, result.answer],
  );
  return true;
}

/** Taken, and given back unsent or cut off: due again now. */
export const releaseDeliveries = (sql: Sql, owner: string, ids: readonly string[]): Promise<unknown> =>
  sql.query(
    `update deliveries set owner = null, run_at = clock_now() where id = any($2) and owner = $1 and status = 'waiting'`,
    [owner, ids],
  );

/** Ended deliveries of before, a few thousand at a time; returns how many. */
export const purgeDeliveries = async (sql: Sql, days: number, limit: number): Promise<number> =>
  (
    await sql.query(
      `delete from deliveries where id in (
         select id from deliveries where id < uuid_at(clock_now() - make_interval(days => $1)) and status <> 'waiting' order by id limit $2) returning 1`,
      [days, limit],
    )
  ).length;
