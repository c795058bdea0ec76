/** Rows of the audit log. */
import type { Sql } from '../../lib/db.ts';
import type { Principal } from '../../lib/http.ts';
import { newId } from '../../lib/ids.ts';

/** Stands for the installation itself where a tenant's id is expected. */
export const PLATFORM = '00000000-0000-0000-0000-000000000000';

export interface AuditEntry {
  /** UUID. Absent for what concerns the whole installation. */
  readonly tenantId?: string;
  readonly actor: Principal['actor'];
  /** Past tense: `key.created`. */
  readonly action: string;
  /** Wire id of what it was done to. */
  readonly target?: string;
  /** Anything that helps later; never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly ip?: string;
  readonly requestId?: string;
}

export interface AuditRow {
  readonly id: string;
  readonly actor_kind: 'key' | 'user' | 'operator';
  readonly actor_id: string;
  readonly action: string;
  readonly target: string | null;
  readonly detail: Record<string, unknown> | null;
  readonly ip: string | null;
  readonly request_id: string | null;
  readonly at: Date;
  /** Hexadecimal; null until it is sealed. */
  readonly hash: string | null;
}

export async function insertEntry(sql: Sql, entry: AuditEntry): Promise<void> {
  await sql.query(
    `insert into audit_log (id, tenant_id, actor_kind, actor_id, action, target, detail, ip, request_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      newId(),
      entry.tenantId ?? PLATFORM,
      entry.actor.kind,
      entry.actor.id,
      entry.action,
      entry.target ?? null,
      entry.detail === undefined ? null : JSON.stringify(entry.detail),
      entry.ip ?? null,
      entry.requestId ?? null,
    ],
  );
}

export const listEntries = (
  sql: Sql,
  tenantId: string,
  limit: number,
  before: string | undefined,
): Promise<AuditRow[]> =>
  sql.query<AuditRow>(
    `select id, actor_kind, actor_id, action, target, detail, ip, request_id, at,
       (select encode(c.hash, 'hex') from audit_chain c where c.audit_id = a.id) as hash
     from audit_log a where tenant_id = $1 and ($3::uuid is null or id < $3) order by id desc limit $2`,
    [tenantId, limit, before ?? null],
  );

/** Links at most so many rows into the chain; returns how many. 0 while another process does it. */
export const sealEntries = async (sql: Sql, most: number): Promise<number> =>
  (await sql.query<{ sealed: number }>('select seal_audit($1) as sealed', [most]))[0]?.sealed ?? 0;

/** The end of the chain: who notes it elsewhere can tell later that nothing before it was taken away. */
export const lastSeal = async (sql: Sql): Promise<{ position: number; hash: string } | undefined> =>
  (
    await sql.query<{ position: number; hash: string }>(
      `select position, encode(hash, 'hex') as hash from audit_chain order by position desc limit 1`,
    )
  )[0];
