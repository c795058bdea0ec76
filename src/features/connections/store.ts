/** Rows of connections. Secrets come and go sealed. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Touch } from './door.ts';
import type { StoredLimits } from './limits.ts';
import type { Values } from './settings.ts';

export interface ConnectionRow extends StoredLimits {
  readonly id: string;
  readonly owner: 'platform' | 'tenant' | 'customer';
  readonly tenant_id: string | null;
  readonly mode: Mode;
  readonly channel: string;
  readonly adapter: string;
  readonly name: string;
  readonly settings: Values;
  readonly secrets: string;
  readonly account: string | null;
  readonly is_default: boolean;
  readonly position: number;
  readonly health: 'unknown' | 'ok' | 'failing' | 'resting';
  readonly health_note: string | null;
  readonly health_at: Date | null;
  readonly health_since: Date | null;
  readonly health_fault: string | null;
  readonly health_until: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly archived_at: Date | null;
}

const COLUMNS = `id, owner, tenant_id, mode, channel, adapter, name, settings, secrets, account, is_default, position,
  per_second, concurrency, health, health_note, health_at, health_since, health_fault, health_until, created_at, updated_at, archived_at`;

/** Whose connections are meant: a tenant's, or with `null` the platform's. */
export type OwnerId = string | null;
const OWNED = `owner = case when $1::uuid is null then 'platform' else 'tenant' end and tenant_id is not distinct from $1`;

/** Changes of one owner's channel wait for each other, so that there is one default and no gap between two. */
export async function lockChannel(trx: Sql, owner: OwnerId, channel: string): Promise<void> {
  await trx.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`connections|${owner ?? ''}|${channel}`]);
}

export interface NewConnection extends StoredLimits {
  readonly id: string;
  readonly owner: OwnerId;
  readonly mode: Mode;
  readonly channel: string;
  readonly adapter: string;
  readonly name: string;
  readonly settings: Values;
  readonly secrets: string;
  readonly account: string | undefined;
  readonly isDefault: boolean;
  /** Default: last. */
  readonly position: number | undefined;
}

/** Under `lockChannel`. The first of a channel is its default, asked for or not. */
export async function insertConnection(trx: Sql, row: NewConnection): Promise<ConnectionRow> {
  if (row.isDefault) await clearDefault(trx, row.owner, row.channel, row.mode);
  const [made] = await trx.query<ConnectionRow>(
    `with others as (
       select is_default, position from connections
       where ${OWNED} and channel = $4 and mode = $3 and archived_at is null
     )
     insert into connections
       (id, owner, tenant_id, mode, channel, adapter, name, settings, secrets, account, is_default, position,
        per_second, concurrency)
     values ($2, case when $1::uuid is null then 'platform' else 'tenant' end, $1, $3, $4, $5, $6, $7, $8, $9,
       not exists (select from others where is_default),
       coalesce($10, (select max(position) + 1 from others), 0), $11, $12)
     returning ${COLUMNS}`,
    [
      row.owner,
      row.id,
      row.mode,
      row.channel,
      row.adapter,
      row.name,
      JSON.stringify(row.settings),
      row.secrets,
      row.account ?? null,
      row.position ?? null,
      row.per_second,
      row.concurrency,
    ],
  );
  return made as ConnectionRow;
}

/** The tenant's own connections of the sandbox; one that somebody else made in the meantime stays as it is. */
export async function insertSandbox(sql: Sql, rows: readonly NewConnection[]): Promise<void> {
  await sql.query(
    `insert into connections (id, owner, tenant_id, mode, channel, adapter, name, settings, secrets, account, is_default)
     select (r->>'id')::uuid, 'tenant', (r->>'owner')::uuid, 'sandbox', r->>'channel', r->>'adapter', r->>'name',
       r->'settings', r->>'secrets', r->>'account', true
     from jsonb_array_elements($1::jsonb) r
     on conflict (tenant_id, channel) where mode = 'sandbox' do nothing`,
    [JSON.stringify(rows)],
  );
}

export async function clearDefault(trx: Sql, owner: OwnerId, channel: string, mode: Mode): Promise<void> {
  await trx.query(
    `update connections set is_default = false, updated_at = clock_now()
     where ${OWNED} and channel = $2 and mode = $3 and is_default and archived_at is null`,
    [owner, channel, mode],
  );
}

export async function updateConnection(
  trx: Sql,
  row: Pick<ConnectionRow, 'id' | 'name' | 'settings' | 'secrets' | 'account' | 'is_default' | 'position'> &
    StoredLimits,
): Promise<ConnectionRow> {
  const [made] = await trx.query<ConnectionRow>(
    `update connections set name = $2, settings = $3, secrets = $4, account = $5, is_default = $6, position = $7,
       per_second = $8, concurrency = $9, updated_at = clock_now()
     where id = $1 returning ${COLUMNS}`,
    [
      row.id,
      row.name,
      JSON.stringify(row.settings),
      row.secrets,
      row.account,
      row.is_default,
      row.position,
      row.per_second,
      row.concurrency,
    ],
  );
  return made as ConnectionRow;
}

/** Under `lockChannel`. If it was the default, the next in order becomes it. */
export async function archiveConnection(trx: Sql, row: ConnectionRow): Promise<void> {
  await trx.query(`update connections set archived_at = clock_now(), is_default = false where id = $1`, [row.id]);
  if (!row.is_default) return;
  await trx.query(
    `update connections set is_default = true, updated_at = clock_now() where id = (
       select id from connections where ${OWNED} and channel = $2 and mode = $3 and archived_at is null
       order by position, id limit 1)`,
    [row.owner === 'platform' ? null : row.tenant_id, row.channel, row.mode],
  );
}

export async function findOwned(
  sql: Sql,
  owner: OwnerId,
  mode: Mode,
  id: string,
  lock: 'for update' | '' = '',
): Promise<ConnectionRow | undefined> {
  const [row] = await sql.query<ConnectionRow>(
    `select ${COLUMNS} from connections where ${OWNED} and mode = $2 and id = $3 and archived_at is null ${lock}`,
    [owner, mode, id],
  );
  return row;
}

export const listOwned = (
  sql: Sql,
  owner: OwnerId,
  mode: Mode,
  limit: number,
  before: string | undefined,
): Promise<ConnectionRow[]> =>
  sql.query<ConnectionRow>(
    `select ${COLUMNS} from connections
     where ${OWNED} and mode = $2 and archived_at is null and ($4::uuid is null or id < $4)
     order by id desc limit $3`,
    [owner, mode, limit, before ?? null],
  );

/** All that a tenant may send through, first choice first within each channel. */
export const listUsable = (sql: Sql, tenantId: string, mode: Mode): Promise<ConnectionRow[]> =>
  sql.query<ConnectionRow>(
    `select ${COLUMNS} from connections
     where (owner = 'tenant' and tenant_id = $1 or owner = 'platform') and mode = $2 and archived_at is null
     order by channel, owner = 'platform', not is_default, position, id`,
    [tenantId, mode],
  );

export const findAll = (sql: Sql, ids: readonly string[]): Promise<ConnectionRow[]> =>
  sql.query<ConnectionRow>(`select ${COLUMNS} from connections where id = any($1)`, [ids]);

export async function findByAccount(sql: Sql, adapter: string, account: string): Promise<readonly string[]> {
  const rows = await sql.query<{ id: string }>(
    `select id from connections where adapter = $1 and account = $2 order by archived_at is not null, id`,
    [adapter, account],
  );
  return rows.map(({ id }) => id);
}

export interface Health {
  readonly id: string;
  readonly health: 'ok' | 'failing' | 'resting';
  readonly fault: string | null;
  readonly note: string | null;
  readonly until: Date | null;
}

/** Not a change of the connection: `updated_at` stays. */
export async function recordHealth(sql: Sql, states: readonly Health[]): Promise<void> {
  await sql.query(
    `update connections c set health = r.health, health_fault = r.fault, health_note = r.note, health_until = r.until, health_at = clock_now(),
       health_since = case when c.health = r.health and c.health_since is not null then c.health_since else clock_now() end
     from jsonb_to_recordset($1::jsonb) as r(id uuid, health text, fault text, note text, until timestamptz) where c.id = r.id`,
    [JSON.stringify(states)],
  );
}

export const findTouched = (sql: Sql, ids: readonly string[]): Promise<({ id: string } & Touch)[]> =>
  sql.query(
    `select id, updated_at as changed, case when health = 'ok' then health_at end as well, archived_at is not null as archived
     from connections where id = any($1)`,
    [ids],
  );

/** How many messages are due and not yet taken, of those the reader may see; the first ten thousand due rows of each are counted. */
export const countWaiting = async (sql: Sql, ids: readonly string[]): Promise<ReadonlyMap<string, number>> => {
  const rows = await sql.query<{ id: string; waiting: number }>(
    `select c.id, coalesce(sum(d.size), 0)::int as waiting from unnest($1::uuid[]) as c(id) cross join lateral (
       select size, owner from due where connection_id = c.id and not held and run_at <= clock_now() limit 10000
     ) d where d.owner is null group by c.id`,
    [ids],
  );
  return new Map(rows.map(({ id, waiting }) => [id, waiting]));
};
