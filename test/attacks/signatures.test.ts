/**
 * Callbacks as a stranger would forge them, at the door of the product itself: each is 401 and nothing of it is stored. That
 * no byte may differ, and that secrets do not serve for each other, is shown for every adapter in
 * test/channels/conformance-callbacks.test.ts.
 */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/providers/fake.ts';
import { newPhone, ORDER, orderUpdate, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
/** Another tenant, connected with the same accounts and secrets of its own. */
let other: Json;
const hooks: Record<string, string> = {};

beforeAll(async () => {
  scene = await startScene();
  other = await scene.tenant();
  for (const [name, channel, credentials] of [
    ['meta', 'whatsapp', scene.meta.credentials],
    ['twilio', 'sms', scene.twilio.credentials],
    ['slack', 'slack', scene.slack.credentials],
  ] as const) {
    hooks[name] = (await scene.connect(channel, credentials)).callback_url;
    const strange = Object.fromEntries(
      Object.entries(credentials).map(([key, value]) => [
        key,
        /app_secret|auth_token|signing/.test(key) ? `${value}2` : value,
      ]),
    );
    hooks[`${name} of another`] = (
      await scene.must(
        201,
        scene.call('POST', '/api/v1/connections', { key: other.live_key, body: { channel, credentials: strange } }),
      )
    ).callback_url;
  }
  scene.meta.webhookUrl = hooks.meta as string;
}, 60_000);
afterAll(() => scene?.close());

interface Signed {
  readonly url: string;
  readonly body: Buffer;
  readonly headers: Record<string, string>;
  /** The header that carries the signature. */
  readonly signature: string;
}
const secretOf = (credentials: object, name: string) => String((credentials as Json)[name]);

/** A good callback of each provider. */
const good: Record<string, (body?: string, secret?: string, at?: number) => Signed> = {
  meta(
    body = '{"object":"whatsapp_business_account","entry":[]}',
    secret = secretOf(scene.meta.credentials, 'app_secret'),
  ) {
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    return {
      url: hooks.meta as string,
      body: Buffer.from(body),
      headers: { 'content-type': 'application/json', 'x-hub-signature-256': signature },
      signature: 'x-hub-signature-256',
    };
  },
  twilio(body, secret = secretOf(scene.twilio.credentials, 'auth_token')) {
    const fields: Record<string, string> = {
      AccountSid: secretOf(scene.twilio.credentials, 'account_sid'),
      MessageSid: 'SM1',
      MessageStatus: 'delivered',
      ...(body === undefined ? {} : { Body: body }),
    };
    const text =
      hooks.twilio +
      Object.keys(fields)
        .sort()
        .map((name) => name + fields[name])
        .join('');
    return {
      url: hooks.twilio as string,
      body: Buffer.from(new URLSearchParams(fields).toString()),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-twilio-signature': createHmac('sha1', secret).update(text).digest('base64'),
      },
      signature: 'x-twilio-signature',
    };
  },
  slack(
    body = '{"type":"event_callback","event":{}}',
    secret = secretOf(scene.slack.credentials, 'signing_secret'),
    at = Date.now(),
  ) {
    const time = String(Math.floor(at / 1_000));
    const digest = createHmac('sha256', secret).update(`v0:${time}:${body}`).digest('hex');
    return {
      url: hooks.slack as string,
      body: Buffer.from(body),
      headers: {
        'content-type': 'application/json',
        'x-slack-request-timestamp': time,
        'x-slack-signature': `v0=${digest}`,
      },
      signature: 'x-slack-signature',
    };
  },
};

const stored = async (): Promise<number> =>
  (await scene.query<{ n: number }>('select count(*)::int as n from inbound_requests'))[0]?.n ?? 0;
const post = async ({ url, body, headers }: Signed): Promise<number> =>
  (await fetch(url, { method: 'POST', body: new Uint8Array(body), headers })).status;

describe.each(['meta', 'twilio', 'slack'])('a callback of %s', (name) => {
  const sign = good[name] as (typeof good)[string];
  const taken = async (request: Signed) => {
    const before = await stored();
    expect([await post(request), (await stored()) - before]).toEqual([200, 1]);
  };
  const refused = async (what: string, request: Signed) => {
    const before = await stored();
    expect([what, await post(request), (await stored()) - before]).toEqual([what, 401, 0]);
  };
  const withSignature = (request: Signed, change: (signature: string) => string): Signed => ({
    ...request,
    headers: { ...request.headers, [request.signature]: change(request.headers[request.signature] ?? '') },
  });

  it('is taken when it is right: plain, in letters of other scripts, and with a megabyte', async () => {
    await taken(sign());
    await taken(sign('{"text":"Grüße, ключ, 鐘 🔔"}'));
    await taken(sign(`{"text":"${'x'.repeat(1_048_576)}"}`));
  });

  it('is refused with a signature that is missing, empty, cut, in capitals, doubled or of another form', async () => {
    const request = sign();
    const { [request.signature]: _, ...without } = request.headers;
    await refused('missing', { ...request, headers: without });
    for (const [what, change] of Object.entries<(text: string) => string>({
      empty: () => '',
      cut: (text) => text.slice(0, -1),
      'cut to its name': (text) => text.split('=')[0] ?? '',
      'in capitals': (text) => text.toUpperCase(),
      doubled: (text) => `${text},${text}`,
      longer: (text) => `${text}00`,
      'of a space': () => ' ',
      'of another digest': (text) => text.replace('sha256=', 'sha1=').replace('v0=', 'v1=').replace(/=$/, ''),
      'of bytes that are none': () => 'sha256=\u00ff\u00fe',
    }))
      await refused(what, withSignature(request, change));
  });

  it('is refused when its body was written anew, though it says the same', async () => {
    const request = sign('{"b": 1,\n "a": "\\u00fc"}');
    const text = request.body.toString();
    const again = name === 'twilio' ? `${text}&Extra=` : JSON.stringify(JSON.parse(text));
    expect(again).not.toBe(text);
    await refused('written anew', { ...request, body: Buffer.from(again) });
  });

  it("is refused with another tenant's secret, and at another tenant's address", async () => {
    const credentials: Record<string, string> = {
      meta: secretOf(scene.meta.credentials, 'app_secret'),
      twilio: secretOf(scene.twilio.credentials, 'auth_token'),
      slack: secretOf(scene.slack.credentials, 'signing_secret'),
    };
    await refused('another secret', sign(undefined, `${credentials[name]}2`));
    await refused('another address', { ...sign(), url: hooks[`${name} of another`] as string });
    await refused('an empty secret', sign(undefined, ''));
  });
});

it('of Slack five minutes from now, either way, are too far', async () => {
  const sign = good.slack as (typeof good)[string];
  for (const seconds of [-301, 302, -86_400, Number.MAX_SAFE_INTEGER / 1_000_000])
    expect([seconds, await post(sign(undefined, undefined, Date.now() + seconds * 1_000))]).toEqual([seconds, 401]);
  for (const seconds of [-290, 290])
    expect([seconds, await post(sign(undefined, undefined, Date.now() + seconds * 1_000))]).toEqual([seconds, 200]);
});

it('repeated, a good one is taken and changes nothing more', async () => {
  await scene.template(orderUpdate);
  const { notification_id: id } = await scene.send({
    recipient: { phone: newPhone() },
    notification: { channels: ['whatsapp'], template_id: 'order_update', data: ORDER },
  });
  await scene.status(id, 'sent');
  const message = scene.meta.messages.at(-1) as { id: string };
  expect(await scene.meta.deliver(message.id, ['delivered'], { duplicate: true })).toEqual([200, 200]);
  const delivered = await scene.status(id, 'delivered');
  expect(await scene.meta.deliver(message.id, ['delivered'])).toEqual([200]);
  expect((await scene.get(id)).channels[0].delivered_at).toBe(delivered.channels[0].delivered_at);
});
