/** SQL of messages and due rows: accepting, reading, changing. Every call takes many. */
import { isoOf } from '../../lib/clock.ts';
import { copyText, Lines, NULL, textOrNull } from '../../lib/copy.ts';
import type { Leg, Sql, Statement } from '../../lib/db.ts';
import { bornLine, copyEvents } from '../events/index.ts';
import type { State } from './status.ts';
import type { Message, NewMessage } from './types.ts';

export interface Entry {
  readonly message: NewMessage;
  /** Of `entryLine`. */
  readonly line: string;
  /** Held by this worker from birth: its first attempt is open. */
  readonly born: boolean;
}

const MESSAGES = `copy messages (id, tenant_id, mode, channel, address, recipient, connection_id, template_version_id, template_slug,
  language, input, category, lane, on_unknown, created_at, send_at, expires_at, idempotency_key, retry_of, actor_id, ip, request_id,
  fallback) from stdin`;

/** Messages with their first events and their due rows. `owner` holds for a lease what is born into its hands. */
export function enterMessages(entries: readonly Entry[], owner: string, leaseSeconds: number): readonly Leg[] {
  const [messages, events] = [new Lines(), new Lines()];
  const due = { ids: '', tenants: '', connections: '', lanes: '', times: '', born: '' };
  for (const { message, line, born } of entries) {
    messages.add(line);
    events.add(bornLine(message.tenantId, message.mode, message.id));
    const comma = due.ids === '' ? '' : ',';
    due.ids += comma + message.id;
    due.tenants += comma + message.tenantId;
    due.connections += comma + message.connectionId;
    due.lanes += comma + message.lane;
    due.times += comma + (message.sendAt?.toISOString() ?? 'null');
    due.born += comma + (born ? 't' : 'f');
  }
  const arrays = [due.ids, due.tenants, due.connections, due.lanes, due.times, due.born].map((list) => `{${list}}`);
  return [
    { text: MESSAGES, lines: messages },
    copyEvents(events),
    { text: ENTER_DUE, values: [...arrays, owner, leaseSeconds] },
  ];
}

/** When they are due is the database's to say. */
const ENTER_DUE = `insert into due (id, tenant_id, connection_id, lane, run_at, owner, fence, opened, opened_at, tries)
  select id, tenant_id, connection_id, lane, case when born then now + make_interval(secs => $8) else coalesce(send_at, now) end,
    case when born then $7::uuid end, born::int, born, case when born then now end, born::int
  from (select clock_now() as now offset 0) at,
    unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::smallint[], $5::timestamptz[], $6::boolean[])
      as d(id, tenant_id, connection_id, lane, send_at, born)`;

/**
 * A message as a line of COPY, made while it waits for its turn: the store should not wait for it. Written out, because this is
 * done for each, and most of the columns are ours and need no escape.
 */
export const entryLine = (m: NewMessage): string =>
  `${m.id}\t${m.tenantId}\t${m.mode}\t${m.channel}\t${copyText(m.address)}\t${copyText(JSON.stringify(m.recipient))}\t${
    m.connectionId
  }\t${m.templateVersionId ?? NULL}\t${textOrNull(m.templateSlug)}\t${textOrNull(m.language)}\t${copyText(JSON.stringify(m.input))}\t${
    m.category
  }\t${m.lane}\t${m.onUnknown}\t${isoOf(m.createdAt)}\t${m.sendAt?.toISOString() ?? NULL}\t${isoOf(m.expiresAt)}\t${textOrNull(m.idempotencyKey)}\t${m.retryOf ?? NULL}\t${copyText(m.actorId)}\t${copyText(m.ip)}\t${copyText(
    m.requestId,
  )}\t${m.fallback ? copyText(JSON.stringify(m.fallback)) : NULL}\n`;

export const MESSAGE = `m.id, m.tenant_id as "tenantId", m.mode, m.channel, m.address, m.recipient, m.connection_id as "connectionId",
  m.template_version_id as "templateVersionId", m.template_slug as "templateSlug", v.number as "templateVersion", m.language,
  m.input, m.category, m.lane, m.on_unknown as "onUnknown", m.created_at as "createdAt", m.send_at as "sendAt", m.expires_at as "expiresAt",
  m.idempotency_key as "idempotencyKey", m.retry_of as "retryOf", m.actor_id as "actorId", m.ip, m.request_id as "requestId",
  m.status, m.outcome, m.failure_code as "failureCode", m.attempts, m.outcome_unknown as "outcomeUnknown",
  m.next_attempt_at as "nextAttemptAt", m.sent_at as "sentAt", m.delivered_at as "deliveredAt", m.failed_at as "failedAt",
  m.read_at as "readAt", m.complained_at as "complainedAt", m.bulk_id as "bulkId", m.bulk_row as "bulkRow", m.quiet_hours as "quietHours",
  m.fallback`;
export const FROM = `messages m left join template_versions v on v.id = m.template_version_id`;

export const loadMessages = (sql: Sql, ids: readonly string[]): Promise<Message[]> =>
  sql.query(`select ${MESSAGE} from ${FROM} where m.id = any($1)`, [ids]);

/**
 * The next messages of each range, in the order of the ids, as many as its quota; of a range whose worker died, those that
 * nothing was written down about.
 */
export const loadRanges = (
  sql: Sql,
  ranges: readonly {
    id: string;
    afterId: string;
    lastId: string;
    connectionId: string;
    bulkId: string;
    quota: number;
    lost: boolean;
  }[],
): Promise<(Message & { dueId: string })[]> =>
  sql.query(
    `select r.id as "dueId", ${MESSAGE}
     from jsonb_to_recordset($1) as r(id uuid, "afterId" uuid, "lastId" uuid, "connectionId" uuid, "bulkId" uuid, quota int, lost boolean)
     cross join lateral (
       select * from messages
       where messages.id > r."afterId" and messages.id <= r."lastId" and bulk_id = r."bulkId" and connection_id = r."connectionId"
         and not (r.lost and (status <> 'queued' or exists (select from attempts a where a.message_id = messages.id)
           or exists (select from due d where d.id = messages.id)))
       order by messages.id limit r.quota
     ) m left join template_versions v on v.id = m.template_version_id order by m.id`,
    [
      JSON.stringify(
        ranges.map(({ id, afterId, lastId, connectionId, bulkId, quota, lost }) => ({
          id,
          afterId,
          lastId,
          connectionId,
          bulkId,
          quota,
          lost,
        })),
      ),
    ],
  );

/** Locked in the order of their ids, so that two batches never wait for each other in a circle. */
export const lockMessages = (sql: Sql, ids: readonly string[]): Promise<Message[]> =>
  sql.query(`select ${MESSAGE} from ${FROM} where m.id = any($1) order by m.id for update of m`, [ids]);

export async function updateStates(sql: Sql, states: readonly (State & { id: string })[]): Promise<void> {
  if (states.length === 0) return;
  await sql.query(
    `update messages m set status = s.status, outcome = s.outcome, failure_code = s."failureCode", attempts = s.attempts,
       outcome_unknown = s."outcomeUnknown", next_attempt_at = s."nextAttemptAt", sent_at = s."sentAt",
       delivered_at = s."deliveredAt", failed_at = s."failedAt", read_at = s."readAt", complained_at = s."complainedAt"
     from jsonb_to_recordset($1) as s(id uuid, status text, outcome text, "failureCode" text, attempts smallint,
       "outcomeUnknown" boolean, "nextAttemptAt" timestamptz, "sentAt" timestamptz, "deliveredAt" timestamptz,
       "failedAt" timestamptz, "readAt" timestamptz, "complainedAt" timestamptz)
     where m.id = s.id`,
    [JSON.stringify(states)],
  );
}

/**
 * Takes due rows away that no worker holds and no call is open for, without waiting for those that a worker is just taking or
 * giving back; returns the ids.
 */
export const withdrawDue = async (sql: Sql, ids: readonly string[]): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `delete from due where id in (select id from due where id = any($1) and owner is null and not opened for update skip locked) returning id`,
      [ids],
    )
  ).map(({ id }) => id);

/**
 * Which of these messages wait in a range that no worker holds; the range stays locked until the end of the transaction, so
 * none can take them meanwhile.
 */
export const holdInRanges = async (
  sql: Sql,
  messages: readonly { id: string; bulkId: string | null; connectionId: string }[],
): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `select m.id from jsonb_to_recordset($1) as m(id uuid, "bulkId" uuid, "connectionId" uuid)
       join due on due.bulk_id = m."bulkId" and due.connection_id = m."connectionId" and due.after_id < m.id and due.last_id >= m.id
       where due.owner is null and not due.opened for update of due skip locked`,
      [JSON.stringify(messages.map(({ id, bulkId, connectionId }) => ({ id, bulkId, connectionId })))],
    )
  ).map(({ id }) => id);

/** Makes messages due at a time; what a worker holds is left to that worker. */
export const scheduleDue = (
  sql: Sql,
  rows: readonly {
    id: string;
    tenantId: string;
    connectionId: string;
    lane: number;
    runAt: Date;
    /** Attempts so far. */
    tries: number;
    bulkId: string | null;
  }[],
): Promise<unknown> =>
  sql.query(
    `insert into due (id, tenant_id, connection_id, lane, run_at, tries, bulk_id, held, quarantined)
     select d.id, "tenantId", "connectionId", lane, "runAt", tries, "bulkId", coalesce(b.status = 'paused', false) or in_quarantine(d.id), in_quarantine(d.id)
     from jsonb_to_recordset($1) as d(id uuid, "tenantId" uuid, "connectionId" uuid, lane smallint, "runAt" timestamptz, tries smallint, "bulkId" uuid)
     left join bulks b on b.id = "bulkId"
     on conflict (id) do update set run_at = excluded.run_at, kind = 'message' where due.owner is null`,
    [JSON.stringify(rows)],
  );

/** What a change of statuses adds to the sums of its bulk. */
export interface Tally {
  readonly bulkId: string;
  readonly tenantId: string;
  readonly queued: number;
  readonly sent: number;
  readonly delivered: number;
  readonly failed: number;
}

export const insertTallies = (tallies: readonly Tally[]): Statement => ({
  text: `insert into bulk_tallies (bulk_id, tenant_id, queued, sent, delivered, failed)
     select "bulkId", "tenantId", queued, sent, delivered, failed
     from jsonb_to_recordset($1) as t("bulkId" uuid, "tenantId" uuid, queued int, sent int, delivered int, failed int)`,
  values: [JSON.stringify(tallies)],
});
