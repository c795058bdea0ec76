/** Endpoints are told in the words they were written for: a provider's own bytes, or the shape of the WhatsApp gateway. */
import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHooked } from '../support/hooked.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import type { Delivered } from '../support/receiver.ts';
import { newPhone } from '../support/scene.ts';

const { scene, receiver, at, create, archive, send, ended, attemptsOf, close } = await startHooked();
afterAll(close);

const LIVE = scene.liveKey;
const OWN = '106540352242922';
const THEIRS = '206540352242922';
let callbackUrl = '';
let other: Json;

beforeAll(async () => {
  const connect = async (key: string, phone_number_id: string): Promise<string> =>
    (
      await scene.must(
        201,
        scene.call('POST', '/api/v1/connections', {
          key,
          body: { channel: 'whatsapp', credentials: { ...scene.meta.credentials, phone_number_id } },
        }),
      )
    ).callback_url;
  callbackUrl = await connect(LIVE, OWN);
  other = await scene.tenant();
  await connect(other.live_key, THEIRS);
});

/** As the provider would: signed with the secret of the app. */
async function provide(body: string | Buffer): Promise<void> {
  const { app_secret } = scene.meta.credentials as { app_secret: string };
  const bytes = Buffer.from(body);
  const signature = createHmac('sha256', app_secret).update(bytes).digest('hex');
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` };
  expect((await fetch(callbackUrl, { method: 'POST', headers, body: bytes })).status).toBe(200);
}
const message = (text: string, id = `wamid.${Math.random()}`) => ({
  ...{ from: '6281234567890', id, timestamp: '1750000000', type: 'text', text: { body: text } },
});
const change = (number: string, ...messages: object[]) => ({
  field: 'messages',
  value: { messaging_product: 'whatsapp', metadata: { display_phone_number: '1', phone_number_id: number }, messages },
});
const body = (...changes: object[]) => ({
  object: 'whatsapp_business_account',
  entry: [{ id: '102290129340398', changes }],
});
const allRead = () =>
  until(async () => (await scene.query('select 1 from inbound_requests where applied_at is null')).length === 0);

describe('an endpoint of the format meta', () => {
  it('gets what the provider has sent, byte for byte, signed with its secret as the secret of an app', async () => {
    const endpoint = await create('/bot', { format: 'meta' }, LIVE);
    const native = await create('/native', {}, LIVE);
    const odd = `{ "object" : "whatsapp_business_account",\t"entry":[{"id":"102290129340398","changes":[${JSON.stringify(
      change(OWN, message('Halo, 1.50 € — 👋 \u00e9')),
    ).replace('€', '\\u20aC')} ] }]}\r\n`;
    const escaped = JSON.stringify(body(change(OWN, message('Grüße')))).replace(
      /[\u0080-\uffff]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    await provide(odd);
    await provide(escaped);
    const got = await receiver.when('/bot', 2);
    expect(got.map(({ raw }) => raw.toString())).toEqual([odd, escaped]);
    for (const { raw, headers } of got) {
      expect(headers['x-carillon-format']).toBe('meta');
      // The five lines of a bot that knows nothing of us.
      const expected = `sha256=${createHmac('sha256', endpoint.secret).update(raw).digest('hex')}`;
      expect(headers['x-hub-signature-256']).toBe(expected);
      expect(() => new Webhook(endpoint.secret).verify(raw.toString(), headers)).not.toThrow();
    }
    const { data } = await scene.must(
      200,
      at('GET', `/api/v1/webhook_deliveries?endpoint_id=${endpoint.id}`, undefined, LIVE),
    );
    expect(data.map(({ event_type, format }: Json) => [event_type, format])).toEqual(
      Array(2).fill(['provider.request', 'meta']),
    );
    // It is no event of ours: no feed shows it, and no other endpoint hears of it.
    const feed = await scene.must(200, at('GET', '/api/v1/events', undefined, LIVE));
    expect(feed.data.filter(({ type }: Json) => type === 'provider.request')).toEqual([]);
    expect((await at('GET', `/api/v1/events/${data[0].event_id}`, undefined, LIVE)).status).toBe(404);
    expect(receiver.of('/native').filter(({ headers }) => headers['x-carillon-format'] !== 'native')).toEqual([]);
    await archive(endpoint, LIVE);
    await archive(native, LIVE);
  });

  it('of one tenant sees nothing that the same body says of another', async () => {
    const mine = await create('/mine', { format: 'meta' }, LIVE);
    const theirs = await create('/theirs', { format: 'meta' }, other.live_key);
    await provide(
      JSON.stringify(body(change(OWN, message('für uns', 'a')), change(THEIRS, message('für die anderen', 'b')))),
    );
    const [ours] = (await receiver.when('/mine', 1)) as [Delivered];
    const [others] = (await receiver.when('/theirs', 1)) as [Delivered];
    expect(ours.body).toEqual(body(change(OWN, message('für uns', 'a'))));
    expect(others.body).toEqual(body(change(THEIRS, message('für die anderen', 'b'))));
    // As the provider writes what it escapes.
    expect(ours.raw.toString()).toContain('f\\u00fcr uns');
    // What belongs to an account that nobody has connected here is told to nobody.
    await provide(JSON.stringify(body(change('306540352242922', message('für niemanden', 'c')))));
    await provide(JSON.stringify(body(change(THEIRS, message('noch einmal', 'd')))));
    await receiver.when('/theirs', 2);
    expect(receiver.of('/mine')).toHaveLength(1);
    expect(
      receiver
        .of('/theirs')
        .map(({ raw }) => raw.toString())
        .join(),
    ).not.toContain('niemanden');
    await archive(mine, LIVE);
    await archive(theirs, other.live_key);
  });

  it('is told by rules of what the provider has said, thing by thing', async () => {
    const endpoint = await create('/ruled', { format: 'meta', routing: 'rules' }, LIVE);
    const rule = await scene.must(
      201,
      at(
        'POST',
        '/api/v1/webhook_rules',
        { conditions: { all: [{ event_type: ['message.read'] }, { channel: ['whatsapp'] }] }, targets: [endpoint.id] },
        LIVE,
      ),
    );
    const told = (status: string) => {
      const { value, ...rest } = change(OWN);
      const statuses = [{ id: `wamid.${status}`, status, timestamp: '1750000000', recipient_id: '6281234567890' }];
      return JSON.stringify(body({ ...rest, value: { ...value, statuses } }));
    };
    for (const status of ['delivered', 'read', 'sent']) await provide(told(status));
    await receiver.when('/ruled', 1);
    const witness = await create('/witness', { format: 'meta' }, LIVE);
    await provide(told('played'));
    await receiver.when('/witness', 1);
    expect((await receiver.when('/ruled', 2)).map(({ raw }) => raw.toString())).toEqual([told('read'), told('played')]);
    await scene.must(204, at('DELETE', `/api/v1/webhook_rules/${rule.id}`, undefined, LIVE));
    await archive(endpoint, LIVE);
    await archive(witness, LIVE);
  });

  it('costs nobody anything who has none, takes no heartbeat, and is tried with what the provider could send', async () => {
    await provide(JSON.stringify(body(change(OWN, message('nobody listens')))));
    await allRead();
    const kept = await scene.query(
      `select 1 from events v join inbound_requests i on i.id = (v.data->>'inbound_id')::uuid
       where type = 'provider.request' and encode(i.body, 'escape') like '%nobody listens%'`,
    );
    expect(kept).toEqual([]);
    const endpoint = await create('/sample', { format: 'meta' }, LIVE);
    const patch = await at('PATCH', `/api/v1/webhooks/${endpoint.id}`, { heartbeat_seconds: 60 }, LIVE);
    expect([patch.status, patch.body.error.param]).toEqual([422, 'heartbeat_seconds']);
    expect(
      (await scene.must(200, at('POST', `/api/v1/webhooks/${endpoint.id}/test`, undefined, LIVE))).is_success,
    ).toBe(true);
    const [tried] = receiver.of('/sample');
    expect(tried?.body.entry[0].changes[0].value.messages[0].type).toBe('text');
    await archive(endpoint, LIVE);
  });
});

describe('an endpoint of the format messages', () => {
  it('gets statuses and what people write in the shape of the gateway, and other events under their name', async () => {
    const endpoint = await create('/gateway', {
      format: 'messages',
      event_types: ['message.delivered', 'message.received', 'bulk.completed'],
    });
    const sent = await send();
    const [status] = (await receiver.when('/gateway', 1)) as [Delivered];
    expect(status.headers['x-carillon-format']).toBe('messages');
    expect(status.body).toEqual({
      event: 'messages.delivered',
      data: {
        ...{ message_id: sent.channels[0].message_id, notification_id: sent.notification_id, channel: 'sms' },
        ...{
          to: expect.stringMatching(/^1415555\d+$/),
          status: 'delivered',
          timestamp: expect.stringMatching(/^\d{10}$/),
        },
      },
    });
    const content = { kind: 'button', text: 'Ya, bersedia', data: { id: 'btn_yes' } };
    await scene.query(
      `insert into events (id, tenant_id, mode, type, data) values (uuid_at(now()), $1, 'sandbox', 'message.received', $2)`,
      [
        scene.product.tenantId,
        { channel: 'whatsapp', from: '+62812345678', content, message_id: 'msg_1', provider_id: 'wamid.HBgLN' },
      ],
    );
    const [, received] = (await receiver.when('/gateway', 2)) as [Delivered, Delivered];
    expect(received.body).toMatchObject({
      event: 'messages.received',
      data: {
        ...{ from: '62812345678', message_id: 'wamid.HBgLN', type: 'interactive' },
        interactive: { type: 'button_reply', button_reply: { id: 'btn_yes', title: 'Ya, bersedia' } },
      },
    });
    const recipients = [{ phone: newPhone() }];
    await scene.must(202, at('POST', '/api/v1/notifications/bulk', { channels: ['sms'], body: 'Hi', recipients }));
    const all = await receiver.when('/gateway', 4);
    const bulk = all.find(({ body: told }) => told.event === 'bulk.completed');
    expect(bulk?.body.data).toMatchObject({ status: 'completed', accepted: 1 });
    expect(new Webhook(endpoint.secret).verify(received.raw.toString(), received.headers)).toEqual(received.body);
    const [delivery] = (await ended(endpoint, 4, 'delivered')) as [Json];
    expect((await attemptsOf(delivery)).format).toBe('messages');
    await archive(endpoint);
  });
});
