/** The one command of the README, run as a stranger runs it: ready, a first message delivered, Ctrl-C, nothing left. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
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

  test('a second start finds what was there, prints no key, and the command that lets its owner in', async () => {
    running = await spawnProduct({ dataDir });
    expect(running.key).toBeUndefined();
    const { status } = await running.api('/health/ready');
    expect(status).toBe(200);
    // The first link was for the first start; nobody has set a password since.
    const command = /npx carillon (user link --email \S+ --sign-in)/.exec(running.output())?.[1] ?? '';
    const link = execFileSync(process.execPath, [join(projectRoot, 'src/launch.js'), ...command.split(' ')], {
      encoding: 'utf8',
      cwd: tmpdir(),
      env: { PATH: process.env.PATH, HOME: process.env.HOME, DATA_DIR: dataDir, PUBLIC_URL: running.url },
    });
    const opened = await fetch(/http\S+/.exec(link)?.[0] as string, { redirect: 'manual' });
    expect(opened.status).toBeLessThan(400);
    await running.stop();
  });

  test('commands beside a stopped installation do their work and say how to start it; where there is none they make none', () => {
    const carillon = (folder: string, ...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(projectRoot, 'src/launch.js'), ...args], {
        encoding: 'utf8',
        cwd: tmpdir(),
        env: { PATH: process.env.PATH, HOME: process.env.HOME, DATA_DIR: folder },
      });
      return { status, stdout, stderr };
    };
    const how =
      /^Carillon is not running in .*; its database is started for this command alone\. Start it with: npm start\n$/;
    const list = carillon(dataDir, 'tenant', 'list');
    expect(list).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Demo'),
      stderr: expect.stringMatching(how),
    });
    const doctor = carillon(dataDir, 'doctor');
    expect(doctor).toMatchObject({ status: 1, stderr: expect.stringMatching(how) });
    expect(doctor.stdout).toMatch(/FAIL +process +Carillon is not running/);
    expect(doctor.stdout.match(/FAIL/g)).toHaveLength(1);
    const nowhere = join(dataDir, 'nowhere');
    for (const command of [['doctor'], ['tenant', 'list']])
      expect(carillon(nowhere, ...command)).toEqual({
        status: 1,
        stdout: '',
        stderr: `There is no installation in ${nowhere}. Start one with npm start, or set DATA_DIR or DATABASE_URL.\n`,
      });
    expect(existsSync(nowhere)).toBe(false);
  });
});
