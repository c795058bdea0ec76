/**
 * SQL of taking work and giving it back. A claim moves `run_at` to the end of the lease, raises the fence and opens the
 * attempt, all in one write that is committed before the first byte leaves; who writes a result must still hold lease and
 * fence. So a lapsed lease is due again by itself, what was open then is known to be unknown, and a process that slept
 * through its lease can change nothing.
 */
import type { Sql } from '../../lib/db.ts';
import type { AttemptResult } from './types.ts';

/** One message in the hands of a worker. */
export interface Claimed {
  readonly id: string;
  readonly tenantId: string;
  readonly connectionId: string;
  /** The due row that holds it: its own, or the range it lies in. */
  readonly dueId: string;
  readonly fence: number;
  /** The attempt that is open now; for a deadline, the last one. */
  readonly number: number;
  /** Since when its process has been dead in it; null: the claim has just opened it. */
  readonly openSince: Date | null;
  /** Nothing is sent: a decision is due. */
  readonly deadline: boolean;
  /** The store's time of the claim. */
  readonly now: Date;
}

/** A due row that was taken. */
export interface TakenRow {
  readonly id: string;
  readonly kind: 'message' | 'range' | 'deadline';
  readonly tenantId: string;
  readonly connectionId: string;
  readonly lane: number;
  readonly fence: number;
  readonly tries: number;
  readonly openSince: Date | null;
  /** When it was due. */
  readonly wasDue: Date;
  readonly bulkId: string | null;
  readonly afterId: string | null;
  readonly lastId: string | null;
  readonly size: number;
  /** How many of its messages may start. */
  readonly quota: number;
  readonly now: Date;
}

/** A message that was taken by itself. */
export const claimedOf = ({ id, tenantId, connectionId, fence, tries, openSince, kind, now }: TakenRow): Claimed => ({
  id,
  tenantId,
  connectionId,
  dueId: id,
  fence,
  number: tries,
  openSince,
  deadline: kind === 'deadline',
  now,
});

export interface Room {
  readonly connectionId: string;
  /** How many messages this process can hand to it now; 0 leaves them to others. */
  readonly room: number;
  /** How many of them may be of normal and low priority: the rest is kept for what is urgent. */
  readonly common: number;
}

export interface ClaimOptions {
  readonly rooms: readonly Room[];
  /** For connections that this process has not met. */
  readonly defaultRoom: number;
  /** Messages in all. */
  readonly limit: number;
  readonly leaseSeconds: number;
}

/** The taking itself: lease, fence, and the attempt opened. */
const takeFrom = (source: string, leaseSeconds: string): string =>
  `update due set owner = $1, fence = fence + 1, run_at = clock_now() + make_interval(secs => ${leaseSeconds}),
         opened = due.opened or due.kind = 'message', opened_at = case when due.opened then due.opened_at else clock_now() end,
         tries = due.tries + case when due.kind = 'message' and not due.opened then 1 else 0 end
       from ${source} where due.id = ${source}.id`;
const TAKEN = `select id, kind, tenant_id as "tenantId", connection_id as "connectionId", lane, fence, tries, open_since as "openSince", was_due as "wasDue",
       bulk_id as "bulkId", after_id as "afterId", last_id as "lastId", size, quota, clock_now() as now
     from taken order by lane, was_due, id`;

/**
 * At most `limit` messages, high priority first; within a connection and a priority the tenants take turns, and the lot says
 * who begins, so that a single free place is not always the same one's. Of a store that was restored, or whose server was started, and not looked at since
 * nothing is taken. The recursive part visits every connection, priority and tenant with something waiting once, by index, however long their queues are.
 */
export const claimDue = (
  sql: Sql,
  owner: string,
  { rooms, defaultRoom, limit, leaseSeconds }: ClaimOptions,
): Promise<TakenRow[]> =>
  sql.query(
    `with recursive source(connection_id, lane, tenant_id) as (
       (select connection_id, lane, tenant_id from due where not held and (select store_is_known()) order by connection_id, lane, tenant_id limit 1)
       union all
       select next.* from source cross join lateral (
         select connection_id, lane, tenant_id from due
         where not held and (connection_id, lane, tenant_id) > (source.connection_id, source.lane, source.tenant_id)
         order by connection_id, lane, tenant_id limit 1
       ) next
     ), queue as materialized (
       select source.*, case when source.lane = 0 then coalesce(r.room, $3) else coalesce(r.common, $3) end as room,
         count(*) over (partition by source.connection_id, source.lane) as tenants, random() as lot
       from source left join jsonb_to_recordset($2) as r("connectionId" uuid, room int, common int) on r."connectionId" = source.connection_id
     ), ready as (
       select d.id, d.run_at, d.opened, d.opened_at, d.share, queue.connection_id, queue.lane, queue.room, queue.lot,
         sum(d.share) over (partition by queue.connection_id, queue.lane, queue.tenant_id order by d.run_at, d.id) - d.share as turn
       from queue cross join lateral (
         select due.id, due.run_at, due.opened, due.opened_at, least(due.size, (queue.room + queue.tenants - 1) / queue.tenants) as share from due
         where due.connection_id = queue.connection_id and due.lane = queue.lane and due.tenant_id = queue.tenant_id
           and not due.held and due.run_at <= clock_now()
         order by due.run_at limit least(queue.room, $4) for update skip locked
       ) d where queue.room > 0
     ), ranked as (
       select *, sum(share) over (partition by connection_id order by lane, turn, lot, id) - share as before,
         sum(share) over (order by lane, turn, lot, id) - share as ahead
       from ready
     ), picked as (
       select id, run_at, opened, opened_at, least(share, room - before, $4 - ahead)::int as quota from ranked where before < room and ahead < $4
     ), taken as (
       ${takeFrom('picked', '$5')} returning due.*, picked.run_at as was_due, picked.quota, case when picked.opened then picked.opened_at end as open_since
     )
     ${TAKEN}`,
    [owner, JSON.stringify(rooms), defaultRoom, limit, leaseSeconds],
  );

/**
 * Of connections that nothing may be sent through now: what is due and needs no call. A decision that is due, or the end of a
 * message whose time is over. As costly as what waits there is long, so its caller asks rarely.
 */
export const claimOver = (
  sql: Sql,
  owner: string,
  connectionIds: readonly string[],
  limit: number,
  leaseSeconds: number,
): Promise<TakenRow[]> =>
  sql.query(
    `with over as materialized (
       select due.id, due.run_at, due.opened, due.opened_at from due left join messages m on m.id = due.id
       where due.connection_id = any($2) and not due.held and due.run_at <= clock_now() and due.kind <> 'range'
         and (due.kind = 'deadline' or m.expires_at <= clock_now())
       order by due.lane, due.run_at limit $3 for update of due skip locked
     ), taken as (
       ${takeFrom('over', '$4')} returning due.*, over.run_at as was_due, due.size as quota, case when over.opened then over.opened_at end as open_since
     )
     ${TAKEN}`,
    [owner, connectionIds, limit, leaseSeconds],
  );

export interface Held {
  /** Of the due row. */
  readonly dueId: string;
  readonly fence: number;
}

/** Which of these due rows a worker still holds, as `id/fence`, locked until the end of the transaction. */
export const holdDue = async (sql: Sql, owner: string, held: readonly Held[]): Promise<Set<string>> => {
  const rows = await sql.query<{ id: string; fence: number }>(
    `select due.id, due.fence from due
     join (select distinct "dueId", fence from jsonb_to_recordset($2) as h("dueId" uuid, fence int)) h on h."dueId" = due.id and h.fence = due.fence
     where due.owner = $1 order by due.id for update of due`,
    [owner, JSON.stringify(held.map(({ dueId, fence }) => ({ dueId, fence })))],
  );
  return new Set(rows.map(({ id, fence }) => `${id}/${fence}`));
};

export const finishDue = (sql: Sql, ids: readonly string[]): Promise<unknown> =>
  sql.query(`delete from due where id = any($1)`, [ids]);

export interface Again {
  readonly id: string;
  readonly runAt: Date;
  /** Attempts that have been made. */
  readonly tries: number;
  /** Whether the last of them is still without an answer. */
  readonly opened: boolean;
  readonly deadline: boolean;
}

export const releaseDue = (sql: Sql, rows: readonly Again[]): Promise<unknown> =>
  sql.query(
    `update due set owner = null, run_at = r."runAt", tries = r.tries, opened = r.opened, kind = case when r.deadline then 'deadline' else 'message' end
     from jsonb_to_recordset($1) as r(id uuid, "runAt" timestamptz, tries smallint, opened boolean, deadline boolean) where due.id = r.id`,
    [JSON.stringify(rows)],
  );

/**
 * Taken by this worker, and never begun: as it was before the claim, and due again after so many seconds. What another has
 * taken since stays his.
 */
export const returnTaken = (
  sql: Sql,
  owner: string,
  rows: readonly TakenRow[],
  afterSeconds: number,
): Promise<unknown> =>
  sql.query(
    `update due set owner = null, run_at = clock_now() + make_interval(secs => $3), opened = r.open, tries = r.tries,
       opened_at = case when r.open then due.opened_at end
     from jsonb_to_recordset($2) as r(id uuid, fence int, open boolean, tries smallint)
     where due.id = r.id and due.fence = r.fence and due.owner = $1`,
    [
      owner,
      JSON.stringify(
        rows.map(({ id, fence, kind, tries, openSince }) => ({
          id,
          fence,
          open: openSince !== null,
          // The claim has counted the attempt of a message.
          tries: kind === 'message' && openSince === null ? tries - 1 : tries,
        })),
      ),
      afterSeconds,
    ],
  );

/** Stored as taken by this worker, and never begun. */
export const returnBorn = (sql: Sql, owner: string, ids: readonly string[]): Promise<unknown> =>
  sql.query(
    `update due set owner = null, opened = false, tries = 0, run_at = clock_now() where id = any($2) and owner = $1 and fence = 1`,
    [owner, ids],
  );

/** Messages of a range that go their own way from now on; what holds the bulk back holds them too. */
export const leaveRange = (sql: Sql, rows: readonly (Again & { dueId: string })[]): Promise<unknown> =>
  sql.query(
    `insert into due (id, kind, tenant_id, connection_id, lane, run_at, tries, opened, opened_at, bulk_id, held)
     select r.id, case when r.deadline then 'deadline' else 'message' end, due.tenant_id, due.connection_id, due.lane, r."runAt", r.tries, r.opened,
       case when r.opened then due.opened_at end, due.bulk_id, due.held and not r.deadline
     from jsonb_to_recordset($1) as r(id uuid, "dueId" uuid, "runAt" timestamptz, tries smallint, opened boolean, deadline boolean)
     join due on due.id = r."dueId"
     on conflict (id) do nothing`,
    [JSON.stringify(rows)],
  );

export interface ClosedAttempt {
  readonly messageId: string;
  readonly tenantId: string;
  readonly connectionId: string;
  readonly number: number;
  readonly fence: number;
  readonly startedAt: Date;
  readonly result: AttemptResult;
  readonly fault: string | null;
  readonly providerCode: string | null;
  readonly providerMessage: string | null;
  readonly providerId: string | null;
  readonly retryAt: Date | null;
}

export const ATTEMPT_COLUMNS = `message_id, number, tenant_id, connection_id, fence, started_at, finished_at, result, fault, provider_code,
  provider_message, provider_id, retry_at`;

/** What is new, or was left unknown and is known now. */
export const closeAttempts = (sql: Sql, attempts: readonly ClosedAttempt[]): Promise<unknown> =>
  sql.query(
    `insert into attempts as t (${ATTEMPT_COLUMNS})
     select "messageId", number, "tenantId", "connectionId", fence, "startedAt", clock_now(), result, fault, "providerCode", "providerMessage",
       "providerId", "retryAt"
     from jsonb_to_recordset($1) as a("messageId" uuid, number smallint, "tenantId" uuid, "connectionId" uuid, fence int, "startedAt" timestamptz,
       result text, fault text, "providerCode" text, "providerMessage" text, "providerId" text, "retryAt" timestamptz)
     on conflict (message_id, number) do update set finished_at = excluded.finished_at, result = excluded.result, fault = excluded.fault,
       provider_code = excluded.provider_code, provider_message = excluded.provider_message, provider_id = excluded.provider_id, retry_at = excluded.retry_at
     where t.result = 'unknown'`,
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
