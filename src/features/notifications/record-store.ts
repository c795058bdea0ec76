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
  readonly tenantId: string;
  readonly number: number;
  readonly startedAt: Date;
  readonly result: string;
  readonly fault?: string | undefined;
  readonly providerCode?: string | undefined;
  readonly providerMessage?: string | undefined;
  readonly providerId?: string | undefined;
  readonly retryAt?: Date | undefined;
  readonly status: string;
  readonly outcome?: string | undefined;
  readonly failureCode?: string | undefined;
  readonly outcomeUnknown: boolean;
  readonly nextAttemptAt?: Date | undefined;
  readonly sentAt?: Date | undefined;
  readonly deliveredAt?: Date | undefined;
  readonly failedAt?: Date | undefined;
  /** When it is due again, and whether only a deadline is waited for. */
  readonly runAt?: Date | undefined;
  readonly deadline: boolean;
}

export interface MoveEvent {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: string;
  readonly type: string;
  readonly messageId: string;
  readonly data: object;
}

/** Returns which were moved, as `id/fence`. */
export const recordMoves = async (
  sql: Sql,
  owner: string,
  moves: readonly Move[],
  events: readonly MoveEvent[],
): Promise<Set<string>> => {
  const rows = await sql.query<{ id: string; fence: number }>(
    `with r as materialized (
       select * from jsonb_to_recordset($2) as r(id uuid, "dueId" uuid, fence int, "connectionId" uuid, "tenantId" uuid, number smallint,
         "startedAt" timestamptz, result text, fault text, "providerCode" text, "providerMessage" text, "providerId" text, "retryAt" timestamptz,
         status text, outcome text, "failureCode" text, "outcomeUnknown" boolean, "nextAttemptAt" timestamptz, "sentAt" timestamptz,
         "deliveredAt" timestamptz, "failedAt" timestamptz, "runAt" timestamptz, deadline boolean)
     ), kept as (
       insert into provider_refs (connection_id, provider_id, message_id, attempt)
       select "connectionId", "providerId", id, number from r where "providerId" is not null on conflict do nothing
     ), mine as materialized (
       select due.id, due.fence, due.held, due.lane, due.bulk_id from due
       where due.id in (select "dueId" from r) and due.owner = $1 order by due.id for update
     ), ours as materialized (
       select r.* from r join mine on mine.id = r."dueId" and mine.fence = r.fence
     ), moved as (
       update messages m set status = r.status, outcome = r.outcome, failure_code = r."failureCode", attempts = r.number,
         outcome_unknown = r."outcomeUnknown", next_attempt_at = r."nextAttemptAt", sent_at = r."sentAt", delivered_at = r."deliveredAt",
         failed_at = r."failedAt"
       from ours r where m.id = r.id and m.status = 'queued' and m.outcome is null
       returning m.id, m.bulk_id, r.fence
     ), closed as (
       insert into attempts (${ATTEMPT_COLUMNS})
       select r.id, number, "tenantId", "connectionId", r.fence, "startedAt", clock_now(), result, fault, "providerCode", "providerMessage",
         "providerId", "retryAt" from ours r join moved using (id)
     ), told as (
       ${INSERT_EVENTS} select e.id, "tenantId", mode, type, "messageId", data
       from jsonb_to_recordset($3) as e(id uuid, "tenantId" uuid, mode text, type text, "messageId" uuid, data jsonb) join moved on moved.id = "messageId"
     ), finished as (
       delete from due using ours r, moved where due.id = r."dueId" and r.id = due.id and moved.id = r.id and r."runAt" is null
     ), again as (
       update due set owner = null, opened = false, run_at = r."runAt", kind = case when r.deadline then 'deadline' else 'message' end
       from ours r, moved where due.id = r."dueId" and r.id = due.id and moved.id = r.id and r."runAt" is not null
     ), left_range as (
       insert into due (id, kind, tenant_id, connection_id, lane, run_at, tries, bulk_id, held)
       select r.id, case when r.deadline then 'deadline' else 'message' end, r."tenantId", r."connectionId", mine.lane, r."runAt", r.number, mine.bulk_id, mine.held
       from ours r join moved on moved.id = r.id join mine on mine.id = r."dueId" where r."runAt" is not null and r."dueId" <> r.id
     ), summed as (
       insert into bulk_tallies (bulk_id, tenant_id, queued, sent, delivered, failed)
       select moved.bulk_id, r."tenantId", -count(*), count(*) filter (where r.status = 'sent'), count(*) filter (where r.status = 'delivered'),
         count(*) filter (where r.status = 'failed')
       from moved join ours r using (id) where moved.bulk_id is not null and r.status <> 'queued' group by 1, 2
     )
     select id, fence from moved`,
    [owner, JSON.stringify(moves), JSON.stringify(events)],
  );
  return new Set(rows.map(({ id, fence }) => `${id}/${fence}`));
};
