/** The two pools: a lost connection costs a transaction and never the process, and who cannot be confined reads nothing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDb, type Sql } from '../../src/lib/db.ts';
import { isOutage } from '../../src/lib/errors.ts';
import { createLog } from '../../src/lib/log.ts';
import { backends } from '../support/backends.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/product.ts';

const TENANT = '00000000-0000-0000-0000-000000000000';
const WHO = 'select current_user::text as name';
const stores = backends().filter((name) => name !== 'redis');

describe.each(stores)('the database on %s', (name) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase(name);
  });
  afterAll(() => database.close());

  const pidOf = async (trx: Sql): Promise<number> =>
    (await trx.query<{ pid: number }>('select pg_backend_pid() as pid'))[0]?.pid ?? 0;
  const terminate = async (pid: number) => {
    await database.query('select pg_terminate_backend($1)', [pid]);
    await until(async () => (await database.query('select from pg_stat_activity where pid = $1', [pid])).length === 0, {
      what: 'the end of the connection',
    });
  };

  test.each([
    [
      'a statement is under way',
      (trx: Sql, pid: number) => Promise.all([trx.query('select pg_sleep(10)'), terminate(pid)]),
    ],
    ['nothing is under way', (_trx: Sql, pid: number) => terminate(pid)],
    [
      'the next statement is yet to come',
      async (trx: Sql, pid: number) => {
        await terminate(pid);
        await trx.query('select 1');
      },
    ],
  ])('a connection cut while %s fails its transaction as an outage, and the next one works', async (_when, work) => {
    const { db } = database;
    for (const within of [db.transaction, (inner: (trx: Sql) => Promise<unknown>) => db.read(TENANT, inner)]) {
      const failure = await within(async (trx) => work(trx, await pidOf(trx))).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(Error);
      expect(isOutage(failure), String(failure)).toBe(true);
      expect(await db.transaction(async (trx) => (await pidOf(trx)) > 0)).toBe(true);
      expect(await db.read(TENANT, async (trx) => (await pidOf(trx)) > 0)).toBe(true);
    }
  });

  test('a read is confined from its first statement, and its role ends with it', async () => {
    const { db, query } = database;
    const [who] = await db.read(TENANT, (trx) =>
      trx.query(`${WHO}, current_setting('carillon.tenant') as tenant, current_setting('role') as role`),
    );
    expect(who).toEqual({ name: 'carillon_reader', tenant: TENANT, role: 'carillon_reader' });
    const [before] = await query<{ name: string }>(WHO, []);
    await query('begin');
    await query(`select set_config('role', 'carillon_reader', true)`);
    expect(await query(WHO)).toEqual([{ name: 'carillon_reader' }]);
    await query('commit');
    expect(await query(WHO)).toEqual([before]);
  });

  test('where the role of readers may not be taken, reads are refused rather than served', async () => {
    const stranger = `carillon_stranger_${Date.now()}_${process.pid}`;
    await database.query(`create role ${stranger} login password 'stranger'`);
    await database.query(`grant select on all tables in schema public to ${stranger}`);
    const lines: string[] = [];
    const db = createDb({
      url: Object.assign(new URL(database.url), { username: stranger, password: 'stranger' }).href,
      log: createLog('error', { write: (line) => void lines.push(line) }),
      connections: 2,
    });
    try {
      let ran = false;
      const read = db.read(TENANT, async () => {
        ran = true;
      });
      await expect(read).rejects.toMatchObject({ code: 'unavailable', status: 503, headers: { 'Retry-After': '30' } });
      expect(ran).toBe(false);
      expect(lines.join()).toContain('run carillon doctor');
    } finally {
      await db.close();
      await database.query(`drop owned by ${stranger}`);
      await database.query(`drop role ${stranger}`);
    }
  });

  test('statements of more texts than are ever written are run without being kept', async () => {
    const kept = await database.db.transaction(async (trx) => {
      for (let i = 0; i < 600; i++) await trx.query(`select $1::int as n${i}`, [i]);
      return trx.query<{ count: number }>('select count(*) from pg_prepared_statements');
    });
    expect(kept[0]?.count).toBeGreaterThan(400);
    expect(kept[0]?.count).toBeLessThanOrEqual(500);
  });

  test('a transaction says how long its statements may take, and the next one has the usual limit', async () => {
    const limitOf = async (trx: Sql) =>
      (await trx.query<{ statement_timeout: string }>('show statement_timeout'))[0]?.statement_timeout;
    const { db } = database;
    const said = [0.2, 300, Number.POSITIVE_INFINITY, undefined];
    const limits: unknown[] = [];
    for (const statementSeconds of said)
      limits.push(await db.transaction(limitOf, statementSeconds === undefined ? {} : { statementSeconds }));
    expect(limits).toEqual(['200ms', '5min', '0', '15s']);
    const failure = db.transaction((trx) => trx.query('select pg_sleep(10)'), { statementSeconds: 0.2 });
    await expect(failure).rejects.toMatchObject({ code: '57014' });
  });
});
