/** The send door: who may come in, what each channel needs, and what is refused before anything is queued. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/providers/fake.ts';
import { newPhone, ORDER, on, orderUpdate, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.template(orderUpdate);
});
afterAll(() => scene.close());

const SEND = '/api/v1/notifications/send';
const post = (body: unknown, headers = {}, key: string | undefined = scene.testKey) =>
  scene.call('POST', SEND, { key, body, headers });
const sms = (more: object = {}) => ({
  recipient: { phone: newPhone() },
  notification: { channels: ['sms'], body: 'A word', ...more },
});

describe('keys', () => {
  it('without a key, with a wrong or a revoked one: 401, and the message names the header', async () => {
    const made = await scene.must(
      201,
      scene.call('POST', '/api/v1/keys', { key: scene.testKey, body: { name: 'soon gone' } }),
    );
    expect((await post(sms(), {}, made.key)).status).toBe(202);
    await scene.must(200, scene.call('DELETE', `/api/v1/keys/${made.id}`, { key: scene.testKey }));
    const wrong = `${scene.testKey.slice(0, -4)}AAAA`;
    for (const key of [undefined, '', 'nonsense', wrong, made.key]) {
      const reply = await scene.call('POST', SEND, { key, body: sms() });
      expect([key, reply.status, reply.body.error.code]).toEqual([key, 401, 'unauthorized']);
      expect(reply.body.error.message).toContain('X-API-Key');
      expect(reply.headers.get('x-request-id')).toBe(reply.body.error.request_id);
    }
  });

  it('the same key serves as X-API-Key, as Bearer, and as both', async () => {
    const bearer = { authorization: `Bearer ${scene.testKey}` };
    expect((await scene.call('POST', SEND, { body: sms(), headers: bearer })).status).toBe(202);
    expect((await post(sms(), bearer)).status).toBe(202);
  });

  it('two different keys are 400, whichever is right', async () => {
    const reply = await post(sms(), { authorization: `Bearer ${scene.liveKey}` });
    expect([reply.status, reply.body.error.code]).toEqual([400, 'conflicting_credentials']);
  });

  it('a key in the query string is no key', async () => {
    const reply = await scene.call('POST', `${SEND}?api_key=${scene.testKey}`, { body: sms() });
    expect(reply.status).toBe(401);
  });

  it('a key without the scope is 403, and says which it lacks', async () => {
    const made = await scene.must(
      201,
      scene.call('POST', '/api/v1/keys', { key: scene.testKey, body: { name: 'reader', scopes: ['read'] } }),
    );
    const reply = await post(sms(), {}, made.key);
    expect([reply.status, reply.body.error.code]).toEqual([403, 'insufficient_scope']);
    expect(reply.body.error.message).toContain('"send"');
    expect((await scene.call('GET', '/api/v1/notifications', { key: made.key })).status).toBe(200);
  });

  it('no answer invites a browser: there is no CORS header', async () => {
    const reply = await post(sms(), { origin: 'https://shop.example' });
    expect([...reply.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

it('a send is answered 202 with its ids, queued, and can be read at once', async () => {
  const sent = await scene.send(sms(), scene.testKey);
  expect(sent).toEqual({
    notification_id: expect.stringMatching(/^ntf_[0-9A-HJKMNP-TV-Z]{26}$/),
    status: 'queued',
    channels: [{ channel: 'sms', message_id: expect.stringMatching(/^msg_/), status: 'queued' }],
    created_at: expect.stringMatching(/Z$/),
    livemode: false,
  });
  const seen = await scene.get(sent.notification_id, scene.testKey);
  expect(seen.notification_id).toBe(sent.notification_id);
  expect(['queued', 'sent', 'delivered']).toContain(seen.status);
});

it("another tenant's notification is absent, byte for byte like one that never was", async () => {
  const { notification_id: id } = await scene.send(sms(), scene.testKey);
  const other = await scene.tenant();
  const strip = (reply: { text: string }) => reply.text.replace(/req_\w+/, '');
  const theirs = await scene.call('GET', `/api/v1/notifications/${id}`, { key: other.test_key });
  const never = await scene.call('GET', '/api/v1/notifications/ntf_00000000000000000000000000', {
    key: other.test_key,
  });
  expect(theirs.status).toBe(404);
  expect(strip(theirs)).toBe(strip(never));
});

describe('the policy of each channel', () => {
  const to = { email: 'ada@example.com', phone: '+14155550123', slack_user_id: 'U024BE7LH' };
  const subject = 'Subject';
  const body = 'A body';
  const template = { template_id: 'order_update', data: ORDER };
  const cases: [name: string, notification: object, code: string | undefined, param?: string][] = [
    ['whatsapp, raw', { channels: ['whatsapp'], body }, 'template_required', 'notification.template_id'],
    ['whatsapp, nothing', { channels: ['whatsapp'] }, 'template_required', 'notification.template_id'],
    ['whatsapp, template', { channels: ['whatsapp'], ...template }, undefined],
    ['whatsapp alone, both', { channels: ['whatsapp'], body, ...template }, 'raw_not_allowed', 'notification.body'],
    ['whatsapp and sms, both', { channels: ['whatsapp', 'sms'], body, ...template }, undefined],
    ['whatsapp and sms, raw', { channels: ['whatsapp', 'sms'], body }, 'template_required', 'notification.template_id'],
    ['sms, raw', { channels: ['sms'], body }, undefined],
    ['sms, nothing', { channels: ['sms'] }, 'content_required', 'notification.body'],
    ['sms, subject', { channels: ['sms'], subject, body }, 'content_unused', 'notification.subject'],
    ['email, raw', { channels: ['email'], subject, body, data: { kept: 'as data' } }, undefined],
    ['email, no subject', { channels: ['email'], body }, 'content_required', 'notification.subject'],
    ['email, no body', { channels: ['email'], subject }, 'content_required', 'notification.body'],
    ['email, html alone', { channels: ['email'], subject, html: '<p>x</p>' }, undefined],
    ['email, nothing', { channels: ['email'] }, 'content_required', 'notification.subject'],
    ['slack, raw', { channels: ['slack'], body }, undefined],
    ['slack, nothing', { channels: ['slack'] }, 'content_required', 'notification.body'],
    ['voice, raw', { channels: ['voice'], body }, undefined],
    ['voice, nothing', { channels: ['voice'] }, 'content_required', 'notification.body'],
    ['email and sms, subject for one', { channels: ['email', 'sms'], subject, body }, undefined],
    ['email, template', { channels: ['email'], ...template }, undefined],
    ['one template, two channels', { channels: ['whatsapp', 'email'], ...template }, undefined],
    ['template without the channel', { channels: ['voice'], ...template }, 'template_channel_missing'],
    ['an unknown template', { channels: ['whatsapp'], template_id: 'nobody' }, 'template_not_found'],
    ['an unknown channel', { channels: ['pigeon'], body }, 'channel_unknown', 'notification.channels'],
    ['a stranger in content', { channels: ['sms'], body, content: { voice: { body } } }, 'content_unused'],
    ['own content', { channels: ['slack'], content: { slack: { text: '*hi*' } } }, undefined],
    ['a language it lacks', { channels: ['whatsapp'], ...template, language: 'xx' }, 'template_language_missing'],
  ];

  it.each(cases)('%s', async (_, notification, code, param) => {
    const before = await scene.rows();
    const reply = await post({ recipient: to, notification });
    if (code === undefined) {
      expect([reply.status, reply.text]).toEqual([202, reply.text]);
      return;
    }
    expect([reply.status, reply.body.error.code]).toEqual([422, code]);
    if (param) expect(reply.body.error.param).toBe(param);
    const after = await scene.rows();
    expect([after.messages, after.idempotency]).toEqual([before.messages, before.idempotency]);
  });

  it('a template that is required is asked for with the fix: template_id and data', async () => {
    const { body: answer } = await post({ recipient: to, notification: { channels: ['whatsapp'], body } });
    expect(answer.error.message).toMatch(/template_id/);
    expect(answer.error.message).toMatch(/data/);
  });

  it.each([
    ['sms', 'phone'],
    ['voice', 'phone'],
    ['whatsapp', 'phone'],
    ['email', 'email'],
    ['slack', 'slack_user_id'],
  ])('%s without recipient.%s is refused, and points to capabilities', async (channel, field) => {
    const notification = channel === 'whatsapp' ? template : { subject: undefined, body };
    const recipient = Object.fromEntries(Object.entries(to).filter(([name]) => name !== field));
    const { status, body: answer } = await post({ recipient, notification: { channels: [channel], ...notification } });
    expect([status, answer.error.code, answer.error.param]).toEqual([
      422,
      'recipient_field_missing',
      `recipient.${field}`,
    ]);
    expect(answer.error.message).toContain('/api/v1/channels/capabilities');
  });

  it('capabilities are the table that these refusals came from', async () => {
    const { data } = await scene.must(200, scene.call('GET', '/api/v1/channels/capabilities', { key: scene.testKey }));
    expect(data.map(({ channel }: Json) => channel)).toEqual(['whatsapp', 'email', 'sms', 'slack', 'voice']);
    for (const { channel, template_required, raw_allowed, required_recipient_fields, content_fields } of data) {
      const notification = { channels: [channel], body, ...(content_fields.includes('subject') ? { subject } : {}) };
      const raw = await post({ recipient: to, notification });
      expect([channel, raw.status === 202]).toEqual([channel, raw_allowed]);
      expect(template_required).toBe(!raw_allowed);
      for (const field of required_recipient_fields) {
        const { body: answer } = await post({ recipient: {}, notification: { channels: [channel], ...template } });
        expect(answer.error.param).toBe(`recipient.${field}`);
      }
    }
    expect(data.every(({ enabled }: Json) => enabled)).toBe(true);
    const live = await scene.must(200, scene.call('GET', '/api/v1/channels/capabilities', { key: scene.liveKey }));
    expect(live.data.some(({ enabled }: Json) => enabled)).toBe(false);
  });

  it('a live key on a channel without a connection is refused with the page to visit', async () => {
    const { status, body: answer } = await post(sms(), {}, scene.liveKey);
    expect([status, answer.error.code]).toEqual([422, 'channel_not_connected']);
    expect(answer.error.details).toMatchObject({ channel: 'sms', page: '/portal/channels' });
  });
});

describe('variables are checked before anything is queued', () => {
  const ask = (data: object | undefined, more: object = {}) =>
    post({
      recipient: { phone: '+14155550123', email: 'ada@example.com' },
      notification: { channels: ['whatsapp'], template_id: 'order_update', ...(data ? { data } : {}), ...more },
    });

  it.each([
    ['missing', { name: 'Ada' }, ['order_id'], []],
    ['unexpected', { ...ORDER, colour: 'red' }, [], ['colour']],
    ['both', { nome: 'Ada' }, ['name', 'order_id'], ['nome']],
    ['no data at all', undefined, ['name', 'order_id'], []],
    ['null is missing', { ...ORDER, name: null }, ['name'], []],
  ])('%s', async (_, data, missing, unexpected) => {
    const before = await scene.rows();
    const { status, body: answer } = await ask(data as object | undefined);
    expect([status, answer.error.code]).toEqual([422, 'template_variable_mismatch']);
    expect([...answer.error.details.missing].sort()).toEqual(missing);
    expect(answer.error.details.unexpected).toEqual(unexpected);
    expect((await scene.rows()).messages).toBe(before.messages);
  });

  it('what one channel of the template uses is not unexpected on another', async () => {
    expect((await ask(ORDER, { channels: ['whatsapp', 'email'] })).status).toBe(202);
  });

  it('raw text wants the names it prints, and keeps the data that it does not', async () => {
    const raw = (data: object) => post(sms({ body: 'Hello {{name}}', data }));
    expect((await raw({ name: 'Ada', kept: 1 })).status).toBe(202);
    const { status, body: answer } = await raw({ nome: 'Ada' });
    expect([status, answer.error.details.missing]).toEqual([422, ['name']]);
  });

  it('data comes back as it was given, names and all', async () => {
    const data = { snake_case: 1, camelCase: { innerName: [1, null, 'x'] }, 'with-dash': true };
    const { notification_id: id } = await scene.send(sms({ data }), scene.testKey);
    expect((await scene.get(id, scene.testKey)).data).toEqual(data);
  });

  it('braces that name nothing are text', async () => {
    const { notification_id: id } = await scene.send(sms({ body: '{{ 1 + 1 }} {{}} {{#if x}}' }), scene.testKey);
    expect(on(await scene.status(id, 'delivered', scene.testKey), 'sms').status).toBe('delivered');
  });
});

describe('validate says everything that send would say, and sends nothing', () => {
  const validate = (body: object, key = scene.testKey) =>
    scene.must(200, scene.call('POST', '/api/v1/notifications/validate', { key, body }));

  it('a good request: valid, with the finished messages', async () => {
    const before = await scene.rows();
    const answer = await validate({
      recipient: { phone: '+14155550123', email: 'ada@example.com' },
      notification: { channels: ['whatsapp', 'email'], template_id: 'order_update', data: ORDER },
    });
    expect(answer).toMatchObject({ valid: true, findings: [] });
    expect(on(answer, 'email').content).toMatchObject({ subject: 'Order A-1042' });
    expect(await scene.rows()).toEqual(before);
  });

  it('a bad request: every objection at once', async () => {
    const answer = await validate({
      recipient: { phone: 'nonsense' },
      notification: { channels: ['whatsapp', 'email', 'sms'], body: 'x {{y}}' },
    });
    expect(answer.valid).toBe(false);
    expect(answer.findings.map(({ code }: Json) => code)).toEqual(
      expect.arrayContaining([
        'template_required',
        'recipient_field_missing',
        'invalid_recipient',
        'content_required',
        'template_variable_mismatch',
      ]),
    );
  });

  it('a text that is too long only once it is rendered', async () => {
    const answer = await validate(sms({ body: '{{a}}'.repeat(10), data: { a: 'x'.repeat(200) } }));
    expect(answer).toMatchObject({ valid: false, findings: [{ code: 'content_invalid' }] });
  });

  it('the same text, sent all the same, ends as failed with that reason', async () => {
    const body = sms({ body: '{{a}}'.repeat(10), data: { a: 'x'.repeat(200) } });
    const { notification_id: id } = await scene.send(body, scene.testKey);
    const message = on(await scene.status(id, 'failed', scene.testKey), 'sms');
    expect(message.failure.code).toBe('content_invalid');
  });
});
