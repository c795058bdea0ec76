/** A Redis that is not there when the house starts: nothing waits for it, and when it comes it is used. */
import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLog } from '../../src/lib/log.ts';
import { createQueues, queuePrefix } from '../../src/lib/queue.ts';
import { backend, backends } from '../support/backends.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startProduct, until } from '../support/product.ts';
import { proxyTo } from '../support/proxy.ts';

const log = createLog('silent');
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

/** A port on which nobody listens. */
async function deadUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  return `redis://127.0.0.1:${port}`;
}

test('without Redis the queue is up within 3 s, rings throw nothing, and closing is as quick', async () => {
  const redisUrl = await deadUrl();
  let began = performance.now();
  const queues = await createQueues({ redisUrl, databaseUrl: database.url, log });
  const doorbell = queues.doorbell();
  const listener = await queues.listen({ due: () => undefined }, { due: 1_000 });
  for (let i = 0; i < 10; i++) doorbell.ring('due');
  expect(performance.now() - began).toBeLessThan(3_000);
  await expect(queues.check()).rejects.toThrow();
  began = performance.now();
  await Promise.all([listener.close(), doorbell.close()]);
  await queues.close();
  expect(performance.now() - began).toBeLessThan(5_000);
});

test('without Redis the product starts, accepts and delivers', async () => {
  const product = await startProduct({ env: { REDIS_URL: await deadUrl() } });
  try {
    const { status, body } = await product.api('/api/v1/notifications/send', {
      body: { recipient: { phone: '+15005550006' }, notification: { channels: ['sms'], body: 'A word' } },
    });
    expect(status, JSON.stringify(body)).toBe(202);
    await until(
      async () => (await product.api(`/api/v1/notifications/${body.notification_id}`)).body.status !== 'queued',
      { what: 'a delivery by the sweep' },
    );
  } finally {
    await product.stop();
  }
});

describe.runIf(backends().includes('redis'))('a Redis that comes later', () => {
  test('carries the rings and the alarms from then on', async () => {
    const { redisUrl = '' } = backend('redis');
    const proxy = await proxyTo(redisUrl);
    proxy.cut();
    const queues = await createQueues({ redisUrl: proxy.url, databaseUrl: database.url, log });
    const heard = { due: 0, alarm: 0 };
    const listener = await queues.listen(
      { due: () => void heard.due++, alarm: () => void heard.alarm++ },
      { alarm: 300 },
    );
    const doorbell = queues.doorbell();
    doorbell.ring('due');
    proxy.restore();
    await until(() => heard.due > 0, { what: 'the ring of before', withinMs: 15_000 });
    await until(() => heard.alarm > 1, { what: 'the alarm', withinMs: 15_000 });
    const before = heard.due;
    doorbell.ring('due');
    await until(() => heard.due > before, { what: 'a ring of now' });
    await Promise.all([listener.close(), doorbell.close()]);
    await queues.close();
    await proxy.close();
    const redis = new Redis(redisUrl);
    const keys = await redis.keys(`${await queuePrefix(database.url)}:*`);
    if (keys.length > 0) await redis.del(...keys);
    redis.disconnect();
  });
});
