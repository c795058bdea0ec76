/** The one command of the README, run as a stranger runs it: ready, a first message delivered, Ctrl-C, nothing left. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { findEmbedded } from '../../src/lib/embedded.ts';
import { family, gone } from '../support/embedded.ts';
import { apiAt, type Spawned, spawnProduct, until } from '../support/product.ts';
import { removeData } from '../support/test-server.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'carillon-start-'));
let running: Spawned | undefined;

afterAll(async () => {
  await running?.stop();
  removeData(dataDir);
});

// How long a start takes is measured by the benchmark, on a machine that does nothing else.
describe('npm start', { timeout: 60_000 }, () => {
  test('is ready, and the curl line it prints leads to delivered', async () => {
    running = await spawnProduct({ dataDir });
    expect(running.key).toMatch(/^ak_test_/);

    const { curl = '', key, url } = running;
    const accepted = JSON.parse(execFileSync('sh', ['-c', curl], { encoding: 'utf8' }));
    const api = apiAt(url, key);
    await until(
      async () => {
        const { body } = await api(`/api/v1/notifications/${accepted.notification_id}`);
        return body.status === 'delivered';
      },
      { what: 'delivered' },
    );
  });

  test('Ctrl-C ends it and its database, without a word of trouble', async () => {
    const server = await findEmbedded(dataDir);
    const processes = [running?.pid as number, ...family(server?.pid as number)];
    expect(processes.length).toBeGreaterThan(3);
    const { code } = (await running?.stop('SIGINT')) ?? {};
    expect(code).toBe(0);
    await Promise.all(processes.map(gone));
    expect(running?.output()).not.toMatch(/error|warn/i);
  });

  test('a second start finds what was there and prints no key', async () => {
    running = await spawnProduct({ dataDir });
    expect(running.key).toBeUndefined();
    const { status } = await running.api('/health/ready');
    expect(status).toBe(200);
    await running.stop();
  });
});
