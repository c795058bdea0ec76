/** SQL of alert rules, of what is counted for them, and of alerts. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Place } from '../events/index.ts';
import type { Metric, Target } from './schema.ts';

export interface AlertRuleRow {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly name: string;
  readonly enabled: boolean;
  readonly metric: Metric;
  readonly threshold: number;
  readonly windowMinutes: number;
  readonly minMessages: number;
  readonly channel: string | null;
  readonly template: string | null;
  readonly targets: readonly Target[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
export type AlertRuleFields = Omit<AlertRuleRow, 'tenantId' | 'mode' | 'createdAt' | 'updatedAt'>;

const RULE = `id, tenant_id as "tenantId", mode, name, enabled, metric, threshold, window_minutes as "windowMinutes", min_messages as "minMessages",
  channel, template, targets, created_at as "createdAt", updated_at as "updatedAt"`;
const values = (row: AlertRuleFields): unknown[] => [
  row.id,
  row.name,
  row.enabled,
  row.metric,
  row.threshold,
  row.windowMinutes,
  row.minMessages,
  row.channel,
  row.template,
  JSON.stringify(row.targets),
];

/** `undefined`: there are so many already. */
export const insertAlertRule = async (
  trx: Sql,
  tenantId: string,
  mode: Mode,
  row: AlertRuleFields,
  most: number,
): Promise<AlertRuleRow | undefined> =>
  (
    await trx.query<AlertRuleRow>(
      `insert into alert_rules (id, name, enabled, metric, threshold, window_minutes, min_messages, channel, template, targets, tenant_id, mode)
       select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
       where (select count(*) from alert_rules where tenant_id = $11 and mode = $12) < $13 returning ${RULE}`,
      [...values(row), tenantId, mode, most],
    )
  )[0];

export const updateAlertRule = async (trx: Sql, row: AlertRuleFields): Promise<AlertRuleRow> =>
  (
    await trx.query<AlertRuleRow>(
      `update alert_rules set name = $2, enabled = $3, metric = $4, threshold = $5, window_minutes = $6, min_messages = $7, channel = $8,
         template = $9, targets = $10, updated_at = clock_now() where id = $1 returning ${RULE}`,
      values(row),
    )
  )[0] as AlertRuleRow;

/** What was counted by other words is counted anew. */
export const dropTallies = (trx: Sql, id: string): Promise<unknown> =>
  trx.query('delete from alert_tallies where rule_id = $1', [id]);

export const deleteAlertRule = (trx: Sql, id: string): Promise<unknown> =>
  trx.query('delete from alert_rules where id = $1', [id]);

export const listAlertRules = (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  limit: number,
  before: string | undefined,
): Promise<AlertRuleRow[]> =>
  sql.query(
    `select ${RULE} from alert_rules where tenant_id = $1 and mode = $2 and ($4::uuid is null or id < $4) order by id desc limit $3`,
    [tenantId, mode, limit, before ?? null],
  );

export const findAlertRule = async (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
  lock: 'for update' | '' = '',
): Promise<AlertRuleRow | undefined> =>
  (
    await sql.query<AlertRuleRow>(
      `select ${RULE} from alert_rules where tenant_id = $1 and mode = $2 and id = $3 ${lock}`,
      [tenantId, mode, id],
    )
  )[0];

export interface Watch {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly position: number;
  readonly eventId: string;
}

/** Locked. What happened before the first rule is not looked at; nor is what happened while there was none. */
export const openWatch = (trx: Sql, tenantId: string, mode: Mode, { position, id }: Place): Promise<unknown> =>
  trx.query(
    `insert into alert_watches (tenant_id, mode, position, event_id) values ($1, $2, $3, $4)
     on conflict (tenant_id, mode) do update set judged_at = alert_watches.judged_at`,
    [tenantId, mode, position, id],
  );

/** Before a rule is: who judges takes both in this order. */
export const lockWatch = (trx: Sql, tenantId: string, mode: Mode): Promise<unknown> =>
  trx.query('select from alert_watches where tenant_id = $1 and mode = $2 for update', [tenantId, mode]);

export const closeWatch = (trx: Sql, tenantId: string, mode: Mode): Promise<unknown> =>
  trx.query(
    `delete from alert_watches where tenant_id = $1 and mode = $2
       and not exists (select from alert_rules where tenant_id = $1 and mode = $2)`,
    [tenantId, mode],
  );

/** One that it is time for, unless somebody else has it. */
export const takeWatch = async (trx: Sql, everyMs: number): Promise<Watch | undefined> =>
  (
    await trx.query<Watch>(
      `select tenant_id as "tenantId", mode, position, event_id as "eventId" from alert_watches
       where judged_at <= clock_now() - make_interval(secs => $1) order by judged_at limit 1 for update skip locked`,
      [everyMs / 1_000],
    )
  )[0];

/** `judged`: the feed was read to its end. */
export const moveWatch = (
  trx: Sql,
  { tenantId, mode }: Watch,
  { position, id }: Place,
  judged: boolean,
): Promise<unknown> =>
  trx.query(
    `update alert_watches set position = $3, event_id = $4, judged_at = case when $5 then clock_now() else judged_at end
     where tenant_id = $1 and mode = $2`,
    [tenantId, mode, position, id, judged],
  );

export interface Tally {
  readonly ruleId: string;
  readonly minute: string;
  readonly kind: number;
  readonly count: number;
}

export const addTallies = (trx: Sql, tallies: readonly Tally[]): Promise<unknown> =>
  trx.query(
    `insert into alert_tallies (rule_id, minute, kind, count)
     select "ruleId", minute, kind, sum(count) from jsonb_to_recordset($1) as t("ruleId" uuid, minute timestamptz, kind smallint, count int) group by 1, 2, 3
     on conflict (rule_id, minute, kind) do update set count = alert_tallies.count + excluded.count`,
    [JSON.stringify(tallies)],
  );

/** Of each rule, over its own window. */
export const sumWindows = (sql: Sql, tenantId: string, mode: Mode): Promise<Omit<Tally, 'minute'>[]> =>
  sql.query(
    `select r.id as "ruleId", t.kind, sum(t.count)::int as count from alert_rules r join alert_tallies t on t.rule_id = r.id
       and t.minute > clock_now() - make_interval(mins => r.window_minutes)
     where r.tenant_id = $1 and r.mode = $2 and r.enabled group by 1, 2`,
    [tenantId, mode],
  );

/** What no window reaches any more, and alerts that were over so many days ago; 0 keeps those. */
export async function purgeAlerts(sql: Sql, days: number): Promise<void> {
  await sql.query(`delete from alert_tallies where minute < clock_now() - interval '2 days'`);
  await sql.query('delete from alerts where $1 > 0 and recovered_at < clock_now() - make_interval(days => $1)', [days]);
}

export interface AlertRow {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly ruleId: string;
  readonly name: string;
  readonly metric: Metric;
  readonly threshold: number;
  readonly targets: readonly Target[];
  readonly value: number;
  readonly firedAt: Date;
  readonly recoveredAt: Date | null;
  readonly untold: 'fired' | 'recovered' | null;
}
const ALERT = `id, tenant_id as "tenantId", mode, rule_id as "ruleId", name, metric, threshold, targets, value, fired_at as "firedAt",
  recovered_at as "recoveredAt", untold`;

/** `undefined`: it was given already. */
export const insertAlert = async (
  trx: Sql,
  id: string,
  { tenantId, mode, id: ruleId, name, metric, threshold, targets }: AlertRuleRow,
  value: number,
): Promise<AlertRow | undefined> =>
  (
    await trx.query<AlertRow>(
      `insert into alerts (id, tenant_id, mode, rule_id, name, metric, threshold, targets, value, untold)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'fired') on conflict (rule_id) where recovered_at is null do nothing returning ${ALERT}`,
      [id, tenantId, mode, ruleId, name, metric, threshold, JSON.stringify(targets), value],
    )
  )[0];

/** `silently`: the rule is no more, and nobody is told. `undefined`: none is open, or its beginning was not told yet. */
export const endAlert = async (trx: Sql, ruleId: string, silently = false): Promise<AlertRow | undefined> =>
  (
    await trx.query<AlertRow>(
      `update alerts set recovered_at = clock_now(), untold = case when $2 then null else 'recovered' end
       where rule_id = $1 and recovered_at is null and ($2 or untold is null) returning ${ALERT}`,
      [ruleId, silently],
    )
  )[0];

export const openAlerts = async (sql: Sql, tenantId: string, mode: Mode): Promise<Set<string>> =>
  new Set(
    (
      await sql.query<{ ruleId: string }>(
        `select rule_id as "ruleId" from alerts where recovered_at is null and rule_id in (select id from alert_rules where tenant_id = $1 and mode = $2)`,
        [tenantId, mode],
      )
    ).map(({ ruleId }) => ruleId),
  );

/** Held until its targets were told. */
export const takeUntold = async (trx: Sql): Promise<AlertRow | undefined> =>
  (
    await trx.query<AlertRow>(
      `select ${ALERT} from alerts where untold is not null order by id limit 1 for update skip locked`,
    )
  )[0];

export const markTold = (trx: Sql, id: string): Promise<unknown> =>
  trx.query('update alerts set untold = null where id = $1', [id]);

export const listAlerts = (
  sql: Sql,
  query: {
    readonly tenantId: string;
    readonly mode: Mode;
    readonly open: boolean | null;
    readonly limit: number;
    readonly before: string | undefined;
  },
): Promise<AlertRow[]> =>
  sql.query(
    `select ${ALERT} from alerts where tenant_id = $1 and mode = $2 and ($3::boolean is null or (recovered_at is null) = $3)
       and ($5::uuid is null or id < $5) order by id desc limit $4`,
    [query.tenantId, query.mode, query.open, query.limit, query.before ?? null],
  );
