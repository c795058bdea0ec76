/** A JSON bulk that was larger than the limit was refused for ever, and told to come again: the request had spent one of the whole. */
import { afterEach, expect, test } from 'vitest';
import { toWire } from '../../src/lib/ids.ts';
import { ADMIN_KEY, type Product, startProduct, until } from '../support/product.ts';

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
const people = (count: number) => Array.from({ length: count }, (_, i) => ({ phone: `+1415555${String(1000 + i)}` }));
async function limitTo(product: Product, rate_limit: { requests: number; seconds: number }): Promise<void> {
  const path = `/api/admin/tenants/${toWire('tenant', product.tenantId)}/limits`;
  await product.api(path, { method: 'PATCH', key: ADMIN_KEY, body: { rate_limit } });
  const limit = String(rate_limit.requests);
  await until(async () => (await product.api(LIST)).headers.get('x-ratelimit-limit') === limit);
}
const bulk = (product: Product, count: number, key?: string) =>
  product.api('/api/v1/notifications/bulk', {
    body: { channels: ['sms'], body: 'x', recipients: people(count) },
    ...(key ? { key } : {}),
  });

test('a bulk larger than the whole limit passes when all of the limit is there, and those who come later wait for what it owes', async () => {
  const product = await started({ role: 'api' });
  await limitTo(product, { requests: 20, seconds: 1_000 });
  // To find out cost a request or more; a refusal tells how long the whole takes to come back.
  const early = await bulk(product, 60);
  expect(early.status).toBe(429);
  const wait = Number(early.headers.get('retry-after'));
  const left = Number(early.headers.get('x-ratelimit-remaining'));
  expect(wait).toBeGreaterThan((20 - left - 1) * 50 - 2);
  expect(wait).toBeLessThanOrEqual((20 - left) * 50);
  // As if that time had passed, and not a moment more.
  const { meter } = await product.deps.tenants.authenticate({ 'x-api-key': product.testKey }, '127.0.0.1');
  meter?.owe(-wait / 50);
  const sent = await bulk(product, 60);
  expect([sent.status, sent.body.accepted]).toEqual([202, 60]);
  expect(sent.headers.get('x-ratelimit-remaining')).toBe('0');
  const later = await product.api(LIST);
  expect(later.status).toBe(429);
  // Forty are owed and one is wanted.
  expect(Number(later.headers.get('retry-after'))).toBeGreaterThan(41 * 50 - 20);
  expect(Number(later.headers.get('retry-after'))).toBeLessThanOrEqual(41 * 50);
  // What is owed stands in the store: another process hears of it.
  await until(async () => {
    const [row] = await product.database.query<{ tokens: number }>(
      'select tokens from rate_buckets where subject = $1 order by tokens limit 1',
      [product.tenantId],
    );
    return row !== undefined && row.tokens < -39;
  });
  const two = await started({ role: 'api', database: product.database });
  const there = await two.api(LIST, { key: product.testKey });
  expect(there.status).toBe(429);
  expect(Number(there.headers.get('retry-after'))).toBeGreaterThan(41 * 50 - 20);
});

test('a bulk larger than the whole limit passes in one of two processes, and by the limits of a key and of its tenant at once', async () => {
  const one = await started({ role: 'api' });
  const two = await started({ role: 'api', database: one.database });
  const made = await one.api('/api/v1/keys', {
    body: { name: 'Few', rate_limit: { requests: 10, seconds: 3_600 } },
  });
  expect((await bulk(two, 25, made.body.key)).status).toBe(202);
  const refused = await bulk(two, 25, made.body.key);
  expect(refused.status).toBe(429);
  // A single one at first: the request itself cannot be paid for.
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(16 * 360 - 60);
});
