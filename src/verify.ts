/**
 * `carillon verify`: asks the store whether the promises hold, and names what breaks them. One snapshot, nothing is changed, every
 * row is read: meant for a quiet hour, for the end of a test, and for whoever does not want to take our word for it.
 */

import { createDb, type Sql } from './lib/db.ts';
import { type IdKind, toWire } from './lib/ids.ts';
import { createLog } from './lib/log.ts';

interface Invariant {
  /** Of `docs/reliability.md`; a promise may take several questions. */
  readonly id: string;
  readonly promise: string;
  /** What the offending ids are ids of. */
  readonly of: IdKind;
  /** Selects the `id` of each offender. */
  readonly sql: string;
}

export interface Verdict {
  readonly id: string;
  readonly promise: string;
  readonly ok: boolean;
  /** On the wire form; the first of them. */
  readonly offenders: readonly string[];
  /** Whether there are more than those. */
  readonly more: boolean;
}

/** What is promised once there is something to promise it of. */
export const NOT_YET: readonly Pick<Verdict, 'id' | 'promise'>[] = [
  { id: 'I8', promise: 'money: there is no wallet yet' },
];

const SHOWN = 20;
/** The messages of a notification `n`. */
const of = (id: string): string => `m.id > ${id} and m.id <= (left(${id}::text, 35) || 'f')::uuid`;
/** Retention has taken nothing of what is younger than the oldest message. */
const KEPT = `(select coalesce((select id from messages order by id limit 1), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))`;
/** Receipts are waited for three days; then some time may pass until it is written down. */
const RECEIPTS_OVER = `clock_now() - interval '75 hours'`;

/** What came out of a backup waits for the operator, however long that takes. */
const NOT_QUARANTINED = `not exists (select from due d where d.quarantined
          and (d.id = m.id or d.bulk_id = m.bulk_id and d.connection_id = m.connection_id and d.after_id < m.id and d.last_id >= m.id))`;

export const INVARIANTS: readonly Invariant[] = [
  {
    id: 'I1',
    promise: 'what was answered with 202 is stored',
    of: 'notification',
    sql: `select i.notification_id as id from idempotency i
      where i.released_at is null and i.notification_id > ${KEPT}
        and not exists (select from messages m where ${of('i.notification_id')})
        and not exists (select from bulks b where b.id = i.notification_id)`,
  },
  {
    id: 'I1',
    promise: 'what is queued waits where a worker will find it',
    of: 'message',
    sql: `select m.id from messages m
      where m.status = 'queued' and m.outcome is null
        and not exists (select from due d where d.id = m.id)
        and not exists (
          select from due d
          where d.bulk_id = m.bulk_id and d.connection_id = m.connection_id and d.after_id < m.id and d.last_id >= m.id)
        and not exists (select from bulks b where b.id = m.bulk_id and b.status in ('receiving', 'cancelled'))`,
  },
  {
    id: 'I2',
    promise: 'a status and its outcome say the same',
    of: 'message',
    sql: `select id from messages where not coalesce(
        case status when 'queued' then outcome is null when 'sent' then outcome is null or outcome = 'unreceipted'
          when 'delivered' then outcome = 'delivered' else outcome in ('failed', 'expired', 'cancelled', 'unknown') end, false)`,
  },
  {
    id: 'I2',
    promise: 'nothing stays queued past its time',
    of: 'message',
    sql: `select m.id from messages m
      where m.status = 'queued' and m.expires_at < clock_now() - interval '10 minutes'
        and not exists (select from bulks b where b.id = m.bulk_id and b.status in ('receiving', 'paused', 'cancelled'))
        and ${NOT_QUARANTINED}`,
  },
  {
    id: 'I2',
    promise: 'nothing waits for a receipt for ever',
    of: 'message',
    sql: `select id from messages m
      where status = 'sent' and outcome is null and next_attempt_at is null and sent_at < ${RECEIPTS_OVER} and ${NOT_QUARANTINED}`,
  },
  {
    id: 'I3',
    promise: 'no message was accepted twice',
    of: 'message',
    sql: `select message_id as id from attempts where result = 'accepted' group by message_id having count(*) > 1`,
  },
  {
    id: 'I3',
    promise: 'no attempt began before the one before it was over',
    of: 'message',
    sql: `select distinct later.message_id as id from attempts later
      join attempts earlier on earlier.message_id = later.message_id and earlier.number = later.number - 1
      where later.started_at < earlier.started_at or earlier.result = 'accepted'`,
  },
  {
    id: 'I4',
    promise: 'an unknown outcome stands for an attempt that nobody heard of again',
    of: 'message',
    sql: `select m.id from messages m
      where (m.outcome = 'unknown' or m.outcome_unknown)
        and not exists (select from attempts a where a.message_id = m.id and a.result = 'unknown')`,
  },
  {
    id: 'I5',
    promise: 'a key belongs to the message that was sent under it',
    of: 'message',
    sql: `select m.id from idempotency i
      join messages m on m.id = (left(i.notification_id::text, 35) || '1')::uuid
      where i.released_at is null
        and (m.idempotency_key is distinct from i.key or m.tenant_id <> i.tenant_id or m.mode <> i.mode)`,
  },
  {
    id: 'I6',
    promise: 'what became of a message was told once',
    of: 'message',
    sql: `select message_id as id from events
      where type in ('message.queued', 'message.sent', 'message.delivered', 'message.read')
      group by message_id, type having count(*) > 1`,
  },
  {
    id: 'I6',
    promise: 'every message was told of when it was accepted',
    of: 'message',
    sql: `select m.id from messages m
      where not exists (select from bulks b where b.id = m.bulk_id and b.status = 'receiving')
        and not exists (select from events e where e.message_id = m.id and e.type = 'message.queued')`,
  },
  {
    id: 'I7',
    promise: 'every accepted row of a bulk has its message',
    of: 'bulk',
    sql: `select b.id from bulks b
      where b.status in ('running', 'paused') and b.after_id >= ${KEPT}
        and b.accepted <> (select count(distinct m.bulk_row) from messages m where m.bulk_id = b.id and m.id > b.after_id)`,
  },
  {
    id: 'I7',
    promise: 'no row of a bulk became two messages on one channel',
    of: 'bulk',
    sql: `select distinct bulk_id as id from (
        select bulk_id from messages where bulk_id is not null group by bulk_id, bulk_row, channel having count(*) > 1) twice`,
  },
  {
    id: 'I9',
    promise: 'the numbers of what an endpoint was sent have no gap',
    of: 'endpoint',
    sql: `select distinct id from (
        select endpoint_id as id, sequence - lag(sequence) over (partition by endpoint_id order by sequence) as step from deliveries
        where replay_of is null and event_type <> 'endpoint.test' and created_at > clock_now() - interval '35 days'
      ) d where step <> 1`,
  },
  {
    id: 'I10',
    promise: 'every callback was read, or is about to be',
    of: 'request',
    sql: `select id from inbound_requests
      where applied_at is null and received_at < clock_now() - interval '1 hour' and due_at < clock_now() - interval '1 hour'`,
  },
  {
    id: 'I10',
    promise: 'what somebody has just written was told once',
    of: 'message',
    sql: `select i.id from inbound_messages i
      where i.event_id is not null and i.received_at > clock_now() - interval '25 days'
        and (select count(*) from events e where e.id = i.event_id and e.message_id = i.id and e.type = 'message.received') <> 1`,
  },
  {
    id: 'I10',
    promise: 'what came in belongs to the tenant of its conversation',
    of: 'message',
    sql: `select i.id from inbound_messages i join conversations c on c.id = i.conversation_id
      where i.tenant_id <> c.tenant_id or i.mode <> c.mode or i.connection_id <> c.connection_id`,
  },
  {
    id: 'I17',
    promise: 'what waits for the operator since a restore is with nobody',
    of: 'message',
    sql: `select id from due where quarantined and (not held or owner is not null)`,
  },
  {
    id: 'I19',
    promise: 'no row of the audit log was changed, removed or put in since it was sealed',
    of: 'audit',
    sql: `select c.audit_id as id from audit_chain c
      left join audit_log a on a.id = c.audit_id left join audit_chain before on before.position = c.position - 1
      where a.id is null or c.hash is distinct from audit_hash(c.previous, a) or c.tenant_id <> a.tenant_id
        or c.previous is distinct from case when c.position = 1 then '' else before.hash end`,
  },
  {
    id: 'I19',
    promise: 'every row of the audit log is sealed within a minute',
    of: 'audit',
    sql: `select id from audit_log a where time_of(id) < now() - interval '1 minute'
        and not exists (select from audit_chain c where c.audit_id = a.id)`,
  },
  ...['attempts', 'events', 'due', 'receipts'].map(
    (table): Invariant => ({
      id: 'I11',
      promise: `${table} belong to the tenant of their message`,
      of: 'message',
      sql: `select distinct m.id from ${table} t join messages m on m.id = t.${table === 'due' ? 'id' : 'message_id'}
        where t.tenant_id <> m.tenant_id`,
    }),
  ),
];

/** One verdict per question, in order. Changes nothing, and waits for nobody. */
export async function verify(url: string): Promise<readonly Verdict[]> {
  const db = createDb({ url, log: createLog('silent'), connections: 1 });
  try {
    return await db.transaction(verdictsOf, { statementSeconds: Number.POSITIVE_INFINITY });
  } finally {
    await db.close();
  }
}

/**
 * At most so many, by id. A plan for the first few would hope that nearly every row offends, and go through two tables row by
 * row when none does: so all are found first.
 */
export const offendersOf = (sql: string, limit: number): string =>
  `with offenders as materialized (${sql}) select id from offenders order by id limit ${limit}`;

async function verdictsOf(trx: Sql): Promise<Verdict[]> {
  await trx.query('set transaction isolation level repeatable read, read only');
  // Whole tables are read here, which the pipeline never does.
  await trx.query('set local enable_seqscan = on; set local enable_mergejoin = on');
  const verdicts: Verdict[] = [];
  for (const { id, promise, of: kind, sql } of INVARIANTS) {
    const rows = await trx.query<{ id: string }>(offendersOf(sql, SHOWN + 1));
    verdicts.push({
      id,
      promise,
      ok: rows.length === 0,
      offenders: rows.slice(0, SHOWN).map((row) => toWire(kind, row.id)),
      more: rows.length > SHOWN,
    });
  }
  return verdicts;
}
