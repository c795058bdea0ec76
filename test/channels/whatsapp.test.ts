/** WhatsApp through the Cloud API: the request it makes, what the answers and the later statuses mean. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { cloud } from '../../channels/whatsapp/cloud.ts';
import { whatsapp } from '../../channels/whatsapp/index.ts';
import { missingFields } from '../../src/channel-kit/index.ts';
import { arrived, closing, faultOf, fetching, readBy, type Sending, using } from '../support/adapters.ts';
import { behave } from '../support/providers/fake.ts';
import { type MetaOptions, type MetaTemplate, startMeta } from '../support/providers/meta.ts';

const { keep, closeAll } = closing();
afterEach(closeAll);

const TO = '+14155550123';
const WEBHOOK = 'https://hooks.test/hooks/meta_cloud/con_1';
const shipped: MetaTemplate = {
  name: 'order_shipped',
  language: 'en_US',
  components: [{ type: 'BODY', text: 'Hi {{1}}, order {{2}} has shipped.' }],
};
const content = {
  type: 'template',
  template: {
    name: 'order_shipped',
    language: { code: 'en_US' },
    components: [
      {
        type: 'body',
        parameters: [
          { type: 'text', text: 'Ada' },
          { type: 'text', text: '42' },
        ],
      },
    ],
  },
  definition: { components: shipped.components },
};

async function start(options: MetaOptions = {}) {
  const fake = keep(await startMeta({ templates: [shipped], webhookUrl: WEBHOOK, ...options }));
  const adapter = keep(using(cloud, fake.credentials));
  const send = (more: Partial<Sending> = {}) => adapter.send({ address: TO, content, ...more });
  return { fake, send, check: adapter.check };
}

describe('the request', () => {
  it('is the template message alone, with our reference, to a number with its plus', async () => {
    const { fake, send } = await start();
    const { providerId } = await send();
    const [request] = fake.requests;
    expect(request?.path).toBe('/v24.0/106540352242922/messages');
    expect(request?.headers.authorization).toBe(`Bearer ${fake.credentials.access_token}`);
    expect(request?.json()).toEqual({
      messaging_product: 'whatsapp',
      recipient_type: 'individual',
      to: TO,
      type: 'template',
      template: content.template,
      biz_opaque_callback_data: 'msg_TEST',
    });
    expect(providerId).toBe(fake.messages[0]?.id);
  });

  it('free text goes out as it is', async () => {
    const { fake, send } = await start();
    fake.openWindow(TO);
    await send({ content: { type: 'text', text: { body: 'Grüße 🎉', preview_url: true } } });
    expect(fake.requests[0]?.json()).toMatchObject({ type: 'text', text: { body: 'Grüße 🎉', preview_url: true } });
    expect(fake.messages[0]?.fate).toBeUndefined();
  });

  it('a template without a language takes that of the message', async () => {
    const { fake, send } = await start();
    const { language: _, ...template } = content.template;
    await send({ content: { type: 'template', template }, language: 'en-us' });
    expect(fake.requests[0]?.json().template.language).toEqual({ code: 'en_US' });
  });

  it('without any language nothing is sent', async () => {
    const { fake, send } = await start();
    const fault = await faultOf(send({ content: { type: 'template', template: { name: 'order_shipped' } } }));
    expect([fault.kind, fake.requests.length]).toEqual(['content_invalid', 0]);
  });

  it('a template held back for a while is accepted, with a note', async () => {
    const { fake, send } = await start();
    const held = { messages: [{ id: 'wamid.1', message_status: 'held_for_quality_assessment' }] };
    fake.script(TO, behave.answer(200, JSON.stringify(held)));
    expect(await send()).toEqual({ providerId: 'wamid.1', note: 'held_for_quality_assessment' });
  });
});

describe('the answer', () => {
  it.each([
    [
      'credentials_invalid',
      [0, 190, 3, 10, 200, 210, 299, 131005, 33, 368, 131031, 130497, 131042, 131037, 131045, 133010],
    ],
    ['provider_unavailable', [1, 2, 131000, 131016, 131057, 133004]],
    ['rate_limited', [4, 80007, 130429, 131056]],
    ['content_invalid', [100, 131008, 131009, 131051, 131052, 131053, 131055, 134100, 135000]],
    ['template_rejected', [132000, 132001, 132005, 132007, 132012, 132015, 132016, 132068, 132069]],
    ['recipient_invalid', [131021, 131026]],
    ['outside_window', [131047]],
    ['recipient_opted_out', [131050]],
    ['provider_rejected', [131048, 131049, 130472, 139999]],
  ] as const)('%s is what these codes mean: %j', async (kind, codes) => {
    const { fake, send } = await start();
    for (const code of codes) {
      fake.script(TO, behave.refuse(code, { status: 400 }));
      expect(await faultOf(send()), String(code)).toMatchObject({ kind, providerCode: String(code) });
    }
  });

  it('the code decides, not the HTTP status', async () => {
    const { fake, send } = await start();
    fake.script(TO, behave.refuse(131026, { status: 500 }), behave.refuse(131000, { status: 400 }));
    expect((await faultOf(send())).kind).toBe('recipient_invalid');
    expect((await faultOf(send())).kind).toBe('provider_unavailable');
  });

  it('a number this token cannot see is a fault of the connection, though the code says bad parameter', async () => {
    const fake = keep(await startMeta({ templates: [shipped] }));
    const adapter = keep(using(cloud, { ...fake.credentials, phone_number_id: '999999' }));
    expect(await faultOf(adapter.send({ address: TO, content }))).toMatchObject({
      kind: 'credentials_invalid',
      providerCode: '33',
    });
  });

  it.each([
    ['an unknown template', { ...content.template, name: 'other' }, '132001'],
    ['another language', { ...content.template, language: { code: 'de' } }, '132001'],
    ['too few parameters', { ...content.template, components: [] }, '132000'],
  ])('%s is a rejected template', async (_, template, providerCode) => {
    const { send } = await start();
    const fault = await faultOf(send({ content: { type: 'template', template } }));
    expect(fault).toMatchObject({ kind: 'template_rejected', providerCode });
  });
});

describe('a status', () => {
  const parse = cloud.webhook?.parse ?? (() => []);

  it.each([
    ['sent', 'sent'],
    ['delivered', 'delivered'],
    ['read', 'read'],
    ['played', 'read'],
  ])('%s is the receipt %s, with our reference, the account and the time', async (status, receipt) => {
    const { fake, send } = await start();
    const { providerId = '' } = await send();
    const at = new Date('2026-08-01T10:00:00Z');
    const request = arrived(fake.callback(providerId, status, { at }));
    expect(cloud.webhook?.verify(request, fake.credentials)).toBe(true);
    expect(parse(request)).toEqual([
      {
        type: 'receipt',
        key: `${providerId}:${status}`,
        providerId,
        reference: 'msg_TEST',
        account: '106540352242922',
        receipt,
        at,
      },
    ]);
  });

  it.each([
    ['131026', 'recipient_invalid'],
    ['131047', 'outside_window'],
    ['131049', 'provider_rejected'],
    ['131050', 'recipient_opted_out'],
    ['999999', 'provider_rejected'],
  ])('failed with %s is %s', async (code, kind) => {
    const { fake, send } = await start();
    fake.script(TO, behave.fail(code));
    const { providerId = '' } = await send();
    expect(parse(arrived(fake.callback(providerId, 'failed')))).toMatchObject([
      { receipt: 'failed', fault: { kind, providerCode: code } },
    ]);
  });

  it('free text outside the 24 hours is accepted and fails afterwards', async () => {
    const { fake, send } = await start();
    const { providerId = '' } = await send({ content: { type: 'text', text: { body: 'Hi' } } });
    expect(parse(arrived(fake.callback(providerId, 'failed')))).toMatchObject([{ fault: { kind: 'outside_window' } }]);
  });

  it('signed over its raw bytes is genuine, even where they would be written otherwise', async () => {
    const { fake, send } = await start();
    const { providerId = '' } = await send();
    const request = arrived(fake.callback(providerId, 'failed'));
    expect(request.body.toString()).toContain('\\u00e9');
    expect(cloud.webhook?.verify(request, fake.credentials)).toBe(true);
    const rewritten = { ...request, body: Buffer.from(JSON.stringify(JSON.parse(request.body.toString()))) };
    expect(cloud.webhook?.verify(rewritten, fake.credentials)).toBe(false);
  });

  it('batch is read whole, whatever it holds', () => {
    const body = readFileSync(new URL('fixtures/whatsapp-batch.json', import.meta.url));
    const request = { method: 'POST', url: WEBHOOK, query: {}, headers: {}, body };
    expect(parse(request)).toEqual([
      {
        type: 'receipt',
        key: 'wamid.A:delivered',
        providerId: 'wamid.A',
        reference: 'msg_A',
        account: '111111',
        receipt: 'delivered',
        at: new Date(1_754_042_400_000),
      },
      {
        type: 'receipt',
        key: 'wamid.B:failed',
        providerId: 'wamid.B',
        account: '111111',
        receipt: 'failed',
        at: new Date(1_754_042_401_000),
        fault: { kind: 'provider_rejected', providerMessage: 'Something odd' },
      },
      { type: 'ignored', reason: 'status warming_up' },
      expect.objectContaining({ type: 'message', key: 'wamid.IN', account: '111111' }),
      expect.objectContaining({ type: 'notice', event: 'template.status_changed' }),
    ]);
  });
});

describe('somebody who hides the number', () => {
  const user = 'US.13491208655302741918';

  it('is written to by id, and the status finds the message without a number', async () => {
    const { fake, send } = await start();
    const { providerId = '' } = await send({ address: user });
    expect(fake.requests[0]?.json()).toMatchObject({ recipient: user, recipient_type: 'individual' });
    expect(fake.requests[0]?.json()).not.toHaveProperty('to');
    const status = arrived(fake.callback(providerId, 'delivered'));
    expect(status.body.toString()).not.toContain('recipient_id"');
    expect(await readBy(cloud, status)).toMatchObject([{ receipt: 'delivered', providerId }]);
  });

  it('needs the one or the other; the number is what counts when both are there', () => {
    expect(whatsapp.address({ whatsapp_user_id: user }, {})).toBe(user);
    expect(whatsapp.address({ whatsapp_user_id: user, phone: TO }, {})).toBe(TO);
    expect(() => whatsapp.address({ whatsapp_user_id: 'somebody' }, {})).toThrow(/id as it came/);
    expect(() => whatsapp.address({ whatsapp_user_id: 'somebody', phone: '1' }, {})).toThrow(/E.164/);
    expect(missingFields(whatsapp.recipient, { whatsapp_user_id: user })).toEqual([]);
    expect(missingFields(whatsapp.recipient, { email: 'ada@example.com' })).toEqual(['phone']);
  });
});

describe('a file that somebody sent', () => {
  const file = { mime: 'image/jpeg', text: 'the bytes' };

  it('is asked for by its id, then fetched, both with the token', async () => {
    const fake = keep(await startMeta({ media: { '1037': file } }));
    const { media } = fetching(cloud, fake.credentials);
    expect(await media({ mime: 'image/jpeg', providerId: '1037' })).toEqual({
      mime: 'image/jpeg',
      bytes: Buffer.from('the bytes'),
    });
    expect(fake.requests.map(({ path }) => path)).toEqual(['/v24.0/1037', '/v24.0/files/1037']);
  });

  it('without an id, or with one that is a path, is not asked for; one that is gone is a fault', async () => {
    const fake = keep(await startMeta());
    const { media } = fetching(cloud, fake.credentials);
    for (const providerId of ['../me', '', undefined])
      expect((await faultOf(media({ mime: 'x', ...(providerId ? { providerId } : {}) }))).kind).toBe('content_invalid');
    expect(fake.requests).toEqual([]);
    expect((await faultOf(media({ mime: 'x', providerId: '99' }))).providerCode).toBe('33');
  });
});

describe('the subscription challenge', () => {
  const ask = (query: Record<string, string>, method = 'GET') =>
    cloud.webhook?.handshake?.(
      { method, url: WEBHOOK, query, headers: {}, body: Buffer.alloc(0) },
      { verify_token: 'right' },
    );
  const challenge = { 'hub.mode': 'subscribe', 'hub.challenge': '1158201444', 'hub.verify_token': 'right' };

  it('is answered to those who know the token', () => {
    expect(ask(challenge)).toBe('1158201444');
  });

  it('is refused to others', () => {
    expect(ask({ ...challenge, 'hub.verify_token': 'wrong' })).toBe(false);
    const { 'hub.verify_token': _, ...without } = challenge;
    expect(ask(without)).toBe(false);
  });

  it('is not mistaken for another request', () => {
    expect(ask({})).toBeUndefined();
    expect(ask(challenge, 'POST')).toBeUndefined();
  });
});

describe('the rest', () => {
  it('a test of the connection names the number and sends nothing', async () => {
    const { fake, check } = await start();
    expect(await check()).toBe('+1 555-010-0000 (Acme), quality GREEN');
    expect(fake.messages).toEqual([]);
  });

  it('raw text may not open a conversation', () => {
    expect(whatsapp.templatePolicy).toEqual({
      send: 'required',
      reply: { hoursAfterInbound: 24 },
      approval: 'provider',
    });
    expect(Object.keys(whatsapp.content.properties)).not.toContain('body');
  });
});
