/**
 * What most messages come to, written down: first word, still queued, lease and fence held. As a rule that holds for all of a
 * batch, which then is one trip of COPY that either works as a whole or not at all. Else one statement takes those that it does
 * hold for: everything it changes hangs on `moved`, and whatever it does not move is left to the general way in `record.ts`.
 */
import { isoOf } from '../../lib/clock.ts';
import { copyText, Lines, NULL, textOrNull } from '../../lib/copy.ts';
import type { Leg, Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { copyEvents, eventLine, INSERT_EVENTS } from '../events/index.ts';
import { ATTEMPT_COLUMNS } from './claim.ts';
import type { Status } from './status.ts';
import { insertTallies, type Tally } from './store.ts';

/** A message that was queued until now, with its closed attempt. Fields that are null may be left out. */
export interface Move {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  /** By the store's clock as this worker knows it. */
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly dueId: string;
  readonly fence: number;
  readonly connectionId: string;
  readonly number: number;
  readonly result: string;
  readonly fault?: string | undefined;
  readonly providerCode?: string | undefined;
  readonly providerMessage?: string | undefined;
  readonly providerId?: string | undefined;
  readonly retryAt?: Date | undefined;
  readonly status: Status;
  readonly outcome?: string | undefined;
  readonly failureCode?: string | undefined;
  readonly outcomeUnknown?: boolean | undefined;
  readonly nextAttemptAt?: Date | undefined;
  readonly sentAt?: Date | undefined;
  readonly deliveredAt?: Date | undefined;
  readonly failedAt?: Date | undefined;
  /** When it is due again, and whether only a deadline is waited for. */
  readonly runAt?: Date | undefined;
  readonly deadline?: boolean | undefined;
  /** What became true by it. */
  readonly events: readonly MoveEvent[];
}

export interface MoveEvent {
  readonly id: string;
  readonly type: string;
  readonly data: object;
}

const ATTEMPTS = `copy attempts (${ATTEMPT_COLUMNS}) from stdin`;
const REFS = 'copy provider_refs (connection_id, provider_id, message_id, attempt) from stdin';

/** Divides by zero unless all of them were moved. */
const MOVE = `with r as materialized (
    select * from unnest($2::uuid[], $3::uuid[], $4::int[], $5::smallint[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[])
      as r(id, due_id, fence, number, status, outcome, failure_code, sent_at, delivered_at, failed_at)
  ), held as materialized (
    select due.id, due.fence from due where due.id in (select due_id from r) and due.owner = $1 order by due.id for update
  ), moved as (
    update messages m set status = r.status, outcome = r.outcome, failure_code = r.failure_code, attempts = r.number,
      outcome_unknown = false, next_attempt_at = null, sent_at = r.sent_at, delivered_at = r.delivered_at, failed_at = r.failed_at
    from r join held on held.id = r.due_id and held.fence = r.fence
    where m.id = r.id and m.status = 'queued' and m.outcome is null
    returning 1
  )
  select 1 / (count(*) = $12)::int from moved`;
const FINISH = 'delete from due where id = any($1) and owner = $2';

/** Of moves after which nothing is due again; all or none of them are written down. */
export function moveLegs(owner: string, moves: readonly Move[], tallies: readonly Tally[]): readonly Leg[] {
  const [attempts, refs, events] = [new Lines(), new Lines(), new Lines()];
  const own: string[] = [];
  let hasRefs = false;
  for (const m of moves) {
    const ref = m.providerId === undefined ? undefined : copyText(m.providerId);
    attempts.add(
      `${m.id}\t${m.number}\t${m.tenantId}\t${m.connectionId}\t${m.fence}\t${isoOf(m.startedAt)}\t${isoOf(m.finishedAt)}\t${m.result}\t${
        m.fault ?? NULL
      }\t${textOrNull(m.providerCode)}\t${textOrNull(m.providerMessage)}\t${ref ?? NULL}\t${NULL}\n`,
    );
    if (ref !== undefined) {
      hasRefs = true;
      refs.add(`${m.connectionId}\t${ref}\t${m.id}\t${m.number}\n`);
    }
    for (const { id, type, data } of m.events) events.add(eventLine(id, m.tenantId, m.mode, type, m.id, data));
    if (m.dueId === m.id) own.push(m.id);
  }
  const times = (of: (move: Move) => Date | undefined) => listOf(moves, (move) => isoOrNull(of(move)));
  return [
    {
      text: MOVE,
      values: [
        owner,
        listOf(moves, ({ id }) => id),
        listOf(moves, ({ dueId }) => dueId),
        listOf(moves, ({ fence }) => fence),
        listOf(moves, ({ number }) => number),
        listOf(moves, ({ status }) => status),
        listOf(moves, ({ outcome }) => outcome ?? 'null'),
        listOf(moves, ({ failureCode }) => failureCode ?? 'null'),
        times(({ sentAt }) => sentAt),
        times(({ deliveredAt }) => deliveredAt),
        times(({ failedAt }) => failedAt),
        moves.length,
      ],
    },
    { text: ATTEMPTS, lines: attempts },
    copyEvents(events),
    ...(hasRefs ? [{ text: REFS, lines: refs }] : []),
    ...(own.length > 0 ? [{ text: FINISH, values: [`{${own.join()}}`, owner] }] : []),
    ...(tallies.length > 0 ? [insertTallies(tallies)] : []),
  ];
}

/** A lease was lost, a receipt was here first, or the provider has given an id twice. */
export const isNotAll = (error: unknown): boolean =>
  ['22012', '23505'].includes((error as { code?: string }).code ?? '');

const isoOrNull = (at: Date | undefined): string => (at ? isoOf(at) : 'null');
/** An array of words without commas, quotes and blanks. */
const listOf = (moves: readonly Move[], of: (move: Move) => string | number): string => {
  let list = '';
  for (const move of moves) list += list === '' ? of(move) : `,${of(move)}`;
  return `{${list}}`;
};

/** Returns which were moved, as `id/fence`. */
export const recordMoves = async (sql: Sql, owner: string, moves: readonly Move[]): Promise<Set<string>> => {
  const rows = await sql.query<{ id: string; fence: number }>(
    `with r as materialized (
       select * from jsonb_to_recordset($2) as r(id uuid, "dueId" uuid, fence int, "connectionId" uuid, number smallint, result text, fault text, "providerCode" text, "providerMessage" text, "providerId" text, "retryAt" timestamptz,
         status text, outcome text, "failureCode" text, "outcomeUnknown" boolean, "nextAttemptAt" timestamptz, "sentAt" timestamptz,
         "deliveredAt" timestamptz, "failedAt" timestamptz, "runAt" timestamptz, deadline boolean, events jsonb)
     ), kept as (
       insert into provider_refs (connection_id, provider_id, message_id, attempt)
       select "connectionId", "providerId", id, number from r where "providerId" is not null on conflict do nothing
     ), mine as materialized (
       select due.id, due.fence, due.held, due.lane, due.opened_at from due
       where due.id in (select "dueId" from r) and due.owner = $1 order by due.id for update
     ), ours as materialized (
       select r.*, mine.held, mine.lane, mine.opened_at from r join mine on mine.id = r."dueId" and mine.fence = r.fence
     ), moved as (
       update messages m set status = ours.status, outcome = ours.outcome, failure_code = ours."failureCode", attempts = ours.number,
         outcome_unknown = coalesce(ours."outcomeUnknown", false), next_attempt_at = ours."nextAttemptAt", sent_at = ours."sentAt",
         delivered_at = ours."deliveredAt", failed_at = ours."failedAt"
       from ours where m.id = ours.id and m.status = 'queued' and m.outcome is null
       returning ours.*, m.bulk_id, m.tenant_id, m.mode
     ), closed as (
       insert into attempts (${ATTEMPT_COLUMNS})
       select id, number, tenant_id, "connectionId", fence, coalesce(opened_at, clock_now()), clock_now(), result, fault, "providerCode", "providerMessage",
         "providerId", "retryAt" from moved
     ), told as (
       ${INSERT_EVENTS} select e.id, moved.tenant_id, moved.mode, e.type, moved.id, e.data
       from moved cross join lateral jsonb_to_recordset(moved.events) as e(id uuid, type text, data jsonb)
     ), finished as (
       delete from due using moved where due.id = moved."dueId" and moved."dueId" = moved.id and moved."runAt" is null
     ), again as (
       update due set owner = null, opened = false, run_at = moved."runAt", kind = case when moved.deadline then 'deadline' else 'message' end
       from moved where due.id = moved."dueId" and moved."dueId" = moved.id and moved."runAt" is not null
     ), left_range as (
       insert into due (id, kind, tenant_id, connection_id, lane, run_at, tries, bulk_id, held)
       select id, case when deadline then 'deadline' else 'message' end, tenant_id, "connectionId", lane, "runAt", number, bulk_id, held and deadline is not true
       from moved where "runAt" is not null and "dueId" <> id
     ), summed as (
       insert into bulk_tallies (bulk_id, tenant_id, queued, sent, delivered, failed)
       select bulk_id, tenant_id, -count(*), count(*) filter (where status = 'sent'), count(*) filter (where status = 'delivered'),
         count(*) filter (where status = 'failed')
       from moved where bulk_id is not null and status <> 'queued' group by 1, 2
     )
     select id, fence from moved`,
    [owner, JSON.stringify(moves)],
  );
  return new Set(rows.map(({ id, fence }) => `${id}/${fence}`));
};
