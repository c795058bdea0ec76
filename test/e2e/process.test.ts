/** The product as the process that `npm start` runs: it starts where it can, says clearly why it cannot, and leaves nothing behind. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import { findEmbedded } from '../../src/lib/embedded.ts';
import { createTestDatabase } from '../support/database.ts';
import { gone } from '../support/embedded.ts';
import {
  ADMIN_KEY,
  apiAt,
  ENCRYPTION_KEYS,
  type Spawned,
  spawnProduct,
  startProduct,
  until,
} from '../support/product.ts';
import { removeData } from '../support/test-server.ts';

const base = mkdtempSync(join(tmpdir(), 'carillon process '));
const dataDir = join(base, 'data of mine');
afterAll(() => {
  removeData(dataDir);
  rmSync(base, { recursive: true, force: true });
});

const sms = { recipient: { phone: '+14155550123' }, notification: { channels: ['sms'], body: 'Hello' } };
const delivered = (api: Spawned['api'], id: string) =>
  until(async () => (await api(`/api/v1/notifications/${id}`)).body.status === 'delivered', { what: 'the delivery' });

/** The files that run, at another place. */
function copy(root: string): void {
  mkdirSync(root);
  const options = { recursive: true, preserveTimestamps: true };
  for (const name of ['dist', 'src', 'channels', 'migrations', 'templates', 'package.json', 'tsconfig.build.json'])
    cpSync(join(projectRoot, name), join(root, name), options);
  symlinkSync(join(projectRoot, 'node_modules'), join(root, 'node_modules'));
}

describe('one process, with its own database', () => {
  it('starts in a path with spaces, on data in a path with spaces, and a first send is delivered', async () => {
    const root = join(base, 'my programs');
    copy(root);
    const product = await spawnProduct({ dataDir, root });
    const sent = await product.api('/api/v1/notifications/send', { body: sms });
    expect(sent.status).toBe(202);
    await delivered(product.api, sent.body.notification_id);
    expect((await product.stop()).code).toBe(0);
  }, 60_000);

  it('refuses to start a second time on the same data, names the first, and does not disturb it', async () => {
    const first = await spawnProduct({ dataDir });
    await expect(spawnProduct({ dataDir })).rejects.toThrow(new RegExp(`already running \\(pid ${first.pid}\\)`));
    expect((await fetch(`${first.url}/health/ready`)).status).toBe(200);
    await first.stop();
  }, 60_000);

  it('says that its port is taken and what to do, and leaves no database running', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await until(() => squatter.listening);
    const { port } = squatter.address() as AddressInfo;
    const taken = spawnProduct({ dataDir, env: { PORT: String(port) } });
    await expect(taken).rejects.toThrow(new RegExp(`Port ${port} .*taken.*PORT=${port + 1} npm start`));
    await expect(taken).rejects.not.toThrow(/ {4}at /);
    expect(await findEmbedded(dataDir)).toBeUndefined();
    squatter.close();
  }, 60_000);

  it.each(['SIGINT', 'SIGTERM'] as const)('%s ends it with code 0, its database too', async (signal) => {
    const product = await spawnProduct({ dataDir });
    const database = await findEmbedded(dataDir);
    expect(database?.pid).toBeGreaterThan(0);
    expect(await product.stop(signal)).toEqual({ code: 0, signal: null });
    await gone(database?.pid as number);
  }, 60_000);

  it.each(['SIGINT', 'SIGTERM'] as const)('%s during the start ends it as well, its database too', async (signal) => {
    const fresh = join(base, `started and stopped by ${signal}`);
    const { PATH, HOME } = process.env;
    const child = spawn(process.execPath, [join(projectRoot, 'src/launch.js')], {
      cwd: tmpdir(),
      env: { PATH, HOME, PORT: '0', DATA_DIR: fresh },
    });
    await once(child.stdout, 'data');
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await findEmbedded(fresh)).toBeUndefined();
    removeData(fresh);
  }, 60_000);

  it('after a kill of the process alone it starts again on the same data', async () => {
    const product = await spawnProduct({ dataDir });
    await product.stop('SIGKILL');
    const again = await spawnProduct({ dataDir });
    expect((await fetch(`${again.url}/health/ready`)).status).toBe(200);
    await again.stop();
  }, 60_000);

  it('names every wrong setting at once', async () => {
    const wrong = spawnProduct({ dataDir, env: { PORT: 'many', ROLE: 'boss', TRUSTED_PROXIES: '-1' } });
    await expect(wrong).rejects.toThrow(/PORT must be.*\n.*ROLE must be.*\n.*TRUSTED_PROXIES must be/);
  });
});

it('as two processes on an outside database, one accepts while the other is away, and the other delivers', async () => {
  const database = await createTestDatabase();
  const env = { ADMIN_KEY };
  const door = await spawnProduct({ databaseUrl: database.url, env: { ...env, ROLE: 'api' } });
  const admin = apiAt(door.url, ADMIN_KEY);
  const { test_key: key } = (await admin('/api/admin/tenants', { body: { name: 'Split' } })).body;
  const api = apiAt(door.url, key);
  const { notification_id: id } = (await api('/api/v1/notifications/send', { body: sms })).body;
  expect((await api(`/api/v1/notifications/${id}`)).body.status).toBe('queued');
  const worker = await spawnProduct({ databaseUrl: database.url, env: { ...env, ROLE: 'worker' } });
  await delivered(api, id);
  // Rung over the queue, not found by the sweep: an idle pair is prompt.
  const second = (await api('/api/v1/notifications/send', { body: sms })).body;
  await delivered(api, second.notification_id);
  expect(await Promise.all([worker.stop('SIGTERM'), door.stop('SIGTERM')])).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ]);
  await database.close();
}, 60_000);

it('the command line connects a channel and a tenant with limits of their own, and refuses one that is out of bounds', async () => {
  const database = await createTestDatabase();
  const { PATH, HOME } = process.env;
  const keys = { ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}` };
  const carillon = async (...args: string[]) =>
    promisify(execFile)(process.execPath, [join(projectRoot, 'src/launch.js'), ...args, '--json'], {
      cwd: tmpdir(),
      env: { PATH, HOME, DATABASE_URL: database.url, ...keys },
    });
  const { tenant_id } = JSON.parse((await carillon('tenant', 'create', '--name', 'Limited')).stdout);
  const create = (perSecond: string) =>
    carillon(
      ...['connection', 'create', '--tenant', tenant_id, '--channel', 'email', '--set', 'host=smtp.example.com'],
      ...['--set', 'from_address=a@example.com', '--per-second', perSecond, '--concurrency', '3'],
    );
  expect(JSON.parse((await create('0.5')).stdout).limits).toEqual({ per_second: 0.5, concurrency: 3 });
  await expect(create('plenty')).rejects.toThrow(/limits.per_second.*must be a number from 0.1 to 100,000/);

  const limits = async (...args: string[]) =>
    JSON.parse((await carillon('tenant', 'limits', '--tenant', tenant_id, ...args)).stdout);
  expect(await limits('--requests', '100', '--otp-per-hour', '3')).toMatchObject({
    rate_limit: { requests: 100, seconds: 60 },
    otp_per_hour: 3,
  });
  expect((await limits()).own).toEqual({ rate_limit: true, otp_per_hour: true });
  expect((await limits('--default')).own).toEqual({ rate_limit: false, otp_per_hour: false });
  await expect(limits('--requests', '0')).rejects.toThrow(/rate_limit.requests: must be >= 1\n$/);
  // What is not named stays.
  await limits('--requests', '100', '--seconds', '10');
  expect((await limits('--seconds', '30')).rate_limit).toEqual({ requests: 100, seconds: 30 });
  expect((await limits('--requests', '7')).rate_limit).toEqual({ requests: 7, seconds: 30 });
  await expect(limits('--seconds', 'many')).rejects.toThrow(/\nmany is not a number\.\n$/);
  await database.close();
}, 120_000);

it('the command line takes a tenant by the id it shows, and by that of the store', async () => {
  const database = await createTestDatabase();
  const { PATH, HOME } = process.env;
  const keys = { ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}` };
  const carillon = async (...args: string[]) =>
    (
      await promisify(execFile)(process.execPath, [join(projectRoot, 'src/launch.js'), ...args], {
        cwd: tmpdir(),
        env: { PATH, HOME, DATABASE_URL: database.url, ...keys },
      })
    ).stdout;
  expect(await carillon('tenant', 'list')).toContain('There is no tenant yet');
  const id = /\((ten_\w{26})\)/.exec(await carillon('tenant', 'create', '--name', 'Acme'))?.[1] as string;
  const [row] = await database.query<{ id: string }>('select id from tenants');
  for (const known of [id, row?.id as string])
    expect(await carillon('tenant', 'limits', '--tenant', known)).toContain('(as everybody)');
  await carillon('tenant', 'limits', '--tenant', id, '--requests', '9');
  expect(await carillon('tenant', 'list')).toMatch(
    new RegExp(`^${id}  \\d{4}-\\d\\d-\\d\\d  Acme  \\(9 requests in 60 s\\)\n$`),
  );
  const to = ['--to', 'phone=+14155550123'];
  expect(await carillon('erase', '--tenant', id, ...to)).toContain('Erased: 0 message(s)');
  await expect(carillon('erase', '--tenant', 'ten_01KJ8W00000000000000000000', ...to)).rejects.toMatchObject({
    stderr: 'There is no tenant ten_01KJ8W00000000000000000000; carillon tenant list shows them.\n',
  });
  const settings = ['--set', 'host=smtp.example.com', '--set', 'from_address=a@example.com'];
  expect(await carillon('connection', 'create', '--tenant', id, '--channel', 'email', ...settings)).toMatch(
    /^Connection (con_\w+) \(email, .*\)\.\nCallbacks {2}http:\S+\/hooks\/smtp\/\1\n$/,
  );
  await database.close();
}, 120_000);

it('the command line says in words what is held after a restore, and nothing else', async () => {
  const database = await createTestDatabase();
  const product = await startProduct({ database, role: 'api' });
  const { PATH, HOME } = process.env;
  const carillon = async (...args: string[]) => {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [join(projectRoot, 'src/launch.js'), 'quarantine', ...args],
      { cwd: tmpdir(), env: { PATH, HOME, DATABASE_URL: database.url, ENCRYPTION_KEYS } },
    );
    return stdout + stderr;
  };
  try {
    await product.api('/api/v1/notifications/send', { body: sms });
    expect(await carillon('begin')).toBe('1 message(s) are held and wait for your word: carillon quarantine list\n');
    expect(await carillon('discard', '--before', '2099-01-01T00:00:00Z')).toBe(
      '1 message(s) count as failed and will not be sent. Nothing else waits; carillon quarantine release --all ends the quarantine.\n',
    );
    expect(await carillon('list')).toMatch(/^Nothing waits any more, .*carillon quarantine release --all\n$/);
    expect(await carillon('release', '--all')).toBe('0 message(s) may go out now. The quarantine is over.\n');
    expect(await carillon('list')).toBe('Nothing waits.\n');
  } finally {
    await product.stop();
    await database.close();
  }
}, 120_000);
