/** Processes are replaced one after the other while clients with kept connections go on sending: nobody notices. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verify } from '../../src/verify.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { ADMIN_KEY, type Api, apiAt, type Spawned, spawnProduct, until } from '../support/product.ts';
import { newPhone } from '../support/scene.ts';

const RESTARTS = 5;
const CLIENTS = 6;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

test(`${RESTARTS} replacements under load: no request is dropped, each process ends with code 0 in time, all is delivered`, async () => {
  const start = () =>
    spawnProduct({ databaseUrl: database.url, env: { ADMIN_KEY, DRAIN_SECONDS: '1', STOP_SECONDS: '10' } });
  const running = await Promise.all([start(), start()]);
  const admin = apiAt((running[0] as Spawned).url, ADMIN_KEY);
  const { test_key: key } = (await admin('/api/admin/tenants', { body: { name: 'Rolling' } })).body;

  // A balancer: it sends to what says that it is ready, and asks often enough.
  let doors: readonly Api[] = [];
  let isOver = false;
  const balance = async (): Promise<void> => {
    while (!isOver) {
      const green = await Promise.all(
        running.map(async ({ url }) =>
          fetch(`${url}/health/ready`).then(
            ({ ok }) => ok,
            () => false,
          ),
        ),
      );
      doors = running.filter((_, index) => green[index]).map(({ url }) => apiAt(url, key));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const dropped: unknown[] = [];
  const ids: string[] = [];
  const client = async (nth: number): Promise<void> => {
    for (let i = nth; !isOver; i++) {
      const door = doors[i % doors.length];
      if (!door) throw new Error('there was a moment without a door');
      const body = { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'Rolling' } };
      try {
        const answer = await door('/api/v1/notifications/send', { body });
        if (answer.status === 202) ids.push(answer.body.notification_id);
        else dropped.push(answer.body);
      } catch (error) {
        dropped.push((error as Error).cause ?? error);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const balancing = balance();
  await until(() => doors.length === 2, { what: 'two doors' });
  const clients = Array.from({ length: CLIENTS }, (_, nth) => client(nth));
  try {
    for (let i = 0; i < RESTARTS; i++) {
      running.push(await start());
      await until(() => doors.length === 3, { what: 'the new door' });
      const oldest = running[0] as Spawned;
      const began = performance.now();
      expect(await oldest.stop('SIGTERM')).toEqual({ code: 0, signal: null });
      expect(performance.now() - began).toBeLessThan(15_000);
      running.shift();
    }
  } finally {
    isOver = true;
    await Promise.all([balancing, ...clients]);
  }
  expect(dropped).toEqual([]);
  expect(ids.length).toBeGreaterThan(200);
  const left = async () =>
    (await database.query<{ n: number }>(`select count(*)::int as n from messages where status <> 'delivered'`))[0]?.n;
  await until(async () => (await left()) === 0, { what: 'the delivery of all', withinMs: 40_000 });
  expect((await database.query<{ n: number }>('select count(*)::int as n from messages'))[0]?.n).toBe(ids.length);
  await Promise.all(running.map((one) => one.stop('SIGTERM')));
  expect((await verify(database.url)).filter(({ ok }) => !ok)).toEqual([]);
}, 120_000);
