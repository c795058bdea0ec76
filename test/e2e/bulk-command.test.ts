/** `carillon bulk`, as a person at a terminal runs it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import { type Product, startProduct, until } from '../support/product.ts';

let product: Product;
const folder = mkdtempSync(join(tmpdir(), 'carillon-bulk-'));
beforeAll(async () => {
  product = await startProduct();
  // What is compiled once is not compiled in the middle of a test.
  await run(['--help']).ended;
}, 120_000);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await product.stop();
});

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}
function run(args: readonly string[], key = product.testKey): Run {
  const child = spawn(process.execPath, [join(projectRoot, 'src/launch.js'), ...args], {
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, API_KEY: key },
  });
  let written = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (written += chunk));
  return { child, output: () => written, ended: once(child, 'close').then(([code]) => code as number | null) };
}
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const template = () =>
  product.api('/api/v1/templates', {
    body: { template_id: 'news', content: { sms: { en: { body: 'Hi {{name}}' } } } },
  });

it('sends a file with a template, on the channels that the template has, and watches it arrive', async () => {
  expect((await template()).status).toBe(201);
  const people = file('people.csv', 'phone,name\n+14155550001,Ada\n+14155550002,Bob\n12,Eve\n');
  const { ended, output } = run(['bulk', 'send', people, '--template', 'news', '--url', product.url]);
  expect([await ended, output()]).toEqual([0, expect.stringContaining('2 accepted, 1 rejected: blk_')]);
  expect(output()).toMatch(/completed +#{30} 100 % {2}0 queued, .*2 delivered/);
  const id = /blk_\w{26}/.exec(output())?.[0] as string;
  const again = run(['bulk', 'watch', id, '--url', product.url]);
  expect([await again.ended, again.output()]).toEqual([0, expect.stringContaining('completed')]);
});

it('says what is wrong with a file, and sends nothing', async () => {
  const people = file('wrong.csv', 'mail\na@b.example\n');
  const { ended, output } = run(['bulk', 'send', people, '--channel', 'sms', '--body', 'Hi', '--url', product.url]);
  expect([await ended, output()]).toEqual([1, expect.stringContaining('The first line names no column phone')]);
});

it('is interrupted by Ctrl-C without harm, says how to go on, and goes on there', async () => {
  // Between the command and the product: passes on the first bytes and then no more, like a line that is too thin.
  const thin = createServer((request) => void request.once('data', () => request.pause()));
  await new Promise<void>((resolve) => thin.listen(0, '127.0.0.1', resolve));
  const rows = Array.from({ length: 200_000 }, (_, i) => `+1415${2_000_000 + i},Ada`).join('\n');
  const people = file('many.csv', `phone,name\n${rows}\n`);
  const url = `http://127.0.0.1:${(thin.address() as AddressInfo).port}`;
  const first = run(['bulk', 'send', people, '--channel', 'sms', '--body', 'Hi {{name}}', '--url', url]);
  await until(() => first.output().includes('Uploading'), { what: 'the upload', withinMs: 15_000 });
  first.child.kill('SIGINT');
  expect(await first.ended).toBe(130);
  thin.closeAllConnections();
  thin.close();
  const key = /--resume (\S+)/.exec(first.output())?.[1] as string;
  expect(first.output()).toContain(
    `carillon bulk send ${people} --body 'Hi {{name}}' --url ${url} --channel sms --resume ${key}`,
  );

  const short = file('many.csv', 'phone,name\n+14155550001,Ada\n');
  const go = run([
    'bulk',
    'send',
    short,
    '--channel',
    'sms',
    '--body',
    'Hi {{name}}',
    '--url',
    product.url,
    '--resume',
    key,
    '--no-watch',
  ]);
  expect([await go.ended, go.output()]).toEqual([0, expect.stringContaining('1 accepted, 0 rejected')]);
});
