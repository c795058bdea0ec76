/**
 * Brings the schema forward and refuses a database this build does not understand. Migrations are named without an ending,
 * because knex takes `.ts` and `.js` of one migration for two.
 */
import knexModule, { type Knex } from 'knex';

export interface Migration {
  /** `0001_create_tenants`. */
  readonly name: string;
  up(knex: Knex): Promise<void>;
  down(knex: Knex): Promise<void>;
}

/** The database holds migrations that this build does not know, or lacks some that it needs. */
export class SchemaMismatch extends Error {}

const source = (migrations: readonly Migration[]): Knex.MigrationSource<Migration> => ({
  getMigrations: async () => [...migrations],
  getMigrationName: (migration) => migration.name,
  getMigration: async (migration) => migration,
});

async function using<T>(url: string, migrations: readonly Migration[], work: (knex: Knex) => Promise<T>): Promise<T> {
  const knex = knexModule({
    client: 'pg',
    connection: { connectionString: url, application_name: 'carillon-migrate' },
    pool: { min: 0, max: 2 },
    migrations: { migrationSource: source(migrations), tableName: 'carillon_migrations' },
  });
  try {
    return await work(knex);
  } finally {
    await knex.destroy();
  }
}

/** Runs what is missing; returns its names. Several processes may start at once: knex's lock lets one work. */
export const migrateUp = (url: string, migrations: readonly Migration[]): Promise<readonly string[]> =>
  using(url, migrations, async (knex) => {
    await refuseNewer(knex, migrations);
    for (let tries = 1; ; tries++) {
      try {
        const [, ran] = (await knex.migrate.latest()) as [number, (string | Migration)[]];
        return ran.map((migration) => (typeof migration === 'string' ? migration : migration.name));
      } catch (error) {
        // Another process holds the migration lock: it is doing our work.
        if (tries >= 60 || !(error instanceof Error) || error.name !== 'MigrationLocked') throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  });

/** Takes everything back, for tests. */
export const migrateDown = (url: string, migrations: readonly Migration[]): Promise<void> =>
  using(url, migrations, async (knex) => void (await knex.migrate.rollback(undefined, true)));

/** Throws `SchemaMismatch` unless the database is exactly at this build's last migration. */
export const checkSchema = (url: string, migrations: readonly Migration[]): Promise<void> =>
  using(url, migrations, async (knex) => {
    const known = await refuseNewer(knex, migrations);
    const missing = migrations.filter(({ name }) => !known.has(name));
    if (missing.length > 0)
      throw new SchemaMismatch(
        `The database lacks ${missing.length} migration(s), from ${missing[0]?.name}. Run: carillon migrate`,
      );
  });

async function refuseNewer(knex: Knex, migrations: readonly Migration[]): Promise<Set<string>> {
  if (!(await knex.schema.hasTable('carillon_migrations'))) return new Set();
  const rows: { name: string }[] = await knex('carillon_migrations').select('name');
  const ours = new Set(migrations.map(({ name }) => name));
  const stranger = rows.find(({ name }) => !ours.has(name));
  if (stranger)
    throw new SchemaMismatch(
      `The database was migrated by a newer version (it has ${stranger.name}). Start that version, or restore a backup.`,
    );
  return new Set(rows.map(({ name }) => name));
}
