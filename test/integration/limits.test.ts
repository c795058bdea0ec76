/** Rate limits over the real product: one process, two on one database, and none that can reach it. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createLimits } from '../../src/features/limits/index.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createVault } from '../../src/lib/crypto.ts';
import { createDb } from '../../src/lib/db.ts';
import { newId, toWire } from '../../src/lib/ids.ts';
import { createLog } from '../../src/lib/log.ts';
import { createTestDatabase } from '../support/database.ts';
import { ADMIN_KEY, type ApiAnswer, apiAt, type Product, startProduct, until } from '../support/product.ts';
import { proxyTo } from '../support/proxy.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
const started = async (options: Parameters<typeof startProduct>[0] = {}): Promise<Product> => {
  const product = await startProduct(options);
  closing.push(product.stop);
  return product;
};

const LIST = '/api/v1/notifications?limit=1';
const SEND = '/api/v1/notifications/send';
const BULK = '/api/v1/notifications/bulk';
const text = (more: object = {}) => ({
  recipient: { phone: '+14155550123' },
  notification: { channels: ['sms'], body: 'Hello' },
  ...more,
});
const people = (count: number) => Array.from({ length: count }, (_, i) => ({ phone: `+1415555${String(1000 + i)}` }));

const limitTo = (product: Product, rate_limit: object | null): Promise<ApiAnswer> =>
  product.api(`/api/admin/tenants/${toWire('tenant', product.tenantId)}/limits`, {
    method: 'PATCH',
    key: ADMIN_KEY,
    body: { rate_limit },
  });
/** Each answer says which limit it was judged by. */
const felt = (product: Product, requests: number, key = product.testKey): Promise<unknown> =>
  until(async () => (await product.api(LIST, { key })).headers.get('x-ratelimit-limit') === String(requests));

/** All of them, so many at a time; how many were let through, and how long the slowest took. */
async function storm(apis: readonly ((n: number) => Promise<ApiAnswer>)[], each: number, atOnce = 10) {
  let allowed = 0;
  let slowest = 0;
  await Promise.all(
    apis.flatMap((api) => {
      let next = 0;
      return Array.from({ length: atOnce }, async () => {
        while (next < each) {
          const began = performance.now();
          const { status } = await api(next++);
          slowest = Math.max(slowest, performance.now() - began);
          if (status < 300) allowed++;
          else expect(status).toBe(429);
        }
      });
    }),
  );
  return { allowed, slowest };
}

test('every answer under a key tells the limit, what is left of it, and when it is whole again', async () => {
  const product = await started({ env: { RATE_LIMIT_PER_SECOND: '2' } });
  const first = await product.api(LIST);
  expect(first.headers.get('ratelimit-policy')).toBe('"tenant";q=120;w=60');
  expect(first.headers.get('ratelimit')).toBe('"tenant";r=119;t=1');
  expect(first.headers.get('x-ratelimit-limit')).toBe('120');
  expect(first.headers.get('x-ratelimit-remaining')).toBe('119');
  const reset = Number(first.headers.get('x-ratelimit-reset'));
  expect(Math.abs(reset - Date.now() / 1_000)).toBeLessThan(5);
  for (const answer of [
    await product.api(SEND, { body: text() }),
    await product.api(SEND, { body: {} }),
    await product.api(SEND, { body: '{' }),
    await product.api('/api/v1/notifications/ntf_01KJ8W00000000000000000000'),
  ])
    expect(answer.headers.get('ratelimit'), String(answer.status)).toMatch(/^"tenant";r=11\d;t=\d+$/);
  for (const answer of [await product.api(LIST, { key: null }), await product.api('/health/live', { key: null })])
    expect(answer.headers.get('ratelimit')).toBeNull();
});

test('RATE_LIMIT_PER_SECOND=0 is no limit', async () => {
  const product = await started({ env: { RATE_LIMIT_PER_SECOND: '0' } });
  expect((await product.api(LIST)).headers.get('ratelimit-policy')).toBeNull();
});

test('beyond the limit is 429 with Retry-After, stores nothing and leaves the idempotency key free; live and test do not share', async () => {
  const product = await started({ role: 'api' });
  await limitTo(product, { requests: 6, seconds: 3 });
  await felt(product, 6);
  await until(async () => (await product.api(LIST)).status === 429);
  const key = { 'idempotency-key': 'order-1' };
  const refused = await product.api(SEND, { body: text(), headers: key });
  expect([refused.status, refused.body.error.code, refused.body.error.type]).toEqual([
    429,
    'rate_limited',
    'rate_limit_error',
  ]);
  const wait = Number(refused.headers.get('retry-after'));
  expect(wait).toBeGreaterThanOrEqual(1);
  expect(refused.headers.get('ratelimit')).toMatch(/^"tenant";r=0;t=\d+$/);
  const [rows] = await product.database.query(
    'select (select count(*) from messages)::int as messages, (select count(*) from idempotency)::int as keys',
  );
  expect(rows).toEqual({ messages: 0, keys: 0 });
  expect((await product.api(LIST, { key: product.liveKey })).status).toBe(200);

  await new Promise((resolve) => setTimeout(resolve, wait * 1_000));
  const sent = await product.api(SEND, { body: text({ recipient: { phone: '+14155550199' } }), headers: key });
  expect(sent.status).toBe(202);
  // A repeat costs like anything else.
  const before = Number(sent.headers.get('x-ratelimit-remaining'));
  const again = await product.api(SEND, { body: text({ recipient: { phone: '+14155550199' } }), headers: key });
  if (before >= 1) {
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(Number(again.headers.get('x-ratelimit-remaining'))).toBeLessThanOrEqual(before);
  } else expect(again.status).toBe(429);
});

test('a bulk costs its rows, and what is not left is refused before anything is stored', async () => {
  const product = await started({ role: 'api' });
  await limitTo(product, { requests: 100, seconds: 1_000 });
  await felt(product, 100);
  const bulk = (count: number, headers = {}) =>
    product.api(BULK, { body: { channels: ['sms'], body: 'x', recipients: people(count) }, headers });
  const first = await bulk(50);
  expect(first.status).toBe(202);
  const left = Number(first.headers.get('x-ratelimit-remaining'));
  expect(left).toBeLessThan(50);
  const refused = await bulk(60, { 'idempotency-key': 'b' });
  expect([refused.status, refused.body.error.code]).toEqual([429, 'rate_limited']);
  expect(refused.body.error.message).toContain('costs 59 more');
  const [rows] = await product.database.query(
    'select (select count(*) from bulks)::int as bulks, (select count(*) from idempotency)::int as keys',
  );
  expect(rows).toEqual({ bulks: 1, keys: 0 });
});

describe('a stream', () => {
  const csv = (rows: number) =>
    `phone\n${Array.from({ length: rows }, (_, i) => `+1415${5_550_000 + i}`).join('\n')}\n`;
  const upload = (product: Product, rows: number, key: string) =>
    product.api(`${BULK}?channels=sms&body=x`, {
      body: csv(rows),
      headers: { 'content-type': 'text/csv', 'idempotency-key': key },
    });

  test('that has used up the limit is cut off, and goes on when it is repeated under its key; no row costs twice', async () => {
    const product = await started({ role: 'api' });
    await limitTo(product, { requests: 6_000, seconds: 60 });
    await felt(product, 6_000);
    const cut = await upload(product, 12_000, 'letter');
    expect([cut.status, cut.body.error.code]).toEqual([429, 'rate_limited']);
    expect(cut.body.error.message).toContain('same idempotency key');
    expect(Number(cut.headers.get('retry-after'))).toBeGreaterThan(10);
    expect(cut.headers.get('x-ratelimit-remaining')).toBe('0');
    expect((await product.api(LIST)).status).toBe(429);

    // As if the time had passed.
    const { meter } = await product.deps.tenants.authenticate({ 'x-api-key': product.testKey }, '127.0.0.1');
    meter?.owe(-10_000);
    const sent = await upload(product, 12_000, 'letter');
    expect([sent.status, sent.body.accepted]).toEqual([202, 12_000]);
    expect(Number(sent.headers.get('x-ratelimit-remaining'))).toBeGreaterThan(3_900);
    const [rows] = await product.database.query(
      'select (select count(*) from messages)::int as messages, (select count(*) from bulks)::int as bulks',
    );
    expect(rows).toEqual({ messages: 12_000, bulks: 1 });
  }, 60_000);

  test('is read no faster than the limit lets', async () => {
    const product = await started({ role: 'api' });
    await limitTo(product, { requests: 5_000, seconds: 3 });
    await felt(product, 5_000);
    const began = performance.now();
    expect((await upload(product, 12_000, 'letter')).status).toBe(202);
    // Ten thousand are paid for before the last two thousand are stored.
    expect(performance.now() - began).toBeGreaterThan(2_500);
  }, 60_000);
});

test('a limit is changed for a tenant and for a key, and felt within five seconds in every process', async () => {
  const one = await started({ role: 'api' });
  const two = await started({ role: 'api', database: one.database });
  const other = { ...one, api: apiAt(two.url, one.testKey) };
  await felt(one, 3_000_000);
  await felt(other, 3_000_000);
  const began = performance.now();
  const changed = await limitTo(one, { requests: 500, seconds: 60 });
  expect(changed.body).toMatchObject({ rate_limit: { requests: 500, seconds: 60 }, own: { rate_limit: true } });
  await felt(other, 500);
  await felt(one, 500);
  expect(performance.now() - began).toBeLessThan(6_000);

  const made = await one.api('/api/v1/keys', { body: { name: 'Slow', rate_limit: { requests: 5, seconds: 60 } } });
  expect(made.body.rate_limit).toEqual({ requests: 5, seconds: 60 });
  const slow = await one.api(LIST, { key: made.body.key });
  expect(slow.headers.get('ratelimit-policy')).toBe('"tenant";q=500;w=60, "key";q=5;w=60');
  expect(slow.headers.get('x-ratelimit-limit')).toBe('5');
  const patched = await one.api(`/api/v1/keys/${made.body.id}`, {
    method: 'PATCH',
    body: { rate_limit: { requests: 7, seconds: 60 } },
  });
  expect(patched.body.rate_limit.requests).toBe(7);
  await until(async () => (await two.api(LIST, { key: made.body.key })).headers.get('x-ratelimit-limit') === '7');
  expect(await storm([() => one.api(LIST, { key: made.body.key })], 30, 3)).toMatchObject({
    allowed: expect.any(Number),
  });
  const over = await one.api(LIST, { key: made.body.key });
  expect([over.status, over.body.error.details.limit]).toEqual([429, 'key']);
  expect((await one.api(LIST)).status).toBe(200);

  expect((await limitTo(one, null)).body).toMatchObject({
    rate_limit: { requests: 3_000_000 },
    own: { rate_limit: false },
  });
  const audit = await one.database.query(
    `select action, detail from audit_log where action = 'tenant.limited' order by id`,
  );
  expect(audit).toHaveLength(2);
});

test('two processes that get twice the limit at once let it through once, within five in a hundred', async () => {
  const one = await started({ role: 'api' });
  const two = await started({ role: 'api', database: one.database });
  await limitTo(one, { requests: 400, seconds: 400 });
  const apis = [one, two].map(({ url }) => apiAt(url, one.testKey));
  const began = performance.now();
  const { allowed } = await storm(
    apis.map((api) => () => api(LIST)),
    400,
  );
  const may = 400 + (performance.now() - began) / 1_000;
  expect(allowed / may).toBeGreaterThan(0.95);
  expect(allowed / may).toBeLessThan(1.05);
});

test('of two processes one can have the whole limit alone, one by one and as a bulk', async () => {
  const one = await started({ role: 'api' });
  const two = await started({ role: 'api', database: one.database });
  const key = async (requests: number): Promise<string> =>
    (await one.api('/api/v1/keys', { body: { name: 'Few', rate_limit: { requests, seconds: 3_600 } } })).body.key;
  const few = await key(5);
  for (let i = 0; i < 5; i++) expect((await one.api(LIST, { key: few })).status).toBe(200);
  expect((await one.api(LIST, { key: few })).status).toBe(429);
  expect((await two.api(LIST, { key: few })).status).toBe(429);
  const many = await key(100);
  const bulk = (on: Product, count: number) =>
    on.api(BULK, { key: many, body: { channels: ['sms'], body: 'x', recipients: people(count) } });
  expect((await bulk(two, 80)).status).toBe(202);
  expect((await bulk(one, 30)).status).toBe(429);
  expect((await bulk(one, 15)).status).toBe(202);
});

test('two processes under lasting load let the limit through, within five in a hundred', async () => {
  const one = await started({ role: 'api' });
  const two = await started({ role: 'api', database: one.database });
  await limitTo(one, { requests: 100, seconds: 1 });
  const apis = [one, two].map(({ url }) => apiAt(url, one.testKey));
  for (const api of apis) await until(async () => (await api(LIST)).headers.get('x-ratelimit-limit') === '100');
  let allowed = 0;
  const began = performance.now();
  const end = began + 6_000;
  await Promise.all(
    apis.map(async (api) => {
      while (performance.now() < end) {
        const round = performance.now();
        const answers = await Promise.all([api(LIST), api(LIST), api(LIST)]);
        allowed += answers.filter(({ status }) => status === 200).length;
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, 25 - (performance.now() - round))));
      }
    }),
  );
  const may = 100 + ((performance.now() - began) / 1_000) * 100;
  expect(allowed / may).toBeGreaterThan(0.95);
  expect(allowed / may).toBeLessThan(1.05);
}, 30_000);

test('while the store is gone limits hold in each process, and no request waits for it', async () => {
  const database = await createTestDatabase();
  closing.push(database.close);
  const proxy = await proxyTo(database.url);
  closing.push(proxy.close);
  const product = await started({ role: 'api', database: { ...database, url: proxy.url } });
  const capabilities = () => product.api('/api/v1/channels/capabilities');
  const { id } = (await product.api('/api/v1/keys')).body.data[0];
  await limitTo(product, { requests: 60, seconds: 60 });
  await felt(product, 60);
  // From here on the key is remembered for five seconds.
  await product.api(`/api/v1/keys/${id}`, { method: 'PATCH', body: { name: 'Fresh' } });
  const left = Number((await capabilities()).headers.get('x-ratelimit-remaining'));
  proxy.cut();
  const began = performance.now();
  let [allowed, slowest] = [0, 0];
  while (performance.now() - began < 3_000) {
    const asked = performance.now();
    const { status } = await capabilities();
    expect([200, 429]).toContain(status);
    if (status === 200) allowed++;
    slowest = Math.max(slowest, performance.now() - asked);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  // A connection is waited for three seconds, a statement fifteen.
  expect(slowest).toBeLessThan(500);
  expect(allowed).toBeGreaterThanOrEqual(left);
  expect(allowed).toBeLessThanOrEqual(left + 4);
  proxy.restore();
  await until(async () => (await capabilities()).status !== 503);
}, 30_000);

test('a store that takes calls and never answers holds nobody up either', async () => {
  const sockets = new Set<Socket>();
  let isOver = false;
  const hole = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    if (isOver) socket.destroy();
  });
  await new Promise<void>((resolve) => hole.listen(0, '127.0.0.1', resolve));
  const log = createLog('silent');
  const db = createDb({ url: `postgres://nobody@127.0.0.1:${(hole.address() as AddressInfo).port}/none`, log });
  const limits = createLimits({
    db,
    clock: systemClock,
    log,
    vault: createVault([{ id: 'k1', secret: Buffer.alloc(32, 7) }]),
  });
  closing.push(async () => {
    isOver = true;
    await limits.close();
    for (const socket of sockets) socket.destroy();
    await db.close();
    await new Promise((resolve) => hole.close(resolve));
  });
  const meter = limits.meter([{ name: 'tenant', subject: newId(), mode: 'live', limit: { requests: 50, seconds: 1 } }]);
  let [allowed, slowest] = [0, 0];
  const began = performance.now();
  while (performance.now() - began < 3_000) {
    const asked = performance.now();
    for (let i = 0; i < 3; i++)
      try {
        meter.spend(1);
        allowed++;
      } catch (error) {
        expect(error).toMatchObject({ code: 'rate_limited' });
      }
    slowest = Math.max(slowest, performance.now() - asked);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(slowest).toBeLessThan(100);
  expect(allowed).toBeGreaterThan(50 + 2 * 50);
  expect(allowed).toBeLessThanOrEqual(50 + 3.5 * 50);
});
