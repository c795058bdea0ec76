/** SQL of the idempotency table. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Claim, Stored } from './index.ts';

const RECORD = `jsonb_to_recordset($1) as i("tenantId" uuid, mode text, key text, hash text, "notificationId" uuid, status int, body text)`;

/**
 * Inserts the new keys and takes over the free ones; returns those that were won, each with the notification that held the
 * key before. A key that another transaction is writing is waited for.
 */
export const claimKeys = (
  sql: Sql,
  claims: readonly Claim[],
  keepDays: number,
): Promise<{ notification_id: string; retry_of: string | null }[]> =>
  sql.query(
    `with prior as (
       select old.tenant_id, old.mode, old.key, old.notification_id
       from ${RECORD} join idempotency old on (old.tenant_id, old.mode, old.key) = (i."tenantId", i.mode, i.key)
       where old.released_at is not null
     ), won as (
       insert into idempotency as old (tenant_id, mode, key, request_hash, notification_id, status, body, expires_at)
       select "tenantId", mode, key, decode(hash, 'hex'), "notificationId", status, body, clock_now() + make_interval(days => $2)
       from ${RECORD} order by "tenantId", mode, key
       on conflict (tenant_id, mode, key) do update
         set request_hash = excluded.request_hash, notification_id = excluded.notification_id, status = excluded.status,
             body = excluded.body, expires_at = excluded.expires_at, released_at = null
         where old.released_at is not null or old.expires_at < clock_now()
       returning tenant_id, mode, key, notification_id
     )
     select won.notification_id, prior.notification_id as retry_of from won left join prior using (tenant_id, mode, key)`,
    [JSON.stringify(claims), keepDays],
  );

export const findKeys = async (
  sql: Sql,
  keys: readonly { tenantId: string; mode: Mode; key: string }[],
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
     from ${RECORD} join idempotency old on (old.tenant_id, old.mode, old.key) = (i."tenantId", i.mode, i.key)`,
    [JSON.stringify(keys)],
  );
  return rows.map(({ tenant_id, notification_id, ...row }) => ({
    ...row,
    tenantId: tenant_id,
    notificationId: notification_id,
  }));
};

/** Frees the keys of these notifications, unless one of their messages has not definitely failed. */
export const releaseKeys = async (sql: Sql, notificationIds: readonly string[]): Promise<void> => {
  await sql.query(
    `update idempotency set released_at = clock_now()
     from (
       select m.tenant_id, m.mode, m.idempotency_key, n.id
       from unnest($1::uuid[]) as n(id)
       join messages m on m.id > n.id and m.id <= (left(n.id::text, 35) || 'f')::uuid
       group by 1, 2, 3, 4
       having bool_and(m.status = 'failed' and m.outcome in ('failed', 'expired', 'cancelled'))
     ) as done
     where (idempotency.tenant_id, idempotency.mode, idempotency.key, idempotency.notification_id) = (done.tenant_id, done.mode, done.idempotency_key, done.id)
       and released_at is null`,
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
