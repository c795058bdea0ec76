/** Rows of rollouts. */
import type { Sql } from '../../lib/db.ts';
import type { Place } from '../events/index.ts';
import type { Tally } from './rollout.ts';

export interface RolloutRow {
  readonly id: string;
  readonly slug: string;
  readonly from_version: number;
  readonly to_version: number;
  readonly percent: number;
  readonly status: 'running' | 'completed' | 'rolled_back';
  readonly limit_percent: number;
  readonly limit_min_sent: number;
  readonly reason: string | null;
  readonly started_by: string;
  readonly ended_by: string | null;
  readonly started_at: Date;
  readonly updated_at: Date;
  readonly ended_at: Date | null;
  readonly tally: Tally;
}

/** A rollout as it is watched. */
export interface WatchedRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly slug: string;
  readonly from_id: string;
  readonly to_id: string;
  readonly limit_percent: number;
  readonly limit_min_sent: number;
  readonly event_id: string;
  readonly place: number;
  readonly tally: Tally;
}

const ROLLOUT = `r.id, t.slug, r.from_version, r.to_version, r.percent, r.status, r.limit_percent, r.limit_min_sent, r.reason,
  r.started_by, r.ended_by, r.started_at, r.updated_at, r.ended_at, r.tally`;

/** The one that runs, else the one that ran last. */
export const lastRollout = async (sql: Sql, tenantId: string, templateId: string): Promise<RolloutRow | undefined> =>
  (
    await sql.query<RolloutRow>(
      `select ${ROLLOUT} from rollouts r join templates t on t.id = r.template_id
       where r.tenant_id = $1 and r.template_id = $2 order by r.id desc limit 1`,
      [tenantId, templateId],
    )
  )[0];

export const insertRollout = (
  trx: Sql,
  row: {
    id: string;
    tenantId: string;
    templateId: string;
    from: number;
    to: number;
    percent: number;
    limit: { percent: number; min_sent: number };
    tally: Tally;
    by: string;
  },
): Promise<unknown> =>
  trx.query(
    `insert into rollouts (id, tenant_id, template_id, from_version, to_version, percent, limit_percent, limit_min_sent, started_by, position, place, tally)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $1, event_horizon(), $10)`,
    [
      row.id,
      row.tenantId,
      row.templateId,
      row.from,
      row.to,
      row.percent,
      row.limit.percent,
      row.limit.min_sent,
      row.by,
      JSON.stringify(row.tally),
    ],
  );

export const changeRollout = (
  trx: Sql,
  id: string,
  percent: number,
  limit: { percent: number; min_sent: number } | undefined,
): Promise<unknown> =>
  trx.query(
    `update rollouts set percent = $2, limit_percent = coalesce($3, limit_percent), limit_min_sent = coalesce($4, limit_min_sent),
       updated_at = clock_now()
     where id = $1 and status = 'running'`,
    [id, percent, limit?.percent ?? null, limit?.min_sent ?? null],
  );

/** Ends the one that runs: it is complete when the version that everybody gets from now on is its own. */
export const endRollout = async (
  trx: Sql,
  tenantId: string,
  templateId: string,
  { everybody, by, reason }: { everybody: number | null; by: string; reason: string },
): Promise<boolean> =>
  (
    await trx.query(
      `update rollouts set status = case when to_version = $3 then 'completed' else 'rolled_back' end,
         reason = case when to_version = $3 then null else $5 end, ended_by = $4, ended_at = clock_now(), updated_at = clock_now()
       where tenant_id = $1 and template_id = $2 and status = 'running' returning id`,
      [tenantId, templateId, everybody, by, reason],
    )
  ).length > 0;

export const runningRollouts = (sql: Sql): Promise<WatchedRow[]> =>
  sql.query<WatchedRow>(
    `select r.id, r.tenant_id, t.slug, f.id as from_id, v.id as to_id, r.limit_percent, r.limit_min_sent, r.position as event_id, r.place, r.tally
     from rollouts r join templates t on t.id = r.template_id
     join template_versions f on f.template_id = r.template_id and f.number = r.from_version
     join template_versions v on v.template_id = r.template_id and v.number = r.to_version
     where r.status = 'running' order by r.id`,
  );

/** Of several who have counted on from the same place, one is heard. With a reason it is also the end. */
export const moveTally = async (
  trx: Sql,
  id: string,
  before: Place,
  { place, tally, reason, by }: { place: Place; tally: Tally; reason: string | undefined; by: string },
): Promise<boolean> =>
  (
    await trx.query(
      `update rollouts set position = $3, place = $7, tally = $4, status = case when $5::text is null then status else 'rolled_back' end,
         reason = $5, ended_by = case when $5 is null then null else $6 end, ended_at = case when $5 is null then null else clock_now() end
       where id = $1 and position = $2 and place = $8 and status = 'running' returning id`,
      [id, before.id, place.id, JSON.stringify(tally), reason ?? null, by, place.position, before.position],
    )
  ).length > 0;

/** The version that was active before this one. */
export const predecessorOf = async (sql: Sql, templateId: string, number: number): Promise<number | null> =>
  (
    await sql.query<{ predecessor: number | null }>(
      'select predecessor from template_versions where template_id = $1 and number = $2',
      [templateId, number],
    )
  )[0]?.predecessor ?? null;
