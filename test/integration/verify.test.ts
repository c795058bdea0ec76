/** Each promise that the store can be asked about: it holds after ordinary work, and what breaks it is named. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromWire } from '../../src/lib/ids.ts';
import { verify } from '../../src/verify.ts';
import { until } from '../support/product.ts';
import { behave } from '../support/providers/fake.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
let sent: string;
let refused: string;
let unknown: string;
let later: string;
let bulk: string;

const sms = (phone: string, more: object = {}, key?: string) =>
  scene.must(
    202,
    scene.call('POST', '/api/v1/notifications/send', {
      key: scene.liveKey,
      body: { recipient: { phone }, notification: { channels: ['sms'], body: 'To be verified', ...more } },
      ...(key ? { headers: { 'idempotency-key': key } } : {}),
    }),
  );
const messageOf = (notificationId: string): string =>
  `${(fromWire('notification', notificationId) as string).slice(0, 35)}1`;

beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
  const hook = { url: `${scene.twilio.url}/hook` };
  await scene.must(201, scene.call('POST', '/api/v1/webhooks', { key: scene.liveKey, body: hook }));
  const [a, b, c] = [newPhone(), newPhone(), newPhone()];
  scene.twilio.script(b, behave.refuse(21610));
  scene.twilio.script(c, behave.resetAfter());
  sent = (await sms(a, {}, 'verified')).notification_id;
  refused = (await sms(b)).notification_id;
  unknown = (await sms(c)).notification_id;
  later = (await sms(newPhone(), { send_at: new Date(Date.now() + 3_600_000).toISOString() })).notification_id;
  await scene.status(sent, 'sent');
  await scene.status(refused, 'failed');
  await scene.status(unknown, 'sent');
  const recipients = Array.from({ length: 3 }, () => ({ recipient: { phone: newPhone() } }));
  const body = { notification: { channels: ['sms'], body: 'To many' }, recipients };
  bulk = (await scene.must(202, scene.call('POST', '/api/v1/notifications/bulk', { key: scene.liveKey, body })))
    .bulk_id;
  await until(async () => (await scene.query('select 1 from deliveries where sequence = 2')).length > 0);
  const written = { channel: 'sms', from: { phone: newPhone() }, text: 'Hello' };
  await scene.must(202, scene.call('POST', '/api/v1/sandbox/messages', { key: scene.testKey, body: written }));
  await until(async () => (await scene.query('select 1 from inbound_messages')).length > 0);
});
afterAll(() => scene.close());

const broken = async () =>
  (await verify(scene.product.database.url))
    .filter(({ ok }) => !ok)
    .map(({ id, promise, offenders }) => ({ id, promise, offenders }));

it('holds after messages were sent, refused, lost track of, scheduled, and sent as a bulk', async () => {
  expect(await broken()).toEqual([]);
});

describe('what breaks a promise is named', () => {
  /** Breaks it, looks, and puts it right again. */
  const cases: [promise: string, spoil: () => string, mend: () => string][] = [
    [
      'what was answered with 202 is stored',
      () => `update idempotency set notification_id = 'ffffffff-0000-7000-8000-000000000000' where key = 'verified'`,
      () => `update idempotency set notification_id = '${fromWire('notification', sent)}' where key = 'verified'`,
    ],
    [
      'what is queued waits where a worker will find it',
      () => `update due set id = '00000000-0000-7000-8000-000000000001' where id = '${messageOf(later)}'`,
      () => `update due set id = '${messageOf(later)}' where id = '00000000-0000-7000-8000-000000000001'`,
    ],
    [
      'a status and its outcome say the same',
      () => `update messages set outcome = 'expired' where id = '${messageOf(sent)}'`,
      () => `update messages set outcome = null where id = '${messageOf(sent)}'`,
    ],
    [
      'nothing stays queued past its time',
      () => `update messages set expires_at = now() - interval '1 hour' where id = '${messageOf(later)}'`,
      () => `update messages set expires_at = now() + interval '1 day' where id = '${messageOf(later)}'`,
    ],
    [
      'nothing waits for a receipt for ever',
      () => `update messages set sent_at = now() - interval '4 days' where id = '${messageOf(sent)}'`,
      () => `update messages set sent_at = now() where id = '${messageOf(sent)}'`,
    ],
    [
      'an unknown outcome stands for an attempt that nobody heard of again',
      () => `update attempts set result = 'refused' where message_id = '${messageOf(unknown)}'`,
      () => `update attempts set result = 'unknown' where message_id = '${messageOf(unknown)}'`,
    ],
    [
      'a key belongs to the message that was sent under it',
      () => `update messages set idempotency_key = 'another' where id = '${messageOf(sent)}'`,
      () => `update messages set idempotency_key = 'verified' where id = '${messageOf(sent)}'`,
    ],
    [
      'every message was told of when it was accepted',
      () =>
        `update events set type = 'message.complained' where type = 'message.queued' and message_id = '${messageOf(sent)}'`,
      () =>
        `update events set type = 'message.queued' where type = 'message.complained' and message_id = '${messageOf(sent)}'`,
    ],
    [
      'every accepted row of a bulk has its message',
      () => `update bulks set accepted = accepted + 1`,
      () => `update bulks set accepted = accepted - 1`,
    ],
    [
      'the numbers of what an endpoint was sent have no gap',
      () => `update deliveries set sequence = 9 where sequence = 2`,
      () => `update deliveries set sequence = 2 where sequence = 9`,
    ],
    [
      'attempts belong to the tenant of their message',
      () =>
        `update attempts set tenant_id = '${fromWire('notification', sent)}' where message_id = '${messageOf(refused)}'`,
      () =>
        `update attempts a set tenant_id = m.tenant_id from messages m where m.id = a.message_id and m.id = '${messageOf(refused)}'`,
    ],
    [
      'what somebody has just written was told once',
      () => `update events set type = 'message.complained' where type = 'message.received'`,
      () =>
        `update events set type = 'message.received' where type = 'message.complained' and message_id in (select id from inbound_messages)`,
    ],
    [
      'what came in belongs to the tenant of its conversation',
      () => `update inbound_messages set mode = 'live'`,
      () => `update inbound_messages set mode = 'sandbox'`,
    ],
  ];
  it.each(cases)('%s', async (promise, spoil, mend) => {
    await scene.query(spoil());
    const found = await broken();
    await scene.query(mend());
    expect(found.map((one) => one.promise)).toEqual([promise]);
    expect(found[0]?.offenders).toHaveLength(1);
    expect(await broken()).toEqual([]);
  });
  it('a bulk by its id', async () => {
    await scene.query('update bulks set accepted = accepted + 1');
    const [found] = await broken();
    await scene.query('update bulks set accepted = accepted - 1');
    expect(found?.offenders).toEqual([bulk]);
  });
});
