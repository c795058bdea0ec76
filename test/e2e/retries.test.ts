/** Faults of providers: what may pass is tried again on time, what may not is tried once, and what nobody knows is said to be unknown. */

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { drop } from '../support/providers/smtp.ts';
import { newEmail, newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

const sms = (phone: string, more: object = {}) =>
  scene.send({ recipient: { phone }, notification: { channels: ['sms'], body: 'A word about retries', ...more } });
const callsTo = (phone: string): number =>
  scene.twilio.requests.filter((request) => request.form().To?.[0] === phone).length;
const waiting = (id: string, attempts: number): Promise<Json> =>
  scene.when(
    id,
    `waits after attempt ${attempts}`,
    (one) => on(one, 'sms').attempts_made === attempts && on(one, 'sms').next_attempt_at !== undefined,
  );
const secondsUntilNext = (message: Json): number => {
  const { started_at, duration_ms, retry_at } = message.attempts.at(-1);
  return (Date.parse(retry_at) - Date.parse(started_at) - duration_ms) / 1_000;
};

it('a provider out of order is asked again after the waits of the channel, and the message arrives', async () => {
  const phone = newPhone();
  scene.twilio.script(phone, behave.unavailable(), behave.unavailable(500));
  const { notification_id: id } = await sms(phone);
  const first = on(await waiting(id, 1), 'sms');
  expect(first).toMatchObject({
    status: 'queued',
    attempts: [{ outcome: 'refused', failure: { code: 'provider_unavailable' } }],
  });
  expect(secondsUntilNext(first)).toBeCloseTo(5, 0);
  await scene.hurry();
  expect(secondsUntilNext(on(await waiting(id, 2), 'sms'))).toBeCloseTo(30, 0);
  await scene.hurry();
  const done = on(await scene.status(id, 'sent'), 'sms');
  expect(done.attempts.map(({ outcome }: Json) => outcome)).toEqual(['refused', 'refused', 'accepted']);
  expect(callsTo(phone)).toBe(3);
});

it('a 429 is obeyed: no call before its Retry-After is over, even when the channel would wait less', async () => {
  const phone = newPhone();
  scene.twilio.script(phone, behave.tooMany(77));
  const { notification_id: id } = await sms(phone);
  const limited = on(await waiting(id, 1), 'sms');
  expect(limited.attempts[0].failure.code).toBe('rate_limited');
  expect(secondsUntilNext(limited)).toBeGreaterThanOrEqual(76.9);
  expect(callsTo(phone)).toBe(1);
  await scene.hurry();
  await scene.status(id, 'sent');
  expect(callsTo(phone)).toBe(2);
});

it('when the last wait is over it fails, with as many attempts as the channel has waits and one', async () => {
  const phone = newPhone();
  scene.twilio.always(phone, behave.unavailable());
  const { notification_id: id } = await sms(phone);
  for (let attempt = 1; attempt <= 4; attempt++) {
    await waiting(id, attempt);
    await scene.hurry();
  }
  const done = on(await scene.status(id, 'failed'), 'sms');
  expect(done).toMatchObject({ attempts_made: 5, failure: { code: 'provider_unavailable', retryable: true } });
  expect(done.next_attempt_at).toBeUndefined();
  expect(callsTo(phone)).toBe(5);
});

it('a message is not tried beyond its time to live', async () => {
  const phone = newPhone();
  scene.twilio.script(phone, behave.tooMany(120));
  const { notification_id: id } = await sms(phone, { ttl_seconds: 60 });
  expect(on(await scene.status(id, 'failed'), 'sms').failure.code).toBe('expired');
  expect(callsTo(phone)).toBe(1);
  await scene.hurry();
});

describe('a permanent refusal is one call and the end', () => {
  it.each([
    ['21211', 'recipient_invalid'],
    ['21610', 'recipient_opted_out'],
    ['20003', 'credentials_invalid'],
    ['21617', 'content_invalid'],
    ['21612', 'provider_rejected'],
    ['99999', 'provider_rejected'],
  ])('%s → %s', async (code, reason) => {
    const phone = newPhone();
    scene.twilio.script(phone, behave.refuse(code, { status: 400 }));
    const { notification_id: id } = await sms(phone);
    const done = on(await scene.status(id, 'failed'), 'sms');
    expect(done.failure).toMatchObject({ code: reason, retryable: false, provider_code: code });
    expect(done).toMatchObject({ attempts_made: 1, attempts: [{ outcome: 'refused' }] });
    expect(callsTo(phone)).toBe(1);
  });
});

describe('bytes left and no answer came', () => {
  it.each([
    ['the connection broke after the request', behave.resetAfter()],
    ['the answer was cut in the middle', behave.malformed()],
    ['a gateway in between gave up', behave.html502()],
  ])('%s: it stays sent with outcome_unknown, is not sent again, and a receipt settles it', async (_, behaviour) => {
    const phone = newPhone();
    scene.twilio.script(phone, behaviour);
    const { notification_id: id } = await sms(phone);
    const lost = await scene.when(id, 'is unknown', (one) => on(one, 'sms').outcome_unknown === true);
    expect(on(lost, 'sms')).toMatchObject({ status: 'sent', attempts: [{ outcome: 'unknown' }] });
    await scene.hurry();
    const message = scene.twilio.messages.find(({ to }) => to === phone);
    if (!message) return;
    await scene.twilio.deliver(message.id, ['delivered']);
    const done = on(await scene.status(id, 'delivered'), 'sms');
    expect(done.outcome_unknown).toBeUndefined();
    expect(done.attempts).toMatchObject([{ outcome: 'accepted' }]);
    expect(callsTo(phone)).toBe(1);
  });

  it('at the deadline it fails as outcome_unknown, its key stays taken, and only a receipt can still change that', async () => {
    const phone = newPhone();
    scene.twilio.script(phone, behave.resetAfter());
    const body = {
      recipient: { phone },
      notification: { channels: ['sms'], body: 'Is anybody there?' },
      idempotency_key: `unknown-${phone}`,
    };
    const { notification_id: id } = await scene.send(body);
    await scene.when(id, 'is unknown', (one) => on(one, 'sms').outcome_unknown === true);
    await scene.query(`update due set run_at = clock_now() where owner is null and run_at > clock_now()`);
    expect(on(await scene.status(id, 'failed'), 'sms').failure).toMatchObject({
      code: 'outcome_unknown',
      retryable: false,
    });
    expect((await scene.send(body)).notification_id).toBe(id);
    const retry = await scene.call('POST', `/api/v1/notifications/${id}/retry`, { key: scene.liveKey });
    expect([retry.status, retry.body.error.code]).toEqual([409, 'not_retryable']);
    const message = scene.twilio.messages.find(({ to }) => to === phone) as Json;
    await scene.twilio.deliver(message.id, ['delivered']);
    expect(on(await scene.status(id, 'delivered'), 'sms').failure).toBeUndefined();
  });

  it('on_unknown: resend sends again, and says how often', async () => {
    const phone = newPhone();
    scene.twilio.script(phone, behave.resetAfter());
    const { notification_id: id } = await sms(phone, { on_unknown: 'resend' });
    await waiting(id, 1);
    await scene.hurry();
    const done = on(await scene.status(id, 'sent'), 'sms');
    expect(done.attempts.map(({ outcome }: Json) => outcome)).toEqual(['unknown', 'accepted']);
    expect(scene.twilio.messages.filter(({ to }) => to === phone)).toHaveLength(2);
  });

  it('an e-mail cut after its final dot is unknown, one cut before is sent again', async () => {
    const [after, before] = [newEmail(), newEmail()];
    scene.smtp.script(after, drop('dot'));
    scene.smtp.script(before, drop('rcpt'));
    const mail = { channels: ['email'], subject: 'Cut', body: 'off' };
    const lost = await scene.send({ recipient: { email: after }, notification: mail });
    const again = await scene.send({ recipient: { email: before }, notification: mail });
    await scene.when(lost.notification_id, 'is unknown', (one) => on(one, 'email').outcome_unknown === true);
    await scene.when(again.notification_id, 'waits', (one) => on(one, 'email').next_attempt_at !== undefined);
    await scene.hurry();
    expect(on(await scene.status(again.notification_id, 'sent'), 'email').attempts).toHaveLength(2);
    expect(scene.smtp.mails.filter(({ to }) => to.includes(before))).toHaveLength(1);
    expect(scene.smtp.mails.filter(({ to }) => to.includes(after))).toHaveLength(1);
  });
});

it('a provider that cannot be reached was not sent to: it is tried again and never unknown', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const other = await startScene({ env: { EGRESS_ALLOW: `127.0.0.1:${port}` } });
  try {
    await other.connect('sms', { ...scene.twilio.credentials, base_url: `http://127.0.0.1:${port}` });
    const { notification_id: id } = await other.send({
      recipient: { phone: newPhone() },
      notification: { channels: ['sms'], body: 'Nobody home' },
    });
    const message = on(await other.when(id, 'waits', (one) => on(one, 'sms').next_attempt_at !== undefined), 'sms');
    expect(message).toMatchObject({
      status: 'queued',
      attempts: [{ outcome: 'refused', failure: { code: 'provider_unavailable' } }],
    });
    const { data } = await until(async () => {
      const list = await other.must(200, other.call('GET', '/api/v1/connections', { key: other.liveKey }));
      return list.data[0].health.status === 'failing' && list;
    });
    expect(data[0].health.note).not.toMatch(/undefined/);
  } finally {
    await other.close();
  }
});

it('a slow provider keeps only itself waiting', async () => {
  const slow = newPhone();
  scene.slack.always('USLOWPOKE', behave.slow(1_500));
  for (let i = 0; i < 12; i++)
    await scene.send({
      recipient: { slack_user_id: 'USLOWPOKE' },
      notification: { channels: ['slack'], body: `${i}` },
    });
  const began = performance.now();
  const { notification_id: id } = await sms(slow);
  await scene.status(id, 'sent');
  expect(performance.now() - began).toBeLessThan(1_400);
});
