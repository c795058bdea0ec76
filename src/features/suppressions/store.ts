/** SQL of suppressions. Whoever looks for an address looks for its digest, which holds tenant and channel. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Reason } from './schema.ts';

export interface SuppressionRow {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly channel: string;
  readonly digest: string;
  readonly sealed: string | null;
  readonly connectionId: string | null;
  readonly scope: 'all' | 'marketing';
  readonly reason: Reason;
  readonly messageId: string | null;
  readonly note: string | null;
  readonly createdBy: string | null;
  readonly createdAt: Date;
}

const ROW = `id, tenant_id as "tenantId", mode, channel, digest, sealed, connection_id as "connectionId", scope, reason,
  message_id as "messageId", note, created_by as "createdBy", created_at as "createdAt"`;

/** No two may be the same. What is there already stays as it is, and is answered with `isNew` false. */
export const insertSuppressions = (
  sql: Sql,
  rows: readonly Omit<SuppressionRow, 'createdAt'>[],
): Promise<(SuppressionRow & { isNew: boolean })[]> =>
  sql.query(
    `insert into suppressions (id, tenant_id, mode, channel, digest, sealed, connection_id, scope, reason, message_id, note, created_by)
     select id, "tenantId", mode, channel, digest, sealed, "connectionId", scope, reason, "messageId", note, "createdBy"
     from jsonb_to_recordset($1) as r(id uuid, "tenantId" uuid, mode text, channel text, digest text, sealed text, "connectionId" uuid,
       scope text, reason text, "messageId" uuid, note text, "createdBy" text) order by digest, reason, scope
     on conflict (digest, mode, reason, scope, connection_id) do update set sealed = coalesce(suppressions.sealed, excluded.sealed)
     returning ${ROW}, xmax = 0 as "isNew"`,
    [JSON.stringify(rows)],
  );

/** Of these addresses what is not to be sent; by index, one probe a digest. */
export const findBars = (
  sql: Sql,
  digests: readonly string[],
): Promise<Pick<SuppressionRow, 'digest' | 'mode' | 'scope' | 'connectionId'>[]> =>
  sql.query(`select digest, mode, scope, connection_id as "connectionId" from suppressions where digest = any($1)`, [
    digests,
  ]);

/** Of whatever sender. */
export const isThere = async (
  sql: Sql,
  { digest, mode, reason, scope }: Pick<SuppressionRow, 'digest' | 'mode' | 'reason' | 'scope'>,
): Promise<boolean> =>
  (
    await sql.query('select from suppressions where digest = $1 and mode = $2 and reason = $3 and scope = $4 limit 1', [
      digest,
      mode,
      reason,
      scope,
    ])
  ).length > 0;

export interface Lifted {
  readonly digest: string;
  readonly mode: Mode;
  readonly reason: Reason;
  readonly connectionId: string | null;
  /** Null: whatever it was about. */
  readonly scope: 'all' | 'marketing' | null;
}

/** Those of this sender, and those of all senders of the channel. */
export const deleteSuppressions = (sql: Sql, lifted: readonly Lifted[]): Promise<SuppressionRow[]> =>
  sql.query(
    `delete from suppressions where id in (
       select s.id from jsonb_to_recordset($1) as l(digest text, mode text, reason text, "connectionId" uuid, scope text)
       join suppressions s on s.digest = l.digest and s.mode = l.mode and s.reason = l.reason and (l.scope is null or s.scope = l.scope)
         and (s.connection_id is null or s.connection_id = l."connectionId")
       order by s.id for update of s)
     returning ${ROW}`,
    [JSON.stringify(lifted)],
  );

export const deleteSuppression = async (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
): Promise<SuppressionRow | undefined> =>
  (
    await sql.query<SuppressionRow>(
      `delete from suppressions where tenant_id = $1 and mode = $2 and id = $3 returning ${ROW}`,
      [tenantId, mode, id],
    )
  )[0];

export const findSuppression = async (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
): Promise<SuppressionRow | undefined> =>
  (
    await sql.query<SuppressionRow>(`select ${ROW} from suppressions where tenant_id = $1 and mode = $2 and id = $3`, [
      tenantId,
      mode,
      id,
    ])
  )[0];

export const listSuppressions = (
  sql: Sql,
  query: {
    readonly tenantId: string;
    readonly mode: Mode;
    readonly limit: number;
    readonly before: string | undefined;
    readonly channel: string | undefined;
    readonly reason: string | undefined;
    /** Absent: any address. */
    readonly digests: readonly string[] | undefined;
  },
): Promise<SuppressionRow[]> =>
  sql.query(
    `select ${ROW} from suppressions
     where tenant_id = $1 and mode = $2 and ($4::uuid is null or id < $4) and ($5::text is null or channel = $5)
       and ($6::text is null or reason = $6) and ($7::text[] is null or digest = any($7))
     order by id desc limit $3`,
    [
      query.tenantId,
      query.mode,
      query.limit,
      query.before ?? null,
      query.channel ?? null,
      query.reason ?? null,
      query.digests ?? null,
    ],
  );

/** What is left of an erased person: a digest that is nobody's name. */
export const forgetAddresses = (sql: Sql, mode: Mode, digests: readonly string[]): Promise<unknown> =>
  sql.query(
    `update suppressions set sealed = null, note = null, message_id = null where digest = any($2) and mode = $1`,
    [mode, digests],
  );
