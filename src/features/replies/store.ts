/** SQL of auto-replies, and of the answers they owe. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Rule } from './match.ts';
import type { Reply } from './schema.ts';

export interface RuleRow extends Rule {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly name: string;
  readonly position: number;
  readonly isActive: boolean;
  readonly reply: Reply;
  readonly pauseMinutes: number;
  readonly failureCode: string | null;
  readonly failedAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const ROW = `id, tenant_id as "tenantId", mode, name, position, is_active as "isActive", trigger, keywords, match, channel,
  connection_id as "connectionId", reply, pause_minutes as "pauseMinutes", failure_code as "failureCode", failed_at as "failedAt",
  created_at as "createdAt", updated_at as "updatedAt"`;

type Written = Omit<RuleRow, 'position' | 'failureCode' | 'failedAt' | 'createdAt' | 'updatedAt'> & {
  /** Null: after all others. */
  readonly position: number | null;
};

const valuesOf = (row: Written): unknown[] => [
  row.id,
  row.tenantId,
  row.mode,
  row.name,
  row.position,
  row.isActive,
  row.trigger,
  row.keywords,
  row.match,
  row.channel,
  row.connectionId,
  JSON.stringify(row.reply),
  row.pauseMinutes,
];

/** `undefined`: there are so many already. */
export const insertRule = async (sql: Sql, row: Written, most: number): Promise<RuleRow | undefined> =>
  (
    await sql.query<RuleRow>(
      `insert into auto_replies (id, tenant_id, mode, name, position, is_active, trigger, keywords, match, channel, connection_id, reply, pause_minutes)
       select $1, $2, $3, $4, coalesce($5::int, others.last + 10), $6, $7, $8, $9, $10, $11, $12, $13
       from (select count(*) as count, coalesce(max(position), 0) as last from auto_replies where tenant_id = $2 and mode = $3) others
       where others.count < $14 returning ${ROW}`,
      [...valuesOf(row), most],
    )
  )[0];

export const updateRule = async (sql: Sql, row: Written): Promise<RuleRow> =>
  (
    await sql.query<RuleRow>(
      `update auto_replies set name = $4, position = $5, is_active = $6, trigger = $7, keywords = $8, match = $9, channel = $10,
         connection_id = $11, reply = $12, pause_minutes = $13, failure_code = null, failed_at = null, updated_at = clock_now()
       where id = $1 and tenant_id = $2 and mode = $3 returning ${ROW}`,
      valuesOf(row),
    )
  )[0] as RuleRow;

export const findRule = async (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
  lock: 'for update' | '' = '',
): Promise<RuleRow | undefined> =>
  (
    await sql.query<RuleRow>(`select ${ROW} from auto_replies where tenant_id = $1 and mode = $2 and id = $3 ${lock}`, [
      tenantId,
      mode,
      id,
    ])
  )[0];

export const listRules = (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  limit: number,
  after: string | undefined,
): Promise<RuleRow[]> =>
  sql.query<RuleRow>(
    `select ${ROW} from auto_replies
     where tenant_id = $1 and mode = $2
       and ($4::uuid is null or (position, id) > (select position, id from auto_replies where id = $4 and tenant_id = $1))
     order by position, id limit $3`,
    [tenantId, mode, limit, after ?? null],
  );

export const deleteRule = (sql: Sql, id: string): Promise<unknown> =>
  sql.query('delete from auto_replies where id = $1', [id]);

/** What these tenants answer by, in its order. */
export const activeRules = (
  sql: Sql,
  tenants: readonly { readonly tenantId: string; readonly mode: Mode }[],
): Promise<RuleRow[]> =>
  sql.query<RuleRow>(
    `select ${ROW} from auto_replies
     where (tenant_id, mode) in (select t."tenantId", t.mode from jsonb_to_recordset($1) as t("tenantId" uuid, mode text)) and is_active
     order by position, id`,
    [JSON.stringify(tenants)],
  );

export interface Owed {
  readonly messageId: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly ruleId: string;
  readonly conversationId: string;
}

/** To whom the rule has not answered for a while; no two of one rule and conversation. */
export const oweReplies = (sql: Sql, owed: readonly (Owed & { readonly pauseMinutes: number })[]): Promise<unknown> =>
  sql.query(
    `with o as (
       select * from jsonb_to_recordset($1) as o("messageId" uuid, "tenantId" uuid, mode text, "ruleId" uuid, "conversationId" uuid, "pauseMinutes" int)
     ), given as (
       insert into given_replies as g (rule_id, conversation_id, tenant_id, at)
       select "ruleId", "conversationId", "tenantId", clock_now() from o order by 1, 2
       on conflict (rule_id, conversation_id) do update set at = excluded.at
       where g.at <= clock_now() - make_interval(mins => (
         select "pauseMinutes" from o where o."ruleId" = g.rule_id and o."conversationId" = g.conversation_id))
       returning rule_id, conversation_id
     )
     insert into owed_replies (message_id, tenant_id, mode, rule_id, conversation_id)
     select o."messageId", o."tenantId", o.mode, o."ruleId", o."conversationId"
     from o join given on given.rule_id = o."ruleId" and given.conversation_id = o."conversationId"
     on conflict do nothing`,
    [JSON.stringify(owed)],
  );

/** Due ones, each with its rule, in the hands of the caller for a lease. */
export const claimOwed = (
  sql: Sql,
  limit: number,
  leaseSeconds: number,
): Promise<(Owed & { tries: number; trigger: Rule['trigger']; reply: Reply })[]> =>
  sql.query(
    `update owed_replies o set run_at = clock_now() + make_interval(secs => $2), tries = least(o.tries + 1, 1000)
     from auto_replies r
     where r.id = o.rule_id and o.message_id in (
       select message_id from owed_replies where run_at <= clock_now() order by run_at limit $1 for update skip locked)
     returning o.message_id as "messageId", o.tenant_id as "tenantId", o.mode, o.rule_id as "ruleId",
       o.conversation_id as "conversationId", o.tries, r.trigger, r.reply`,
    [limit, leaseSeconds],
  );

export const settleOwed = (sql: Sql, messageId: string): Promise<unknown> =>
  sql.query('delete from owed_replies where message_id = $1', [messageId]);

/** The rule could not answer: its owner sees why. */
export const noteFailure = (sql: Sql, ruleId: string, code: string): Promise<unknown> =>
  sql.query('update auto_replies set failure_code = $2, failed_at = clock_now() where id = $1', [ruleId, code]);
