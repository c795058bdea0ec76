/** A bulk that came to nothing had used up its one-time codes, and a repeat paid for rows that were stored long ago. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toWire } from '../../src/lib/ids.ts';
import { ADMIN_KEY, apiAt, type Product, startProduct } from '../support/product.ts';

const BULK = '/api/v1/notifications/bulk';
let product: Product;
beforeAll(async () => {
  product = await startProduct({ role: 'api' });
  const limited = await apiAt(product.url, ADMIN_KEY)(
    `/api/admin/tenants/${toWire('tenant', product.tenantId)}/limits`,
    {
      method: 'PATCH',
      body: { rate_limit: { requests: 100, seconds: 3600 } },
    },
  );
  expect(limited.status, JSON.stringify(limited.body)).toBe(200);
  const credentials = { account_sid: `AC${'0'.repeat(32)}`, auth_token: '0'.repeat(32), from: '+14155550100' };
  const made = await product.api('/api/v1/connections', {
    key: product.liveKey,
    body: { channel: 'sms', credentials },
  });
  expect(made.status).toBe(201);
});
afterAll(() => product.stop());

const phone = '+14155556001';
const api = (path: string, body: unknown, headers = {}) => apiAt(product.url, product.liveKey)(path, { body, headers });
const bulk = (idempotency: string, recipients: object[] = [{ phone }, { phone }, { phone: '+14155556002' }]) =>
  api(BULK, { channels: ['sms'], body: 'Code 1234', category: 'otp', recipients }, { 'idempotency-key': idempotency });
const counted = async () =>
  (
    await product.database.query(
      'select cardinality(times) as n from otp_sends where cardinality(times) > 0 order by n desc',
    )
  ).map(({ n }) => n);

test('codes of a bulk that is not stored are given back, each as often as it was counted', async () => {
  // The store refuses the rows, after they were counted.
  await product.database.query(`alter table messages add constraint broken check (bulk_id is null)`);
  expect((await bulk('broken')).status).toBeGreaterThanOrEqual(500);
  expect(await counted()).toEqual([]);
  const lines = [{ channels: ['sms'], body: 'Code 1234', category: 'otp' }, { phone }, { phone }];
  const streamed = await api(BULK, lines.map((line) => JSON.stringify(line)).join('\n'), {
    'content-type': 'application/x-ndjson',
  });
  expect(streamed.status).toBeGreaterThanOrEqual(500);
  expect(await counted()).toEqual([]);
  await product.database.query('alter table messages drop constraint broken');
  expect((await bulk('whole')).body).toMatchObject({ accepted: 3 });
  expect(await counted()).toEqual([2, 1]);
});

test('of two bulks under one key at once, one is counted', async () => {
  await product.database.query('delete from otp_sends');
  const answers = await Promise.all([bulk('twice'), bulk('twice')]);
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.bulk_id}`)).size).toBe(1);
  expect(await counted()).toEqual([2, 1]);
});

test('a repeat pays for its request, and for no row', async () => {
  await product.database.query('delete from otp_sends');
  const recipients = Array.from({ length: 10 }, (_, i) => ({ phone: `+141555570${10 + i}` }));
  const first = await bulk('repeated', recipients);
  expect(first.status).toBe(202);
  const left = async () => {
    const again = await bulk('repeated', recipients);
    expect([again.status, again.body.bulk_id]).toEqual([202, first.body.bulk_id]);
    return Number(again.headers.get('x-ratelimit-remaining'));
  };
  const [before, after] = [await left(), await left()];
  const had = Number(first.headers.get('x-ratelimit-remaining'));
  expect([had - before, before - after]).toEqual([1, 1]);
});
