/**
 * A process that is asked to stop ends with code 0 and in time, whatever has become of its stores; a database that takes
 * everything and says nothing is answered with 503 in time; and readiness tells balancers about both before anybody suffers.
 */
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { backend, backends } from '../support/backends.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { ADMIN_KEY, type Api, apiAt, type Spawned, spawnProduct, until } from '../support/product.ts';
import { behave } from '../support/providers/fake.ts';
import { startTwilio, type TwilioFake } from '../support/providers/twilio.ts';
import { proxyTo, type StoreProxy } from '../support/proxy.ts';
import { newPhone } from '../support/scene.ts';

const STOP_SECONDS = 3;
/** The five seconds that the settings promise beyond those. */
const END_MS = (STOP_SECONDS + 5) * 1_000;

interface Stand {
  readonly product: Spawned;
  readonly api: Api;
  readonly postgres: StoreProxy;
  readonly redis: StoreProxy | undefined;
}

let database: TestDatabase;
let twilio: TwilioFake;
const open: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  twilio = await startTwilio();
});
afterAll(async () => {
  for (const close of open) await close();
  await twilio.close();
  await database.close();
});

async function stand(env: Readonly<Record<string, string>> = {}): Promise<Stand> {
  const postgres = await proxyTo(database.url);
  const redis = backends().includes('redis') ? await proxyTo(backend('redis').redisUrl ?? '') : undefined;
  const product = await spawnProduct({
    databaseUrl: postgres.url,
    env: {
      ADMIN_KEY,
      STOP_SECONDS: String(STOP_SECONDS),
      EGRESS_ALLOW: new URL(twilio.url).host,
      ...(redis ? { REDIS_URL: redis.url } : {}),
      ...env,
    },
  });
  open.push(async () => {
    await product.stop('SIGKILL');
    await Promise.all([postgres.close(), redis?.close()]);
  });
  const admin = apiAt(product.url, ADMIN_KEY);
  const { live_key: key } = (await admin('/api/admin/tenants', { body: { name: 'Leaving' } })).body;
  const api = apiAt(product.url, key);
  const made = await api('/api/v1/connections', { body: { channel: 'sms', credentials: twilio.credentials } });
  expect(made.status).toBe(201);
  return { product, api, postgres, redis };
}

const send = (api: Api) =>
  api('/api/v1/notifications/send', {
    body: { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'Before the end' } },
  });
const ready = async (url: string): Promise<number> => (await fetch(`${url}/health/ready`)).status;

const FAULTS: readonly [string, (one: Stand) => void][] = [
  ['with both stores there', () => undefined],
  ['with PostgreSQL refused', ({ postgres }) => postgres.cut()],
  ['with PostgreSQL blackholed', ({ postgres }) => postgres.blackhole()],
  ...(backends().includes('redis')
    ? ([
        ['with Redis refused', ({ redis }: Stand) => redis?.cut()],
        ['with Redis blackholed', ({ redis }: Stand) => redis?.blackhole()],
      ] as [string, (one: Stand) => void][])
    : []),
];

describe.each(FAULTS)('SIGTERM %s', (_what, fault) => {
  test.each(['idle', 'busy'])('ends it with code 0 in time: %s', async (state) => {
    const one = await stand();
    const { product, api } = one;
    if (state === 'busy') {
      const before = twilio.requests.length;
      twilio.always('*', behave.slow(1_500));
      expect((await send(api)).status).toBe(202);
      await until(() => twilio.requests.length > before, { what: 'a call under way' });
    }
    fault(one);
    const began = performance.now();
    expect(await product.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(performance.now() - began).toBeLessThan(END_MS);
  }, 40_000);
});

test('what is under way is finished and written down before the process ends', async () => {
  const { product, api } = await stand();
  twilio.always('*', behave.slow(1_500));
  const before = twilio.requests.length;
  await send(api);
  await until(() => twilio.requests.length > before, { what: 'a call under way' });
  await product.stop('SIGTERM');
  const [row] = await database.query<{ status: string }>('select status from messages order by id desc limit 1');
  expect(row?.status).toBe('sent');
}, 40_000);

test('a second signal ends it at once, but not one that comes with the first', async () => {
  const { product, api } = await stand();
  twilio.always('*', behave.slow(2_500));
  const before = twilio.requests.length;
  await send(api);
  await until(() => twilio.requests.length > before, { what: 'a call under way' });
  process.kill(product.pid, 'SIGTERM');
  await until(() => product.output().includes('once more to leave at once'), { what: 'its answer' });
  // As npm does with a Ctrl-C that the terminal has sent to both.
  process.kill(product.pid, 'SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect(() => process.kill(product.pid, 0)).not.toThrow();
  const began = performance.now();
  expect((await product.stop('SIGTERM')).code).toBe(130);
  expect(performance.now() - began).toBeLessThan(1_000);
}, 40_000);

/** One connection, kept open, so that what it is told about its end can be seen. */
const askKept = (url: string): Promise<{ status: number; connection: string | undefined }> =>
  new Promise((resolve, reject) =>
    request(url, { headers: { connection: 'keep-alive' } }, (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, connection: response.headers.connection });
    })
      .on('error', reject)
      .end(),
  );

test('while it drains readiness is red, requests are still served, and each answer ends its connection', async () => {
  const { product, api } = await stand({ DRAIN_SECONDS: '2' });
  twilio.always('*', behave.slow(0));
  expect((await askKept(`${product.url}/health/ready`)).connection).toBe('keep-alive');
  process.kill(product.pid, 'SIGTERM');
  await until(async () => (await ready(product.url)) === 503, { what: 'red readiness' });
  expect((await send(api)).status).toBe(202);
  expect(await askKept(`${product.url}/health/live`)).toEqual({ status: 200, connection: 'close' });
  expect(await product.ended).toEqual({ code: 0, signal: null });
  await expect(fetch(product.url)).rejects.toThrow();
}, 40_000);

test('PostgreSQL blackholed: 503 with Retry-After within 5 s, never a false 202, and afterwards as before', async () => {
  const { product, api, postgres } = await stand();
  twilio.always('*', behave.slow(0));
  expect((await send(api)).status).toBe(202);
  const count = async () => (await database.query<{ n: number }>('select count(*)::int as n from messages'))[0]?.n;
  const before = await count();
  postgres.blackhole();
  const ask = async () => {
    const began = performance.now();
    const { status, headers } = await send(api);
    return { status, retryAfter: Number(headers.get('retry-after')), ms: performance.now() - began };
  };
  // Some come at once, others while the first still wait.
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, i * 200));
      return ask();
    }),
  );
  expect(answers.filter(({ status, retryAfter }) => status !== 503 || !(retryAfter > 0))).toEqual([]);
  expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(5_000);
  expect(await ready(product.url)).toBe(503);
  expect(product.output()).toContain('the database does not answer');
  postgres.restore();
  await until(async () => (await send(api)).status === 202, { what: 'a 202 again', withinMs: 10_000 });
  await until(async () => (await ready(product.url)) === 200, { what: 'green readiness' });
  // What was refused was not kept behind the caller's back, but for what was on the wire in the moment of the fault.
  expect((await count()) ?? 0).toBeLessThanOrEqual((before ?? 0) + 3);
  expect((await product.stop('SIGTERM')).code).toBe(0);
}, 60_000);

test('a database that lacks a migration makes readiness red, and the log says which', async () => {
  const { product } = await stand();
  expect(await ready(product.url)).toBe(200);
  const [last] = await database.query<{ id: number; name: string }>(
    'delete from carillon_migrations where id = (select max(id) from carillon_migrations) returning id, name',
  );
  expect(await ready(product.url)).toBe(503);
  await until(() => product.output().includes(`the database lacks 1 migration(s), from ${last?.name}`));
  await database.query('insert into carillon_migrations (id, name, batch, migration_time) values ($1, $2, 1, now())', [
    last?.id,
    last?.name,
  ]);
  expect(await ready(product.url)).toBe(200);
  await product.stop('SIGTERM');
}, 40_000);
