/** A channel named in PLUGINS is a channel like ours; one that breaks the contract is left out, and said to be. */
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import { createLog } from '../../src/lib/log.ts';
import { type Product, startProduct } from '../support/product.ts';

const plugin = (name: string) => join(projectRoot, 'test', 'support', 'plugins', `${name}.js`);
const lines: string[] = [];
let product: Product;

beforeAll(async () => {
  const destination = new Writable({ write: (chunk, _encoding, done) => done(void lines.push(String(chunk))) });
  product = await startProduct({
    env: { PLUGINS: [plugin('pager'), plugin('broken'), plugin('missing')].join(',') },
    log: createLog('error', destination),
  });
});
afterAll(() => product?.stop());

const page = (number: string, body = 'Come home') =>
  product.api('/api/v1/notifications/send', {
    body: { recipient: { pager_number: number }, notification: { channels: ['pager'], body } },
  });
const ended = (id: string) =>
  expect
    .poll(async () => (await product.api(`/api/v1/notifications/${id}`)).body.status, { timeout: 10_000 })
    .toMatch(/delivered|failed/);

test('a plugin channel is listed, judged by its own schema, and sends', async () => {
  const { body } = await product.api('/api/v1/channels/capabilities');
  expect(body.data.map(({ channel }: { channel: string }) => channel)).toContain('pager');
  const sent = await page('4711');
  expect(sent.status).toBe(202);
  await ended(sent.body.notification_id);
  expect((await product.api(`/api/v1/notifications/${sent.body.notification_id}`)).body.status).toBe('delivered');
});

test("a plugin's magic recipients give its outcomes", async () => {
  const { body } = await page('0000');
  await ended(body.notification_id);
  const { body: found } = await product.api(`/api/v1/notifications/${body.notification_id}`);
  expect(found.channels[0].failure.code).toBe('recipient_invalid');
});

test('a recipient field of a plugin is asked for by its name', async () => {
  const { status, body } = await product.api('/api/v1/notifications/send', {
    body: { recipient: { email: 'a@example.com' }, notification: { channels: ['pager'], body: 'Hi' } },
  });
  expect([status, body.error.code, body.error.param]).toEqual([
    422,
    'recipient_field_missing',
    'recipient.pager_number',
  ]);
});

test('a plugin that breaks the contract, or is not there, is left out with its reasons in the log', async () => {
  const { body } = await product.api('/api/v1/channels/capabilities');
  expect(body.data.map(({ channel }: { channel: string }) => channel)).not.toContain('broken');
  const said = lines.map((line) => JSON.parse(line)).filter(({ plugin: name }) => name);
  expect(said.map(({ plugin: name }) => name)).toEqual([plugin('broken'), plugin('missing')]);
  expect(said[0].err.message).toMatch(/no valid address/);
  expect(said[0].err.message).toMatch(/perSecond/);
  expect(said[0].err.message).toMatch(/receipts must be among/);
});
