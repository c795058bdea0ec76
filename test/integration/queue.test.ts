/** The doorbell on every back end: it rings through, rings that meet become one, and no outage outlives itself. */
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createLog } from '../../src/lib/log.ts';
import { createQueues, type Listener, type Queues, queuePrefix } from '../../src/lib/queue.ts';
import { backend as backendOf, backends } from '../support/backends.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/product.ts';
import { proxyTo, type StoreProxy } from '../support/proxy.ts';

const log = createLog('silent');
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.each(backends())('the queue on %s', (name) => {
  let database: TestDatabase;
  let proxy: StoreProxy;
  let queues: Queues;
  let listener: Listener | undefined;
  const { redisUrl } = backendOf(name);

  beforeAll(async () => {
    database = await createTestDatabase(name);
    proxy = await proxyTo(redisUrl ?? database.url);
    queues = await createQueues(
      redisUrl
        ? { redisUrl: proxy.url, databaseUrl: database.url, log }
        : { redisUrl: undefined, databaseUrl: proxy.url, log },
    );
  });
  afterEach(async () => {
    proxy.restore();
    await listener?.close();
    listener = undefined;
  });
  afterAll(async () => {
    await queues.close();
    await proxy.close();
    if (redisUrl) await forget(redisUrl, await queuePrefix(database.url));
    await database.close();
  });

  /** Rings again and again, as a busy house does, until the bell is heard once more. */
  const heardAgain = (ring: () => void, count: () => number) => {
    const before = count();
    return until(
      async () => {
        ring();
        await pause(50);
        return count() > before;
      },
      { what: 'a ring', withinMs: 15_000 },
    );
  };

  test('a ring reaches the listener of its bell, and no other', async () => {
    const heard: string[] = [];
    listener = await queues.listen(
      { due: () => void heard.push('due'), inbound: () => void heard.push('inbound') },
      {},
    );
    const doorbell = queues.doorbell();
    doorbell.ring('due');
    await until(() => heard.length > 0, { what: 'the ring' });
    await pause(100);
    expect(heard).toEqual(['due']);
    await doorbell.close();
  });

  test('rings that meet become one, and the last is not lost', async () => {
    let rung = 0;
    let heardAt = 0;
    let count = 0;
    listener = await queues.listen(
      {
        due: () => {
          count++;
          heardAt = rung;
        },
      },
      {},
    );
    const doorbell = queues.doorbell();
    for (let i = 0; i < 1_000; i++) {
      rung++;
      doorbell.ring('due');
    }
    await until(() => heardAt === 1_000, { what: 'a ring after the last' });
    await pause(200);
    expect(count).toBeLessThanOrEqual(3);
    await doorbell.close();
  });

  test('an alarm rings by itself', async () => {
    let count = 0;
    listener = await queues.listen({ housekeeping: () => void count++ }, { housekeeping: 300 });
    await until(() => count >= 2, { what: 'two alarms' });
  });

  test('a restart of the store silences it for a moment only', async () => {
    let count = 0;
    listener = await queues.listen({ due: () => void count++ }, {});
    const doorbell = queues.doorbell();
    const ring = () => doorbell.ring('due');
    await heardAgain(ring, () => count);
    proxy.cut();
    for (let i = 0; i < 5; i++) {
      ring();
      await pause(50);
    }
    proxy.restore();
    await heardAgain(ring, () => count);
    await doorbell.close();
  });

  test('a queue that lost everything rings again', async () => {
    let count = 0;
    listener = await queues.listen({ due: () => void count++ }, {});
    const doorbell = queues.doorbell();
    await heardAgain(
      () => doorbell.ring('due'),
      () => count,
    );
    if (redisUrl) await forget(redisUrl, await queuePrefix(database.url));
    else await forgetTables(database);
    await heardAgain(
      () => doorbell.ring('due'),
      () => count,
    );
    await doorbell.close();
  });

  test('closing takes no more than 3 s, even when the store has gone', async () => {
    const gone = await createQueues(
      redisUrl
        ? { redisUrl: proxy.url, databaseUrl: database.url, log }
        : { redisUrl: undefined, databaseUrl: proxy.url, log },
    );
    const own = await gone.listen({ due: () => undefined }, {});
    const doorbell = gone.doorbell();
    doorbell.ring('due');
    await pause(100);
    proxy.cut();
    const began = performance.now();
    doorbell.ring('due');
    await Promise.all([own.close(), doorbell.close()]);
    await gone.close();
    expect(performance.now() - began).toBeLessThan(3_500);
  });
});

/** The keys of this queue alone: others may use the same Redis. */
async function forget(redisUrl: string, prefix: string): Promise<void> {
  const redis = new Redis(redisUrl);
  const keys = await redis.keys(`${prefix}:*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
}

async function forgetTables({ query }: TestDatabase): Promise<void> {
  const tables = await query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'bullmq' and tablename like '%job%'`,
  );
  expect(tables.length).toBeGreaterThan(0);
  await query(`truncate ${tables.map(({ name }) => name).join(', ')} cascade`);
}
