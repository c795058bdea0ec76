/** A backup put back: nothing that was open in it goes out before the operator says so, and then each of it once. */
import { execFile } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { examine } from '../../src/doctor.ts';
import { projectRoot, readConfig } from '../../src/lib/config.ts';
import { verify } from '../../src/verify.ts';
import { backends } from '../support/backends.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { homeOf } from '../support/embedded.ts';
import {
  ADMIN_KEY,
  type Api,
  apiAt,
  ENCRYPTION_KEYS,
  type Product,
  spawnProduct,
  startProduct,
  until,
} from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { startTwilio, type TwilioFake } from '../support/providers/twilio.ts';
import { newPhone } from '../support/scene.ts';
import { removeData } from '../support/test-server.ts';

const execute = promisify(execFile);
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
const kept = <T extends { close(): Promise<unknown> }>(one: T): T => {
  open.push(() => one.close());
  return one;
};

const timing = { sweepMs: 100, random: () => 0 };
async function startOn(database: TestDatabase, twilio: TwilioFake): Promise<Product> {
  const product = await startProduct({ database, timing, env: { EGRESS_ALLOW: new URL(twilio.url).host } });
  open.push(() => product.stop());
  return product;
}
/** Which message each call to the provider was for, in order. */
const called = (twilio: TwilioFake): string[] =>
  twilio.messages.map(({ callbackUrl }) => new URL(callbackUrl as string).searchParams.get('ref') as string);
const admin = (product: Product, path: string, body?: object): Promise<Json> =>
  apiAt(product.url, ADMIN_KEY)(`/api/admin/quarantine${path}`, body ? { body } : {}).then((answer) => {
    expect(answer.status).toBe(200);
    return answer.body;
  });
const sms = async (api: Api, more: object = {}, body = 'To be kept'): Promise<Json> => {
  const answer = await api('/api/v1/notifications/send', {
    body: { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body, ...more } },
  });
  expect(answer.status).toBe(202);
  return answer.body;
};
const get = async (api: Api, { notification_id }: Json): Promise<Json> =>
  (await api(`/api/v1/notifications/${notification_id}`)).body;
const idOf = (notification: Json): string => notification.channels[0].message_id;
const soon = () => new Date(Date.now() + 3_600_000).toISOString();

/** Live traffic with everything a store can have open: under way, in a bulk, paused, planned for later. */
async function traffic(product: Product, twilio: TwilioFake) {
  const api = apiAt(product.url, product.liveKey);
  twilio.always('*', behave.slow(400));
  const made = await api('/api/v1/connections', {
    body: { channel: 'sms', credentials: twilio.credentials, limits: { concurrency: 2 } },
  });
  expect(made.status).toBe(201);
  const bulk = async () => {
    const recipients = Array.from({ length: 6 }, () => ({ phone: newPhone() }));
    const body = { channels: ['sms'], body: 'To many', send_at: soon(), recipients };
    return (await api('/api/v1/notifications/bulk', { body })).body.bulk_id as string;
  };
  const [running, paused] = [await bulk(), await bulk()];
  expect((await api(`/api/v1/notifications/bulk/${paused}/pause`, { method: 'POST' })).status).toBe(200);
  const planned = [await sms(api, { send_at: soon() }), await sms(api, { send_at: soon() })];
  const waiting: Json[] = [];
  for (let i = 0; i < 8; i++) waiting.push(await sms(api));
  await until(() => twilio.messages.length > 0, { what: 'that the first message is under way' });
  return { running, paused, planned, waiting };
}

async function expectHeld(product: Product, api: Api, twilio: TwilioFake, before: number, held: readonly Json[]) {
  // What is new goes out as usual, past everything that waits.
  twilio.always('*', behave.ok());
  const fresh = await sms(api, {}, 'After the restore');
  await until(async () => (await get(api, fresh)).status === 'sent', { what: 'that a new message goes out' });
  expect(called(twilio).slice(before)).toEqual([idOf(fresh)]);
  for (const one of held) expect((await get(api, one)).channels[0]).toMatchObject({ quarantined: true });
  expect((await verify(product.database.url)).filter(({ ok }) => !ok)).toEqual([]);
  const findings = await examine(
    readConfig({ DATABASE_URL: product.database.url, ENCRYPTION_KEYS, HOST: '127.0.0.1' }),
  );
  expect(findings.find(({ name }) => name === 'restore')).toMatchObject({ ok: false });
}

it('a copy of the database made on the same server sends nothing until it is released, and then each message once', async () => {
  const twilio = kept(await startTwilio());
  const database = kept(await createTestDatabase());
  const product = await startOn(database, twilio);
  const { running, paused, planned, waiting } = await traffic(product, twilio);
  await product.stop();
  open.pop();
  const stopped = twilio.messages.length;
  const [{ name }] = (await database.query('select current_database() as name')) as [{ name: string }];
  await database.rest();
  const copy = kept(await createTestDatabase('embedded', name));

  const restored = await startOn(copy, twilio);
  const api = apiAt(restored.url, product.liveKey);
  const queued = (await Promise.all(waiting.map((one) => get(api, one)))).filter(({ status }) => status === 'queued');
  expect(queued.length).toBeGreaterThan(2);
  await copy.advance('2 hours');
  await expectHeld(restored, api, twilio, stopped, [...planned, ...queued]);

  const before = twilio.messages.length;
  expect(await admin(restored, '')).toMatchObject({ active: true, messages: queued.length + 14 });
  expect((await api(`/api/v1/notifications/bulk/${paused}/resume`, { method: 'POST' })).status).toBe(200);
  expect(await admin(restored, '/release', { bulk_id: running })).toEqual({ messages: 6 });
  await until(() => twilio.messages.length === before + 6, { what: 'that the released bulk goes out' });
  expect(await admin(restored, '/discard', { bulk_id: paused })).toEqual({ messages: 6 });
  expect(await admin(restored, '/release', { all: true })).toEqual({ messages: queued.length + 2 });
  const released = [...queued, ...planned];
  await until(async () =>
    (await Promise.all(released.map((one) => get(api, one)))).every(({ status }) => status === 'sent'),
  );
  const refs = called(twilio).slice(before);
  expect(new Set(refs).size).toBe(refs.length);
  expect(refs.slice(6).sort()).toEqual(released.map(idOf).sort());
  const { body: gone } = await api(`/api/v1/notifications/bulk/${paused}`);
  expect(gone.counts).toMatchObject({ queued: 0, failed: 6 });
  expect(await admin(restored, '')).toMatchObject({ active: false, messages: 0 });
  expect((await verify(copy.url)).filter(({ ok }) => !ok)).toEqual([]);
}, 60_000);

it('what a pause held before the restore is held by it again after the release', async () => {
  const twilio = kept(await startTwilio());
  const database = kept(await createTestDatabase());
  const product = await startOn(database, twilio);
  const { paused } = await traffic(product, twilio);
  await product.deps.custody.begin({ kind: 'operator', id: 'operator' });
  await admin(product, '/release', { all: true });
  const rows = await database.query(`select held, quarantined from due where bulk_id is not null order by held`);
  expect(rows).toEqual([
    { held: false, quarantined: false },
    { held: true, quarantined: false },
  ]);
  const { body } = await apiAt(product.url, product.liveKey)(`/api/v1/notifications/bulk/${paused}`);
  expect(body.status).toBe('paused');
}, 60_000);

it('a store that is put back under a running process: it takes nothing, notices, and holds what was open', async () => {
  const twilio = kept(await startTwilio());
  const database = kept(await createTestDatabase());
  const product = await startOn(database, twilio);
  const api = apiAt(product.url, product.liveKey);
  expect((await api('/api/v1/connections', { body: { channel: 'sms', credentials: twilio.credentials } })).status).toBe(
    201,
  );
  const planned = await sms(api, { send_at: soon() });
  // As a dump leaves it that is loaded into the same database: the row, written by another transaction.
  await database.query('update custody set timeline = timeline');
  await database.advance('2 hours');
  await until(async () => (await admin(product, '')).active, { what: 'that the process notices' });
  const fresh = await sms(api);
  await until(async () => (await get(api, fresh)).status === 'sent');
  expect(called(twilio)).toEqual([idOf(fresh)]);
  await admin(product, '/release', { all: true });
  await until(async () => (await get(api, planned)).status === 'sent');
  expect(called(twilio)).toEqual([idOf(fresh), idOf(planned)]);
}, 30_000);

it('a copy of the files of the embedded database is known for a copy', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'carillon-restore-'));
  kept({ close: async () => removeData(dataDir) });
  const isQuarantined = async () => {
    await (await spawnProduct({ dataDir })).stop();
    const args = [join(projectRoot, 'src/launch.js'), 'quarantine', 'list', '--json'];
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, DATA_DIR: dataDir };
    return JSON.parse((await execute(process.execPath, args, { cwd: tmpdir(), env })).stdout).active;
  };
  expect(await isQuarantined()).toBe(false);
  expect(await isQuarantined()).toBe(false);
  const home = homeOf(dataDir);
  await execute('cp', ['-a', home, `${home}.backup`]);
  rmSync(home, { recursive: true });
  renameSync(`${home}.backup`, home);
  expect(await isQuarantined()).toBe(true);
}, 60_000);

const missing = !backends().includes('postgres')
  ? 'no outside PostgreSQL answers'
  : await execute('pg_dump', ['--version']).then(
      () => undefined,
      () => 'there is no pg_dump on this machine',
    );

describe.skipIf(missing)(`a dump that is restored (${missing ?? 'pg_dump'})`, () => {
  it('made while messages went out, sends nothing until it is released, and then each message once', async () => {
    const twilio = kept(await startTwilio());
    const database = kept(await createTestDatabase('postgres'));
    const product = await startOn(database, twilio);
    const { planned, waiting } = await traffic(product, twilio);
    const { stdout: dump } = await execute('pg_dump', ['--no-owner', database.adminUrl], { maxBuffer: 1 << 28 });
    await product.stop();
    open.pop();
    const stopped = twilio.messages.length;

    const empty = kept(await createTestDatabase('postgres', 'template0'));
    const asOwner = ['-q', '-v', 'ON_ERROR_STOP=1', '-d', empty.adminUrl];
    const restore = execFile('psql', asOwner);
    const ended = new Promise((resolve) => restore.once('exit', resolve));
    restore.stdin?.end(`set role carillon_test;\n${dump.replace(/^COMMENT ON .*$/gm, '')}`);
    expect(await ended).toBe(0);

    const restored = await startOn(empty, twilio);
    const api = apiAt(restored.url, product.liveKey);
    const [{ reason }] = (await empty.query('select quarantine_reason as reason from custody')) as [{ reason: string }];
    expect(reason).toMatch(/restored from a dump/);
    const all = await Promise.all(waiting.map((one) => get(api, one)));
    const queued = all.filter(({ status }) => status === 'queued');
    const inHand = (await empty.query(`select id from due where opened`)).length;
    expect(inHand).toBeGreaterThan(0);
    await empty.advance('2 hours');
    await expectHeld(restored, api, twilio, stopped, [...planned, ...queued]);

    const before = twilio.messages.length;
    await admin(restored, '/release', { all: true });
    const sent = async () => {
      const now = await Promise.all([...queued, ...planned].map((one) => get(api, one)));
      return now.every(({ status }) => status !== 'queued');
    };
    await until(sent, { what: 'that everything released is on its way' });
    await until(() => twilio.messages.length >= before + queued.length + 2 - inHand + 6);
    const refs = called(twilio).slice(before);
    expect(new Set(refs).size).toBe(refs.length);
    // What a worker had in its hands when the dump was made is not sent on a guess.
    const unknown = (await empty.query(`select id from messages where outcome_unknown`)).length;
    expect(unknown).toBe(inHand);
  }, 60_000);
});
