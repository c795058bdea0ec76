/** Rows of tenants and users. Times are judged by the database's clock alone. */
import type { Sql } from '../../lib/db.ts';
import type { Limit as Rate } from '../limits/index.ts';

export interface TenantRow {
  readonly id: string;
  readonly name: string;
  readonly default_country: string | null;
  readonly default_language: string | null;
  readonly created_at: Date;
  /** Null, as those below: what the installation gives everybody. */
  readonly rate_requests: number | null;
  readonly rate_seconds: number | null;
  readonly otp_per_hour: number | null;
}

const TENANT = 'id, name, default_country, default_language, created_at, rate_requests, rate_seconds, otp_per_hour';

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

/** `undefined` keeps a value, `null` gives it back to the installation. */
export async function limitTenant(
  sql: Sql,
  id: string,
  set: { rate: Rate | null | undefined; otpPerHour: number | null | undefined },
): Promise<TenantRow | undefined> {
  const [row] = await sql.query<TenantRow>(
    `update tenants set rate_requests = case when $2 then $3 else rate_requests end,
       rate_seconds = case when $2 then $4 else rate_seconds end,
       otp_per_hour = case when $5 then $6 else otp_per_hour end
     where id = $1 returning ${TENANT}`,
    [
      id,
      set.rate !== undefined,
      set.rate?.requests ?? null,
      set.rate?.seconds ?? null,
      set.otpPerHour !== undefined,
      set.otpPerHour ?? null,
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

/** The first person's address, where no one has a password. */
export async function findUnclaimed(sql: Sql): Promise<string | undefined> {
  const [row] = await sql.query<{ email: string }>(
    `select email from users where not exists (select from users where password_hash is not null) order by id limit 1`,
  );
  return row?.email;
}
export const listPeople = (sql: Sql, tenantId: string): Promise<UserRow[]> =>
  sql.query(`select ${USER} from users where tenant_id = $1 order by name, id`, [tenantId]);

/** Confirmed ones. */
export const listAddresses = async (sql: Sql, tenantId: string, most: number): Promise<string[]> =>
  (
    await sql.query<{ email: string }>(
      `select email from users where tenant_id = $1 and confirmed_at is not null order by id limit $2`,
      [tenantId, most],
    )
  ).map(({ email }) => email);

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
