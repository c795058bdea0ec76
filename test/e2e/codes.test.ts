/** One-time codes: so many an hour for one address, over two processes on one database; everything else goes as before. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { toWire } from '../../src/lib/ids.ts';
import { ADMIN_KEY, type ApiAnswer, apiAt, type Product, startProduct, until } from '../support/product.ts';

const SEND = '/api/v1/notifications/send';
let one: Product;
let two: Product;
let at = 1_000_000;
let phone: string;
beforeAll(async () => {
  one = await startProduct({ role: 'api' });
  two = await startProduct({ role: 'api', database: one.database });
  for (const channel of ['sms', 'voice']) {
    const made = await one.api('/api/v1/connections', {
      key: one.liveKey,
      body: {
        channel,
        credentials: { account_sid: `AC${'0'.repeat(32)}`, auth_token: '0'.repeat(32), from: '+14155550100' },
      },
    });
    expect(made.status, JSON.stringify(made.body)).toBe(201);
  }
});
afterAll(async () => {
  await two.stop();
  await one.stop();
});
beforeEach(() => {
  phone = `+1415${5_000_000 + (at++ % 1_000_000)}`;
});

interface Options {
  readonly on?: Product;
  readonly key?: string;
  readonly idempotency?: string;
  readonly recipient?: object;
  readonly channels?: readonly string[];
  readonly more?: object;
}
const send = ({
  on = one,
  key = one.liveKey,
  idempotency,
  recipient = { phone },
  channels = ['sms'],
  more = { category: 'otp' },
}: Options = {}) =>
  apiAt(on.url, key)(SEND, {
    body: { recipient, notification: { channels, body: 'Your code is 1234', ...more } },
    ...(idempotency ? { headers: { 'idempotency-key': idempotency } } : {}),
  });
const outcome = (answers: readonly ApiAnswer[]) => answers.map(({ status }) => status).sort();
const stored = async () =>
  (await one.database.query('select count(*)::int as n from messages where address = $1', [phone]))[0]?.n;

test('the sixth code of an hour to one number is 429, whichever process is asked, and stores nothing', async () => {
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, i) => send({ on: i % 2 ? one : two, idempotency: `${phone} ${i}` })),
  );
  expect(outcome(answers)).toEqual([...Array(5).fill(202), ...Array(7).fill(429)]);
  const refused = answers.find(({ status }) => status === 429);
  expect(refused?.body.error).toMatchObject({
    type: 'rate_limit_error',
    code: 'recipient_rate_limited',
    param: 'recipient',
    details: { per_hour: 5 },
  });
  const wait = Number(refused?.headers.get('retry-after'));
  expect(wait).toBeGreaterThan(3_500);
  expect(wait).toBeLessThanOrEqual(3_600);
  expect(await stored()).toBe(5);
  const [keys] = await one.database.query('select count(*)::int as n from idempotency where key like $1', [
    `${phone}%`,
  ]);
  expect(keys?.n).toBe(5);
});

test('another number, another category, a test key and another tenant are not held up', async () => {
  for (let i = 0; i < 5; i++) expect((await send()).status).toBe(202);
  expect((await send()).status).toBe(429);
  const other = `+1415${6_000_000 + at}`;
  expect((await send({ recipient: { phone: other } })).status).toBe(202);
  expect((await send({ more: {} })).status).toBe(202);
  expect((await send({ more: { category: 'transactional', priority: 'high' } })).status).toBe(202);
  for (let i = 0; i < 7; i++) expect((await send({ key: one.testKey })).status).toBe(202);
});

test('a repeat is answered as the first time, at the limit too, and does not count', async () => {
  for (let i = 0; i < 4; i++) expect((await send({ idempotency: `${phone} a` })).status).toBe(202);
  for (let i = 0; i < 4; i++) expect((await send()).status).toBe(202);
  expect((await send()).status).toBe(429);
  const again = await send({ idempotency: `${phone} a` });
  expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
  const reused = await send({ idempotency: `${phone} a`, more: { category: 'otp', ttl_seconds: 60 } });
  expect(reused.body.error.code).toBe('idempotency_key_reused');
  expect(await stored()).toBe(5);
});

test('what is refused for another reason does not count', async () => {
  for (let i = 0; i < 6; i++) expect((await send({ more: { category: 'otp', subject: 'unused' } })).status).toBe(422);
  expect((await send()).status).toBe(202);
});

test('a number counts over all channels and what a notification falls back on, and an hour later it is free again', async () => {
  const mixed = [
    send({ channels: ['voice'] }),
    send({ channels: ['sms', 'voice'] }),
    send({ more: { category: 'otp', fallback: [{ channel: 'voice', on: 'failed' }] } }),
    send(),
    send(),
  ];
  expect(outcome(await Promise.all(mixed))).toEqual(Array(5).fill(202));
  expect((await send({ channels: ['voice'] })).status).toBe(429);
  await one.database.query(`update otp_sends set times = array(select t - interval '55 minutes' from unnest(times) t)`);
  const refused = await send();
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(300);
  await one.database.query(`update otp_sends set times = array(select t - interval '5 minutes' from unnest(times) t)`);
  expect((await send()).status).toBe(202);
});

test('rows of a bulk are held to it one by one', async () => {
  for (let i = 0; i < 3; i++) expect((await send()).status).toBe(202);
  const other = `+1415${7_000_000 + at}`;
  const { status, body } = await one.api('/api/v1/notifications/bulk', {
    key: one.liveKey,
    body: {
      channels: ['sms'],
      body: 'Your code is 1234',
      category: 'otp',
      recipients: [phone, other, phone, phone, other, 'nonsense'].map((number) => ({ phone: number })),
    },
  });
  expect(status).toBe(202);
  expect(body.results.map(({ error }: { error?: { code: string } }) => error?.code)).toEqual([
    undefined,
    undefined,
    undefined,
    'recipient_rate_limited',
    undefined,
    'invalid_recipient',
  ]);
});

test('the operator changes it for a tenant, and 0 is no limit', async () => {
  const limit = (otp_per_hour: number | null) =>
    one.api(`/api/admin/tenants/${toWire('tenant', one.tenantId)}/limits`, {
      method: 'PATCH',
      key: ADMIN_KEY,
      body: { otp_per_hour },
    });
  await limit(1);
  expect((await send()).status).toBe(202);
  await until(async () => (await send({ on: two })).status === 429, { withinMs: 6_000 });
  await limit(0);
  const before = await stored();
  for (let i = 0; i < 8; i++) expect((await send()).status).toBe(202);
  expect(await stored()).toBe(before + 8);
  expect((await limit(null)).body.otp_per_hour).toBe(5);
});
