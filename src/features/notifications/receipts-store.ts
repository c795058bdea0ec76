/** SQL of receipts. */
import type { Sql, Statement } from '../../lib/db.ts';
import { lastMessageIdOf } from '../../lib/ids.ts';
import type { NewReceipt } from './receipts.ts';

export interface StoredReceipt {
  readonly connectionId: string;
  readonly key: string;
  readonly messageId: string;
  readonly providerId: string | null;
  readonly receipt: string;
  readonly fault: string | null;
  readonly providerCode: string | null;
  readonly providerMessage: string | null;
  readonly at: Date;
  /** Which attempt the provider's id stands for; null when only our own reference told the message. */
  readonly attempt: number | null;
}
const STORED = `r.connection_id as "connectionId", r.key, r.message_id as "messageId", r.provider_id as "providerId", r.receipt, r.fault,
  r.provider_code as "providerCode", r.provider_message as "providerMessage", r.at,
  (select p.attempt from provider_refs p where p.connection_id = r.connection_id and p.provider_id = r.provider_id) as attempt`;

/**
 * Stores what is new and says which message it belongs to: the one we named ourselves, if it went over this connection, else
 * the one the provider's id stands for. Without either it is parked. So is a refusal that will pass and has overtaken our
 * own note that the message was taken: only what was taken can be taken back. Returns the new ones that have a message.
 */
export const insertReceipts = (
  sql: Sql,
  receipts: readonly (NewReceipt & { passing: boolean })[],
): Promise<StoredReceipt[]> =>
  sql.query(
    `with r as (
       insert into receipts (connection_id, key, inbound_id, tenant_id, message_id, provider_id, receipt, fault, provider_code, provider_message, at)
       select distinct on (i."connectionId", i.key) i."connectionId", i.key, i."inboundId", m.tenant_id, m.id, i."providerId", i.receipt, i.fault,
         i."providerCode", i."providerMessage", coalesce(i.at, clock_now())
       from jsonb_to_recordset($1) as i("connectionId" uuid, key text, "inboundId" uuid, "messageId" uuid, "providerId" text,
         receipt text, passing boolean, fault text, "providerCode" text, "providerMessage" text, at timestamptz)
       left join provider_refs p on p.connection_id = i."connectionId" and p.provider_id = i."providerId"
       left join messages m on m.id = coalesce(p.message_id, i."messageId") and m.connection_id = i."connectionId"
         and not (p.message_id is null and i.passing and m.status = 'queued')
       order by i."connectionId", i.key
       on conflict do nothing
       returning *
     )
     select ${STORED} from r where message_id is not null`,
    [JSON.stringify(receipts)],
  );

/** Parked receipts whose message has become known since. */
export const claimParked = (sql: Sql): Promise<StoredReceipt[]> =>
  sql.query(
    `update receipts r set message_id = p.message_id, tenant_id = m.tenant_id
     from provider_refs p join messages m on m.id = p.message_id
     where r.message_id is null and p.connection_id = r.connection_id and p.provider_id = r.provider_id
     returning ${STORED}`,
  );

export const markApplied = (sql: Sql, keys: readonly { connectionId: string; key: string }[]): Promise<unknown> =>
  sql.query(
    `update receipts r set applied = true from jsonb_to_recordset($1) as k("connectionId" uuid, key text)
     where r.connection_id = k."connectionId" and r.key = k.key`,
    [JSON.stringify(keys)],
  );

/** A provider that has taken a message takes it back: the attempt may be followed by another. */
export const refuseLater = async (
  sql: Sql,
  rows: readonly {
    messageId: string;
    number: number;
    fault: string;
    providerCode: string | null;
    providerMessage: string | null;
    retryAt: Date | null;
  }[],
): Promise<Set<string>> => {
  const changed = await sql.query<{ id: string }>(
    `update attempts a set result = 'refused_later', fault = r.fault, provider_code = r."providerCode", provider_message = r."providerMessage", retry_at = r."retryAt"
     from jsonb_to_recordset($1) as r("messageId" uuid, number smallint, fault text, "providerCode" text, "providerMessage" text, "retryAt" timestamptz)
     where a.message_id = r."messageId" and a.number = r.number and a.result = 'accepted' returning a.message_id as id`,
    [JSON.stringify(rows)],
  );
  return new Set(changed.map(({ id }) => id));
};

/** Joined rather than compared with a list: so each id is looked for in its own partition only, whoever made the plan. */
const range = (notificationIds: readonly string[]): readonly string[][] => [
  [...notificationIds],
  notificationIds.map(lastMessageIdOf),
];

/** Of all messages of these notifications, the one that is open now included. */
export const attemptsIn = (notificationIds: readonly string[]): Statement => ({
  text: `select a.* from unnest($1::uuid[], $2::uuid[]) as n(first, last) cross join lateral (
      select message_id as "messageId", number, started_at as "startedAt", finished_at as "finishedAt", result, fault,
        provider_code as "providerCode", provider_message as "providerMessage", retry_at as "retryAt"
      from attempts where message_id > n.first and message_id <= n.last
      union all
      select id, tries, opened_at, null, null, null, null, null, null from due where id > n.first and id <= n.last and opened
    ) a order by 1, 2`,
  values: range(notificationIds),
});

export const receiptsIn = (notificationIds: readonly string[]): Statement => ({
  text: `select r.* from unnest($1::uuid[], $2::uuid[]) as n(first, last) cross join lateral (
      select message_id as "messageId", receipt, fault, provider_code as "providerCode", provider_message as "providerMessage", at,
        received_at as "receivedAt", applied
      from receipts where message_id > n.first and message_id <= n.last offset 0
    ) r order by r."messageId", r.at, r."receivedAt"`,
  values: range(notificationIds),
});

/** Parked for longer than any receipt may take. */
export const purgeParked = (sql: Sql, seconds: number): Promise<unknown> =>
  sql.query(`delete from receipts where message_id is null and received_at < clock_now() - make_interval(secs => $1)`, [
    seconds,
  ]);

/**
 * The next messages that were handed over longer ago than the receipt window, each visited once: the cursor follows the
 * events that told of their hand-over.
 */
export const overdueReceipts = async (
  sql: Sql,
  windowMs: number,
  limit: number,
): Promise<{ ids: string[]; position: string | undefined }> => {
  const rows = await sql.query<{ id: string; message_id: string; type: string }>(
    `select e.id, e.message_id, e.type from events e
     where e.id > coalesce((select position from cursors where name = 'receipt window'), '00000000-0000-0000-0000-000000000000')
       and e.id < uuid_at(clock_now() - make_interval(secs => $1 / 1000.0)) order by e.id limit $2`,
    [windowMs, limit],
  );
  return {
    ids: rows.filter(({ type }) => type === 'message.sent').map(({ message_id }) => message_id),
    position: rows.at(-1)?.id,
  };
};

export const moveCursor = (sql: Sql, position: string): Promise<unknown> =>
  sql.query(
    `insert into cursors values ('receipt window', $1) on conflict (name) do update set position = excluded.position`,
    [position],
  );
