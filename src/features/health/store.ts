/** What the store tells of its own state. */
import type { Sql } from '../../lib/db.ts';

/** Of these names, in order, those whose migration has not run. */
export async function missingMigrations(db: Sql, names: readonly string[]): Promise<readonly string[]> {
  const rows = await db.query<{ name: string }>(
    'select name from unnest($1::text[]) with ordinality as wanted (name, at) where name not in (select name from carillon_migrations) order by at',
    [names],
  );
  return rows.map(({ name }) => name);
}
