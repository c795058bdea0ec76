/** What providers say later: late, twice, in any order, wrongly signed, or about somebody else. The status only ever goes forward. */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fromWire, newId } from '../../src/lib/ids.ts';
import { until } from '../support/product.ts';
import type { Json, SignedCallback } from '../support/providers/fake.ts';
import { startMeta } from '../support/providers/meta.ts';
import { newPhone, ORDER, on, orderUpdate, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
  await scene.template(orderUpdate);
});
afterAll(() => scene.close());

const post = async ({ url, headers, body }: SignedCallback): Promise<number> =>
  (await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) })).status;

/** Another text in the place of the callback's, signed anew with the app's secret. */
function signedByMeta(callback: SignedCallback, text: string): SignedCallback {
  const signature = createHmac('sha256', String(scene.meta.credentials.app_secret)).update(text).digest('hex');
  const headers = { ...callback.headers, 'x-hub-signature-256': `sha256=${signature}` };
  return { ...callback, headers, body: Buffer.from(text) };
}

/** Sends over a channel of telephone numbers and waits until the provider has it and we know its id. */
async function sent(channel: 'sms' | 'voice' | 'whatsapp') {
  const phone = newPhone();
  const notification =
    channel === 'whatsapp' ? { template_id: 'order_update', data: ORDER } : { body: 'A word about receipts' };
  const { notification_id: id, channels } = await scene.send({
    recipient: { phone },
    notification: { channels: [channel], ...notification },
  });
  await scene.status(id, 'sent');
  const fake = channel === 'whatsapp' ? scene.meta : scene.twilio;
  const message = fake.messages.find(({ to }) => to === phone) as Json;
  return { id, channel, message, fake, messageId: channels[0].message_id };
}

/** Resolves when everything that providers have posted so far has been read. */
const applied = (): Promise<unknown> =>
  until(async () => {
    const [row] = await scene.query<{ left: string }>(
      'select count(*) as left from inbound_requests where applied_at is null',
    );
    return Number(row?.left) === 0;
  });
const storedReceipts = async (messageId: string): Promise<number> => {
  const { channels } = await scene.get(messageId);
  return channels[0].timeline.filter(({ type }: Json) => type.startsWith('receipt_')).length;
};
const eventsOf = async (id: string): Promise<string[]> =>
  (
    await scene.query<{ type: string }>(
      `select type from events where message_id > $1 and message_id <= (left($1::text, 35) || 'f')::uuid order by id`,
      [fromWire('notification', id)],
    )
  ).map(({ type }) => type);

it('what a provider takes and later refuses for good ends as failed, with the reason and what to do', async () => {
  const { id, message, fake } = await sent('whatsapp');
  expect(await fake.deliver(message.id, ['failed'], { code: '131026' })).toEqual([200]);
  const done = await scene.status(id, 'failed');
  expect(on(done, 'whatsapp').failure).toMatchObject({ code: 'recipient_invalid', retryable: false });
  expect(on(done, 'whatsapp').failure.fix).toMatch(/address/);
});

it('a number that is out of reach for now (30003) is tried again, and the first attempt says refused_later', async () => {
  const { id, message, fake } = await sent('sms');
  await fake.deliver(message.id, ['undelivered'], { code: '30003' });
  const waiting = await scene.when(id, 'waits again', (one) => on(one, 'sms').next_attempt_at !== undefined);
  expect(on(waiting, 'sms').attempts).toMatchObject([{ number: 1, outcome: 'refused_later' }]);
  await scene.hurry();
  const second = await until(
    () => scene.twilio.messages.find(({ to, id: sid }) => to === message.to && sid !== message.id),
    {
      what: 'the second attempt',
    },
  );
  await scene.when(id, 'was taken again', (one) => on(one, 'sms').attempts[1]?.outcome === 'accepted');
  await fake.deliver(second.id, ['delivered']);
  const done = await scene.status(id, 'delivered');
  expect(on(done, 'sms').attempts.map(({ outcome }: Json) => outcome)).toEqual(['refused_later', 'accepted']);
});

it('the same callback five times over, eight at once, is one transition and one event', async () => {
  const { id, message, fake } = await sent('sms');
  const delivered = fake.callback(message.id, 'delivered');
  for (let round = 0; round < 5; round++)
    expect(await Promise.all(Array.from({ length: 8 }, () => post(delivered)))).toEqual(Array(8).fill(200));
  await scene.status(id, 'delivered');
  await applied();
  expect(await storedReceipts(id)).toBe(1);
  expect((await eventsOf(id)).filter((type) => type === 'message.delivered')).toHaveLength(1);
});

it('statuses in every order and twice each end at read, and never go back on the way', async () => {
  const orders = [
    ['sent', 'delivered', 'read'],
    ['read', 'delivered', 'sent'],
    ['delivered', 'sent', 'read'],
    ['read', 'sent', 'delivered'],
  ];
  for (const statuses of orders) {
    const { id, message, fake } = await sent('whatsapp');
    await fake.deliver(message.id, statuses, { duplicate: true });
    await applied();
    const done = await scene.get(id);
    expect(done.status).toBe('delivered');
    expect(on(done, 'whatsapp').read_at).toBeDefined();
    expect((await eventsOf(id)).filter((type) => type !== 'message.queued').sort()).toEqual([
      'message.delivered',
      'message.read',
      'message.sent',
    ]);
  }
});

it('a refusal after the delivery is kept as history and changes nothing', async () => {
  const { id, message, fake } = await sent('sms');
  await fake.deliver(message.id, ['delivered']);
  const before = on(await scene.status(id, 'delivered'), 'sms');
  await fake.deliver(message.id, ['undelivered'], { code: '30005' });
  await applied();
  const after = on(await scene.get(id), 'sms');
  expect(after).toMatchObject({ status: 'delivered', delivered_at: before.delivered_at });
  expect(after.failure).toBeUndefined();
  expect(after.timeline.find(({ type }: Json) => type === 'receipt_failed').detail).toBeDefined();
});

it('a delivery after a final refusal is kept as history: an outcome never flips', async () => {
  const { id, message, fake } = await sent('sms');
  await fake.deliver(message.id, ['undelivered'], { code: '30005' });
  await scene.status(id, 'failed');
  await fake.deliver(message.id, ['delivered']);
  await applied();
  expect((await scene.get(id)).status).toBe('failed');
});

describe('a callback that proves nothing', () => {
  it('with a wrong signature is answered 401, and neither stored nor applied', async () => {
    const { id, message, fake } = await sent('sms');
    const [before] = await scene.query('select count(*) from inbound_requests');
    expect(await fake.deliver(message.id, ['delivered'], { badSignature: true })).toEqual([401]);
    expect(await scene.query('select count(*) from inbound_requests')).toEqual([before]);
    expect((await scene.get(id)).status).toBe('sent');
  });

  it('with its body changed on the way is answered 401', async () => {
    const { message, fake } = await sent('whatsapp');
    const callback = fake.callback(message.id, 'delivered');
    expect(await post({ ...callback, body: Buffer.from(`${callback.body} `) })).toBe(401);
  });

  it('signed with the secret of another connection is answered 401', async () => {
    const { message, fake } = await sent('sms');
    const callback = fake.callback(message.id, 'delivered');
    const [other] = (
      await scene.must(200, scene.call('GET', '/api/v1/connections', { key: scene.liveKey }))
    ).data.filter(({ channel }: Json) => channel === 'whatsapp');
    expect(await post({ ...callback, url: other.callback_url })).toBe(401);
  });

  it('at an address that does not exist is answered 404', async () => {
    const { message, fake } = await sent('sms');
    const callback = fake.callback(message.id, 'delivered');
    const unknown = callback.url.replace(/con_\w+/, 'con_00000000000000000000000000');
    expect(await post({ ...callback, url: unknown })).toBe(404);
    expect(await post({ ...callback, url: callback.url.replace('/twilio_sms/', '/meta_cloud/') })).toBe(404);
  });
});

it('the subscription challenge is answered for the right verify token alone', async () => {
  expect(await scene.meta.subscribe()).toEqual({ status: 200, text: '1158201444' });
  expect((await scene.meta.subscribe('guessed')).status).toBe(401);
});

it('a receipt for a provider id nobody knows yet is parked, and matched when the id becomes known', async () => {
  const { id, message, fake, messageId } = await sent('whatsapp');
  // The same status without our reference, about an id that only a later commit will know.
  const strange = fake.callback(message.id, 'delivered');
  const [ref] = await scene.query<Json>('delete from provider_refs where provider_id = $1 returning *', [message.id]);
  const text = strange.body.toString().replace(messageId, 'msg_00000000000000000000000000');
  expect(await post(signedByMeta(strange, text))).toBe(200);
  await applied();
  expect((await scene.get(id)).status).toBe('sent');
  await scene.query('insert into provider_refs values ($1, $2, $3, $4)', [
    ref.connection_id,
    ref.provider_id,
    ref.message_id,
    ref.attempt,
  ]);
  await scene.status(id, 'delivered');
});

it('a receipt that overtakes the answer to the send itself is not lost', async () => {
  const phone = newPhone();
  scene.twilio.script(phone, { do: 'slow', ms: 300 });
  const { notification_id: id } = await scene.send({
    recipient: { phone },
    notification: { channels: ['sms'], body: 'Overtaken' },
  });
  const request = await until(() => scene.twilio.requests.find((one) => one.form().To?.[0] === phone));
  // The provider knows the message before it has answered.
  const message = await until(() => scene.twilio.messages.find(({ to }) => to === phone));
  expect(request.form().StatusCallback).toBeDefined();
  expect(await scene.twilio.deliver(message.id, ['delivered'])).toEqual([200]);
  const done = await scene.status(id, 'delivered');
  await scene.when(id, 'has its attempt closed', (one) => on(one, 'sms').attempts[0].outcome === 'accepted');
  expect(on(done, 'sms').attempts).toHaveLength(1);
});

describe('one callback address for all numbers of an app', () => {
  it('finds the connection by the number, whoever of the app its secret belongs to', async () => {
    const second = await startMeta({
      phoneNumberId: '555000111222333',
      templates: [
        {
          name: 'order_update',
          language: 'en',
          components: [{ type: 'BODY', text: 'Hi {{1}}, order {{2}} has shipped.' }],
        },
      ],
    });
    const other = await startScene({
      env: { EGRESS_ALLOW: [scene.meta, second].map(({ url }) => new URL(url).host).join() },
    });
    try {
      const first = await other.connect('whatsapp', scene.meta.credentials);
      await other.connect('whatsapp', { ...second.credentials }, { is_default: true });
      await other.template(orderUpdate);
      const phone = newPhone();
      const { notification_id: id } = await other.send({
        recipient: { phone },
        notification: { channels: ['whatsapp'], template_id: 'order_update', data: ORDER },
      });
      await other.status(id, 'sent');
      // The app knows one address only: that of the first number.
      second.webhookUrl = first.callback_url;
      const [message] = second.messages;
      expect(await second.deliver(message?.id as string, ['delivered'])).toEqual([200]);
      await other.status(id, 'delivered');
    } finally {
      await other.close();
      await second.close();
    }
  });

  it('ignores a number that is connected with another secret', async () => {
    const { id, message, fake } = await sent('whatsapp');
    const foreign = { phone_number_id: '777000111222333', app_secret: 'secret-of-another-app' };
    await scene.connect('whatsapp', { ...scene.meta.credentials, ...foreign });
    // Signed with our own app's secret, but the other app's number inside.
    const callback = fake.callback(message.id, 'delivered');
    const text = callback.body.toString().replace('106540352242922', foreign.phone_number_id);
    expect(await post(signedByMeta(callback, text))).toBe(200);
    await applied();
    expect((await scene.get(id)).status).toBe('sent');
  });
});

describe('callbacks that come together', () => {
  const hook = (body: Buffer): SignedCallback => ({
    method: 'POST',
    url: scene.meta.webhookUrl as string,
    headers: {
      'content-type': 'application/json',
      'x-hub-signature-256': `sha256=${createHmac('sha256', String(scene.meta.credentials.app_secret)).update(body).digest('hex')}`,
    },
    body,
  });

  it('are stored byte for byte, and the worker is rung for once a flush', async () => {
    const bodies = Array.from({ length: 100 }, (_, i) =>
      Buffer.from(JSON.stringify({ object: 'x', note: '\u00e4\u20ac'.repeat(i % 7), i }) + '\n'.repeat(i % 3)),
    );
    bodies.push(Buffer.from([0, 255, 0, 195]));
    const rung = vi.spyOn(scene.product.deps.doorbell, 'ring');
    const asked = vi.spyOn(scene.product.deps.db, 'query');
    const answers = await Promise.all(bodies.map((body) => post(hook(body))));
    const rings = rung.mock.calls.filter(([bell]) => bell === 'inbound').length;
    const flushes = asked.mock.calls.filter(([text]) => text.includes('insert into inbound_requests')).length;
    rung.mockRestore();
    asked.mockRestore();
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(rings).toBe(flushes);
    expect(flushes).toBeLessThan(bodies.length);
    const kept = await scene.query<{ body: Buffer }>('select body from inbound_requests order by id desc limit $1', [
      bodies.length,
    ]);
    const texts = (all: readonly Buffer[]) => all.map((body) => body.toString('hex')).sort();
    expect(texts(kept.map(({ body }) => body))).toEqual(texts(bodies));
    await applied();
  });

  it('of ten statuses each are applied to every message that they name, however many there are', async () => {
    const first = await sent('whatsapp');
    const [known] = await scene.query<{ connection_id: string }>(
      'select connection_id from provider_refs where provider_id = $1',
      [first.message.id],
    );
    // Copies of a message that was really sent, as if each had been: 1,500 of them in 150 callbacks.
    const copies = Array.from({ length: 1_500 }, (_, i) => ({ id: newId(), provider: `wamid.copy.${i}` }));
    const rows = JSON.stringify(copies);
    await scene.query(
      `insert into messages select (m2).* from (select jsonb_populate_record(m, jsonb_build_object('id', c.id)) as m2
         from messages m, jsonb_to_recordset($1) as c(id uuid, provider text)
         where m.id = (select message_id from provider_refs where provider_id = $2)) q`,
      [rows, first.message.id],
    );
    await scene.query(
      `insert into provider_refs select $2, c.provider, c.id, 1 from jsonb_to_recordset($1) as c(id uuid, provider text)`,
      [rows, known?.connection_id],
    );
    const at = String(Math.floor(Date.now() / 1_000));
    const body = (from: number) =>
      Buffer.from(
        JSON.stringify({
          object: 'whatsapp_business_account',
          entry: [
            {
              id: '1',
              changes: [
                {
                  field: 'messages',
                  value: {
                    messaging_product: 'whatsapp',
                    metadata: { phone_number_id: scene.meta.credentials.phone_number_id },
                    statuses: copies
                      .slice(from, from + 10)
                      .map(({ provider }) => ({ id: provider, status: 'delivered', timestamp: at, recipient_id: '1' })),
                  },
                },
              ],
            },
          ],
        }),
      );
    const calls = Array.from({ length: 150 }, (_, i) => post(hook(body(i * 10))));
    expect(new Set(await Promise.all(calls))).toEqual(new Set([200]));
    await applied();
    const [row] = await scene.query<{ delivered: string; told: string }>(
      `select count(*) filter (where status = 'delivered') as delivered,
         (select count(*) from events where type = 'message.delivered' and message_id = any($1)) as told
       from messages where id = any($1)`,
      [copies.map(({ id }) => id)],
    );
    expect([Number(row?.delivered), Number(row?.told)]).toEqual([1_500, 1_500]);
  });
});
