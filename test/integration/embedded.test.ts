/**
 * The embedded PostgreSQL, started for real: as whoever runs the tests, and as an ordinary user too when that is root.
 * Tests leave the shared data folder usable; whatever one leaves running is ended after it.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AlreadyRunning, findEmbedded } from '../../src/lib/embedded.ts';
import { compileChild, family, gone, homeOf, isRoot, ordinaryUser, scene } from '../support/embedded.ts';

const world = scene();
/** Shared by all tests that can do with a database that is already made. */
const dataDir = world.folder('data');
let script: string;
beforeAll(() => {
  script = compileChild();
});
afterEach(() => world.settle());
afterAll(() => {
  world.end();
  rmSync(dirname(dirname(dirname(script))), { recursive: true });
});

async function query(url: string | undefined, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  return client
    .query(sql)
    .then(({ rows }) => rows)
    .finally(() => client.end());
}

const stateFile = join(dataDir, 'embedded.json');
const pidFile = () => join(homeOf(dataDir), 'postgres', 'postmaster.pid');
const versionFile = () => join(homeOf(dataDir), 'postgres', 'PG_VERSION');

describe('start and stop', () => {
  test('the first start makes the database, a later one finds its data, whatever the path of DATA_DIR', async () => {
    mkdirSync(join(world.base, 'home of mine'), { mode: 0o700 });
    const fresh = world.folder(join('home of mine', `it's ${'long '.repeat(30)}`, 'data'));
    const first = await world.start(fresh);
    expect(first).toMatchObject({ firstStart: true, version: '18.4', lines: [] });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    const second = await world.start(fresh);
    expect(second).toMatchObject({ firstStart: false, lines: [] });
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  test('carillon owns its database and is no superuser; the server is durable and listens on loopback', async () => {
    const { url, adminUrl } = await world.start(dataDir);
    const role =
      'SELECT rolsuper, rolcreatedb, (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()) AS owner FROM pg_roles WHERE rolname = current_user';
    expect(await query(url, role)).toEqual([{ rolsuper: false, rolcreatedb: false, owner: 'carillon' }]);
    const settings = `SELECT string_agg(setting, ' ' ORDER BY name) AS values FROM pg_settings WHERE name IN
      ('data_checksums', 'fsync', 'full_page_writes', 'listen_addresses', 'server_encoding', 'synchronous_commit', 'unix_socket_directories')`;
    expect(await query(adminUrl, settings)).toEqual([{ values: 'on on on 127.0.0.1 UTF8 on ' }]);
    const password =
      "SELECT count(*)::int AS n FROM pg_authid WHERE rolcanlogin AND rolpassword NOT LIKE 'SCRAM-SHA-256$%'";
    expect(await query(adminUrl, password)).toEqual([{ n: 0 }]);
    await expect(query(url.replace(/:[0-9a-f]+@/, ':guess@'), 'SELECT 1')).rejects.toThrow(/password authentication/);
  });

  test('what holds passwords is for its owner alone, and passwords are in no command line', async () => {
    const { pid, url } = await world.start(dataDir);
    expect(statSync(stateFile).mode & 0o777).toBe(0o600);
    expect(statSync(join(homeOf(dataDir), 'postgres')).mode & 0o777).toBe(0o700);
    if (process.platform === 'linux') {
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(new URL(url).password);
    }
  });

  test('stop leaves no process, may be called twice, and is not a death', async () => {
    const server = await world.start(dataDir);
    const processes = family(server.pid);
    expect(processes.length).toBeGreaterThan(1);
    const busy = new pg.Client(server.url);
    busy.on('error', () => {}); // told by the server that it ends
    await busy.connect();
    await busy.query('BEGIN');
    await Promise.all([server.stop(), server.stop()]);
    for (const pid of processes) expect(family(pid)).toEqual([]);
    await expect(Promise.race([server.died, Promise.resolve('alive to the end')])).resolves.toBe('alive to the end');
  });

  test('a server killed from outside is reported with the reason, and can be started again', async () => {
    const server = await world.start(dataDir);
    process.kill(server.pid, 'SIGKILL');
    await expect(server.died).resolves.toMatch(/killed by SIGKILL/);
    await server.stop();
    const { lines, firstStart } = await world.start(dataDir);
    expect(firstStart).toBe(false);
    expect(lines.filter((line) => /recovering/.test(line))).toHaveLength(1);
  });

  test('Ctrl-C in a terminal does not reach the server: it leads a process group of its own', async () => {
    const { pid } = await world.start(dataDir);
    expect(() => process.kill(-pid, 0)).not.toThrow();
  });

  test('a process that exits without stopping takes its server along', async () => {
    const { says, ended } = await world.child(script, 'exit', dataDir);
    await ended;
    await gone(says.pid as number);
  });

  test.runIf(process.platform === 'linux')('an idle server takes less than 60 MB with all its processes', async () => {
    const { pid } = await world.start(dataDir);
    const pss = (one: number) => Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, 'utf8'))?.[1]);
    const kilobytes = family(pid).reduce((sum, one) => sum + pss(one), 0);
    expect(kilobytes).toBeGreaterThan(1_000);
    expect(kilobytes).toBeLessThan(60_000);
  });
});

describe('one owner', () => {
  test('a second start is refused with the pid of the first, in this process and in another', async () => {
    await world.start(dataDir);
    await expect(world.start(dataDir)).rejects.toMatchObject({ name: 'AlreadyRunning', pid: process.pid });
    await expect(world.start(dataDir)).rejects.toThrow(AlreadyRunning);
    const { says } = await world.child(script, 'start', dataDir);
    expect(says).toMatchObject({ error: 'AlreadyRunning', pid: process.pid });
    expect(says.message).toContain(`already running (pid ${process.pid})`);
  });

  test('of starts at the same moment one wins and the others are refused', async () => {
    const fresh = world.folder('rush');
    const all = await Promise.all([1, 2, 3].map(() => world.child(script, 'start', fresh)));
    const winners = all.filter(({ says }) => says.url);
    const refused = all.filter(({ says }) => says.error === 'AlreadyRunning' && says.pid === winners[0]?.pid);
    expect([winners.length, refused.length]).toEqual([1, 2]);
  });

  test('another process finds the running server and can log in; it finds nothing before and after', async () => {
    expect(await findEmbedded(world.folder('never used'))).toBeUndefined();
    const { url, adminUrl, pid, stop } = await world.start(dataDir);
    const { says } = await world.child(script, 'find', dataDir);
    expect(says).toEqual({ found: { url, adminUrl, pid }, user: 'carillon' });
    await stop();
    expect(await findEmbedded(dataDir)).toBeUndefined();
  });
});

describe('after kill -9', () => {
  /** A server whose owner was killed: it still runs, with one row committed. */
  async function orphan(folder = dataDir, user?: { uid: number; gid: number }) {
    const { says, finish } = await world.child(script, 'start', folder, user);
    await query(says.url, 'DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 42 AS answer');
    await finish('SIGKILL');
    expect(family(says.pid as number)).not.toEqual([]);
    return says.pid as number;
  }

  test('of Carillon, the next start ends the orphan and keeps what was committed', async () => {
    const pid = await orphan();
    const { url, lines } = await world.start(dataDir);
    await gone(pid);
    expect(lines).toEqual([`Stopping the PostgreSQL (pid ${pid}) that an earlier Carillon left running`]);
    expect(await query(url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  test('of Carillon and PostgreSQL, the next start recovers and keeps what was committed', async () => {
    const pid = await orphan();
    process.kill(pid, 'SIGKILL');
    // Until then it is an orphan like the one above, that is still there to be stopped.
    await gone(pid);
    const { url, lines } = await world.start(dataDir);
    expect(lines.some((line) => /recovering/.test(line))).toBe(true);
    expect(await query(url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  test('a stranger who got the pid in the stale file is left alone and does not hinder the start', async () => {
    const pid = await orphan();
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    const { uid, gid } = statSync(pidFile());
    const stranger = spawn(process.execPath, ['-e', 'process.stdin.resume()'], isRoot ? { uid, gid, cwd: '/' } : {});
    writeFileSync(pidFile(), readFileSync(pidFile(), 'utf8').replace(/^\d+/, String(stranger.pid)));
    await world.start(dataDir);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    stranger.kill();
  });

  test('a server on this data that is not known to be ours is not touched', async () => {
    const pid = await orphan();
    const state = readFileSync(stateFile, 'utf8');
    writeFileSync(stateFile, JSON.stringify({ ...JSON.parse(state), token: 'another' }));
    await expect(world.start(dataDir)).rejects.toThrow(`did not start (pid ${pid})`);
    expect(family(pid)).not.toEqual([]);
  });

  const user = ordinaryUser();
  if (typeof user === 'string') console.warn(`skipped, as an ordinary user: ${user}`);
  test.skipIf(typeof user === 'string')(
    'as an ordinary user: data stays in DATA_DIR, and the orphan is found',
    async () => {
      if (typeof user === 'string') return;
      world.give(user);
      const mine = world.folder('my data');
      const pid = await orphan(mine, user);
      expect(existsSync(join(mine, 'postgres', 'PG_VERSION'))).toBe(true);
      const { says, finish } = await world.child(script, 'start', mine, user);
      await gone(pid);
      expect(says).toMatchObject({ firstStart: false });
      expect(await query(says.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
      await finish();
      expect(family(says.pid as number)).toEqual([]);
      await expect(world.start(mine)).rejects.toThrow(/was made by an ordinary user/);
    },
  );
});

describe('what was lost or is in the way', () => {
  test('without embedded.json the data is kept and new passwords are set', async () => {
    const first = await world.start(dataDir);
    await query(first.url, 'DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    rmSync(stateFile);
    const second = await world.start(dataDir);
    expect(new URL(second.url).password).not.toBe(new URL(first.url).password);
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  test('a database of another major version is refused with what to do', async () => {
    await (await world.start(dataDir)).stop();
    writeFileSync(versionFile(), '17\n');
    await expect(world.start(dataDir)).rejects.toThrow(/database of PostgreSQL 17.*brings PostgreSQL 18.*pg_dump/);
    writeFileSync(versionFile(), '18\n');
  });

  test('files that are no database are refused, not replaced', async () => {
    await (await world.start(dataDir)).stop();
    const { uid, gid } = statSync(versionFile());
    rmSync(versionFile());
    await expect(world.start(dataDir)).rejects.toThrow(/PG_VERSION is missing/);
    writeFileSync(versionFile(), '18\n', { mode: 0o600 });
    chownSync(versionFile(), uid, gid);
    await expect(world.start(dataDir)).resolves.toMatchObject({ firstStart: false });
  });

  test('what a start that was killed during initdb left behind is tidied away', async () => {
    const fresh = world.folder('half made');
    await (await world.start(fresh)).stop();
    rmSync(join(homeOf(fresh), 'postgres'), { recursive: true });
    mkdirSync(join(homeOf(fresh), 'postgres.new-half', 'base'), { recursive: true });
    await expect(world.start(fresh)).resolves.toMatchObject({ firstStart: true });
    expect(readdirSync(homeOf(fresh)).filter((name) => name.startsWith('postgres'))).not.toContain('postgres.new-half');
  });

  test('a port that is taken when the server binds it is noticed and tried again, five times', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    const { port } = squatter.address() as { port: number };
    await expect(world.start(dataDir, { port: String(port) })).rejects.toThrow(/Address already in use/);
    squatter.close();
    await expect(world.start(dataDir, { port: String(port) })).resolves.toMatchObject({ firstStart: false });
  });

  test('a setting PostgreSQL does not know fails the start in its words and leaves nothing running', async () => {
    await expect(world.start(dataDir, { shared_bufers: '1MB' })).rejects.toThrow(/unrecognized.*shared_bufers/);
    await expect(world.start(dataDir)).resolves.toBeDefined();
  });

  test('DATA_DIR that is a file is refused by name', async () => {
    const file = join(world.base, 'file');
    writeFileSync(file, '');
    await expect(world.start(file)).rejects.toThrow(`${file}: something that is no folder has its name`);
  });

  test.runIf(isRoot)('as root, a database that is not where it was is an error, not an empty one', async () => {
    await (await world.start(dataDir)).stop();
    const home = homeOf(dataDir);
    renameSync(home, `${home}-away`);
    await expect(world.start(dataDir)).rejects.toThrow(`the database is in ${home}, and nothing is there`);
    renameSync(`${home}-away`, home);
  });

  test.runIf(isRoot)('as root, a DATA_DIR made anew gets a new database and the old one is named', async () => {
    const fresh = world.folder('anew');
    const old = join('/var/lib/carillon', createHash('sha256').update(fresh).digest('hex').slice(0, 16));
    mkdirSync(join(old, 'postgres'), { recursive: true });
    const { firstStart, lines } = await world.start(fresh);
    rmSync(old, { recursive: true });
    expect(firstStart).toBe(true);
    expect(lines[0]).toContain(old);
    expect(homeOf(fresh)).toBe(`${old}-2`);
  });
});
