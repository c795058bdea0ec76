/** Who may not be written to: nothing reaches a provider, and what falls back on it starts. Whoever said so can take it back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Heard } from '../../src/features/suppressions/index.ts';
import { fromWire } from '../../src/lib/ids.ts';
import { until } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { newEmail, newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
const connections: Record<string, Json> = {};
beforeAll(async () => {
  scene = await startScene();
  connections.first = await scene.connect('sms', scene.twilio.credentials);
  connections.email = await scene.connect('email', scene.smtp.credentials);
});
afterAll(() => scene.close());

const list = (query = '', key = scene.liveKey): Promise<Json> =>
  scene.must(200, scene.call('GET', `/api/v1/suppressions${query}`, { key }));
const add = (...suppressions: object[]): Promise<Json> =>
  scene.must(200, scene.call('POST', '/api/v1/suppressions', { key: scene.liveKey, body: { suppressions } }));
const sms = (phone: string, more: object = {}): Promise<Json> =>
  scene.send({ recipient: { phone }, notification: { channels: ['sms'], body: 'Hello', ...more } });
const seen = (phone: string): number => scene.twilio.requests.filter(({ form }) => form().To?.[0] === phone).length;
const refused = async ({ notification_id }: Json): Promise<Json> => {
  const { channels } = await scene.status(notification_id, 'failed');
  expect(channels[0]).toMatchObject({ failure: { code: 'recipient_opted_out' }, attempts_made: 0 });
  return channels[0];
};
const events = async (type: string, address: string): Promise<Json[]> =>
  (
    await scene.must(200, scene.call('GET', `/api/v1/events?type=${type}&limit=500`, { key: scene.liveKey }))
  ).data.filter(({ data }: Json) => data.address === address);
/** What the callbacks of a provider are read into. */
const hear = (address: string, text: string, more: Partial<Heard> = {}) => {
  const { db, suppressions } = scene.product.deps;
  const connectionId = fromWire('connection', (connections.first as Json).id) as string;
  const item = { tenantId: scene.product.tenantId, mode: 'live', channel: 'sms', connectionId, address, text } as const;
  return db.transaction((trx) => suppressions.hear(trx, [{ ...item, ...more }]));
};

describe('STOP', () => {
  it('ends everything from that sender, codes too, and the provider sees nothing; START begins it again', async () => {
    const phone = newPhone();
    expect(await hear(phone, 'Stop.')).toEqual(['stop']);
    await refused(await sms(phone));
    await refused(await sms(phone, { category: 'otp' }));
    expect(seen(phone)).toBe(0);
    expect((await list(`?address=${encodeURIComponent(phone)}`)).data).toMatchObject([
      { reason: 'stop_word', scope: 'all', channel: 'sms', address: phone, connection_id: connections.first?.id },
    ]);
    expect(await hear(phone, 'START')).toEqual(['start']);
    await scene.status((await sms(phone)).notification_id, 'sent');
    expect(await events('recipient.suppressed', phone)).toHaveLength(1);
    expect(await events('recipient.restored', phone)).toHaveLength(1);
  });

  it('said twice is one suppression and one event; of two words in one batch the last counts', async () => {
    const phone = newPhone();
    await hear(phone, 'STOP');
    await hear(phone, 'berhenti');
    expect(await events('recipient.suppressed', phone)).toHaveLength(1);
    const { db, suppressions } = scene.product.deps;
    const connectionId = fromWire('connection', (connections.first as Json).id) as string;
    const party = {
      tenantId: scene.product.tenantId,
      mode: 'live',
      channel: 'sms',
      connectionId,
      address: phone,
    } as const;
    await db.transaction((trx) =>
      suppressions.hear(trx, [
        { ...party, text: 'START' },
        { ...party, text: 'STOP' },
      ]),
    );
    expect((await list(`?address=${encodeURIComponent(phone)}`)).data).toHaveLength(1);
  });

  it('in a sentence, or on a channel without such words, is a message like any other', async () => {
    const phone = newPhone();
    expect(await hear(phone, 'Please stop by at nine')).toEqual([undefined]);
    expect(await hear('UMEMBER', 'STOP', { channel: 'slack' })).toEqual([undefined]);
    await scene.status((await sms(phone)).notification_id, 'sent');
  });

  it('by the word of the provider that refuses: the next message does not reach it', async () => {
    const phone = newPhone();
    scene.twilio.script(phone, behave.refuse(21610));
    const { channels } = await scene.status((await sms(phone)).notification_id, 'failed');
    expect(channels[0]).toMatchObject({ failure: { code: 'recipient_opted_out' }, attempts_made: 1 });
    await refused(await sms(phone));
    expect(seen(phone)).toBe(1);
  });
});

it('what falls back on it starts at once, and a bulk goes on without it', async () => {
  const [phone, other, email] = [newPhone(), newPhone(), newEmail()];
  await add({ channel: 'sms', address: phone });
  const { notification_id } = await scene.send({
    recipient: { phone, email },
    notification: {
      ...{ channels: ['sms'], subject: 'Hi', body: 'Hello' },
      fallback: [{ channel: 'email', on: 'failed' }],
    },
  });
  await scene.when(notification_id, 'went by mail', (one) => on(one, 'email')?.status === 'sent');
  const bulk = await scene.must(
    202,
    scene.call('POST', '/api/v1/notifications/bulk', {
      key: scene.liveKey,
      body: { channels: ['sms'], body: 'Hello', recipients: [{ phone }, { phone: other }] },
    }),
  );
  await until(async () => {
    const one = await scene.must(
      200,
      scene.call('GET', `/api/v1/notifications/bulk/${bulk.bulk_id}`, { key: scene.liveKey }),
    );
    return one.counts.failed === 1 && one.counts.sent + one.counts.delivered === 1;
  });
  expect([seen(phone), seen(other)]).toEqual([0, 1]);
});

it('what waits already is not sent when its person says no meanwhile', async () => {
  const phone = newPhone();
  scene.twilio.script(phone, behave.unavailable(), behave.ok());
  const { notification_id } = await sms(phone);
  await scene.when(notification_id, 'failed once', ({ channels }) => channels[0].attempts_made === 1);
  await hear(phone, 'STOP');
  await scene.hurry();
  const { channels } = await scene.status(notification_id, 'failed');
  expect(channels[0].failure.code).toBe('recipient_opted_out');
  expect(seen(phone)).toBe(1);
});

it('a wish against marketing lets everything else through', async () => {
  const phone = newPhone();
  await add({ channel: 'sms', address: phone, scope: 'marketing' });
  await refused(await sms(phone, { category: 'marketing' }));
  await scene.status((await sms(phone)).notification_id, 'sent');
  await scene.status((await sms(phone, { category: 'otp' })).notification_id, 'sent');
  expect(seen(phone)).toBe(2);
});

it('another sender may still write to who said STOP to the first', async () => {
  const phone = newPhone();
  const away = { connectionId: fromWire('connection', (connections.email as Json).id) as string };
  await hear(phone, 'STOP', away);
  await scene.status((await sms(phone)).notification_id, 'sent');
});

it('what a person told the provider holds until it is taken back', async () => {
  const phone = newPhone();
  const { db, suppressions } = scene.product.deps;
  const connectionId = fromWire('connection', (connections.first as Json).id) as string;
  const party = { tenantId: scene.product.tenantId, mode: 'live', channel: 'sms', connectionId } as const;
  const prefer = (value: 'stop' | 'resume') =>
    db.transaction((trx) =>
      suppressions.prefer(trx, [{ ...party, recipient: { phone }, category: 'marketing', value }]),
    );
  await prefer('stop');
  await refused(await sms(phone, { category: 'marketing' }));
  await prefer('resume');
  await scene.status((await sms(phone, { category: 'marketing' })).notification_id, 'sent');
});

describe('in the sandbox', () => {
  const test = (email: string): Promise<Json> =>
    scene.send(
      { recipient: { email }, notification: { channels: ['email'], subject: 'Hi', body: 'Hello' } },
      scene.testKey,
    );
  const play = async ({ channels }: Json, receipt: string): Promise<void> => {
    const path = `/api/v1/sandbox/outbox/${channels[0].message_id}/receipts`;
    await scene.must(202, scene.call('POST', path, { key: scene.testKey, body: { receipt } }));
  };
  it.each([
    ['bounced', 'hard_bounce'],
    ['complained', 'complaint'],
  ])('an address that has %s is left alone', async (receipt, reason) => {
    const email = newEmail();
    const first = await test(email);
    await scene.status(first.notification_id, 'delivered', scene.testKey);
    await play(first, receipt);
    const found = await until(async () => (await list(`?address=${email}`, scene.testKey)).data[0], { what: reason });
    expect(found).toMatchObject({
      reason,
      scope: 'all',
      connection_id: null,
      message_id: first.channels[0].message_id,
    });
    const { channels } = await scene.status((await test(email)).notification_id, 'failed', scene.testKey);
    expect(channels[0].failure.code).toBe('recipient_opted_out');
    expect((await list(`?address=${email}`)).data).toEqual([]);
  });

  it('an address that means an outcome means it every time', async () => {
    for (let round = 0; round < 2; round++) {
      const { notification_id } = await test('bounced@sandbox.test');
      const { channels } = await scene.status(notification_id, 'failed', scene.testKey);
      expect(channels[0].failure.code).toBe('bounced');
    }
    expect((await list('?address=bounced@sandbox.test', scene.testKey)).data).toEqual([]);
  });

  it('a mailbox that was full is written to again', async () => {
    const { notification_id } = await test('full@sandbox.test');
    await scene.when(
      notification_id,
      'was taken back',
      ({ channels }) => channels[0].attempts_made === 1,
      scene.testKey,
    );
    expect((await list('?reason=hard_bounce&address=full@sandbox.test', scene.testKey)).data).toEqual([]);
  });
});

describe('the list', () => {
  it('takes many at once, all or none, and says what is wrong with each', async () => {
    const [one, two] = [newPhone(), newEmail()];
    const { status, body } = await scene.call('POST', '/api/v1/suppressions', {
      key: scene.liveKey,
      body: {
        suppressions: [
          { channel: 'sms', address: one },
          { channel: 'pigeon', address: 'x' },
          { channel: 'sms', address: 'nobody' },
          { channel: 'sms', address: one, connection_id: connections.email?.id },
        ],
      },
    });
    expect(status).toBe(422);
    expect(body.error.details.fields.map(({ path }: Json) => path)).toEqual([
      'suppressions.1.channel',
      'suppressions.2.address',
      'suppressions.3.connection_id',
    ]);
    const { data } = await add(
      { channel: 'sms', address: one, note: 'asked at the counter' },
      { channel: 'email', address: two.toUpperCase(), reason: 'unsubscribe', scope: 'marketing' },
      { channel: 'sms', address: one },
    );
    expect(data).toMatchObject([
      { channel: 'sms', address: one, reason: 'manual', scope: 'all', note: 'asked at the counter' },
      { channel: 'email', address: two, reason: 'unsubscribe', scope: 'marketing' },
      { id: data[0].id },
    ]);
    expect((await list('?channel=email&reason=unsubscribe')).data[0].id).toBe(data[1].id);
    const first = await list('?limit=1');
    expect((await list(`?limit=1&cursor=${first.next_cursor}`)).data[0].id).not.toBe(first.data[0].id);
  });

  it('who is taken from it is written to again, once', async () => {
    const phone = newPhone();
    const { data } = await add({ channel: 'sms', address: phone });
    const path = `/api/v1/suppressions/${data[0].id}`;
    const { status } = await scene.call('DELETE', path, { key: scene.liveKey });
    expect(status).toBe(204);
    expect((await scene.call('DELETE', path, { key: scene.liveKey })).status).toBe(404);
    expect((await scene.call('GET', path, { key: scene.liveKey })).status).toBe(404);
    await scene.status((await sms(phone)).notification_id, 'sent');
    expect(await events('recipient.restored', phone)).toHaveLength(1);
    const log = await scene.query(`select detail::text from audit_log where action like 'suppression.%'`);
    expect(JSON.stringify(log)).not.toContain(phone.slice(1));
  });

  it('outlives an erasure without the address: the person is recognised and still not written to', async () => {
    const phone = newPhone();
    const { data } = await add({ channel: 'sms', address: phone, note: `called from ${phone}` });
    const erased = await scene.call('POST', '/api/v1/recipients/erase', {
      key: scene.liveKey,
      body: { recipient: { phone } },
    });
    expect(erased.body.status).toBe('completed');
    const path = `/api/v1/suppressions/${data[0].id}`;
    expect(await scene.must(200, scene.call('GET', path, { key: scene.liveKey }))).toMatchObject({
      address: null,
      note: null,
    });
    await refused(await sms(phone));
  });
});

it('asks by index only', async () => {
  const plan = await scene.product.deps.db.query<{ 'QUERY PLAN': string }>(
    'explain select digest, mode, scope, connection_id from suppressions where digest = any($1)',
    [Array.from({ length: 200 }, (_, index) => String(index))],
  );
  const text = plan.map((row) => row['QUERY PLAN']).join(' ');
  expect(text).toMatch(/suppressions_digest/);
  expect(text).not.toMatch(/Seq Scan/);
});
