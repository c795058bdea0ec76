/** A webhook's life in the portal of the real product, by forms alone. */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Visitor } from '../support/browsing.ts';
import { apiAt, type Product, startProduct, until } from '../support/product.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';

let receiver: Receiver;
let product: Product;
let visitor: Visitor;
let key = '';
let path = '';
let secret = '';
beforeAll(async () => {
  receiver = await startReceiver();
  product = await startProduct({
    env: { SIGNUP: 'open', EGRESS_ALLOW: receiver.host },
    timing: { webhooks: { delaysMs: [0, 40], jitter: 0, timeoutMs: 700, leaseSeconds: 2 } },
  });
  visitor = new Visitor(product.url);
  await visitor.open('/portal/signup');
  const form = { organization: 'Northwind', name: 'Ada', email: 'ada@northwind.example' };
  await visitor.submit('/portal/signup', { ...form, password: 'a bell for every book' });
  key = visitor.find(/ak_test_\w+/);
});
afterAll(async () => {
  await product?.stop();
  await receiver?.close();
});

const send = async () => {
  const body = {
    recipient: { phone: '+14155550123' },
    notification: { channels: ['sms'], body: 'It rings.' },
  };
  expect((await apiAt(product.url, key)('/api/v1/notifications/send', { body })).status).toBe(202);
};
const shows = (page: string, words: string) =>
  until(async () => (await visitor.open(page)).words.includes(words), { what: `${page} to say ${words}` });

test('a form makes it, refuses an address that is none, and shows the secret that signs', async () => {
  await visitor.open('/portal/webhooks');
  expect(visitor.words).toContain('No webhook for test data yet');
  await visitor.open('/portal/webhooks/new');
  await visitor.submit('/portal/webhooks', { url: 'https://10.0.0.1/', name: 'Shop' });
  expect(visitor.status).toBe(422);
  expect(visitor.text).toContain('id="e-url"');
  await visitor.submit('/portal/webhooks', {
    url: receiver.url('/shop'),
    name: 'Shop',
    event_types: 'message.queued',
  });
  secret = visitor.find(/whsec_[\w+/=]+/);
  path = visitor.at.replace('/shown', '');
  await visitor.open(visitor.at);
  expect(visitor.text).not.toContain(secret);
  expect(visitor.words).toContain('shown once only');
});

test('a test is sent by a button and shown as it was sent and answered', async () => {
  receiver.script('/shop', { status: 418, body: 'I am a teapot' });
  await visitor.open(path);
  await visitor.submit(`${path}/test`);
  expect(visitor.at).toMatch(/^\/portal\/deliveries\/whd_\w+\?note=webhook_unheard$/);
  expect(visitor.words).toContain('I am a teapot');
  expect(visitor.words).toContain('418 Your server has refused it.');
  const [sent] = receiver.of('/shop');
  expect(visitor.words).toContain(sent?.id);
  const digest = createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
    .update(sent?.raw ?? '')
    .digest('hex');
  expect(sent?.headers['x-signature-256']).toBe(`sha256=${digest}`);
});

test('what waits while it is paused is counted, and goes out when it is resumed', async () => {
  await visitor.open(path);
  await visitor.submit(`${path}/pause`);
  expect(visitor.words).toContain('It is paused.');
  await send();
  await send();
  await shows(path, '2 events wait and go out in order');
  await shows('/portal/webhooks', 'paused 1 type 2');
  await visitor.open(path);
  await visitor.submit(`${path}/resume`, { drain_per_second: '1000' });
  await receiver.when('/shop', 3);
  await shows('/portal/webhooks', 'works 1 type 0');
});

test('a delivery leads to its message, and is sent again with the same bytes', async () => {
  await visitor.open('/portal/deliveries?status=delivered&event_type=message.queued');
  await visitor.open(visitor.find(/href="(\/portal\/deliveries\/whd_\w+)"/));
  const message = visitor.find(/href="(\/portal\/messages\/ntf_\w+)"/);
  await visitor.submit(`${visitor.at}/replay`);
  expect(visitor.words).toContain('This is the new delivery.');
  const got = await receiver.when('/shop', 4);
  expect(got.slice(1, 3).map(({ raw }) => raw.toString())).toContain(got[3]?.raw.toString());
  expect((await visitor.open(message)).status).toBe(200);
  await visitor.open(path);
  await visitor.submit(`${path}/replay`, { status: 'all' });
  await receiver.when('/shop', 6);
});

test('one that answers that it is gone is disabled, and Home says so until it is resumed', async () => {
  receiver.always('/shop', { status: 410 });
  await send();
  await shows('/portal', 'The webhook Shop is disabled.');
  receiver.always('/shop', undefined);
  await visitor.open(path);
  expect(visitor.words).toContain('It answered 410 Gone');
  await visitor.submit(`${path}/resume`);
  await shows(path, 'works');
  expect((await visitor.open('/portal')).words).not.toContain('is disabled');
});

test('an archived one is gone from the portal, but for its log; who did what is on record', async () => {
  await visitor.open(path);
  await visitor.submit(`${path}/archive`);
  expect(visitor.words).toContain('No webhook for test data yet');
  expect((await visitor.open(path)).status).toBe(404);
  expect((await visitor.open('/portal/deliveries')).words).toContain('archived');
  const session = await product.deps.tenants.session(visitor.cookies.get('carillon_session') ?? '');
  if (!session) throw new Error('not signed in');
  const { data } = await product.deps.audit.list(session.principal, { limit: 50 });
  for (const action of ['created', 'tested', 'paused', 'resumed', 'replayed', 'archived'])
    expect(data.find((row) => row.action === `webhook.${action}`)).toMatchObject({
      surface: 'portal',
      target: path.split('/').at(-1),
    });
});
