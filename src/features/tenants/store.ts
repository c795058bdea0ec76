/** Rows of tenants, users and keys. Times are judged by the database's clock alone. */
import type { Sql } from '../../lib/db.ts';
import type { Mode, Scope } from '../../lib/http.ts';
import type { NewKey } from './key.ts';

export interface TenantRow {
  readonly id: string;
  readonly name: string;
  readonly default_country: string | null;
  readonly default_language: string | null;
  readonly created_at: Date;
}

const TENANT = 'id, name, default_country, default_language, created_at';

export async function insertTenant(
  sql: Sql,
  row: { id: string; name: string; country: string | null; language: string | null },
): Promise<TenantRow> {
  const [made] = await sql.query<TenantRow>(
    `insert into tenants (id, name, default_country, default_language) values ($1, $2, $3, $4) returning ${TENANT}`,
    [row.id, row.name, row.country, row.language],
  );
  return made as TenantRow;
}

export async function findTenant(sql: Sql, id: string): Promise<TenantRow | undefined> {
  const [row] = await sql.query<TenantRow>(`select ${TENANT} from tenants where id = $1`, [id]);
  return row;
}

export const listTenants = (sql: Sql, limit: number, before: string | undefined): Promise<TenantRow[]> =>
  sql.query<TenantRow>(`select ${TENANT} from tenants where $2::uuid is null or id < $2 order by id desc limit $1`, [
    limit,
    before ?? null,
  ]);

/** `undefined` keeps a value, `null` takes it away. */
export async function updateTenant(
  sql: Sql,
  id: string,
  set: { name: string | undefined; country: string | null | undefined; language: string | null | undefined },
): Promise<TenantRow | undefined> {
  const [row] = await sql.query<TenantRow>(
    `update tenants set name = coalesce($2, name),
       default_country = case when $3 then $4 else default_country end,
       default_language = case when $5 then $6 else default_language end
     where id = $1 returning ${TENANT}`,
    [
      id,
      set.name ?? null,
      set.country !== undefined,
      set.country ?? null,
      set.language !== undefined,
      set.language ?? null,
    ],
  );
  return row;
}

/** True for the first caller on an empty installation; others wait for its transaction to end. */
export async function isEmptyInstallation(trx: Sql): Promise<boolean> {
  await trx.query(`select pg_advisory_xact_lock(hashtext('carillon first tenant'))`);
  const [row] = await trx.query<{ found: boolean }>(`select exists (select from tenants) as found`);
  return !row?.found;
}

export interface UserRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly email: string;
  readonly name: string;
  readonly password_hash: string | null;
  readonly confirmed: boolean;
}

const USER = 'id, tenant_id, email, name, password_hash, confirmed_at is not null as confirmed';

export async function insertUser(
  sql: Sql,
  row: {
    id: string;
    tenantId: string;
    email: string;
    name: string;
    passwordHash: string | null;
    /** Somebody vouches for the address already. */
    confirmed: boolean;
  },
): Promise<void> {
  await sql.query(
    `insert into users (id, tenant_id, email, name, password_hash, confirmed_at)
     values ($1, $2, $3, $4, $5, case when $6 then clock_now() end)`,
    [row.id, row.tenantId, row.email, row.name, row.passwordHash, row.confirmed],
  );
}

export async function findUserByEmail(sql: Sql, email: string): Promise<UserRow | undefined> {
  const [row] = await sql.query<UserRow>(`select ${USER} from users where lower(email) = lower($1)`, [email]);
  return row;
}

export async function findUser(sql: Sql, id: string): Promise<UserRow | undefined> {
  const [row] = await sql.query<UserRow>(`select ${USER} from users where id = $1`, [id]);
  return row;
}

export async function renameUser(sql: Sql, id: string, name: string): Promise<void> {
  await sql.query(`update users set name = $2 where id = $1`, [id, name]);
}

export async function setPassword(sql: Sql, id: string, passwordHash: string): Promise<void> {
  await sql.query(`update users set password_hash = $2 where id = $1`, [id, passwordHash]);
}

/** False when the password is no longer the one that was checked. */
export async function replacePassword(
  sql: Sql,
  id: string,
  old: string | null,
  passwordHash: string,
): Promise<boolean> {
  const changed = await sql.query(
    `update users set password_hash = $3 where id = $1 and password_hash is not distinct from $2 returning 1`,
    [id, old, passwordHash],
  );
  return changed.length > 0;
}

/** Whether the password that was checked is still the one; holds off a change until the transaction ends. */
export async function holdPassword(trx: Sql, id: string, passwordHash: string | null): Promise<boolean> {
  const [row] = await trx.query(
    `select 1 from users where id = $1 and password_hash is not distinct from $2 for share`,
    [id, passwordHash],
  );
  return row !== undefined;
}

/** Confirming again keeps the first time. */
export async function confirmUser(sql: Sql, id: string): Promise<void> {
  await sql.query(`update users set confirmed_at = coalesce(confirmed_at, clock_now()) where id = $1`, [id]);
}

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
  readonly expired: boolean;
}

const KEY = `id, mode, name, public_part, last_four, scopes, created_at, expires_at, revoked_at, last_used_at,
  coalesce(expires_at <= clock_now(), false) as expired`;

export async function insertKey(
  sql: Sql,
  row: { id: string; tenantId: string; name: string; key: NewKey; scopes: readonly Scope[]; expiresAt: Date | null },
): Promise<KeyRow> {
  const [made] = await sql.query<KeyRow>(
    `insert into api_keys (id, tenant_id, mode, name, public_part, digest, last_four, scopes, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning ${KEY}`,
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
    ],
  );
  return made as KeyRow;
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
       last_used_at, false as expired, clock_now() + (old.expires_at - created_at) as lifetime_expires_at`,
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
}

/** A key that works, by its public part. */
export async function findWorkingKey(sql: Sql, publicPart: string): Promise<KeyOwner | undefined> {
  const [row] = await sql.query<KeyOwner>(
    `select id, tenant_id, mode, digest, scopes,
       (extract(epoch from expires_at - clock_now()) * 1000)::float8 as expires_in_ms
     from api_keys
     where public_part = $1 and revoked_at is null and (expires_at is null or expires_at > clock_now())`,
    [publicPart],
  );
  return row;
}

export async function touchKeys(sql: Sql, ids: readonly string[]): Promise<void> {
  await sql.query(`update api_keys set last_used_at = clock_now() where id = any($1)`, [ids]);
}
