/** A test key walks the same rooms and gets the same answers; nothing leaves the machine, and every outcome can be had by asking for it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels } from '../../channels/index.ts';
import { FAULTS, type FaultKind, type SandboxStep } from '../../src/channel-kit/index.ts';
import type { Json } from '../support/providers/fake.ts';
import { newEmail, newPhone, ORDER, on, orderUpdate, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
let clock: NodeJS.Timeout;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
  await scene.template(orderUpdate);
  // Waits of minutes and hours pass in a moment; deadlines of days do not.
  clock = setInterval(() => void scene.hurry().catch(() => undefined), 150);
});
afterAll(async () => {
  clearInterval(clock);
  await scene.close();
});

const content = (channel: string): object =>
  channel === 'whatsapp'
    ? { template_id: 'order_update', data: ORDER }
    : { body: 'A word about the sandbox', ...(channel === 'email' ? { subject: 'Sandbox' } : {}) };

/** What a script promises, said by its last step, and which attempts lead there. */
function promise(steps: readonly SandboxStep[]) {
  const last = steps.at(-1) as SandboxStep;
  const attempts: string[] = [];
  for (const [index, step] of steps.entries()) {
    if ('refuse' in step) attempts.push(step.refuse === 'outcome_unknown' ? 'unknown' : 'refused');
    else if (step.fault && FAULTS[step.fault].retryable && index < steps.length - 1) attempts.push('refused_later');
  }
  const first = steps.find((step) => !('refuse' in step));
  if (attempts.at(-1) === 'unknown') {
    // A receipt shows that the lost one had been taken after all.
    if (first) attempts[attempts.length - 1] = 'accepted';
  } else if (first) attempts.push('accepted');
  if ('refuse' in last)
    return last.refuse === 'outcome_unknown'
      ? { status: 'sent', unknown: true, attempts }
      : { status: 'failed', code: last.refuse as string, attempts };
  if (last.receipt === 'failed') return { status: 'failed', code: last.fault as string, attempts };
  if (last.receipt === 'bounced') return { status: 'failed', code: 'bounced', attempts };
  return { status: 'delivered', receipt: last.receipt, attempts };
}

const cases = channels.flatMap(({ id, label, sandbox }) =>
  sandbox.map(({ to, note, steps }) => ({ channel: id, label, to, note, steps, name: Object.values(to).join() })),
);

describe('every magic recipient does what capabilities say of it', () => {
  it.concurrent.each(cases)('$label $name: $note', async ({ channel, to, steps }) => {
    const expected = promise(steps);
    const { notification_id: id } = await scene.send(
      { recipient: to, notification: { channels: [channel], ...content(channel) } },
      scene.testKey,
    );
    const settled = (message: Json): boolean =>
      message.status === expected.status &&
      message.attempts.every(({ outcome }: Json) => outcome !== 'in_progress') &&
      (expected.unknown === undefined || message.outcome_unknown === true) &&
      (expected.receipt !== 'read' || message.read_at !== undefined) &&
      (expected.receipt !== 'complained' || message.complained_at !== undefined);
    const done = await scene.when(
      id,
      `ends as ${JSON.stringify(expected)}`,
      (one) => settled(on(one, channel)),
      scene.testKey,
      15_000,
    );
    const message = on(done, channel);
    expect(message.failure?.code).toBe(expected.code);
    expect(message.attempts.map(({ outcome }: Json) => outcome)).toEqual(expected.attempts);
    if (expected.code) expect(message.failure.fix).toMatch(/\w/);
  });

  it('the table that capabilities serve is the one that was walked here', async () => {
    const { data } = await scene.must(200, scene.call('GET', '/api/v1/channels/capabilities', { key: scene.testKey }));
    expect(data.map(({ channel, sandbox }: Json) => [channel, sandbox])).toEqual(
      channels.map(({ id, sandbox }) => [id, JSON.parse(JSON.stringify(sandbox))]),
    );
    const kinds = data.flatMap(({ sandbox }: Json) => sandbox.flatMap(({ steps }: Json) => steps));
    for (const { refuse } of kinds) if (refuse) expect(FAULTS[refuse as FaultKind]).toBeDefined();
  });
});

const anyone = () => ({ email: newEmail(), phone: newPhone(), slack_user_id: 'UANYBODY' });
const everywhere = {
  channels: ['whatsapp', 'email', 'sms', 'slack', 'voice'],
  template_id: 'order_update',
  body: 'Order {{order_id}}',
  data: ORDER,
};

it('any other recipient is delivered, on every channel', async () => {
  const { notification_id: id } = await scene.send({ recipient: anyone(), notification: everywhere }, scene.testKey);
  const done = await scene.when(
    id,
    'is delivered everywhere',
    (one) => one.channels.every(({ status }: Json) => status === 'delivered'),
    scene.testKey,
  );
  expect(done.livemode).toBe(false);
});

it('nothing a test key sends reaches a provider, though live connections stand beside', async () => {
  expect(scene.meta.requests).toEqual([]);
  expect(scene.twilio.requests).toEqual([]);
  expect(scene.slack.requests).toEqual([]);
  expect(scene.smtp.connections.opened).toBe(0);
});

it('the outbox holds the message as the person would have received it', async () => {
  const to = anyone();
  const { notification_id: id } = await scene.send({ recipient: to, notification: everywhere }, scene.testKey);
  await scene.status(id, 'delivered', scene.testKey);
  await scene.when(
    id,
    'is everywhere',
    (one) => one.channels.every(({ status }: Json) => status === 'delivered'),
    scene.testKey,
  );
  const outbox = (key: string): Promise<Json> =>
    scene.must(200, scene.call('GET', '/api/v1/sandbox/outbox?limit=100', { key }));
  const { data } = await outbox(scene.testKey);
  const mine = data.filter((item: Json) => item.notification_id === id);
  const seen = Object.fromEntries(mine.map((item: Json) => [item.channel, item]));
  expect(seen.email.content).toEqual({
    subject: 'Order A-1042',
    body: 'Hi Ada, order A-1042 has shipped.',
    html: '<p>Hi Ada, <b>A-1042</b></p>',
  });
  expect(seen.email.preview).toMatchObject({ kind: 'mail', subject: 'Order A-1042' });
  expect(seen.whatsapp.preview).toMatchObject({
    kind: 'bubble',
    text: expect.stringContaining('order A-1042 has shipped'),
  });
  expect(seen.sms.preview).toMatchObject({ kind: 'bubble', text: 'Order A-1042' });
  expect(seen.voice.preview).toMatchObject({ kind: 'speech', text: 'Order A-1042' });
  expect(seen.slack.preview).toMatchObject({ kind: 'blocks' });
  for (const item of mine) {
    const path = `/api/v1/sandbox/outbox/${item.message_id}`;
    expect(await scene.must(200, scene.call('GET', path, { key: scene.testKey }))).toEqual(item);
    expect((await scene.call('GET', path, { key: scene.liveKey })).status).toBe(404);
  }
  expect((await outbox(scene.liveKey)).data).toEqual([]);
});

it('a recipient can be played by hand, through the same signed door', async () => {
  const { notification_id: id, channels: made } = await scene.send(
    { recipient: { phone: newPhone() }, notification: { channels: ['whatsapp'], ...content('whatsapp') } },
    scene.testKey,
  );
  await scene.status(id, 'delivered', scene.testKey);
  const path = `/api/v1/sandbox/outbox/${made[0].message_id}/receipts`;
  const played = await scene.call('POST', path, { key: scene.testKey, body: { receipt: 'read' } });
  expect([played.status, played.text]).toEqual([202, '']);
  await scene.when(id, 'is read', (one) => on(one, 'whatsapp').read_at !== undefined, scene.testKey);
});

describe('sandbox and live answer in one shape', () => {
  const shape = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(shape);
    if (value && typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, shape(item)]));
    return typeof value;
  };
  const both = async (body: object) => {
    const [test, live] = await Promise.all(
      [scene.testKey, scene.liveKey].map((key) => scene.call('POST', '/api/v1/notifications/send', { key, body })),
    );
    return [test, live] as const;
  };

  it('when a send is accepted', async () => {
    const [test, live] = await both({ recipient: anyone(), notification: everywhere });
    expect(test?.status).toBe(live?.status);
    expect(shape(test?.body)).toEqual(shape(live?.body));
    expect([test?.body.livemode, live?.body.livemode]).toEqual([false, true]);
  });

  it('when a message was delivered', async () => {
    const body = { recipient: { slack_user_id: 'USAME' }, notification: { channels: ['slack'], body: 'Same' } };
    const [test, live] = await both(body);
    // A receipt may overtake our own note that the attempt was accepted; both have to be there.
    const whole = (one: Json) => one.status === 'delivered' && on(one, 'slack').attempts[0]?.outcome === 'accepted';
    const [a, b] = await Promise.all([
      scene.when(test?.body.notification_id, 'is delivered, its attempt closed', whole, scene.testKey),
      scene.when(live?.body.notification_id, 'is delivered, its attempt closed', whole, scene.liveKey),
    ]);
    const { timeline: _, ...sandboxed } = on(a, 'slack');
    const { timeline: __, ...real } = on(b, 'slack');
    expect(shape(sandboxed)).toEqual(shape(real));
  });

  it.each([
    ['a missing field', { recipient: {}, notification: { channels: ['sms'], body: 'x' } }],
    ['a bad address', { recipient: { phone: '12' }, notification: { channels: ['sms'], body: 'x' } }],
    ['no template', { recipient: { phone: '+14155550123' }, notification: { channels: ['whatsapp'], body: 'x' } }],
    [
      'an unknown field',
      { recipient: { phone: '+14155550123' }, notification: { channels: ['sms'], body: 'x', to: 1 } },
    ],
    [
      'a mismatch',
      {
        recipient: { phone: '+14155550123' },
        notification: { channels: ['whatsapp'], template_id: 'order_update', data: { nome: 1 } },
      },
    ],
  ])('when a send is refused: %s', async (_, body) => {
    const [test, live] = await both(body);
    const strip = (reply: Json) => ({ ...reply.body.error, request_id: '' });
    expect(test?.status).toBe(live?.status);
    expect(strip(test)).toEqual(strip(live));
  });
});

describe('the two modes cannot see each other', () => {
  it('a live key finds no test notification, and a test key no live one', async () => {
    const body = { recipient: { slack_user_id: 'UHIDDEN' }, notification: { channels: ['slack'], body: 'Hidden' } };
    const test = await scene.send(body, scene.testKey);
    const live = await scene.send(body, scene.liveKey);
    for (const [id, key] of [
      [test.notification_id, scene.liveKey],
      [live.notification_id, scene.testKey],
    ]) {
      const path = `/api/v1/notifications/${id}`;
      const missing = await scene.call('GET', '/api/v1/notifications/ntf_00000000000000000000000000', { key });
      const answers = [
        await scene.call('GET', path, { key }),
        await scene.call('DELETE', path, { key }),
        await scene.call('POST', `${path}/retry`, { key }),
      ];
      for (const { status, body: answer } of answers) {
        expect(status).toBe(404);
        expect(answer.error.code).toBe('not_found');
      }
      const strip = (reply: Json) => reply.text.replace(/req_\w+/, '');
      expect(strip(answers[0])).toBe(strip(missing));
    }
    const ids = async (key: string) =>
      (await scene.must(200, scene.call('GET', '/api/v1/notifications?limit=100', { key }))).data.map(
        (one: Json) => one.notification_id,
      );
    expect(await ids(scene.testKey)).not.toContain(live.notification_id);
    expect(await ids(scene.liveKey)).not.toContain(test.notification_id);
  });

  it('a test key neither sees live connections nor makes one', async () => {
    const list = await scene.must(200, scene.call('GET', '/api/v1/connections', { key: scene.testKey }));
    expect(list.data.every(({ livemode }: Json) => livemode === false)).toBe(true);
    const made = await scene.call('POST', '/api/v1/connections', {
      key: scene.testKey,
      body: { channel: 'sms', credentials: scene.twilio.credentials },
    });
    expect([made.status, made.body.error.code]).toEqual([422, 'live_mode_required']);
  });
});
