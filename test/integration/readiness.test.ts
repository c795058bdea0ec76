/** A queue that would lose what it is given makes the process unready, and the log says what to do. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { createLog } from '../../src/lib/log.ts';
import { backends } from '../support/backends.ts';
import { startProduct, until } from '../support/product.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// Of its own: the setting is the server's, and others use the one that is there.
describe.runIf(backends().includes('redis'))('a Redis of its own', () => {
  test('that evicts keys makes readiness red and is named in the log; once mended, or gone, it does not', async () => {
    const port = await freePort();
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--maxmemory-policy', 'allkeys-lru'];
    const server = spawn('redis-server', args, { stdio: 'ignore' });
    const url = `redis://127.0.0.1:${port}`;
    const redis = new Redis(url, { retryStrategy: () => 50 });
    redis.on('error', () => undefined);
    await redis.ping();
    const lines: string[] = [];
    const log = createLog('info', { write: (line) => void lines.push(line) });
    const product = await startProduct({ env: { REDIS_URL: url }, log });
    const ready = async () => (await product.api('/health/ready', { key: null })).status;
    const reasons = () => lines.filter((line) => line.includes('"msg":"not ready"'));
    try {
      await until(async () => (await ready()) === 503, { what: 'red readiness' });
      expect(await ready()).toBe(503);
      expect(reasons()).toHaveLength(1);
      expect(reasons()[0]).toMatch(/maxmemory-policy is allkeys-lru.*Set it to noeviction/);
      await redis.config('SET', 'maxmemory-policy', 'noeviction');
      expect(await ready()).toBe(200);
      await redis.config('SET', 'maxmemory-policy', 'volatile-ttl');
      expect(await ready()).toBe(503);
      server.kill('SIGKILL');
      await once(server, 'exit');
      await until(async () => (await ready()) === 200, { what: 'readiness without Redis: the sweep delivers' });
    } finally {
      redis.disconnect();
      await product.stop();
      server.kill('SIGKILL');
    }
  });
});
