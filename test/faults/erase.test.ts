/** A person who is erased is nowhere in the store: every column of every table is read for what was known of them. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addressDigest } from '../../src/lib/crypto.ts';
import { verify } from '../../src/verify.ts';
import { placesOf } from '../support/places.ts';
import { until } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  scene = await startScene({ egress: [receiver.host] });
  // National numbers are read, and kept as they were typed.
  await scene.query(`update tenants set default_country = 'US'`);
  await scene.connectAll();
});
afterAll(async () => {
  await scene.close();
  await receiver.close();
});

const PERSON = { phone: '+14155550777', email: 'Ada.Canary@People.Example' };
const NAME = 'Ada-Zauberwort-Lovelace';
const BODY = 'A secret between us: Quittenmus';
const CANARIES = ['4155550777', 'ada.canary', NAME, 'Quittenmus'];

const places = (words: readonly string[]) => placesOf(scene.query, words);
const erase = (recipient: object, key = scene.liveKey) =>
  scene.call('POST', '/api/v1/recipients/erase', { key, body: { recipient } });

async function everything(): Promise<{ ids: string[]; planned: string }> {
  const data = { name: NAME };
  // A tenant's server that repeats what it knows.
  receiver.always('/hook', { status: 200, body: `thank you, ${PERSON.phone} ${PERSON.email}` });
  await scene.must(
    201,
    scene.call('POST', '/api/v1/webhooks', { key: scene.liveKey, body: { url: receiver.url('/hook') } }),
  );
  await scene.template({
    template_id: 'canary',
    content: { sms: { en: { body: 'Hi {{name}}' } }, email: { en: { subject: '{{name}}', body: 'Hi {{name}}' } } },
  });
  const send = (recipient: object, notification: object, headers = {}) =>
    scene.send({ recipient, notification }, scene.liveKey, headers);
  // Refused with words that repeat the address.
  scene.twilio.script(
    PERSON.phone,
    behave.refuse(21408, { message: `${PERSON.phone} cannot be written to from here` }),
  );
  const refused = await send({ phone: PERSON.phone }, { channels: ['sms'], body: BODY });
  await until(async () => (await scene.get(refused.notification_id)).status === 'failed');
  const sms = await send(
    PERSON,
    { channels: ['sms', 'email'], subject: 'S', body: BODY },
    { 'idempotency-key': `welcome ${PERSON.email}` },
  );
  const templated = await send(
    { ...PERSON, phone: '(415) 555-0777' },
    { channels: ['sms'], template_id: 'canary', data },
  );
  // Known by another field of the recipient only.
  const sibling = await send(
    { email: 'other@people.example', phone: PERSON.phone },
    { channels: ['email'], subject: 'S', body: BODY },
  );
  const fallback = await send(
    { ...PERSON },
    {
      channels: ['sms'],
      body: BODY,
      subject: 'S',
      fallback: [{ channel: 'email', on: 'not_delivered', after_seconds: 3600 }],
    },
  );
  const planned = await send(PERSON, {
    channels: ['sms'],
    body: BODY,
    send_at: new Date(Date.now() + 3_600_000).toISOString(),
  });
  await send(
    { phone: newPhone() },
    {
      channels: ['sms'],
      body: '{{name}} {{number}}',
      data: { name: `ask ${PERSON.phone} or ${PERSON.email}`, number: 14155550777 },
    },
  );
  const bulk = {
    channels: ['sms'],
    body: 'Hi {{name}}',
    recipients: [
      { phone: PERSON.phone, data: { name: NAME } },
      { phone: newPhone(), data: { name: 'Bob' } },
      { email: PERSON.email, data: { name: NAME } },
    ],
  };
  await scene.must(202, scene.call('POST', '/api/v1/notifications/bulk', { key: scene.liveKey, body: bulk }));
  const { tenantId } = scene.product;
  await scene.query(
    `insert into campaign_drafts (id, tenant_id, mode, user_id, csv, settings) values (gen_random_uuid(), $1, 'live', 'user', $2, '{}')`,
    [tenantId, Buffer.from(`phone;name\n${PERSON.phone};"${NAME}\nsecond line"\n+14155550111;Bob\n`)],
  );
  for (const { notification_id } of [sms, templated, sibling, fallback])
    await scene.when(notification_id, 'went out', ({ status }) => status !== 'queued');
  for (const { id } of scene.twilio.messages) await scene.twilio.deliver(id, ['sent', 'delivered']);
  await until(
    async () => ((await scene.query('select 1 from inbound_requests where applied_at is null')) as Json[]).length === 0,
  );
  await until(
    async () =>
      ((await scene.query(`select 1 from delivery_attempts`)) as Json[]).length > 8 &&
      ((await scene.query(`select 1 from deliveries where status = 'waiting'`)) as Json[]).length === 0,
  );
  return {
    ids: [sms, templated, sibling, refused, fallback].map(({ notification_id }) => notification_id),
    planned: planned.notification_id,
  };
}

it('is in no column of no table, in no form; what waited is never sent, and everybody else is untouched', async () => {
  const { ids, planned } = await everything();
  const before = await places(CANARIES);
  for (const place of [
    'messages.address',
    'messages.recipient',
    'messages.input',
    'messages.idempotency_key',
    'inbound_requests.body',
    'attempts.provider_message',
    'campaign_drafts.csv',
    'delivery_attempts.answer',
    'deliveries.body',
    'idempotency.key',
  ])
    expect(before, place).toContain(place);

  // It is told of what is cancelled now; what it would say to that comes after the erasure, and is its own.
  receiver.always('/hook', undefined);
  const { status, body } = await erase({ phone: '(415) 555-0777', email: 'ada.canary@people.example' });
  expect({ status, done: body.status }).toEqual({ status: 200, done: 'completed' });
  expect(body.counts).toMatchObject({ cancelled: 1 });
  expect(body.counts.messages).toBeGreaterThanOrEqual(8);
  expect(await places(CANARIES)).toEqual([]);

  for (const id of ids) expect((await scene.get(id)).recipient).toEqual({});
  const waited = await scene.get(planned);
  expect(waited.channels[0]).toMatchObject({ status: 'failed', address: null, failure: { code: 'erased' } });
  expect(await scene.query("select encode(csv, 'escape') as csv from campaign_drafts")).toEqual([
    { csv: 'phone;name\n+14155550111;Bob\n' },
  ]);
  const others = await scene.query(`select input->'data' as data from messages where address <> '' and input ? 'data'`);
  expect(others).toEqual(
    expect.arrayContaining([{ data: { name: 'ask [erased] or [erased]', number: null } }, { data: { name: 'Bob' } }]),
  );
  const said = await scene.query(`select action, detail::text from audit_log where action = 'recipient.erased'`);
  expect(said).toHaveLength(1);
  expect((await scene.call('GET', `/api/v1/recipients/erasures/${body.id}`, { key: scene.liveKey })).body).toEqual(
    body,
  );
  expect((await verify(scene.product.database.url)).filter(({ ok }) => !ok)).toEqual([]);
}, 60_000);

it('keeps a hash by which the address is recognised, and only with the key of the installation', async () => {
  const [{ digests }] = (await scene.query('select digests from erasures order by id limit 1')) as [
    { digests: string[] },
  ];
  expect(digests.length).toBeGreaterThan(1);
  const { tenantId, deps } = scene.product;
  const sms = (key: Buffer, tenant = tenantId) => addressDigest(key, tenant, 'sms', PERSON.phone);
  expect(digests).toContain(sms(deps.vault.derive('suppression')));
  expect(digests).not.toContain(sms(Buffer.alloc(32)));
  expect(digests).not.toContain(sms(deps.vault.derive('suppression'), 'another'));
});

it('with a message in the hands of a worker: it comes to its outcome, and then nothing of the person is left', async () => {
  const phone = '+14155550778';
  scene.twilio.script(phone, behave.slow(800), behave.ok());
  const first = await scene.send({ recipient: { phone }, notification: { channels: ['sms'], body: BODY } });
  await until(() => scene.twilio.requests.some(({ form }) => form().To?.[0] === phone), {
    what: 'that the call is under way',
  });
  const { status, body } = await erase({ phone });
  expect([status, body.status, body.counts.cancelled]).toEqual([200, 'completed', 0]);
  expect((await scene.get(first.notification_id)).status).toBe('sent');
  expect(await places(['4155550778', 'Quittenmus'])).toEqual([]);
  // What the provider says afterwards is applied, and forgotten.
  const { id } = scene.twilio.messages.find(({ to }) => to === phone) as Json;
  await scene.twilio.deliver(id, ['delivered']);
  await scene.status(first.notification_id, 'delivered');
  await scene.product.deps.erasures.tend(true);
  expect(await places(['4155550778'])).toEqual([]);
}, 60_000);

it('with a failure that would be tried again: it is not', async () => {
  const phone = '+14155550779';
  scene.twilio.script(phone, behave.unavailable(), behave.ok());
  const one = await scene.send({ recipient: { phone }, notification: { channels: ['sms'], body: BODY } });
  await scene.when(one.notification_id, 'failed once', ({ channels }) => channels[0].attempts_made === 1);
  expect((await erase({ phone })).body).toMatchObject({ status: 'completed', counts: { cancelled: 1 } });
  await scene.hurry();
  expect(on(await scene.get(one.notification_id), 'sms')).toMatchObject({ status: 'failed', attempts_made: 1 });
}, 30_000);

it('stays in the other mode and with other tenants, and needs the scope', async () => {
  const recipient = { email: 'shared@people.example' };
  const notification = { channels: ['email'], subject: 'S', body: 'B' };
  const test = await scene.send({ recipient, notification }, scene.testKey);
  const other = await scene.tenant();
  const theirs = await scene.send({ recipient, notification }, other.test_key);
  expect((await erase(recipient)).body.counts.messages).toBe(0);
  expect((await scene.get(theirs.notification_id, other.test_key)).recipient).toEqual(recipient);
  const sandboxed = await erase(recipient, scene.testKey);
  expect(sandboxed.body).toMatchObject({ status: 'completed', counts: { messages: 1 } });
  expect((await scene.get(test.notification_id, scene.testKey)).recipient).toEqual({});
  expect((await scene.get(theirs.notification_id, other.test_key)).recipient).toEqual(recipient);
  const { key } = await scene.must(
    201,
    scene.call('POST', '/api/v1/keys', { key: scene.liveKey, body: { name: 'sender', scopes: ['send'] } }),
  );
  expect((await erase(recipient, key)).status).toBe(403);
  expect((await erase({ phone: 'nobody' })).status).toBe(422);
}, 30_000);
