/** The next channel when the one before has not worked: once, on the right words only, and never beside what was delivered. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromWire } from '../../src/lib/ids.ts';
import { startProduct, until } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { newEmail, newPhone, ORDER, on, orderUpdate, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
  await scene.template(orderUpdate);
});
afterAll(() => scene.close());

const FAILED = { channel: 'sms', on: 'failed' };
const IN_A_MINUTE = { channel: 'sms', on: 'not_delivered', after_seconds: 60 };
/** To WhatsApp, falling back on these steps. */
const send = async (phone: string, fallback: readonly object[], more: object = {}): Promise<string> => {
  const answer = await scene.send({
    recipient: { phone, email: newEmail() },
    notification: {
      channels: ['whatsapp'],
      template_id: 'order_update',
      data: ORDER,
      body: 'Your order has shipped.',
      fallback,
      ...more,
    },
  });
  return answer.notification_id;
};
const callsTo = (phone: string): number =>
  scene.twilio.requests.filter((request) => request.form().To?.[0] === phone).length;
const taken = (fake: 'meta' | 'twilio', phone: string): Json =>
  scene[fake].messages.find(({ to }) => to.replace('+', '') === phone.replace('+', ''));
const byChannel = (notification: Json): Json =>
  Object.fromEntries(notification.channels.map(({ channel, status }: Json) => [channel, status]));
const deadlines = (id: string): Promise<Json[]> =>
  scene.query(`select run_at as "runAt" from due where id = $1 and kind = 'deadline'`, [fromWire('notification', id)]);
/** Two hours pass for what was handed over, and the deadline comes. */
async function passTime(id: string): Promise<void> {
  const notification = fromWire('notification', id);
  await scene.query(
    `update messages set sent_at = sent_at - interval '2 hours', created_at = created_at - interval '2 hours'
     where id > $1 and id <= (left($1::text, 35) || 'f')::uuid`,
    [notification],
  );
  await scene.query('update due set run_at = clock_now() where id = $1 and owner is null', [notification]);
  scene.product.deps.doorbell.ring('due');
}

describe('on a failure', () => {
  it('the next channel starts at once, and its delivery is the notification’s', async () => {
    const phone = newPhone();
    scene.meta.script(phone, behave.refuse(131026, { status: 400 }));
    const id = await send(phone, [FAILED]);
    const going = await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
    expect(going.status).toBe('sent');
    expect(on(going, 'whatsapp')).toMatchObject({ status: 'failed', failure: { code: 'recipient_invalid' } });
    await scene.twilio.deliver(taken('twilio', phone).id, ['delivered']);
    const done = await scene.status(id, 'delivered');
    expect(done.fallback).toMatchObject([
      { channel: 'sms', status: 'started', message_id: on(done, 'sms').message_id },
    ]);
    expect(callsTo(phone)).toBe(1);
  });

  it('a refusal that comes later starts it too, also before the deadline of not_delivered, which is then over', async () => {
    for (const step of [FAILED, IN_A_MINUTE]) {
      const phone = newPhone();
      const id = await send(phone, [step]);
      const sent = await scene.status(id, 'sent');
      expect(sent.fallback).toMatchObject([{ channel: 'sms', status: 'dormant' }]);
      await scene.meta.deliver(taken('meta', phone).id, ['failed'], { code: '131026' });
      const going = await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
      expect(byChannel(going)).toEqual({ whatsapp: 'failed', sms: 'sent' });
      expect(await deadlines(id)).toEqual([]);
    }
  });

  it('131049 is not tried again there, and starts it', async () => {
    const phone = newPhone();
    scene.meta.script(phone, behave.refuse(131049, { status: 400 }));
    const id = await send(phone, [FAILED]);
    const going = await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
    expect(on(going, 'whatsapp')).toMatchObject({ status: 'failed', attempts_made: 1 });
  });

  it.each([130429, 131056])('%s says wait: it is tried again there, and nothing else starts', async (code) => {
    const phone = newPhone();
    scene.meta.script(phone, behave.refuse(code, { status: 400 }));
    const id = await send(phone, [{ ...IN_A_MINUTE, after_seconds: 3_600 }]);
    await scene.when(id, 'waits', (one) => on(one, 'whatsapp').next_attempt_at !== undefined);
    await scene.hurry();
    const sent = await scene.when(id, 'was taken', (one) => on(one, 'whatsapp').status === 'sent');
    expect(on(sent, 'whatsapp').attempts_made).toBe(2);
    await scene.meta.deliver(taken('meta', phone).id, ['delivered']);
    const done = await scene.status(id, 'delivered');
    expect(done.fallback).toMatchObject([{ status: 'not_needed' }]);
    expect(callsTo(phone)).toBe(0);
    await until(async () => (await deadlines(id)).length === 0, { what: 'that the deadline is withdrawn' });
  });

  it('waits for the last of several channels', async () => {
    const phone = newPhone();
    scene.meta.script(phone, behave.refuse(131026, { status: 400 }));
    const id = await send(phone, [FAILED], { channels: ['whatsapp', 'voice'] });
    const half = await scene.when(
      id,
      'has half failed',
      (one) => on(one, 'whatsapp').status === 'failed' && on(one, 'voice').status === 'sent',
    );
    expect(half.fallback).toMatchObject([{ status: 'dormant' }]);
    await scene.twilio.deliver(taken('twilio', phone).id, ['failed']);
    await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
  });

  it('step follows step, and the notification fails with the last of them', async () => {
    const phone = newPhone();
    scene.meta.script(phone, behave.refuse(131026, { status: 400 }));
    scene.twilio.always(phone, behave.refuse('21211', { status: 400 }));
    const id = await send(phone, [FAILED, { channel: 'voice', on: 'not_delivered', after_seconds: 600 }]);
    const done = await scene.status(id, 'failed');
    expect(byChannel(done)).toEqual({ whatsapp: 'failed', sms: 'failed', voice: 'failed' });
    expect(done.fallback.map(({ status }: Json) => status)).toEqual(['started', 'started']);
    expect(
      await scene.query('select 1 from due where id >= $1 and id <= (left($1::text, 35) || $2)::uuid', [
        fromWire('notification', id),
        'f',
      ]),
    ).toEqual([]);
  });

  it('an unknown outcome never starts it, not even when nothing is heard of it in the end', async () => {
    const phone = newPhone();
    scene.meta.script(phone, behave.resetAfter());
    const id = await send(phone, [FAILED]);
    await scene.when(id, 'is unknown', (one) => on(one, 'whatsapp').outcome_unknown === true);
    await scene.query('update due set run_at = clock_now() where owner is null and run_at > clock_now()');
    const done = await scene.status(id, 'failed');
    expect(on(done, 'whatsapp').failure.code).toBe('outcome_unknown');
    expect(done.fallback).toMatchObject([{ channel: 'sms', status: 'not_needed' }]);
    expect(callsTo(phone)).toBe(0);
  });

  it('what was cancelled is not followed by anything', async () => {
    const phone = newPhone();
    const id = await send(phone, [FAILED, { channel: 'voice', on: 'failed' }], {
      send_at: new Date(Date.now() + 3_600_000).toISOString(),
    });
    const answer = await scene.must(200, scene.call('DELETE', `/api/v1/notifications/${id}`, { key: scene.liveKey }));
    expect(answer.status).toBe('failed');
    expect(answer.fallback).toMatchObject([{ status: 'not_needed' }, { status: 'not_needed' }]);
    expect(answer.channels).toHaveLength(1);
  });
});

describe('when nothing is delivered in time', () => {
  it('the next channel starts after the deadline, counted from the hand-over, and not before', async () => {
    const phone = newPhone();
    const id = await send(phone, [IN_A_MINUTE]);
    const sent = on(await scene.status(id, 'sent'), 'whatsapp');
    const [deadline] = await deadlines(id);
    expect(deadline.runAt.getTime()).toBe(Date.parse(sent.sent_at) + 60_000);
    // Looked at too early it is only put off.
    await scene.query('update due set run_at = clock_now() where id = $1', [fromWire('notification', id)]);
    scene.product.deps.doorbell.ring('due');
    await until(async () => (await deadlines(id))[0]?.runAt.getTime() === deadline.runAt.getTime());
    expect((await scene.get(id)).channels).toHaveLength(1);
    await passTime(id);
    const going = await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
    expect(byChannel(going)).toEqual({ whatsapp: 'sent', sms: 'sent' });
    expect(await deadlines(id)).toEqual([]);
  });

  it('a delivery withdraws the deadline, and the step is not needed', async () => {
    const phone = newPhone();
    const id = await send(phone, [IN_A_MINUTE]);
    await scene.status(id, 'sent');
    await scene.meta.deliver(taken('meta', phone).id, ['delivered']);
    const done = await scene.status(id, 'delivered');
    expect(done.fallback).toMatchObject([{ status: 'not_needed' }]);
    expect(await deadlines(id)).toEqual([]);
  });

  it('the time of the next step runs from the hand-over of the one before', async () => {
    const phone = newPhone();
    const id = await send(phone, [IN_A_MINUTE, { channel: 'voice', on: 'not_delivered', after_seconds: 600 }]);
    await scene.status(id, 'sent');
    await passTime(id);
    const second = await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
    const [deadline] = await deadlines(id);
    expect(deadline.runAt.getTime()).toBe(Date.parse(on(second, 'sms').sent_at) + 600_000);
    await passTime(id);
    const third = await scene.when(id, 'has gone on again', (one) => on(one, 'voice')?.status === 'sent');
    expect(third.fallback.map(({ status }: Json) => status)).toEqual(['started', 'started']);
    expect(await deadlines(id)).toEqual([]);
  });

  it('it starts for what is still queued, and for an unknown outcome, which keeps its own deadline', async () => {
    const [limited, lost] = [newPhone(), newPhone()];
    scene.meta.script(limited, behave.tooMany(7_200));
    scene.meta.script(lost, behave.resetAfter());
    const second = await send(lost, [IN_A_MINUTE]);
    await scene.when(second, 'is unknown', (one) => on(one, 'whatsapp').outcome_unknown === true);
    // From here on the connection rests for two hours; decisions fall all the same.
    const first = await send(limited, [IN_A_MINUTE]);
    await scene.when(first, 'waits', (one) => on(one, 'whatsapp').next_attempt_at !== undefined);
    for (const id of [first, second]) {
      await passTime(id);
      await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
    }
    expect(on(await scene.get(first), 'whatsapp').status).toBe('queued');
    expect(
      await scene.query(`select kind from due where id = $1`, [
        fromWire('message', on(await scene.get(second), 'whatsapp').message_id),
      ]),
    ).toEqual([{ kind: 'deadline' }]);
    // The provider takes messages again.
    await scene.query(`update connections set updated_at = clock_now()`);
  });

  it('a late delivery takes back what is still queued, and both stories are one', async () => {
    const phone = newPhone();
    scene.twilio.always(phone, behave.unavailable());
    const id = await send(phone, [IN_A_MINUTE]);
    await scene.status(id, 'sent');
    await passTime(id);
    await scene.when(id, 'waits for another attempt', (one) => on(one, 'sms')?.next_attempt_at !== undefined);
    await scene.meta.deliver(taken('meta', phone).id, ['delivered']);
    const done = await scene.status(id, 'delivered');
    expect(on(done, 'sms')).toMatchObject({ status: 'failed', attempts_made: 1, failure: { code: 'superseded' } });
    expect(done.timeline.map(({ channel, type }: Json) => `${channel} ${type}`)).toEqual(
      expect.arrayContaining(['whatsapp accepted', 'sms fallback_started', 'whatsapp receipt_delivered', 'sms failed']),
    );
    expect(done.timeline.map(({ at }: Json) => at)).toEqual(done.timeline.map(({ at }: Json) => at).sort());
    await scene.hurry();
    expect(callsTo(phone)).toBe(1);
    expect(
      await scene.query('select 1 from due where id >= $1 and id <= (left($1::text, 35) || $2)::uuid', [
        fromWire('notification', id),
        'f',
      ]),
    ).toEqual([]);
  });

  it('what is handed over already stays, and both count', async () => {
    const phone = newPhone();
    const id = await send(phone, [IN_A_MINUTE]);
    await scene.status(id, 'sent');
    await passTime(id);
    await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
    await scene.meta.deliver(taken('meta', phone).id, ['delivered']);
    expect(byChannel(await scene.status(id, 'delivered'))).toEqual({ whatsapp: 'delivered', sms: 'sent' });
  });
});

it('with two workers, a deadline and a failure that come at once start it once', async () => {
  const second = await startProduct({
    role: 'worker',
    database: scene.product.database,
    timing: { sweepMs: 20, random: () => 0 },
    env: { EGRESS_ALLOW: scene.product.deps.config.egressAllow.join(), PUBLIC_URL: scene.product.url },
  });
  try {
    const phones = Array.from({ length: 10 }, newPhone);
    const ids = await Promise.all(
      phones.map((phone) => send(phone, [IN_A_MINUTE], { channels: ['whatsapp', 'voice'] })),
    );
    for (const id of ids)
      await scene.when(id, 'went', ({ channels }) => channels.every(({ status }: Json) => status === 'sent'));
    await Promise.all(
      phones.flatMap((phone, index) => [
        scene.meta.deliver(taken('meta', phone).id, ['failed'], { code: '131026' }),
        scene.twilio.deliver(taken('twilio', phone).id, ['failed']),
        passTime(ids[index] as string),
      ]),
    );
    for (const id of ids) await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
    expect(
      phones.map(
        (phone) => scene.twilio.requests.filter((one) => one.form().To?.[0] === phone && one.form().Body).length,
      ),
    ).toEqual(Array(10).fill(1));
    for (const id of ids) expect((await scene.get(id)).channels).toHaveLength(3);
  } finally {
    await second.stop();
  }
});

it('a step inherits lane, category, key and the length of its life, which begins anew', async () => {
  const phone = newPhone();
  scene.meta.script(phone, behave.refuse(131026, { status: 400 }));
  const id = await send(phone, [FAILED], { priority: 'high', category: 'otp', ttl_seconds: 90 });
  await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
  const rows = await scene.query(
    `select category, lane, idempotency_key, actor_id, extract(epoch from expires_at - created_at)::int as life, recipient from messages
     where id > $1 and id <= (left($1::text, 35) || 'f')::uuid order by id`,
    [fromWire('notification', id)],
  );
  expect(rows[0]).toMatchObject({ category: 'otp', lane: 0, life: 90 });
  expect(rows[1]).toEqual(rows[0]);
});

it('a worker that dies with a deadline in its hands loses nothing: it is taken up when its lease ends', async () => {
  const phone = newPhone();
  const id = await send(phone, [IN_A_MINUTE]);
  await scene.status(id, 'sent');
  await scene.query(`update due set owner = gen_random_uuid(), fence = fence + 1 where id = $1`, [
    fromWire('notification', id),
  ]);
  await passTime(id);
  expect((await deadlines(id)).length).toBe(1);
  await scene.query('update due set run_at = clock_now() where id = $1', [fromWire('notification', id)]);
  scene.product.deps.doorbell.ring('due');
  await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
  expect(callsTo(phone)).toBe(1);
});

it('the key is free, and a retry possible, when the last step has failed; the retry keeps the fallback', async () => {
  const phone = newPhone();
  scene.meta.script(phone, behave.refuse(131026, { status: 400 }));
  scene.twilio.script(phone, behave.unavailable(), behave.refuse('21211', { status: 400 }));
  const body = {
    recipient: { phone },
    notification: {
      channels: ['whatsapp'],
      template_id: 'order_update',
      data: ORDER,
      body: 'Shipped',
      fallback: [IN_A_MINUTE],
    },
    idempotency_key: `fallback-${phone}`,
  };
  const { notification_id: id } = await scene.send(body);
  await scene.when(id, 'waits on its fallback', (one) => on(one, 'sms')?.next_attempt_at !== undefined);
  expect((await scene.send(body)).notification_id).toBe(id);
  const early = await scene.call('POST', `/api/v1/notifications/${id}/retry`, { key: scene.liveKey });
  expect([early.status, early.body.error.code]).toEqual([409, 'not_retryable']);
  await scene.hurry();
  await scene.status(id, 'failed');
  const again = await scene.must(202, scene.call('POST', `/api/v1/notifications/${id}/retry`, { key: scene.liveKey }));
  expect(again.channels).toMatchObject([{ channel: 'whatsapp' }]);
  const retried = await scene.status(again.notification_id, 'sent');
  expect(retried.retry_of).toBe(id);
  expect(retried.fallback).toMatchObject([
    { channel: 'sms', on: 'not_delivered', after_seconds: 60, status: 'dormant' },
  ]);
});

it('a test key walks the same way', async () => {
  const { notification_id: id } = await scene.send(
    {
      recipient: { email: 'bounced@sandbox.test', phone: newPhone() },
      notification: { channels: ['email'], subject: 'Hi', body: 'A test', fallback: [FAILED] },
    },
    scene.testKey,
  );
  const done = await scene.status(id, 'delivered', scene.testKey);
  expect(byChannel(done)).toEqual({ email: 'failed', sms: 'delivered' });
});
