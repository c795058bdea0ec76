/** Looking at what was sent, and taking it back: lists with filters and pages, attempts, reasons, cancelling, and whose words are shown. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ADMIN_KEY } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { newEmail, newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.close());

const list = (query: string, key = scene.testKey) => scene.call('GET', `/api/v1/notifications?${query}`, { key });
const ids = (page: Json): string[] => page.data.map(({ notification_id }: Json) => notification_id);

describe('the list', () => {
  let key: string;
  const sent: Record<string, string> = {};
  beforeAll(async () => {
    key = (await scene.tenant('Lists')).test_key;
    const both = newPhone();
    const send = async (name: string, recipient: object, notification: object) => {
      const { notification_id: id } = await scene.send({ recipient, notification }, key);
      sent[name] = id;
      return id;
    };
    await send('sms', { phone: both }, { channels: ['sms'], body: 'a' });
    await send('failed', { phone: '+15005550001' }, { channels: ['sms'], body: 'a' });
    await send('email', { email: 'list@people.example' }, { channels: ['email'], subject: 'a', body: 'a' });
    await send('two', { phone: both, slack_user_id: 'ULIST' }, { channels: ['sms', 'slack'], body: 'a' });
    for (const [name, id] of Object.entries(sent))
      await scene.status(id, name === 'failed' ? 'failed' : 'delivered', key);
  });

  it('is newest first, with each notification once', async () => {
    const page = await scene.must(200, list('', key));
    expect(ids(page)).toEqual([sent.two, sent.email, sent.failed, sent.sms]);
    expect(page).toMatchObject({ object: 'list', has_more: false, next_cursor: null });
  });

  it.each([
    ['channel=slack', ['two']],
    ['channel=sms', ['two', 'failed', 'sms']],
    ['status=failed', ['failed']],
    ['status=delivered&channel=email', ['email']],
    ['recipient=list%40people.example', ['email']],
    ['recipient=%2B15005550001', ['failed']],
    ['recipient=nobody', []],
    ['status=queued', []],
    ['channel=pigeon', []],
    ['from=2099-01-01T00:00:00Z', []],
    ['to=2001-01-01T00:00:00Z', []],
    ['from=1969-01-01T00:00:00Z&to=9999-12-31T23:59:59Z', ['two', 'email', 'failed', 'sms']],
    ['from=0001-01-01T00:00:00Z', ['two', 'email', 'failed', 'sms']],
  ])('filtered by %s', async (query, names) => {
    expect(ids(await scene.must(200, list(query, key)))).toEqual((names as string[]).map((name) => sent[name]));
  });

  it('comes in pages that together are the whole list, whatever their size', async () => {
    for (const limit of [1, 2, 3]) {
      const found: string[] = [];
      let cursor = '';
      do {
        const page = await scene.must(200, list(`limit=${limit}${cursor}`, key));
        expect(page.data.length).toBeLessThanOrEqual(limit);
        expect(page.has_more).toBe(page.next_cursor !== null);
        found.push(...ids(page));
        cursor = page.next_cursor ? `&cursor=${page.next_cursor}` : '';
      } while (cursor);
      expect(found).toEqual([sent.two, sent.email, sent.failed, sent.sms]);
    }
  });

  it("with another tenant's cursor shows nothing of that tenant", async () => {
    const page = await scene.must(200, list(`cursor=${sent.two}`));
    expect(ids(page).filter((id) => Object.values(sent).includes(id))).toEqual([]);
  });

  it.each([
    'limit=0',
    'limit=-1',
    'limit=1000000000',
    'limit=ten',
    'cursor=forged',
    'cursor=con_00000000000000000000000000',
    'sort=status',
    'status=lost',
    'from=9999999',
    'from=2026-13-01T00:00:00Z',
    'from=2026-02-02T00:00:00Z&to=2026-01-01T00:00:00Z',
    'from=2016-12-31T23:59:60Z',
    'offset=99999999999999999999',
  ])('refuses ?%s by name', async (query) => {
    const reply = await list(query);
    expect([reply.status, reply.body.error.code]).toEqual([422, 'validation_failed']);
    expect(reply.body.error.param).toBe(query.split('=')[0]);
  });

  it('finds nothing for a recipient that no store could hold', async () => {
    expect((await list('recipient=%00')).status).toBe(422);
  });
});

describe('cancelling', () => {
  const later = (minutes: number): string => new Date(Date.now() + minutes * 60_000).toISOString();
  const cancel = (id: string) => scene.call('DELETE', `/api/v1/notifications/${id}`, { key: scene.testKey });
  const sms = (send_at?: string) => ({
    recipient: { phone: newPhone() },
    notification: { channels: ['sms'], body: 'Later', ...(send_at ? { send_at } : {}) },
  });

  it('what is still queued ends as failed/cancelled, and is never sent', async () => {
    const { notification_id: id } = await scene.send(sms(later(2)), scene.testKey);
    const { status, body } = await cancel(id);
    expect(status).toBe(200);
    expect(body.status).toBe('failed');
    expect(on(body, 'sms')).toMatchObject({ failure: { code: 'cancelled' }, attempts: [], attempts_made: 0 });
    await scene.hurry();
    expect(await scene.query('select id from due where id in (select id from outbox)')).toEqual([]);
    expect((await scene.get(id, scene.testKey)).channels[0].attempts).toEqual([]);
  });

  it('what was delivered is 409, and so is what was cancelled before', async () => {
    const { notification_id: id } = await scene.send(sms(), scene.testKey);
    await scene.status(id, 'delivered', scene.testKey);
    const sent = await cancel(id);
    expect([sent.status, sent.body.error.code]).toEqual([409, 'not_cancellable']);
    const waiting = await scene.send(sms(later(5)), scene.testKey);
    expect((await cancel(waiting.notification_id)).status).toBe(200);
    expect((await cancel(waiting.notification_id)).status).toBe(409);
  });

  it('frees the idempotency key, for nothing was sent', async () => {
    const request = { ...sms(later(5)), idempotency_key: 'cancelled-once' };
    const first = await scene.send(request, scene.testKey);
    await scene.must(200, cancel(first.notification_id));
    const second = await scene.send(request, scene.testKey);
    expect(second.notification_id).not.toBe(first.notification_id);
  });

  it('a message waits for its time and then goes out', async () => {
    const { notification_id: id } = await scene.send(sms(later(3)), scene.testKey);
    expect((await scene.get(id, scene.testKey)).status).toBe('queued');
    await scene.hurry();
    await scene.status(id, 'delivered', scene.testKey);
  });

  it.each([
    '2001-01-01T00:00:00Z',
    '2999-01-01T00:00:00Z',
    '2016-12-31T23:59:60Z',
    'tomorrow',
    '2026-02-30T00:00:00Z',
  ])('send_at %s is refused', async (at) => {
    const { status, body } = await scene.call('POST', '/api/v1/notifications/send', {
      key: scene.testKey,
      body: sms(at),
    });
    expect([status, body.error.param]).toEqual([422, 'notification.send_at']);
  });
});

describe("a provider's own words", () => {
  const words = /twilio|21211|valid phone|fake-auth/i;
  const fail = async (): Promise<string> => {
    const phone = newPhone();
    scene.twilio.script(phone, behave.refuse('21211', { status: 400 }));
    const { notification_id: id } = await scene.send({
      recipient: { phone },
      notification: { channels: ['sms'], body: 'Whose words?' },
    });
    await scene.status(id, 'failed');
    return id;
  };

  it('stay inside when the connection is the platform’s; the tenant reads ours, with the fix', async () => {
    await scene.must(
      201,
      scene.call('POST', '/api/admin/connections', {
        key: ADMIN_KEY,
        body: { channel: 'sms', credentials: scene.twilio.credentials },
      }),
    );
    const id = await fail();
    const reply = await scene.call('GET', `/api/v1/notifications/${id}`, { key: scene.liveKey });
    expect(reply.text).not.toMatch(words);
    expect(on(reply.body, 'sms').failure).toMatchObject({ code: 'recipient_invalid', retryable: false });
    expect(on(reply.body, 'sms').failure.fix).toMatch(/address/);
    const gateways = await scene.call('GET', '/api/v1/gateways', { key: scene.liveKey });
    expect(gateways.text).not.toMatch(words);
    expect(gateways.body.data).toMatchObject([{ channel: 'sms', label: 'SMS' }]);
    const own = await scene.call('GET', '/api/v1/connections', { key: scene.liveKey });
    expect(own.body.data).toEqual([]);
  });

  it('are shown to a tenant who brought the connection', async () => {
    await scene.connect('sms', scene.twilio.credentials);
    const message = on(await scene.get(await fail()), 'sms');
    expect(message.failure).toMatchObject({ provider_code: '21211' });
    expect(message.attempts[0].failure).toMatchObject({
      provider_code: '21211',
      provider_message: expect.stringMatching(/valid phone/),
    });
    expect(JSON.stringify(message)).not.toContain(scene.twilio.credentials.auth_token);
  });
});

it('attempts are numbered, timed, and each says what came of it and why', async () => {
  const email = newEmail();
  await scene.connect('email', scene.smtp.credentials);
  scene.smtp.script(email, { do: 'refuse', reply: '451 4.7.1 slow down', at: 'rcpt' });
  const { notification_id: id } = await scene.send({
    recipient: { email },
    notification: { channels: ['email'], subject: 'Attempts', body: 'x' },
  });
  await scene.when(id, 'waits', (one) => on(one, 'email').next_attempt_at !== undefined);
  await scene.hurry();
  const { attempts, timeline } = on(await scene.status(id, 'sent'), 'email');
  expect(attempts).toMatchObject([
    { number: 1, outcome: 'refused', failure: { code: expect.any(String), fix: expect.any(String), retryable: true } },
    { number: 2, outcome: 'accepted' },
  ]);
  expect(Date.parse(attempts[0].retry_at)).toBeGreaterThan(Date.parse(attempts[0].started_at));
  expect(timeline.map(({ type }: Json) => type)).toEqual([
    'accepted',
    'attempt_started',
    'attempt_refused',
    'retry_scheduled',
    'attempt_started',
    'attempt_accepted',
  ]);
});

describe('many questions at once', () => {
  const look = (id: string, key: string) => scene.call('GET', `/api/v1/notifications/${id}`, { key });
  const text = (key: string): Promise<Json> =>
    scene.send({ recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'a' } }, key);
  const deliver = async (keys: readonly string[]): Promise<string[]> => {
    const made = await Promise.all(keys.map(async (key) => (await text(key)).notification_id as string));
    for (const [index, id] of made.entries()) await scene.status(id, 'delivered', keys[index]);
    return made;
  };

  it('are answered each as if it were alone, across tenants, modes and ids that are not there', async () => {
    const [one, other] = [await scene.tenant('One'), await scene.tenant('Other')];
    const keys = [one.test_key, other.test_key];
    const owners = Array.from({ length: 12 }, (_, i) => keys[i % 2] as string);
    const made = await deliver(owners);
    const alone = new Map<string, string>();
    for (const [index, id] of made.entries()) alone.set(id, (await look(id, owners[index] as string)).text);
    const asks = [...made, ...made, 'ntf_00000000000000000000000000', 'nonsense'].flatMap((id) =>
      [...keys, one.live_key].map((key) => ({ id, key })),
    );
    const answers = await Promise.all(asks.map(({ id, key }) => look(id, key)));
    for (const [index, { id, key }] of asks.entries()) {
      const answer = answers[index];
      const mine = owners[made.indexOf(id)] === key;
      expect(answer?.status).toBe(mine ? 200 : 404);
      if (mine) expect(answer?.text).toBe(alone.get(id));
    }
  });

  it('of one tenant share a few trips to the store', async () => {
    const { test_key: key } = await scene.tenant('Asking');
    const [id = ''] = await deliver([key]);
    const watched = vi.spyOn(scene.product.deps.db, 'look');
    const read = vi.spyOn(scene.product.deps.db, 'read');
    const answers = await Promise.all(Array.from({ length: 100 }, () => look(id, key)));
    const trips = watched.mock.calls.length;
    expect(read).not.toHaveBeenCalled();
    for (const spy of [watched, read]) spy.mockRestore();
    expect(new Set(answers.map(({ text: answer }) => answer)).size).toBe(1);
    expect(trips).toBeGreaterThan(0);
    expect(trips).toBeLessThan(answers.length / 2);
  });
});
