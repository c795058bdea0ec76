/** A provider that is out of order is probed, not hammered: what waits for it keeps its attempts, and others do not notice. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { serveMetrics } from '../../src/metrics.ts';
import { until } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
afterEach(() => scene.close());

const PROBES = { failures: 5, probeMs: [100, 200, 400], deniedMs: [600_000], random: () => 0 };
const begin = async (more: object = {}): Promise<Json> => {
  scene = await startScene({ timing: { sweepMs: 100, breaker: { ...PROBES, ...more } } });
  return scene.connect('sms', scene.twilio.credentials, { limits: { concurrency: 4, per_second: 10_000 } });
};
const phones = (count: number) => Array.from({ length: count }, () => ({ phone: newPhone() }));
const bulk = (recipients: object[], key = scene.liveKey): Promise<Json> =>
  scene.must(
    202,
    scene.call('POST', '/api/v1/notifications/bulk', { key, body: { channels: ['sms'], body: 'Many', recipients } }),
  );
const sms = (phone: string, more: object = {}): Promise<Json> =>
  scene.send({ recipient: { phone }, notification: { channels: ['sms'], body: 'One', ...more } });
const calls = (): number => scene.twilio.requests.length;
const arrived = (): string[] => scene.twilio.messages.map(({ to }) => to);
const health = async (id: string): Promise<Json> =>
  (await scene.must(200, scene.call('GET', `/api/v1/connections/${id}`, { key: scene.liveKey }))).health;
const opened = () =>
  until(() => scene.product.deps.notifications.dispatcher.open().length > 0, { what: 'that it opens' });
/** How often the worker looks for work in so long; ten looks a second are its tick. */
async function claimsIn(ms: number): Promise<number> {
  const spy = vi.spyOn(scene.product.deps.db, 'query');
  await new Promise((resolve) => setTimeout(resolve, ms));
  const count = spy.mock.calls.filter(([text]) => String(text).includes('with recursive source')).length;
  spy.mockRestore();
  expect(count).toBeGreaterThan(0);
  return count;
}
/** The waits of what was refused are over; the rest goes by itself. */
const hurryUntil = (done: () => boolean) =>
  until(
    async () => {
      await scene.query(`update due set run_at = clock_now() where owner is null and run_at > clock_now()`);
      return done();
    },
    { withinMs: 20_000, what: 'that all arrive' },
  );

it('an outage costs a handful of calls; what waits keeps its attempts and arrives once', async () => {
  const { id } = await begin();
  scene.twilio.always('*', behave.unavailable(500));
  const people = phones(400);
  await bulk(people);
  await opened();
  expect(calls()).toBeLessThanOrEqual(12);
  await until(async () => (await health(id)).cause?.code === 'provider_unavailable');
  expect(await health(id)).toMatchObject({ cause: { owner: 'provider' }, since: expect.any(String) });
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(calls()).toBeLessThanOrEqual(20);
  scene.twilio.always('*', behave.ok());
  const inOutage = calls();
  await hurryUntil(() => arrived().length >= 400);
  expect(new Set(arrived()).size).toBe(400);
  expect(arrived()).toHaveLength(400);
  expect(calls() - inOutage).toBe(400);
  const refusals = await scene.query(
    `select count(*)::int as count from attempts where result = 'refused' and fault = 'provider_unavailable'`,
  );
  expect(refusals).toEqual([{ count: inOutage }]);
  await until(async () => (await health(id)).status === 'ok');
});

it('a 429 with Retry-After rests the whole connection: no message learns it for itself', async () => {
  const { id } = await begin();
  scene.twilio.script('*', ...Array.from({ length: 4 }, () => behave.tooMany(3)));
  const people = phones(100);
  const began = performance.now();
  await bulk(people);
  await opened();
  const known = calls();
  expect(known).toBeLessThanOrEqual(4);
  await until(async () => (await health(id)).status === 'resting');
  expect(await health(id)).toMatchObject({
    until: expect.any(String),
    cause: { code: 'rate_limited', owner: 'provider' },
    waiting: expect.any(Number),
  });
  // What another process finds well does not end a pause that this one was asked for.
  await scene.query(`update connections set health = 'ok', health_at = clock_now()`);
  const left = 2_900 - (performance.now() - began);
  await new Promise((resolve) => setTimeout(resolve, left));
  expect(calls()).toBeLessThanOrEqual(4);
  await hurryUntil(() => new Set(arrived()).size === 100);
  expect(calls()).toBeLessThanOrEqual(110);
});

it('a dead provider of one tenant leaves the others alone, and loses nothing', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  scene = await startScene({
    timing: { sweepMs: 100, breaker: PROBES },
    egress: [`127.0.0.1:${port}`],
  });
  const dead = await scene.connect('sms', { ...scene.twilio.credentials, base_url: `http://127.0.0.1:${port}` });
  const other = await scene.tenant('Lively');
  await scene.must(
    201,
    scene.call('POST', '/api/v1/connections', {
      key: other.live_key,
      body: { channel: 'sms', credentials: scene.twilio.credentials },
    }),
  );
  await bulk(phones(500));
  await opened();
  await bulk(phones(100), other.live_key);
  await until(() => arrived().length === 100, { what: 'that the lively are through' });
  const [refused] = await scene.query(`select count(*)::int as count from attempts where result = 'refused'`);
  expect(refused?.count).toBeLessThanOrEqual(30);
  const queued = async () =>
    ((await scene.query(`select 1 from messages where status = 'queued'`)) as readonly unknown[]).length;
  await until(async () => (await queued()) <= 500, { what: 'that what has arrived is written down' });
  expect(await queued()).toBe(500);
  expect((await health(dead.id)).waiting).toBeGreaterThan(450);
});

it('what is accepted while the breaker is open waits without an attempt, and ends with its time', async () => {
  await begin({ probeMs: [600_000] });
  scene.twilio.always('*', behave.unavailable());
  for (const { phone } of phones(5)) {
    const { notification_id: id } = await sms(phone);
    await scene.when(id, 'was tried', (one) => on(one, 'sms').attempts_made === 1);
  }
  await opened();
  scene.twilio.always('*', behave.ok());
  const known = calls();
  const [late, patient] = [await sms(newPhone()), await sms(newPhone(), { category: 'otp' })];
  await scene.query(
    `update messages set expires_at = clock_now() where id = (select id from messages order by id offset 5 limit 1)`,
  );
  expect(on(await scene.status(late.notification_id, 'failed'), 'sms').failure.code).toBe('expired');
  expect(on(await scene.get(patient.notification_id), 'sms')).toMatchObject({ status: 'queued', attempts_made: 0 });
  expect(calls()).toBe(known);
  const metrics = await serveMetrics(scene.product.deps, 0, '127.0.0.1');
  const figures = await (await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).text();
  await metrics.close();
  expect(figures).toMatch(/^carillon_breaker_open\{adapter="twilio_sms"\} 1$/m);
  expect(await claimsIn(1_000)).toBeLessThanOrEqual(20);
  await scene.query(`update connections set updated_at = clock_now()`);
  expect(on(await scene.status(patient.notification_id, 'sent'), 'sms').attempts_made).toBe(1);
});

it('refused credentials cost one message: the others wait until the owner has renewed them', async () => {
  const { id } = await begin();
  scene.twilio.always('*', behave.refuse(20_003, { status: 401 }));
  const first = await sms(newPhone());
  expect(on(await scene.status(first.notification_id, 'failed'), 'sms').failure.code).toBe('credentials_invalid');
  const others = [];
  for (const { phone } of phones(8)) others.push((await sms(phone)).notification_id);
  await until(async () => (await health(id)).cause?.owner === 'tenant');
  expect(await health(id)).toMatchObject({
    status: 'failing',
    waiting: 8,
    cause: { code: 'credentials_invalid', fix: expect.stringContaining('Renew') },
  });
  expect(calls()).toBe(1);
  scene.twilio.always('*', behave.ok());
  await scene.must(
    200,
    scene.call('PATCH', `/api/v1/connections/${id}`, {
      key: scene.liveKey,
      body: { credentials: { auth_token: scene.twilio.credentials.auth_token } },
    }),
  );
  for (const other of others) await scene.status(other, 'sent');
  await until(async () => (await health(id)).status === 'ok');
  expect(await health(id)).toMatchObject({ cause: null, waiting: 0, until: null });
});
