/**
 * Takes a person out of notifications. What still waits ends as cancelled and is never sent; what a worker has in its hands
 * keeps the outcome it comes to, and is emptied all the same. Statuses, times and counts stay: they say nothing of anybody.
 */
import type { Sql, Trx } from '../../lib/db.ts';
import { lastMessageIdOf } from '../../lib/ids.ts';
import type { Events } from '../events/index.ts';
import { lockNotifications } from './fallback-store.ts';
import { holdInRanges, lockMessages, withdrawDue } from './store.ts';
import { ERASED, type Message } from './types.ts';
import { applyWords } from './words.ts';

/**
 * Empties all messages of these notifications; `pattern` finds a key of idempotency that repeats the address, as a part too. Returns the
 * messages, and how many of them will not be sent any more.
 */
export async function eraseNotifications(
  trx: Trx,
  deps: { readonly events: Events },
  notificationIds: readonly string[],
  pattern: string,
  at: Date,
): Promise<{ ids: string[]; cancelled: number }> {
  // No step of a fallback is taken meanwhile.
  await lockNotifications(trx, notificationIds);
  const found = await trx.query<{ id: string }>(
    `select m.id from unnest($1::uuid[], $2::uuid[]) as n(first, last) cross join lateral (
       select id from messages where id > n.first and id <= n.last offset 0) m`,
    [notificationIds, notificationIds.map(lastMessageIdOf)],
  );
  const ids = found.map(({ id }) => id);
  const messages = await lockMessages(trx, ids);
  const cancelled = await cancelWaiting(trx, deps, messages, at);
  await trx.query(`delete from due where id = any($1) and kind = 'deadline' and owner is null`, [notificationIds]);
  await trx.query(
    `update idempotency i set key = 'erased ' || i.notification_id
     from (select distinct tenant_id, mode, idempotency_key as key from messages where id = any($1) and idempotency_key ~* $2) m
     where (i.tenant_id, i.mode, i.key) = (m.tenant_id, m.mode, m.key)`,
    [ids, pattern],
  );
  await trx.query(
    `update messages set address = '${ERASED}', recipient = '{}', input = '{}', on_unknown = 'wait', fallback = jsonb_set(fallback, '{steps}', '[]'),
       idempotency_key = case when idempotency_key ~* $2 then 'erased ' || (left(id::text, 35) || '0') else idempotency_key end
     where id = any($1)`,
    [ids, pattern],
  );
  return { ids, cancelled };
}

/** What no worker holds of these ends now; returns how many. */
export async function cancelWaiting(
  trx: Trx,
  deps: { readonly events: Events },
  messages: readonly Pick<Message, 'id' | 'status' | 'bulkId' | 'attempts' | 'connectionId'>[],
  at: Date,
): Promise<number> {
  const queued = messages.filter(({ status }) => status === 'queued');
  const own = await withdrawDue(
    trx,
    queued.map(({ id }) => id),
  );
  const ofBulks = queued.filter(({ id, bulkId, attempts }) => bulkId && attempts === 0 && !own.includes(id));
  const withdrawn = [...own, ...(ofBulks.length > 0 ? await holdInRanges(trx, ofBulks) : [])];
  const word = { word: 'failed', at, code: 'erased', outcome: 'cancelled' } as const;
  await applyWords(trx, deps, new Map(withdrawn.map((id) => [id, [word]])));
  return withdrawn.length;
}

/** Notifications of a person, by the addresses their messages went to; at most so many. */
export const notificationsTo = async (
  sql: Sql,
  tenantId: string,
  mode: string,
  addresses: readonly string[],
  limit: number,
): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `select distinct (left(id::text, 35) || '0')::uuid as id from (
         select id from messages where tenant_id = $1 and address = any($3) and mode = $2 limit $4) m`,
      [tenantId, mode, addresses, limit],
    )
  ).map(({ id }) => id);

/**
 * Of emptied messages: those that a worker still holds, or that still wait, in a range too. What was in somebody's hands when
 * a backup was made waits for the operator, for as long as that takes: it is never sent again, so nothing is owed.
 */
export const unsettledOf = (sql: Sql, erasureId: string, limit: number): Promise<Message[]> =>
  sql.query(
    `select m.id, m.status, m.bulk_id as "bulkId", m.attempts, m.connection_id as "connectionId" from erased_messages e join messages m on m.id = e.message_id
     where e.erasure_id = $1 and (exists (select from due d where d.id = m.id and d.owner is not null)
       or m.status = 'queued' and not exists (select from due d where d.id = m.id and d.quarantined and d.opened)
         and not exists (select from due d where d.bulk_id = m.bulk_id and d.connection_id = m.connection_id and d.after_id < m.id and d.last_id >= m.id
           and d.quarantined and d.opened)) limit $2`,
    [erasureId, limit],
  );

/** What was said about emptied messages, by us and by providers, that may repeat the address. */
export async function eraseWords(sql: Sql, ids: readonly string[]): Promise<void> {
  await sql.query(
    'update attempts set provider_message = null where message_id = any($1) and provider_message is not null',
    [ids],
  );
  await sql.query(
    'update receipts set provider_message = null where message_id = any($1) and provider_message is not null',
    [ids],
  );
}
