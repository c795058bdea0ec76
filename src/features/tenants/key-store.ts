/** Rows of keys. Times are judged by the database's clock alone. */
import type { Sql } from '../../lib/db.ts';
import type { Mode, Scope } from '../../lib/http.ts';
import type { Limit as Rate } from '../limits/index.ts';
import type { NewKey } from './key.ts';

export interface KeyRow {
  readonly id: string;
  readonly mode: Mode;
  readonly name: string;
  readonly public_part: string;
  readonly last_four: string;
  readonly scopes: Scope[];
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
  /** Null: from everywhere. */
  readonly allowed_ips: string[] | null;
  readonly rate_requests: number | null;
  readonly rate_seconds: number | null;
  readonly expired: boolean;
}

const KEY = `id, mode, name, public_part, last_four, scopes, created_at, expires_at, revoked_at, last_used_at,
  allowed_ips, rate_requests, rate_seconds, coalesce(expires_at <= clock_now(), false) as expired`;

export async function insertKey(
  sql: Sql,
  row: {
    id: string;
    tenantId: string;
    name: string;
    key: NewKey;
    scopes: readonly Scope[];
    expiresAt: Date | null;
    allowedIps?: readonly string[] | null;
    rate?: Rate | null;
  },
): Promise<KeyRow> {
  const [made] = await sql.query<KeyRow>(
    `insert into api_keys (id, tenant_id, mode, name, public_part, digest, last_four, scopes, expires_at,
       allowed_ips, rate_requests, rate_seconds)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning ${KEY}`,
    [
      row.id,
      row.tenantId,
      row.key.mode,
      row.name,
      row.key.publicPart,
      row.key.digest,
      row.key.lastFour,
      row.scopes,
      row.expiresAt,
      row.allowedIps ?? null,
      row.rate?.requests ?? null,
      row.rate?.seconds ?? null,
    ],
  );
  return made as KeyRow;
}

/** `undefined` keeps a value, `null` takes it away. What has ended is not changed any more. */
export async function updateKey(
  sql: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
  set: { name: string | undefined; allowedIps: readonly string[] | null | undefined; rate: Rate | null | undefined },
): Promise<KeyRow | undefined> {
  const [row] = await sql.query<KeyRow>(
    `update api_keys set name = coalesce($4, name),
       allowed_ips = case when $5 then $6 else allowed_ips end,
       rate_requests = case when $7 then $8 else rate_requests end,
       rate_seconds = case when $7 then $9 else rate_seconds end
     where tenant_id = $1 and mode = $2 and id = $3 and revoked_at is null
       and (expires_at is null or expires_at > clock_now())
     returning ${KEY}`,
    [
      tenantId,
      mode,
      id,
      set.name ?? null,
      set.allowedIps !== undefined,
      set.allowedIps ?? null,
      set.rate !== undefined,
      set.rate?.requests ?? null,
      set.rate?.seconds ?? null,
    ],
  );
  return row;
}

export async function findKey(sql: Sql, tenantId: string, mode: Mode, id: string): Promise<KeyRow | undefined> {
  const [row] = await sql.query<KeyRow>(`select ${KEY} from api_keys where tenant_id = $1 and mode = $2 and id = $3`, [
    tenantId,
    mode,
    id,
  ]);
  return row;
}

export const listKeys = (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  limit: number,
  before: string | undefined,
): Promise<KeyRow[]> =>
  sql.query<KeyRow>(
    `select ${KEY} from api_keys where tenant_id = $1 and mode = $2 and ($4::uuid is null or id < $4)
     order by id desc limit $3`,
    [tenantId, mode, limit, before ?? null],
  );

/** The row as it is afterwards; revoking again keeps the first time. */
export async function revokeKey(sql: Sql, tenantId: string, mode: Mode, id: string): Promise<KeyRow | undefined> {
  const [row] = await sql.query<KeyRow>(
    `update api_keys set revoked_at = coalesce(revoked_at, clock_now())
     where tenant_id = $1 and mode = $2 and id = $3 returning ${KEY}`,
    [tenantId, mode, id],
  );
  return row;
}

/** Ends a key that is still good, now or after a grace; returns it with the length its life was meant to have. */
export async function endKey(
  sql: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
  graceSeconds: number,
): Promise<(KeyRow & { readonly lifetime_expires_at: Date | null }) | undefined> {
  const [row] = await sql.query<KeyRow & { lifetime_expires_at: Date | null }>(
    `with old as (
       select id, expires_at from api_keys
       where tenant_id = $1 and mode = $2 and id = $3 and revoked_at is null
         and (expires_at is null or expires_at > clock_now())
       for update
     )
     update api_keys set
       revoked_at = case when $4 = 0 then clock_now() end,
       expires_at = case when $4 = 0 then api_keys.expires_at
         else least(api_keys.expires_at, clock_now() + make_interval(secs => $4)) end
     from old where api_keys.id = old.id
     returning api_keys.id, mode, name, public_part, last_four, scopes, created_at, api_keys.expires_at, revoked_at,
       last_used_at, allowed_ips, rate_requests, rate_seconds, false as expired, clock_now() + (old.expires_at - created_at) as lifetime_expires_at`,
    [tenantId, mode, id, graceSeconds],
  );
  return row;
}

export interface KeyOwner {
  readonly id: string;
  readonly tenant_id: string;
  readonly mode: Mode;
  readonly digest: Buffer;
  readonly scopes: Scope[];
  /** Milliseconds from now, by the database's clock; `null` for never. */
  readonly expires_in_ms: number | null;
  readonly allowed_ips: string[] | null;
  readonly rate_requests: number | null;
  readonly rate_seconds: number | null;
  /** Of its tenant. */
  readonly tenant_requests: number | null;
  readonly tenant_seconds: number | null;
}

/** A key that works, by its public part. */
export async function findWorkingKey(sql: Sql, publicPart: string): Promise<KeyOwner | undefined> {
  const [row] = await sql.query<KeyOwner>(
    `select k.id, tenant_id, mode, digest, scopes,
       (extract(epoch from expires_at - clock_now()) * 1000)::float8 as expires_in_ms,
       allowed_ips, k.rate_requests, k.rate_seconds, t.rate_requests as tenant_requests, t.rate_seconds as tenant_seconds
     from api_keys k join tenants t on t.id = k.tenant_id
     where public_part = $1 and revoked_at is null and (expires_at is null or expires_at > clock_now())`,
    [publicPart],
  );
  return row;
}

export async function touchKeys(sql: Sql, ids: readonly string[]): Promise<void> {
  await sql.query(`update api_keys set last_used_at = clock_now() where id = any($1)`, [ids]);
}
