/** BullMQ's scripts touch several keys at once; on a Redis in cluster mode they pass only when all keys share a slot. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { createLog } from '../../src/lib/log.ts';
import { createQueues } from '../../src/lib/queue.ts';
import { backends } from '../support/backends.ts';
import { createTestDatabase } from '../support/database.ts';
import { until } from '../support/product.ts';

/** The bus of a cluster listens 10,000 above. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    if (port < 55_000) return port;
  }
}

describe.runIf(backends().includes('redis'))('a Redis in cluster mode, of one shard', () => {
  test('carries rings and alarms', async () => {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'carillon-cluster-'));
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--cluster-enabled', 'yes'];
    const server = spawn('redis-server', [...args, '--dir', folder], { stdio: 'ignore' });
    const redisUrl = `redis://127.0.0.1:${port}`;
    const redis = new Redis(redisUrl, { retryStrategy: () => 50 });
    redis.on('error', () => undefined);
    const database = await createTestDatabase();
    try {
      await redis.ping();
      await redis.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      await until(async () => String(await redis.call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
      // The mode is in force: what is spread over slots is refused.
      await expect(redis.mget('one', 'two')).rejects.toThrow(/CROSSSLOT/);
      const queues = await createQueues({ redisUrl, databaseUrl: database.url, log: createLog('silent') });
      const doorbell = queues.doorbell();
      const heard = { due: 0, alarm: 0 };
      const listener = await queues.listen(
        { due: () => void heard.due++, alarm: () => void heard.alarm++ },
        { alarm: 200 },
      );
      doorbell.ring('due');
      await until(() => heard.due > 0 && heard.alarm > 1, { what: 'a ring and alarms' });
      await Promise.all([listener.close(), doorbell.close()]);
      await queues.close();
    } finally {
      redis.disconnect();
      await database.close();
      server.kill('SIGKILL');
      await once(server, 'exit').catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
