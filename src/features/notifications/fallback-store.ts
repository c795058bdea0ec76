/** SQL of fallbacks: one notification at a time decides, and what it decides is rows like any other's. */
import type { Sql, Statement } from '../../lib/db.ts';
import { lastMessageIdOf, notificationIdOf } from '../../lib/ids.ts';
import { INSERT_EVENTS } from '../events/index.ts';
import { FROM, MESSAGE } from './store.ts';
import type { FallbackStep, Message } from './types.ts';

/**
 * Waits until nobody else decides about these notifications, until the end of the transaction. A lock of its own, not that of
 * a message: whoever comes here has one of the messages locked already, each another one.
 */
export const lockNotifications = (sql: Sql, ids: readonly string[]): Promise<unknown> =>
  sql.query(`select pg_advisory_xact_lock(hashtextextended(id, 33)) from unnest($1::text[]) as id`, [[...ids].sort()]);

/** All messages of these notifications as they stand now, with the store's time. Of a cancelled bulk nothing more begins. */
export const loadWhole = (sql: Sql, ids: readonly string[]): Promise<(Message & { now: Date; withdrawn: boolean })[]> =>
  sql.query(
    `select ${MESSAGE}, clock_now() as now, exists (select from bulks b where b.id = m.bulk_id and b.status = 'cancelled') as withdrawn from unnest($1::uuid[], $2::uuid[]) as n(first, last) join ${FROM} on m.id > n.first and m.id <= n.last
     order by m.id`,
    [ids, ids.map(lastMessageIdOf)],
  );

export interface Start extends Omit<FallbackStep, 'on' | 'afterSeconds'> {
  readonly id: string;
  readonly eventId: string;
  /** The first message of the notification: what all of them share is copied from it. */
  readonly firstId: string;
  readonly at: Date;
}

/**
 * Messages, due rows, first events and the sums of their bulks. What is there already is left as it is; a step of a paused
 * bulk waits, and so does one of a notification from before a restore: it may have been taken already.
 */
export const startSteps = (sql: Sql, starts: readonly Start[]): Promise<unknown> =>
  sql.query(
    `with s as (
       select * from jsonb_to_recordset($1) as s(id uuid, "eventId" uuid, "firstId" uuid, channel text, address text, "connectionId" uuid,
         "templateVersionId" uuid, "templateSlug" text, language text, input jsonb, at timestamptz)
     ), stored as (
       insert into messages (id, tenant_id, mode, channel, address, recipient, connection_id, template_version_id, template_slug, language, input,
         category, lane, on_unknown, created_at, expires_at, idempotency_key, retry_of, bulk_id, bulk_row, quiet_hours, actor_id, ip, request_id, fallback)
       select s.id, f.tenant_id, f.mode, s.channel, s.address, f.recipient, s."connectionId", s."templateVersionId", s."templateSlug", s.language,
         s.input, f.category, f.lane, f.on_unknown, s.at, s.at + (f.expires_at - coalesce(f.send_at, f.created_at)), f.idempotency_key, f.retry_of,
         f.bulk_id, f.bulk_row, f.quiet_hours, f.actor_id, f.ip, f.request_id, jsonb_set(f.fallback, '{steps}', '[]')
       from s join messages f on f.id = s."firstId"
       on conflict do nothing
       returning id, tenant_id, mode, connection_id, lane, bulk_id as "bulkId", created_at
     ), told as (
       ${INSERT_EVENTS} select s."eventId", tenant_id, mode, 'message.queued', id, '{}' from stored join s using (id)
     ), summed as (
       insert into bulk_tallies (bulk_id, tenant_id, queued) select "bulkId", tenant_id, count(*) from stored where "bulkId" is not null group by 1, 2
     )
     insert into due (id, tenant_id, connection_id, lane, run_at, bulk_id, held, quarantined)
     select id, tenant_id, connection_id, lane, created_at, "bulkId",
       in_quarantine(id) or exists (select from bulks b where b.id = "bulkId" and b.status = 'paused'), in_quarantine(id) from stored`,
    [JSON.stringify(starts)],
  );

export interface Deadline {
  /** Of the notification: a deadline is a due row that stands for all of it. */
  readonly id: string;
  readonly tenantId: string;
  readonly connectionId: string;
  readonly lane: number;
  readonly runAt: Date;
  readonly bulkId: string | null;
}

/** Whatever holds a deadline now decides by itself when it is due again. */
export const setDeadlines = (sql: Sql, rows: readonly Deadline[]): Promise<unknown> =>
  sql.query(
    `with d as (
       select * from jsonb_to_recordset($1) as d(id uuid, "tenantId" uuid, "connectionId" uuid, lane smallint, "runAt" timestamptz, "bulkId" uuid)
     ), put as (
       insert into due (id, kind, tenant_id, connection_id, lane, run_at, bulk_id)
       select id, 'deadline', "tenantId", "connectionId", lane, "runAt", "bulkId" from d on conflict do nothing
     )
     update due set run_at = d."runAt", connection_id = d."connectionId" from d where due.id = d.id
       and due.id in (select id from due where id in (select id from d) and owner is null for update skip locked)
       and (due.run_at, due.connection_id) is distinct from (d."runAt", d."connectionId")`,
    [JSON.stringify(rows)],
  );

/** The deadlines of what has just been stored: counted from when it may go, until it is known when it went. */
export const firstDeadlines = (firstIds: readonly string[]): Statement => ({
  text: `insert into due (id, kind, tenant_id, connection_id, lane, run_at)
     select n.id, 'deadline', m.tenant_id, (m.fallback #>> '{steps,0,connectionId}')::uuid, m.lane,
       coalesce(m.send_at, m.created_at) + make_interval(secs => (m.fallback #>> '{steps,0,afterSeconds}')::int)
     from unnest($1::uuid[], $2::uuid[]) as n(first, id) join messages m on m.id = n.first`,
  values: [firstIds, firstIds.map(notificationIdOf)],
});
