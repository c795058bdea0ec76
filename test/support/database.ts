/** A fresh database for a test file: a clone of the migrated template, dropped afterwards. A client left open fails the test. */
import pg from 'pg';
import { createDb, type Db } from '../../src/lib/db.ts';
import { createLog } from '../../src/lib/log.ts';
import { type BackendName, backend } from './backends.ts';

export interface TestDatabase {
  readonly db: Db;
  /** As the application connects. */
  readonly url: string;
  /** As a superuser connects. */
  readonly adminUrl: string;
  /** As a superuser, for looking at what no door shows. */
  query<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<R[]>;
  /** Moves the database's clock; tests alone may. */
  advance(interval: string): Promise<void>;
  /** Leaves the database alone, so that it can be copied; `query` and `db` work no more. */
  rest(): Promise<void>;
  /** Throws when a client is still connected. */
  close(): Promise<void>;
}

let counter = 0;

/** `template`: another database on the same server, to which nobody is connected; default the migrated one. */
export async function createTestDatabase(on: BackendName = 'embedded', template?: string): Promise<TestDatabase> {
  const { adminUrl, appUrl, template: migrated } = backend(on).store;
  const name = `carillon_test_${Date.now()}_${process.pid}_${counter++}`;
  const at = (base: string): string => Object.assign(new URL(base), { pathname: `/${name}` }).href;

  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  await admin.query(`create database ${name} template ${template ?? migrated} owner carillon_test`);
  const inside = new pg.Client({ connectionString: at(adminUrl), application_name: 'test' });
  await inside.connect();

  const url = at(appUrl);
  const db = createDb({ url, log: createLog('silent'), connections: 4 });
  let resting: Promise<unknown> | undefined;
  const rest = async (): Promise<void> => {
    resting ??= Promise.all([inside.end(), db.close()]);
    await resting;
  };
  const query: TestDatabase['query'] = async (text, values) => (await inside.query(text, values)).rows;
  return {
    db,
    url,
    adminUrl: at(adminUrl),
    query,
    async advance(interval) {
      await query(`update clock set "offset" = "offset" + $1::interval`, [interval]);
    },
    rest,
    async close() {
      await rest();
      const left = await remaining(admin, name);
      await admin.query(`drop database ${name} with (force)`);
      await admin.end();
      if (left.length > 0) throw new Error(`clients still connected: ${left.join(', ')}`);
    },
  };
}

/** The server needs a moment to notice that a client has gone. */
async function remaining(admin: pg.Client, name: string): Promise<string[]> {
  for (let tries = 1; ; tries++) {
    const { rows } = await admin.query<{ application_name: string }>(
      `select application_name from pg_stat_activity where datname = $1`,
      [name],
    );
    if (rows.length === 0 || tries >= 40) return rows.map(({ application_name }) => application_name || 'unnamed');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
