/**
 * The one statement that writes down what most messages come to: first word, still queued, lease and fence held. Everything
 * it changes hangs on `moved`; whatever it does not move is left to the general way in `record.ts`.
 */
import type { Sql } from '../../lib/db.ts';
import { INSERT_EVENTS } from '../events/index.ts';
import { ATTEMPT_COLUMNS } from './claim.ts';

/** A message that was queued until now, with its closed attempt. Fields that are null may be left out. */
export interface Move {
  readonly id: string;
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
  readonly status: string;
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
