/** One key, one effect: the first answer comes again byte for byte, another request under the key is refused, and a definite failure frees it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { behave, type Json } from '../support/providers/fake.ts';
import { newPhone, on, type Reply, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

let keys = 0;
const newKey = (): string => `key-${keys++}`;
const sms = (more: object = {}, phone = newPhone()) => ({
  recipient: { phone },
  notification: { channels: ['sms'], body: 'Once only', ...more },
});
const post = (body: unknown, headers = {}, key: string = scene.testKey): Promise<Reply> =>
  scene.call('POST', '/api/v1/notifications/send', { key, body, headers });
const withKey = (key: string) => ({ 'idempotency-key': key });
const isReplay = (first: Reply, second: Reply): void => {
  expect(second.text).toBe(first.text);
  expect([second.status, second.headers.get('idempotent-replayed')]).toEqual([first.status, 'true']);
  expect(first.headers.get('idempotent-replayed')).toBeNull();
};

describe('a repeat is the first answer, byte for byte, and says so', () => {
  const forms: [string, (key: string) => { headers?: object; body?: object }][] = [
    ['header', (key) => ({ headers: withKey(key) })],
    ['quoted header', (key) => ({ headers: withKey(`"${key}"`) })],
    ['header with an underscore', (key) => ({ headers: { idempotency_key: key } })],
    ['body', (key) => ({ body: { idempotency_key: key } })],
    ['header and body, agreeing', (key) => ({ headers: withKey(key), body: { idempotency_key: key } })],
  ];
  it.each(forms)('%s', async (_, form) => {
    const { headers, body } = form(newKey());
    const request = { ...sms(), ...body };
    isReplay(await post(request, headers), await post(request, headers));
  });

  it('in whichever of the forms it comes the second time', async () => {
    const [key, request] = [newKey(), sms()];
    const first = await post(request, withKey(key));
    for (const [, form] of forms) {
      const { headers, body } = form(key);
      isReplay(first, await post({ ...request, ...body }, headers));
    }
  });

  it('whatever the order of its keys and its spaces', async () => {
    const [key, { recipient, notification }] = [newKey(), sms({ data: { a: 1, b: { c: 2, d: [3, 4] } } })];
    const first = await post({ recipient, notification }, withKey(key));
    const { data, ...rest } = notification as Json;
    const raw = JSON.stringify(
      { notification: { data: { b: { d: data.b.d, c: data.b.c }, a: 1 }, ...rest }, recipient },
      null,
      3,
    );
    isReplay(
      first,
      await scene.call('POST', '/api/v1/notifications/send', { key: scene.testKey, raw, headers: withKey(key) }),
    );
  });

  it('after the API key was rotated', async () => {
    const made = await scene.must(
      201,
      scene.call('POST', '/api/v1/keys', { key: scene.testKey, body: { name: 'old' } }),
    );
    const [key, request] = [newKey(), sms()];
    const first = await post(request, withKey(key), made.key);
    const rotated = await scene.must(
      201,
      scene.call('POST', `/api/v1/keys/${made.id}/rotate`, { key: scene.testKey, body: {} }),
    );
    isReplay(first, await post(request, withKey(key), rotated.key));
  });

  it('long after it was delivered', async () => {
    const [key, request] = [newKey(), sms()];
    const first = await post(request, withKey(key));
    await scene.status(first.body.notification_id, 'delivered', scene.testKey);
    isReplay(first, await post(request, withKey(key)));
  });
});

describe('a key that cannot serve', () => {
  it('two that differ are 400', async () => {
    const both = await post({ ...sms(), idempotency_key: newKey() }, withKey(newKey()));
    expect([both.status, both.body.error.code]).toEqual([400, 'idempotency_key_conflict']);
    const headers = await post(sms(), { 'idempotency-key': newKey(), idempotency_key: newKey() });
    expect([headers.status, headers.body.error.code]).toEqual([400, 'idempotency_key_conflict']);
  });

  it('another body under it is 422, and the first stays what it was', async () => {
    const [key, request] = [newKey(), sms()];
    const first = await post(request, withKey(key));
    const other = await post(sms(), withKey(key));
    expect([other.status, other.body.error.code]).toEqual([422, 'idempotency_key_reused']);
    isReplay(first, await post(request, withKey(key)));
  });

  it('another route under it is 422', async () => {
    const key = newKey();
    const { notification_id: id } = (await post(sms({}, '+15005550009'))).body;
    await scene.status(id, 'failed', scene.testKey);
    expect((await post(sms(), withKey(key))).status).toBe(202);
    const retry = await scene.call('POST', `/api/v1/notifications/${id}/retry`, {
      key: scene.testKey,
      headers: withKey(key),
    });
    expect([retry.status, retry.body.error.code]).toEqual([422, 'idempotency_key_reused']);
  });
});

it('the same key of another tenant, or of the other mode, is another key', async () => {
  const [key, request] = [newKey(), sms()];
  const other = await scene.tenant();
  const ids = [];
  for (const apiKey of [scene.testKey, scene.liveKey, other.test_key]) {
    const reply = await post(request, withKey(key), apiKey);
    expect([reply.status, reply.headers.get('idempotent-replayed')]).toEqual([202, null]);
    ids.push(reply.body.notification_id);
  }
  expect(new Set(ids).size).toBe(3);
});

it('a refused request leaves its key free', async () => {
  const [key, request] = [newKey(), sms()];
  expect((await post({ ...request, notification: { channels: ['sms'] } }, withKey(key))).status).toBe(422);
  expect((await post({ recipient: request.recipient }, withKey(key))).status).toBe(422);
  expect((await post(request, withKey(key))).status).toBe(202);
});

describe('after a definite failure the key is free again', () => {
  it('for a corrected body, which makes a new notification linked by retry_of', async () => {
    const key = newKey();
    const first = await post(sms({}, '+15005550001'), withKey(key));
    const failed = await scene.status(first.body.notification_id, 'failed', scene.testKey);
    expect(on(failed, 'sms').failure).toMatchObject({ code: 'recipient_invalid', retryable: false });
    const second = await post(sms(), withKey(key));
    expect([second.status, second.headers.get('idempotent-replayed')]).toEqual([202, null]);
    const done = await scene.status(second.body.notification_id, 'delivered', scene.testKey);
    expect(done.retry_of).toBe(first.body.notification_id);
    isReplay(second, await post(sms({}, (done.recipient as Json).phone), withKey(key)));
  });

  it('for the same body too', async () => {
    const [key, phone] = [newKey(), newPhone()];
    scene.twilio.script(phone, behave.refuse('21211', { status: 400 }));
    const first = await post(sms({}, phone), withKey(key), scene.liveKey);
    await scene.status(first.body.notification_id, 'failed');
    const second = await post(sms({}, phone), withKey(key), scene.liveKey);
    expect(second.body.notification_id).not.toBe(first.body.notification_id);
    await scene.status(second.body.notification_id, 'sent');
  });

  it('but not while one channel of it has gone out', async () => {
    const key = newKey();
    const request = {
      recipient: { phone: '+15005550001', slack_user_id: 'UOK' },
      notification: { channels: ['sms', 'slack'], body: 'One of two' },
    };
    const first = await post(request, withKey(key));
    await scene.when(
      first.body.notification_id,
      'is over',
      (one) => on(one, 'sms').status === 'failed' && on(one, 'slack').status === 'delivered',
      scene.testKey,
    );
    isReplay(first, await post(request, withKey(key)));
  });
});

describe('the retry of a failed notification', () => {
  const retry = (id: string, headers = {}, key = scene.testKey): Promise<Reply> =>
    scene.call('POST', `/api/v1/notifications/${id}/retry`, { key, headers });

  it('sends the same again, as a new notification that names the old one', async () => {
    const phone = newPhone();
    scene.twilio.script(phone, behave.refuse('21211', { status: 400 }));
    const { notification_id: id } = await scene.send(sms({ body: 'Hi {{name}}', data: { name: 'Ada' } }, phone));
    await scene.status(id, 'failed');
    const again = await scene.must(202, retry(id, {}, scene.liveKey));
    const done = await scene.status(again.notification_id, 'sent');
    expect(done).toMatchObject({ retry_of: id, data: { name: 'Ada' } });
    expect(scene.twilio.messages.find(({ to }) => to === phone)?.request.form().Body).toEqual(['Hi Ada']);
  });

  it('of one that has not failed is 409', async () => {
    const { notification_id: id } = (await post(sms())).body;
    await scene.status(id, 'delivered', scene.testKey);
    const reply = await retry(id);
    expect([reply.status, reply.body.error.code]).toEqual([409, 'not_retryable']);
  });

  it('with a key is one retry, however often it is asked for', async () => {
    const { notification_id: id } = (await post(sms({}, '+15005550004'))).body;
    await scene.status(id, 'failed', scene.testKey);
    const key = newKey();
    const first = await retry(id, withKey(key));
    expect(first.status).toBe(202);
    const second = await retry(id, withKey(key));
    if (second.headers.get('idempotent-replayed')) isReplay(first, second);
    // The retry to the same magic number fails as well, which frees the key again.
    else expect((await scene.get(first.body.notification_id, scene.testKey)).status).toBe('failed');
  });
});

describe('fifty at once', () => {
  it('with one key and one body are one notification and fifty times its answer', async () => {
    const [key, request] = [newKey(), sms()];
    const before = await scene.rows();
    const replies = await Promise.all(Array.from({ length: 50 }, () => post(request, withKey(key))));
    const accepted = replies.filter(({ status }) => status === 202);
    for (const { status, headers } of replies)
      if (status !== 202) expect([status, headers.get('retry-after')]).toEqual([409, expect.stringMatching(/^\d+$/)]);
    expect(new Set(accepted.map(({ text }) => text)).size).toBe(1);
    expect(accepted.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
    expect(Number((await scene.rows()).messages)).toBe(Number(before.messages) + 1);
  });

  it('with one key and fifty bodies are one notification and forty-nine refusals', async () => {
    const key = newKey();
    const before = await scene.rows();
    const replies = await Promise.all(Array.from({ length: 50 }, () => post(sms(), withKey(key))));
    expect(replies.filter(({ status }) => status === 202)).toHaveLength(1);
    for (const { status, body } of replies)
      if (status !== 202) expect(['idempotency_key_reused', 'idempotency_in_progress']).toContain(body.error.code);
    expect(Number((await scene.rows()).messages)).toBe(Number(before.messages) + 1);
  });

  it('with no key are fifty notifications', async () => {
    const replies = await Promise.all(Array.from({ length: 50 }, () => post(sms())));
    expect(new Set(replies.map(({ body }) => body.notification_id)).size).toBe(50);
  });
});
