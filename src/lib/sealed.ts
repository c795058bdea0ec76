/**
 * Everything that stands sealed in the store: how much of it is sealed with which key, and how it moves to the newest. Nobody
 * waits for that: a value is written back only if it is still the one that was read, and both keys open it meanwhile.
 */
import { randomBytes } from 'node:crypto';
import { ConfigError } from './config.ts';
import { createVault, type Vault } from './crypto.ts';
import type { Db, Sql } from './db.ts';
import type { EncryptionKey } from './encryption-keys.ts';

export interface SealedColumn {
  readonly table: string;
  readonly column: string;
  /** Of one column. */
  readonly key: string;
  /** Columns the place is made of. */
  readonly fields: readonly string[];
  // biome-ignore lint/suspicious/noExplicitAny: a row of any table, with the fields that were asked for
  place(row: any): string;
}

const ROOT_PLACE = 'platform|installation|root';
export const ROOT: SealedColumn = {
  table: 'installation',
  column: 'root',
  key: 'one',
  fields: [],
  place: () => ROOT_PLACE,
};

/** The vault of an installation. Its root is made at the first start; before that was kept it was the oldest key itself. */
export async function openVault(db: Db, keys: readonly EncryptionKey[]): Promise<Vault> {
  const vault = createVault(keys);
  const read = async () => (await db.query<{ root: string }>('select root from installation where one'))[0]?.root;
  let sealed = await read().catch((error: { code?: string }) => {
    // The schema is older; whoever starts brings it up to date first.
    if (error.code === '42P01') return null;
    throw error;
  });
  if (sealed === null) return vault;
  if (sealed === undefined) {
    const [used] = await db.query('select 1 from tenants limit 1');
    const root = used ? (keys.at(-1)?.secret ?? randomBytes(32)) : randomBytes(32);
    await db.query('insert into installation (root) values ($1) on conflict do nothing', [
      vault.seal(root.toString('base64'), ROOT_PLACE),
    ]);
    sealed = (await read()) as string;
  }
  let root: string;
  try {
    root = vault.open(sealed, ROOT_PLACE);
  } catch (error) {
    throw new ConfigError([
      `ENCRYPTION_KEYS does not hold the key that this installation's secrets are sealed with (${(error as Error).message}).`,
    ]);
  }
  return createVault(keys, Buffer.from(root, 'base64'));
}

/** Rows by the id of the key that sealed them. */
export async function countByKey(sql: Sql, columns: readonly SealedColumn[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { table, column } of columns)
    for (const { id, rows } of await sql.query<{ id: string; rows: number }>(
      `select split_part(${column}, '.', 2) as id, count(*)::int as rows from ${table} where ${column} is not null group by 1`,
    ))
      counts.set(id, (counts.get(id) ?? 0) + rows);
  return counts;
}

const BATCH = 100;

/** Seals with the newest key what is sealed with another. What cannot be opened stays as it is, and is counted. */
export async function reseal(
  db: Db,
  vault: Vault,
  columns: readonly SealedColumn[],
): Promise<{ resealed: number; unreadable: number }> {
  let [resealed, unreadable] = [0, 0];
  for (const { table, column, key, fields, place } of columns)
    for (let after: string | null = null; ; ) {
      const rows: Record<string, string>[] = await db.query(
        `select ${[`${key}::text as key`, `${column} as sealed`, ...fields].join(', ')} from ${table}
         where ${column} is not null and split_part(${column}, '.', 2) <> $1 and ($2::text is null or ${key}::text > $2) order by ${key}::text limit ${BATCH}`,
        [vault.keyId, after],
      );
      for (const row of rows) {
        const { key: id, sealed } = row as { key: string; sealed: string };
        after = id;
        let text: string;
        try {
          text = vault.open(sealed, place(row));
        } catch {
          unreadable++;
          continue;
        }
        const done = await db.query(
          `update ${table} set ${column} = $3 where ${key}::text = $1 and ${column} = $2 returning 1`,
          [id, sealed, vault.seal(text, place(row))],
        );
        resealed += done.length;
      }
      if (rows.length < BATCH) break;
    }
  return { resealed, unreadable };
}
