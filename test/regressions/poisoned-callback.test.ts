/** One callback that could not be stored or read once held up the receipts of every tenant behind it, for ever. */
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import { fromWire } from '../../src/lib/ids.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newPhone, ORDER, orderUpdate, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
/** Another tenant, which has done nothing wrong. */
let otherKey: string;
let squawks: string;
beforeAll(async () => {
  scene = await startScene({ env: { PLUGINS: join(projectRoot, 'test/support/plugins/parrot.js') } });
  await scene.connectAll();
  await scene.template(orderUpdate);
  squawks = (await scene.connect('parrot', { url: scene.twilio.url })).callback_url;
  otherKey = (await scene.tenant()).live_key;
  const body = { channel: 'sms', credentials: scene.twilio.credentials };
  await scene.must(201, scene.call('POST', '/api/v1/connections', { key: otherKey, body }));
});
afterAll(() => scene.close());

/** What the plugin takes for a signature. */
const SQUAWK = { 'x-squawk': 'yes' };

async function sent(key = scene.liveKey): Promise<Json> {
  const phone = newPhone();
  const notification = { channels: ['sms'], body: 'A word' };
  const { notification_id: id } = await scene.send({ recipient: { phone }, notification }, key);
  await scene.status(id, 'sent', key);
  return { id, message: scene.twilio.messages.find(({ to }) => to === phone) };
}
const post = async (url: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<number> =>
  (await fetch(url, { method: 'POST', headers, body: new Uint8Array(Buffer.from(body)) })).status;

/** A status as Twilio would sign it, about an id of our choice. */
function fromTwilio(message: Json, sid: string): Promise<number> {
  const { account_sid: AccountSid, auth_token: token } = scene.twilio.credentials as Record<string, string>;
  const fields: Record<string, string> = { AccountSid: String(AccountSid), MessageSid: sid, MessageStatus: 'sent' };
  const signed = Object.keys(fields).sort();
  const text = message.callbackUrl + signed.map((name) => name + fields[name]).join('');
  const signature = createHmac('sha1', String(token)).update(text).digest('base64');
  return post(message.callbackUrl, new URLSearchParams(fields).toString(), {
    'content-type': 'application/x-www-form-urlencoded',
    'x-twilio-signature': signature,
  });
}
/** The youngest request that came, once it is out of the way. */
const newest = (withinMs = 10_000): Promise<Json> =>
  until(
    async () =>
      (
        await scene.query<Json>('select id, applied_at, error, body from inbound_requests order by id desc limit 1')
      ).find(({ applied_at }) => applied_at !== null),
    { what: 'the reading of the callback', withinMs },
  );
async function othersAreHeard(): Promise<void> {
  const { id, message } = await sent(otherKey);
  expect(await scene.twilio.deliver(message.id, ['delivered'])).toEqual([200]);
  await scene.status(id, 'delivered', otherKey);
}

it.each([
  ['has a NUL', (sid: string) => `${sid}\u0000`],
  [
    'is 4,000 characters long',
    () => Array.from({ length: 250 }, () => Math.random().toString(16).slice(2, 18).padEnd(16, 'f')).join(''),
  ],
])("a signed callback whose id %s is read like any other and stops no other tenant's receipt", async (_, sidOf) => {
  const { message } = await sent();
  expect(await fromTwilio(message, sidOf(message.id))).toBe(200);
  expect(await newest()).toMatchObject({ error: null });
  await othersAreHeard();
});

it("a signed status whose id has half a character is read like any other and stops no other tenant's receipt", async () => {
  const phone = newPhone();
  const notification = { channels: ['whatsapp'], template_id: 'order_update', data: ORDER };
  const { notification_id: id } = await scene.send({ recipient: { phone }, notification });
  await scene.status(id, 'sent');
  const message = scene.meta.messages.find(({ to }) => to === phone) as Json;
  const { url, headers, body } = scene.meta.callback(message.id, 'sent');
  const text = body.toString().replace(message.id, `${message.id}\\ud800`);
  const signature = createHmac('sha256', String(scene.meta.credentials.app_secret)).update(text).digest('hex');
  expect(await post(url, text, { ...headers, 'x-hub-signature-256': `sha256=${signature}` })).toBe(200);
  expect(await newest()).toMatchObject({ error: null });
  await othersAreHeard();
});

it('a callback whose reading throws is set aside with the reason and its bytes, and others are applied', async () => {
  expect(await post(squawks, 'throw', SQUAWK)).toBe(200);
  expect(await newest()).toMatchObject({
    error: expect.stringContaining('undefined is not a squawk'),
    body: Buffer.from('throw'),
  });
  await othersAreHeard();
});

it('a callback whose reading throws what the store cannot hold is set aside all the same', async () => {
  expect(await post(squawks, 'throw nul', SQUAWK)).toBe(200);
  expect((await newest()).error).not.toBeNull();
  await othersAreHeard();
});

it('a callback whose connection cannot be opened stays, and is applied once it can', async () => {
  const { id, message } = await sent();
  const connection = fromWire('connection', /con_\w+/.exec(message.callbackUrl)?.[0] ?? '');
  expect(await scene.twilio.deliver(message.id, ['sent'])).toEqual([200]);
  await newest();
  const [{ secrets }] = (await scene.query<Json>('select secrets from connections where id = $1', [connection])) as [
    Json,
  ];
  const [{ id: inboundId }] = (await scene.query<Json>('select id from inbound_requests order by id desc limit 1')) as [
    Json,
  ];
  // The next status, as it stood in the store before anybody could read it.
  const delivered = scene.twilio.callback(message.id, 'delivered');
  await scene.query(`update connections set secrets = 'broken', updated_at = clock_now() where id = $1`, [connection]);
  await until(async () => (await scene.product.deps.connections.open([connection as string])).size === 0);
  await scene.query(`update inbound_requests set applied_at = null, body = $2, due_at = clock_now() where id = $1`, [
    inboundId,
    delivered.body,
  ]);
  scene.product.deps.doorbell.ring('inbound');
  const put = await until(
    async () =>
      (
        await scene.query<Json>(
          'select applied_at, error from inbound_requests where id = $1 and (due_at > clock_now() or applied_at is not null)',
          [inboundId],
        )
      )[0],
  );
  expect(put).toEqual({ applied_at: null, error: null });
  await othersAreHeard();
  await scene.query('update connections set secrets = $2, updated_at = clock_now() where id = $1', [
    connection,
    secrets,
  ]);
  await until(async () => (await scene.product.deps.connections.open([connection as string])).size === 1);
  await scene.query('update inbound_requests set due_at = clock_now() where id = $1', [inboundId]);
  await scene.status(id, 'delivered');
});
