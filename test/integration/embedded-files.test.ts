/** The lock of a data folder, and the libraries' links where npm's install scripts are off. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { linkLibraries } from '../../src/lib/embedded-files.ts';
import { AlreadyRunning, acquireLock, identify, isRunning } from '../../src/lib/process-lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carillon-lock-'));
  return () => rmSync(folder, { recursive: true });
});

const rush = async () => {
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => acquireLock(folder)));
  const refused = all.filter((one) => one.status === 'rejected' && one.reason instanceof AlreadyRunning);
  return { won: all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])), refused };
};

test('of many who want a lock at once, one gets it; when it is released, again one', async () => {
  for (let round = 0; round < 10; round += 1) {
    const { won, refused } = await rush();
    expect([won.length, refused.length]).toEqual([1, 19]);
    await won[0]?.();
  }
  expect(readdirSync(folder).sort()).toEqual(['lock.10', 'lock.9']);
});

test('a lock is taken over, once, from an owner that died, a pid used again, and a file cut short', async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()']);
  const dead = await identify(child.pid as number);
  expect(await isRunning(dead)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await isRunning(dead)).toBe(false);
  const stale = [JSON.stringify(dead), JSON.stringify({ pid: process.pid, since: 'another time' }), ''];
  for (const [index, text] of stale.entries()) {
    writeFileSync(join(folder, `lock.${index + 101}`), text);
    const { won, refused } = await rush();
    expect([won.length, refused.length]).toEqual([1, 19]);
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
  }
});

test('missing links between libraries are made from the list of the package, and made ones are kept', async () => {
  mkdirSync(join(folder, 'lib'));
  writeFileSync(join(folder, 'lib', 'libx.so.5.18'), 'x');
  const link = (name: string) => ({ source: 'native/lib/libx.so.5.18', target: `native/lib/${name}` });
  writeFileSync(join(folder, 'pg-symlinks.json'), JSON.stringify([link('libx.so'), link('libx.so.5')]));
  await linkLibraries(folder);
  await Promise.all([linkLibraries(folder), linkLibraries(folder)]);
  expect(readlinkSync(join(folder, 'lib', 'libx.so'))).toBe('libx.so.5.18');
  expect(readFileSync(join(folder, 'lib', 'libx.so.5'), 'utf8')).toBe('x');
});
