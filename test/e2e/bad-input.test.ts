/** What a stranger may post: each bad body has its answer, leaves no row, and the product goes on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(async () => {
  expect((await fetch(`${scene.product.url}/health/ready`)).status).toBe(200);
  await scene.close();
});

const SEND = '/api/v1/notifications/send';
const PHONE = '+14155550123';
const send = (recipient: object, notification: object, more: object = {}): object => ({
  recipient,
  notification,
  ...more,
});
const sms = (more: object = {}): object => send({ phone: PHONE }, { channels: ['sms'], body: 'x', ...more });
const mail = (email: string, more: object = {}): object =>
  send({ email }, { channels: ['email'], subject: 's', body: 'b', ...more });

/** Posts, and holds what must be true of every refusal. Returns the error. */
async function refused(status: number, code: string, body: unknown, headers: Record<string, string> = {}) {
  const before = await scene.rows();
  const given = typeof body === 'string' || Buffer.isBuffer(body) ? { raw: body as string } : { body };
  const reply = await scene.call('POST', SEND, { key: scene.testKey, ...given, headers });
  expect([reply.status, reply.body?.error?.code, reply.text]).toEqual([status, code, reply.text]);
  expect(reply.text).not.toMatch(/at .*\.(ts|js):\d+|select |insert |ajv|knex/i);
  const after = await scene.rows();
  expect([after.messages, after.idempotency]).toEqual([before.messages, before.idempotency]);
  return reply.body.error;
}

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const withData = (data: string): string =>
  `{"recipient":{"phone":"${PHONE}"},"notification":{"channels":["sms"],"body":"x","data":${data}}}`;

describe('JSON', () => {
  it.each<[string, string | Buffer, number, string]>([
    ['1 empty', '', 400, 'malformed_json'],
    ['2 an open brace', '{', 400, 'malformed_json'],
    ['3 a trailing comma', '{"recipient":{},}', 400, 'malformed_json'],
    ['4 NaN', withData('{"a":NaN}'), 400, 'malformed_json'],
    ['5 a byte order mark and garbage', '\ufeff{"a":1}x', 400, 'malformed_json'],
    ['6 invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 400, 'malformed_json'],
    ['7 a list', '[]', 400, 'malformed_json'],
    ['7 a text', '"x"', 400, 'malformed_json'],
    ['7 null', 'null', 400, 'malformed_json'],
    ['8 33 levels', withData(`{"a":${nested(31)}}`), 400, 'too_deep'],
    ['8 a hundred thousand levels', withData(`{"a":${nested(100_000)}}`), 400, 'too_deep'],
    [
      '10 1,001 properties',
      withData(`{${Array.from({ length: 1_001 }, (_, i) => `"k${i}":1`).join()}}`),
      400,
      'too_many_properties',
    ],
    ['11 __proto__', withData('{"__proto__":{"admin":true}}'), 422, 'validation_failed'],
    ['11 __proto__ at the root', '{"__proto__":{},"recipient":{},"notification":{}}', 422, 'validation_failed'],
    ['12 constructor.prototype', withData('{"constructor":{"prototype":{"x":1}}}'), 422, 'validation_failed'],
    ['16 1e400', withData('{"a":1e400}'), 422, 'validation_failed'],
    ['17 2^53+1', withData('{"a":9007199254740993}'), 422, 'validation_failed'],
    ['19 U+0000 in data', withData('{"a":"x\\u0000y"}'), 422, 'validation_failed'],
    ['19 U+0000 in a name', withData('{"a\\u0000":1}'), 422, 'validation_failed'],
    ['a lone surrogate', withData('{"a":"\\ud800"}'), 422, 'validation_failed'],
  ])('%s', async (_, body, status, code) => {
    await refused(status, code, body);
  });

  it('8 thirty-two levels are taken', async () => {
    const reply = await scene.call('POST', SEND, { key: scene.testKey, raw: withData(`{"a":${nested(29)}}`) });
    expect(reply.status).toBe(202);
  });

  it('9 of duplicate keys the last one counts', async () => {
    const raw = `{"recipient":{"phone":"nonsense","phone":"${PHONE}"},"notification":{"channels":["sms"],"body":"x"}}`;
    expect((await scene.call('POST', SEND, { key: scene.testKey, raw })).status).toBe(202);
  });
});

describe('fields', () => {
  it.each<[string, object, string]>([
    ['13 an unknown one', { ...sms(), extra: 1 }, 'extra'],
    ['13 an unknown one inside', sms({ bodi: 'x' }), 'notification.bodi'],
    ['13 an unknown address', send({ phone: PHONE, fax: '1' }, { channels: ['sms'], body: 'x' }), 'recipient.fax'],
    ['14 tenant_id', { ...sms(), tenant_id: 'x' }, 'tenant_id'],
    ['14 status', sms({ status: 'delivered' }), 'notification.status'],
    ['14 price', sms({ price: 0 }), 'notification.price'],
    ['14 env', { ...sms(), env: 'live' }, 'env'],
    ['15 a number as text', sms({ ttl_seconds: '60' }), 'notification.ttl_seconds'],
    ['15 a text as number', sms({ body: 5 }), 'notification.body'],
    ['15 a flag as text', sms({ data: 'x' }), 'notification.data'],
    ['18 a negative number', sms({ ttl_seconds: -1 }), 'notification.ttl_seconds'],
    ['18 minus zero', sms({ ttl_seconds: -0 }), 'notification.ttl_seconds'],
    ['a fraction', sms({ ttl_seconds: 60.5 }), 'notification.ttl_seconds'],
    ['23 only spaces', sms({ body: ' \n\t ' }), 'notification.body'],
    ['an empty text', sms({ body: '' }), 'notification.body'],
    ['no channels', sms({ channels: [] }), 'notification.channels'],
    ['a channel twice', sms({ channels: ['sms', 'sms'] }), 'notification.channels'],
    ['channels as text', sms({ channels: 'sms' }), 'notification.channels'],
    ['a priority that is none', sms({ priority: 'urgent' }), 'notification.priority'],
    ['21 bidi in a template id', sms({ template_id: 'a\u202eb' }), 'notification.template_id'],
    ['21 zero width in a template id', sms({ template_id: 'a\u200bb' }), 'notification.template_id'],
    ['no recipient', { notification: { channels: ['sms'], body: 'x' } }, 'recipient'],
    ['no notification', { recipient: { phone: PHONE } }, 'notification'],
    ['22 a text of 500 KB', sms({ body: 'x'.repeat(500_000) }), 'notification.body'],
  ])('%s is refused by its path', async (_, body, path) => {
    const error = await refused(422, 'validation_failed', body);
    expect(error.details.fields.map((field: { path: string }) => field.path)).toContain(path);
    expect(error.details.fields.every((field: { message: string }) => field.message.length > 5)).toBe(true);
  });

  it('all faults are named at once', async () => {
    const error = await refused(422, 'validation_failed', { ...sms({ body: '', priority: 'x' }), extra: 1 });
    expect(error.details.fields.length).toBeGreaterThanOrEqual(3);
    expect(error.message).toMatch(/details\.fields/);
  });

  it('24 emoji, right-to-left and combining marks arrive as they were sent', async () => {
    const text = '🔔👩‍🔬 שלום مرحبا ñ ẹ̀ ‏ नमस्ते';
    const { notification_id: id } = await scene.send(sms({ body: text }), scene.testKey);
    await scene.status(id, 'delivered', scene.testKey);
    const [row] = await scene.query<{ content: { body: string } }>(
      `select content from outbox order by message_id desc limit 1`,
    );
    expect(row?.content.body).toBe(text);
  });

  it('what looks like markup, SQL or a template of another kind is text', async () => {
    for (const body of [
      "'; drop table messages; --",
      '<script>alert(1)</script>',
      '${7*7} #{7*7} <%= 7 %>',
      '%s%n%x',
    ]) {
      const { notification_id: id } = await scene.send(sms({ body }), scene.testKey);
      await scene.status(id, 'delivered', scene.testKey);
    }
  });
});

describe('recipients', () => {
  it.each<[string, string]>([
    ['60 no plus', '4155550123'],
    ['61 letters', '+1415CALLNOW'],
    ['62 a zero after the plus', '+04155550123'],
    ['63 sixteen digits', '+1234567890123456'],
    ['64 a short code', '+12345'],
    ['65 an extension', '+14155550123;ext=5'],
    ['66 a tel: address', 'tel:+14155550123'],
    ['68 Arabic digits', '+١٤١٥٥٥٥٠١٢٣'],
    ['69 a zero-width space inside', '+1415\u200b5550123'],
    ['70 a line break and a header', '+14155550123\r\nBcc: eve@evil.example'],
    ['spaces around', ' +14155550123 '],
    ['two of them', '+14155550123,+14155550124'],
    ['full-width plus', '＋14155550123'],
  ])('phone %s', async (_, phone) => {
    const error = await refused(422, 'invalid_recipient', send({ phone }, { channels: ['sms'], body: 'x' }));
    expect(error.param).toBe('recipient.phone');
    expect(error.message).toMatch(/\+/);
  });

  it('71 a number in a new or fictional range is possible and therefore taken', async () => {
    for (const phone of ['+14155550199', '+447700900123', '+491710000000'])
      await scene.send(send({ phone }, { channels: ['sms'], body: 'x' }), scene.testKey);
  });

  it.each<[string, string]>([
    ['73 two addresses', 'a@x.example,b@x.example'],
    ['73 two addresses, semicolon', 'a@x.example;b@x.example'],
    ['74 a display name', 'Ada <ada@x.example>'],
    ['75 a quoted local part', '"a@evil.example"@x.example'],
    ['77 a line break', 'a@x.example\r\nBcc: eve@evil.example'],
    [
      '79 more than 254 characters',
      `${'a'.repeat(60)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(20)}.example`,
    ],
    ['80 a local part of another script', 'адa@x.example'],
    ['a comment', 'ada(comment)@x.example'],
    ['a literal address', 'ada@[127.0.0.1]'],
    ['no domain', 'ada@'],
    ['no dot', 'ada@localhost'],
    ['spaces', ' ada@x.example '],
    ['zero width', 'a\u200bda@x.example'],
    ['a route', '@a.example:ada@x.example'],
    ['percent hack', 'a%b@evil.example@x.example'],
  ])('e-mail %s', async (_, email) => {
    const error = await refused(422, 'invalid_recipient', mail(email));
    expect(error.param).toBe('recipient.email');
  });

  it('e-mail 80 a domain in another script is shown as the punycode it is', async () => {
    const { notification_id: id } = await scene.send(mail('ada@gооgle.example'), scene.testKey);
    expect(on(await scene.get(id, scene.testKey), 'email').address).toMatch(/^ada@xn--/);
  });

  it.each<[string, string]>([
    ['lower case', 'u024be7lh'],
    ['a channel name', '#general'],
    ['a channel id', 'C024BE7LH'],
    ['a mention', '<!channel>'],
  ])('Slack member: %s', async (_, slack_user_id) => {
    const error = await refused(422, 'invalid_recipient', send({ slack_user_id }, { channels: ['slack'], body: 'x' }));
    expect(error.param).toBe('recipient.slack_user_id');
  });

  it('an address is compared in its canonical form', async () => {
    const { notification_id: id } = await scene.send(mail('Ada@Example.COM'), scene.testKey);
    expect(on(await scene.get(id, scene.testKey), 'email').address).toMatch(/@example\.com$/);
    await scene.send(send({ phone: newPhone() }, { channels: ['sms'], body: 'x' }), scene.testKey);
  });
});

describe('e-mail fields', () => {
  it.each<[string, object, string]>([
    ['77 a line break in the subject', { subject: 'a\r\nBcc: eve@evil.example' }, 'notification.subject'],
    ['77 a line break in the sender', { from: 'a@x.example\r\nBcc: eve@evil.example' }, 'notification.from'],
    ['77 a reply address of its own', { reply_to: 'a@x.example' }, 'notification.reply_to'],
    ['77 a header of its own', { headers: { Bcc: 'eve@evil.example' } }, 'notification.headers'],
    ['78 an envelope', { envelope: { to: 'eve@evil.example' } }, 'notification.envelope'],
    ['78 a raw message', { raw: 'From: x' }, 'notification.raw'],
    ['78 dsn', { dsn: {} }, 'notification.dsn'],
    [
      '78 a file of ours',
      { attachments: [{ filename: 'a', content_type: 'a/b', path: '/etc/passwd' }] },
      'notification.attachments.0.path',
    ],
    [
      '78 an address to fetch',
      { attachments: [{ filename: 'a', content_type: 'a/b', href: 'http://169.254.169.254/' }] },
      'notification.attachments.0.href',
    ],
    [
      'a path as file name',
      { attachments: [{ filename: '../../x', content_type: 'a/b', content: 'eA==' }] },
      'notification.attachments.0.filename',
    ],
    [
      'what is not base64',
      { attachments: [{ filename: 'x', content_type: 'a/b', content: '***' }] },
      'notification.attachments.0.content',
    ],
  ])('%s', async (_, more, path) => {
    const error = await refused(422, 'validation_failed', mail('ada@x.example', more));
    expect(error.details.fields.map((field: { path: string }) => field.path)).toContain(path);
  });

  it('a value with a line break cannot begin a header', async () => {
    const body = mail('ada@x.example', { subject: 'Hi {{name}}', data: { name: 'Ada\r\nBcc: eve@evil.example' } });
    const { notification_id: id } = await scene.send(body, scene.testKey);
    await scene.status(id, 'delivered', scene.testKey);
    const [row] = await scene.query<{ content: { subject: string } }>(
      `select content from outbox where channel = 'email' order by message_id desc limit 1`,
    );
    expect(row?.content.subject).toBe('Hi Ada Bcc: eve@evil.example');
  });
});

describe('idempotency keys', () => {
  it('48 none is needed', async () => {
    expect((await scene.call('POST', SEND, { key: scene.testKey, body: sms() })).status).toBe(202);
  });

  it.each<[string, string]>([
    ['49 empty', ''],
    ['50 256 characters', 'k'.repeat(256)],
    ['51 a tab inside', 'a\tb'],
    ['letters outside ASCII', 'schlüssel'],
    ['empty in quotes', '""'],
  ])('%s in the header', async (_, key) => {
    await refused(400, 'idempotency_key_invalid', sms(), { 'idempotency-key': key });
  });

  it.each<[string, string]>([
    ['49 empty', ''],
    ['50 256 characters', 'k'.repeat(256)],
    ['51 a control character', 'a\u0007b'],
    ['21 bidi', 'a\u202eb'],
  ])('%s in the body', async (_, idempotency_key) => {
    await refused(400, 'idempotency_key_invalid', { ...sms(), idempotency_key });
  });

  it('255 characters are taken', async () => {
    const headers = { 'idempotency-key': 'k'.repeat(255) };
    expect((await scene.call('POST', SEND, { key: scene.testKey, body: sms(), headers })).status).toBe(202);
  });
});

describe('ids', () => {
  it.each<[string, string]>([
    ['39 not an id', 'nonsense'],
    ['39 a bare UUID', '01890000-0000-7000-8000-000000000000'],
    ['39 an id of another kind', 'msg_00000000000000000000000000'],
    ['39 lower case', 'ntf_0000000000000000000000000z'],
    ['39 too big for a UUID', 'ntf_ZZZZZZZZZZZZZZZZZZZZZZZZZZ'],
    ['40 a way up', '..%2f..%2fetc%2fpasswd'],
    ['41 a quote', "ntf_'%20or%20'1'='1"],
    ['41 a semicolon', 'x;drop%20table%20messages'],
    ['42 4 KB', 'n'.repeat(4_096)],
    ['NUL', '%00'],
    ['half a percent sign', '%E0%A4%A'],
  ])('%s is absent', async (_, id) => {
    for (const [method, path] of [
      ['GET', id],
      ['DELETE', id],
      ['POST', `${id}/retry`],
    ] as const) {
      const reply = await scene.call(method, `/api/v1/notifications/${path}`, { key: scene.testKey });
      expect([method, reply.status, reply.body?.error?.code]).toEqual([method, 404, 'not_found']);
    }
  });
});
