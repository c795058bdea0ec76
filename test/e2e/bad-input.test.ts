/** What a stranger may post: each bad body has its answer, leaves no row, and the product goes on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PHONE, refused, SEND, send, sms } from '../support/refusals.ts';
import { type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(async () => {
  expect((await fetch(`${scene.product.url}/health/ready`)).status).toBe(200);
  await scene.close();
});

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
    await refused(scene, status, code, body);
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
    const error = await refused(scene, 422, 'validation_failed', body);
    expect(error.details.fields.map((field: { path: string }) => field.path)).toContain(path);
    expect(error.details.fields.every((field: { message: string }) => field.message.length > 5)).toBe(true);
  });

  it('all faults are named at once', async () => {
    const error = await refused(scene, 422, 'validation_failed', { ...sms({ body: '', priority: 'x' }), extra: 1 });
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
      '#{7*7} <%= 7 %> [[7*7]]',
      '%s%n%x',
    ]) {
      const { notification_id: id } = await scene.send(sms({ body }), scene.testKey);
      await scene.status(id, 'delivered', scene.testKey);
    }
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
    await refused(scene, 400, 'idempotency_key_invalid', sms(), { 'idempotency-key': key });
  });

  it.each<[string, string]>([
    ['49 empty', ''],
    ['50 256 characters', 'k'.repeat(256)],
    ['51 a control character', 'a\u0007b'],
    ['21 bidi', 'a\u202eb'],
  ])('%s in the body', async (_, idempotency_key) => {
    await refused(scene, 400, 'idempotency_key_invalid', { ...sms(), idempotency_key });
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
