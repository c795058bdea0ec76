/** SQL of the idempotency table. */
import { type Copy, copyText, Lines } from '../../lib/copy.ts';
import type { Sql, Statement } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Claim, Stored } from './index.ts';

const RECORD = `jsonb_to_recordset($1) as i("tenantId" uuid, mode text, key text, hash text, "notificationId" uuid, status int, body text)`;

/**
 * Inserts the new keys and takes over the free ones, which then remember the notification that held them; returns the
 * notifications that have won their key. A key that another transaction is writing is waited for.
 */
export const claimKeys = (claims: readonly Claim[], keepDays: number): Statement => ({
  text: `insert into idempotency as old (tenant_id, mode, key, request_hash, notification_id, status, body, expires_at)
     select "tenantId", mode, key, decode(hash, 'hex'), "notificationId", status, body, clock_now() + make_interval(days => $2)
     from ${RECORD} order by "tenantId", mode collate "C", key collate "C"
     on conflict (tenant_id, mode, key) do update
       set request_hash = excluded.request_hash, notification_id = excluded.notification_id, status = excluded.status,
           body = excluded.body, expires_at = excluded.expires_at, released_at = null,
           retry_of = case when old.released_at is not null then old.notification_id end
       where old.released_at is not null or old.expires_at < clock_now()
     returning notification_id, retry_of`,
  values: [JSON.stringify(claims), keepDays],
});

const byKey = (a: Claim, b: Claim): number =>
  order(a.tenantId, b.tenantId) || order(a.mode, b.mode) || order(a.key, b.key);
const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * New keys as they stand; any that is known fails the whole with a violation of the primary key. In the order of `claimKeys`, so
 * that two who store the same keys never wait for each other in a circle.
 */
export function copyKeys(claims: readonly Claim[], expiresAt: Date): Copy {
  const lines = new Lines();
  const end = `\t${expiresAt.toISOString()}\n`;
  for (const { tenantId, mode, key, hash, notificationId, status, body } of [...claims].sort(byKey))
    lines.add(
      `${tenantId}\t${mode}\t${copyText(key)}\t\\\\x${hash}\t${notificationId}\t${status}\t${copyText(body)}${end}`,
    );
  return {
    text: 'copy idempotency (tenant_id, mode, key, request_hash, notification_id, status, body, expires_at) from stdin',
    lines,
  };
}

export const findKeys = async (
  sql: Sql,
  keys: readonly { tenantId: string; mode: Mode; key: string }[],
  /** Only what a repeat would be answered with. */
  taken = false,
): Promise<Stored[]> => {
  const rows = await sql.query<{
    tenant_id: string;
    mode: Mode;
    key: string;
    hash: string;
    notification_id: string;
    status: number;
    body: string;
  }>(
    `select old.tenant_id, old.mode, old.key, encode(old.request_hash, 'hex') as hash, old.notification_id, old.status, old.body
     from ${RECORD} join idempotency old on (old.tenant_id, old.mode, old.key) = (i."tenantId", i.mode, i.key)
     where not $2 or (old.released_at is null and old.expires_at >= clock_now())`,
    [JSON.stringify(keys), taken],
  );
  return rows.map(({ tenant_id, notification_id, ...row }) => ({
    ...row,
    tenantId: tenant_id,
    notificationId: notification_id,
  }));
};

/** The keys of these notifications that are still taken. */
const KEYS = `select distinct m.tenant_id, m.mode, m.idempotency_key as key, n.id
  from unnest($1::uuid[]) as n(id) join messages m on m.id > n.id and m.id <= (left(n.id::text, 35) || 'f')::uuid
  where m.idempotency_key is not null`;

/**
 * Frees the keys of these notifications, unless one of their messages has not definitely failed, or may have arrived by an
 * attempt that nobody heard of again. The rows are locked first: of two messages of one notification that fail at once, the
 * second transaction then sees what the first has written.
 */
export const releaseKeys = async (sql: Sql, notificationIds: readonly string[]): Promise<void> => {
  await sql.query(
    `select 1 from idempotency i join (${KEYS}) k on (i.tenant_id, i.mode, i.key, i.notification_id) = (k.tenant_id, k.mode, k.key, k.id)
     order by i.tenant_id, i.mode, i.key for update of i`,
    [notificationIds],
  );
  await sql.query(
    `update idempotency i set released_at = clock_now()
     from (${KEYS}) k
     where (i.tenant_id, i.mode, i.key, i.notification_id) = (k.tenant_id, k.mode, k.key, k.id) and i.released_at is null
       and not exists (
         select from messages m where m.id > k.id and m.id <= (left(k.id::text, 35) || 'f')::uuid
           and (m.status <> 'failed' or m.outcome not in ('failed', 'expired', 'cancelled')
             or exists (select from attempts a where a.message_id = m.id and a.result = 'unknown')
             or exists (select from due d where d.id = m.id and d.opened))
       )`,
    [notificationIds],
  );
};

export const purgeKeys = async (sql: Sql, limit: number): Promise<number> => {
  const rows = await sql.query(
    `delete from idempotency where (tenant_id, mode, key) in (select tenant_id, mode, key from idempotency where expires_at < clock_now() limit $1) returning 1`,
    [limit],
  );
  return rows.length;
};
