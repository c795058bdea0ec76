/**
 * SQL of taking work and giving it back. A claim moves `run_at` to the end of the lease and raises the fence; who writes a
 * result must still hold both. So a lapsed lease is due again by itself, and a process that slept through its lease can
 * change nothing.
 */
import type { Sql } from '../../lib/db.ts';
import type { AttemptResult } from './types.ts';

export interface Claimed {
  readonly id: string;
  readonly connectionId: string;
  readonly fence: number;
  /** Attempts so far. */
  readonly lastNumber: number;
  /** An attempt whose process died in it. */
  readonly openNumber: number | null;
  readonly openSince: Date | null;
  /** The store's time of the claim. */
  readonly now: Date;
}

export interface Room {
  readonly connectionId: string;
  /** How many messages this process can hand to it now; 0 leaves them to others. */
  readonly room: number;
}

/**
 * At most `limit` messages, high priority first, one connection after the other; per connection no more than its room.
 * The recursive part visits each connection that has something waiting once, by index, however long its queue is.
 */
export const claimDue = (
  sql: Sql,
  owner: string,
  {
    rooms,
    defaultRoom,
    limit,
    leaseSeconds,
  }: { rooms: readonly Room[]; defaultRoom: number; limit: number; leaseSeconds: number },
): Promise<Claimed[]> =>
  sql.query(
    `with recursive source(id) as (
       (select connection_id from due order by connection_id limit 1)
       union all
       select (select connection_id from due where connection_id > source.id order by connection_id limit 1) from source where source.id is not null
     ), room as (
       select source.id, coalesce(r.room, $3) as room
       from source left join jsonb_to_recordset($2) as r("connectionId" uuid, room int) on r."connectionId" = source.id
       where source.id is not null and coalesce(r.room, $3) > 0
     ), ready as (
       select d.id, d.lane, d.run_at, row_number() over (partition by room.id order by d.lane, d.run_at) as nth, room.room
       from room cross join (values (0), (1), (2)) as lanes(lane)
       cross join lateral (
         select due.id, due.lane, due.run_at from due
         where due.connection_id = room.id and due.lane = lanes.lane and due.run_at <= clock_now()
         order by due.run_at limit room.room for update skip locked
       ) d
     ), picked as (
       select id from ready where nth <= room order by lane, nth, run_at limit $4
     ), taken as (
       update due set owner = $1, fence = fence + 1, run_at = clock_now() + make_interval(secs => $5)
       from picked where due.id = picked.id
       returning due.id, due.connection_id, due.fence
     )
     select taken.id, taken.connection_id as "connectionId", taken.fence, coalesce(a.last, 0) as "lastNumber", a.open as "openNumber", a.since as "openSince", clock_now() as now
     from taken left join lateral (
       select max(number) as last, max(number) filter (where result is null) as open, max(started_at) filter (where result is null) as since
       from attempts where message_id = taken.id
     ) a on true`,
    [owner, JSON.stringify(rooms), defaultRoom, limit, leaseSeconds],
  );

/** Which of these a worker still holds, as `id/fence`, locked until the end of the transaction. */
export const holdDue = async (
  sql: Sql,
  owner: string,
  held: readonly { id: string; fence: number }[],
): Promise<Set<string>> => {
  const rows = await sql.query<{ id: string; fence: number }>(
    `select due.id, due.fence from due join jsonb_to_recordset($2) as h(id uuid, fence int) on h.id = due.id and h.fence = due.fence
     where due.owner = $1 order by due.id for update of due`,
    [owner, JSON.stringify(held)],
  );
  return new Set(rows.map(({ id, fence }) => `${id}/${fence}`));
};

export const finishDue = (sql: Sql, ids: readonly string[]): Promise<unknown> =>
  sql.query(`delete from due where id = any($1)`, [ids]);

export const releaseDue = (sql: Sql, rows: readonly { id: string; runAt: Date }[]): Promise<unknown> =>
  sql.query(
    `update due set owner = null, run_at = r."runAt" from jsonb_to_recordset($1) as r(id uuid, "runAt" timestamptz) where due.id = r.id`,
    [JSON.stringify(rows)],
  );

/** Before the first byte leaves, and only for rows that are still ours; returns the ids of the messages that may go. */
export const openAttempts = async (
  sql: Sql,
  owner: string,
  attempts: readonly { messageId: string; number: number; tenantId: string; connectionId: string; fence: number }[],
): Promise<Set<string>> => {
  if (attempts.length === 0) return new Set();
  const rows = await sql.query<{ id: string }>(
    `insert into attempts (message_id, number, tenant_id, connection_id, fence, started_at)
     select "messageId", number, "tenantId", "connectionId", a.fence, clock_now()
     from jsonb_to_recordset($1) as a("messageId" uuid, number smallint, "tenantId" uuid, "connectionId" uuid, fence int)
     join due on due.id = a."messageId" and due.fence = a.fence and due.owner = $2
     on conflict do nothing returning message_id as id`,
    [JSON.stringify(attempts), owner],
  );
  return new Set(rows.map(({ id }) => id));
};

export interface ClosedAttempt {
  readonly messageId: string;
  readonly number: number;
  readonly result: AttemptResult;
  readonly fault: string | null;
  readonly providerCode: string | null;
  readonly providerMessage: string | null;
  readonly providerId: string | null;
  readonly retryAt: Date | null;
}

/** Only what is still open, or was left unknown and is known now. */
export const closeAttempts = (sql: Sql, attempts: readonly ClosedAttempt[]): Promise<unknown> =>
  sql.query(
    `update attempts t set finished_at = clock_now(), result = a.result, fault = a.fault, provider_code = a."providerCode",
       provider_message = a."providerMessage", provider_id = a."providerId", retry_at = a."retryAt"
     from jsonb_to_recordset($1) as a("messageId" uuid, number smallint, result text, fault text, "providerCode" text,
       "providerMessage" text, "providerId" text, "retryAt" timestamptz)
     where t.message_id = a."messageId" and t.number = a.number and (t.result is null or t.result = 'unknown')`,
    [JSON.stringify(attempts)],
  );

/** The provider's ids, so that receipts find their message. Repeats are the same fact. */
export const insertRefs = (
  sql: Sql,
  refs: readonly { connectionId: string; providerId: string; messageId: string; attempt: number }[],
): Promise<unknown> =>
  sql.query(
    `insert into provider_refs (connection_id, provider_id, message_id, attempt)
     select "connectionId", "providerId", "messageId", attempt
     from jsonb_to_recordset($1) as r("connectionId" uuid, "providerId" text, "messageId" uuid, attempt smallint)
     on conflict do nothing`,
    [JSON.stringify(refs)],
  );
