/** SQL of routing rules. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Conditions } from './rules-schema.ts';

export interface RuleRow {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly name: string;
  readonly priority: number;
  readonly enabled: boolean;
  readonly conditions: Conditions;
  /** UUIDs of endpoints. */
  readonly targets: readonly string[];
  readonly stop: boolean;
  /** Another after each change, whoever has made it. */
  readonly revision: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
export type RuleFields = Pick<RuleRow, 'id' | 'name' | 'priority' | 'enabled' | 'conditions' | 'targets' | 'stop'>;

const ROW = `id, tenant_id as "tenantId", mode, name, priority, enabled, conditions, targets, stop, xmin::text as revision, created_at as "createdAt",
  updated_at as "updatedAt"`;

/** Changes of a tenant's rules wait for each other: what they cost together is bounded. */
export const lockRules = (trx: Sql, tenantId: string, mode: Mode): Promise<unknown> =>
  trx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`webhook rules|${tenantId}|${mode}`]);

/** All of them, in the order in which they are asked. */
export const loadRules = (sql: Sql, tenantId: string, mode: Mode): Promise<RuleRow[]> =>
  sql.query(`select ${ROW} from webhook_rules where tenant_id = $1 and mode = $2 order by priority, id`, [
    tenantId,
    mode,
  ]);

export const listRules = (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  limit: number,
  before: string | undefined,
): Promise<RuleRow[]> =>
  sql.query(
    `select ${ROW} from webhook_rules where tenant_id = $1 and mode = $2 and ($4::uuid is null or id < $4) order by id desc limit $3`,
    [tenantId, mode, limit, before ?? null],
  );

export const findRule = async (sql: Sql, tenantId: string, mode: Mode, id: string): Promise<RuleRow | undefined> =>
  (
    await sql.query<RuleRow>(`select ${ROW} from webhook_rules where tenant_id = $1 and mode = $2 and id = $3`, [
      tenantId,
      mode,
      id,
    ])
  )[0];

export const insertRule = async (
  trx: Sql,
  {
    id,
    tenantId,
    mode,
    name,
    priority,
    enabled,
    conditions,
    targets,
    stop,
  }: RuleFields & Pick<RuleRow, 'tenantId' | 'mode'>,
): Promise<RuleRow> =>
  (
    await trx.query<RuleRow>(
      `insert into webhook_rules (id, tenant_id, mode, name, priority, enabled, conditions, targets, stop)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning ${ROW}`,
      [id, tenantId, mode, name, priority, enabled, JSON.stringify(conditions), targets, stop],
    )
  )[0] as RuleRow;

export const updateRule = async (
  trx: Sql,
  { id, name, priority, enabled, conditions, targets, stop }: RuleFields,
): Promise<RuleRow> =>
  (
    await trx.query<RuleRow>(
      `update webhook_rules set name = $2, priority = $3, enabled = $4, conditions = $5, targets = $6, stop = $7, updated_at = clock_now() where id = $1 returning ${ROW}`,
      [id, name, priority, enabled, JSON.stringify(conditions), targets, stop],
    )
  )[0] as RuleRow;

export const deleteRule = (trx: Sql, id: string): Promise<unknown> =>
  trx.query('delete from webhook_rules where id = $1', [id]);

/** An endpoint that is no more is no target. */
export const dropTarget = (trx: Sql, tenantId: string, mode: Mode, endpointId: string): Promise<unknown> =>
  trx.query(
    `update webhook_rules set targets = array_remove(targets, $3)
     where tenant_id = $1 and mode = $2 and $3 = any(targets)`,
    [tenantId, mode, endpointId],
  );
