/** Bulks as one JSON request: judged row by row, answered row by row, sent by the worker as everything else. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newEmail, newPhone, type Reply, type Scene, startScene } from '../support/scene.ts';

const BULK = '/api/v1/notifications/bulk';
let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

const post = (body: unknown, { key = scene.testKey, headers = {} } = {}): Promise<Reply> =>
  scene.call('POST', BULK, { key, body, headers });
const people = (count: number): { phone: string }[] => Array.from({ length: count }, () => ({ phone: newPhone() }));
const finished = (id: string, key = scene.testKey): Promise<Json> =>
  until(
    async () => {
      const bulk = await scene.must(200, scene.call('GET', `${BULK}/${id}`, { key }));
      return bulk.counts.queued === 0 && bulk.counts.sent === 0 && bulk;
    },
    { what: `the end of ${id}`, withinMs: 18_000 },
  );

describe('a bulk', () => {
  it('is accepted row by row, delivered, and counted', async () => {
    const answer = await post({
      channels: ['sms'],
      body: 'Hello {{name}}',
      data: { name: 'you' },
      recipients: people(600),
    });
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ status: 'running', accepted: 600, rejected: 0, livemode: false });
    const { results, bulk_id } = answer.body;
    expect(results.map(({ index }: Json) => index)).toEqual(results.map((_: Json, index: number) => index));
    expect(new Set(results.map(({ notification_id }: Json) => notification_id)).size).toBe(600);
    const bulk = await finished(bulk_id);
    expect(bulk).toMatchObject({ status: 'completed', counts: { queued: 0, sent: 0, delivered: 600, failed: 0 } });
    expect(bulk.finished_at >= bulk.created_at).toBe(true);
    const one = await scene.get(results[7].notification_id, scene.testKey);
    expect(one).toMatchObject({ status: 'delivered' });
  });

  it('reaches each provider once, by whatever channels it lists', async () => {
    const [phone, email] = [newPhone(), newEmail()];
    const { body } = await post(
      {
        channels: ['sms', 'email'],
        subject: 'Hi',
        body: 'Hello {{name}}',
        recipients: [{ phone, email, data: { name: 'Ada' } }],
      },
      { key: scene.liveKey },
    );
    const bulk = await until(
      async () => {
        const now = await scene.must(200, scene.call('GET', `${BULK}/${body.bulk_id}`, { key: scene.liveKey }));
        return now.counts.queued === 0 && now;
      },
      { what: 'both to be handed over' },
    );
    expect(bulk.accepted).toBe(1);
    const sent = await scene.get(body.results[0].notification_id);
    expect(sent.channels.map(({ channel }: Json) => channel)).toEqual(['sms', 'email']);
    expect(scene.twilio.messages.filter(({ to }) => to === phone)).toHaveLength(1);
  });

  it('lets the data and language of a row go before those of the bulk', async () => {
    const { body } = await post({
      channels: ['sms'],
      body: '{{greeting}} {{name}}',
      data: { greeting: 'Hello', name: 'you' },
      recipients: [{ phone: newPhone() }, { phone: newPhone(), data: { name: 'Ada' } }],
    });
    await finished(body.bulk_id);
    const [first, second] = await Promise.all(
      body.results.map(({ notification_id }: Json) => scene.get(notification_id, scene.testKey)),
    );
    expect([first.data, second.data]).toEqual([
      { greeting: 'Hello', name: 'you' },
      { greeting: 'Hello', name: 'Ada' },
    ]);
  });

  it('takes the fields nested in notification as well, and goes with low priority unless told otherwise', async () => {
    const flat = await post({ channels: ['sms'], body: 'Hi', priority: 'high', recipients: people(1) });
    const nested = await post({ notification: { channels: ['sms'], body: 'Hi' }, recipients: people(1) });
    expect([flat.status, nested.status]).toEqual([202, 202]);
    const lanes = await scene.query('select lane from messages where bulk_id is not null order by id desc limit 2');
    expect(lanes.map(({ lane }: Json) => lane)).toEqual([2, 0]);
  });

  it('waits in ranges of at most 500 messages of one connection', async () => {
    const { body } = await post({
      channels: ['sms', 'email'],
      subject: 'Later',
      body: 'Later',
      send_at: new Date(Date.now() + 3_600_000).toISOString(),
      recipients: people(1_100).map((person) => ({ ...person, email: newEmail() })),
    });
    expect(body.status).toBe('scheduled');
    const ranges = await scene.query(
      `select kind, size, held, (select count(*)::int from messages m where m.bulk_id = due.bulk_id and m.connection_id = due.connection_id
         and m.id > after_id and m.id <= last_id) as holds from due where bulk_id = (select id from bulks order by id desc limit 1) order by after_id`,
    );
    expect(ranges.map(({ size }: Json) => size)).toEqual([500, 500, 500, 500, 100, 100]);
    expect(ranges.every(({ kind, size, held, holds }: Json) => kind === 'range' && size === holds && !held)).toBe(true);
  });
});

describe('a bad row keeps no other back', () => {
  const good = () => ({ phone: newPhone(), data: { name: 'Ada' } });
  it.each([
    ['no field that the channel needs', { email: newEmail(), data: { name: 'A' } }, 'recipient_field_missing', 'phone'],
    ['an address that is none', { phone: '12', data: { name: 'A' } }, 'invalid_recipient', 'phone'],
    ['a variable that is missing', { phone: newPhone() }, 'template_variable_mismatch', 'data'],
    ['a value of another kind', { phone: 17, data: { name: 'A' } }, 'validation_failed', 'phone'],
    ['a field there is not', { phone: newPhone(), fon: 'x', data: { name: 'A' } }, 'validation_failed', 'fon'],
    ['a time zone there is not', { ...good(), time_zone: 'Europe/Nowhere' }, 'validation_failed', 'time_zone'],
    ['an offset for a time zone', { ...good(), time_zone: '+02:00' }, 'validation_failed', 'time_zone'],
    ['a text for a row', 'Ada', 'malformed_row', undefined],
    ['null for a row', null, 'malformed_row', undefined],
    ['a list for a row', [], 'malformed_row', undefined],
  ])('%s', async (_, row, code, param) => {
    const { status, body } = await post({ channels: ['sms'], body: 'Hi {{name}}', recipients: [good(), row, good()] });
    expect(status).toBe(202);
    expect(body).toMatchObject({ accepted: 2, rejected: 1 });
    expect(body.results[1]).toMatchObject({ index: 1, error: { code, ...(param ? { param } : {}) } });
    expect(body.results[1].error.message).not.toMatch(/notification\.|recipient\./);
    expect(body.results[1].notification_id).toBeUndefined();
    expect([body.results[0].notification_id, body.results[2].notification_id]).toEqual([
      expect.stringMatching(/^ntf_/),
      expect.stringMatching(/^ntf_/),
    ]);
  });

  it('and where every row is bad, the bulk is completed at once', async () => {
    const { status, body } = await post({ channels: ['sms'], body: 'Hi', recipients: [{}, {}] });
    expect(status).toBe(202);
    expect(body).toMatchObject({ status: 'completed', accepted: 0, rejected: 2 });
    expect(await scene.must(200, scene.call('GET', `${BULK}/${body.bulk_id}`, { key: scene.testKey }))).toMatchObject({
      status: 'completed',
      counts: { queued: 0, sent: 0, delivered: 0, failed: 0 },
    });
  });
});

describe('what concerns all rows rejects the whole, and stores nothing', () => {
  const rows = () => people(2);
  it.each([
    ['no channels', { body: 'Hi' }, 422, 'validation_failed'],
    ['an unknown channel', { channels: ['pigeon'], body: 'Hi' }, 422, 'channel_unknown'],
    ['a template that is required', { channels: ['sms', 'whatsapp'], body: 'Hi' }, 422, 'template_required'],
    ['a template there is not', { channels: ['sms'], template_id: 'nothing' }, 422, 'template_not_found'],
    ['nothing to send', { channels: ['sms'] }, 422, 'content_required'],
    ['a field that nobody uses', { channels: ['sms'], body: 'Hi', subject: 'Hi' }, 422, 'content_unused'],
    ['attachments', { channels: ['email'], subject: 'Hi', body: 'Hi', attachments: [] }, 422, 'validation_failed'],
    ['a field there is not', { channels: ['sms'], body: 'Hi', colour: 'red' }, 422, 'validation_failed'],
    [
      'fields beside notification',
      { channels: ['sms'], notification: { channels: ['sms'], body: 'Hi' } },
      422,
      'validation_failed',
    ],
    [
      'a time in the past',
      { channels: ['sms'], body: 'Hi', send_at: '2020-01-01T00:00:00Z' },
      422,
      'validation_failed',
    ],
    [
      'two times',
      { channels: ['sms'], body: 'Hi', send_at: '2030-01-01T00:00:00Z', schedule: { at: '2030-01-01T00:00' } },
      422,
      'validation_failed',
    ],
    [
      'a zone there is not',
      { channels: ['sms'], body: 'Hi', schedule: { at: '2026-12-31T09:00', time_zone: 'Mars/Base' } },
      422,
      'validation_failed',
    ],
    ['no rows', { channels: ['sms'], body: 'Hi', recipients: [] }, 422, 'validation_failed'],
    ['rows that are none', { channels: ['sms'], body: 'Hi', recipients: {} }, 422, 'validation_failed'],
    ['10,001 rows', { channels: ['sms'], body: 'Hi', recipients: Array(10_001).fill({}) }, 422, 'validation_failed'],
  ])('%s', async (_, body, status, code) => {
    const count = async () =>
      (await scene.query('select (select count(*) from bulks) + (select count(*) from messages) as n'))[0]?.n;
    const before = await count();
    const answer = await post({ recipients: rows(), ...body }, { headers: { 'idempotency-key': 'free-again' } });
    expect([answer.status, answer.body.error?.code]).toEqual([status, code]);
    expect(await count()).toBe(before);
  });
  it('with the fields named as they were written: flat or nested', async () => {
    const flat = await post({ channels: ['whatsapp'], recipients: rows() });
    const nested = await post({ notification: { channels: ['whatsapp'] }, recipients: rows() });
    expect([flat.body.error.param, nested.body.error.param]).toEqual(['template_id', 'notification.template_id']);
    const late = await post({ channels: ['sms'], body: 'Hi', send_at: '2020-01-01T00:00:00Z', recipients: rows() });
    expect(late.body.error.param).toBe('send_at');
  });
  it('a live key on a channel that is not connected', async () => {
    const other = await scene.tenant();
    const answer = await post({ channels: ['sms'], body: 'Hi', recipients: rows() }, { key: other.live_key });
    expect(answer.body.error.code).toBe('channel_not_connected');
  });
  it('a key without the scope', async () => {
    const { key } = await scene.must(
      201,
      scene.call('POST', '/api/v1/keys', { key: scene.testKey, body: { name: 'reads', scopes: ['read'] } }),
    );
    expect((await post({ channels: ['sms'], body: 'Hi', recipients: rows() }, { key })).status).toBe(403);
  });
  it.each([
    ['text/plain', 415],
    ['', 415],
  ])('a body of type %j', async (type, status) => {
    expect((await post('x', { headers: { 'content-type': type } })).status).toBe(status);
  });
});

describe('one answer per idempotency key', () => {
  const request = () => ({ channels: ['sms'], body: 'Once', recipients: [...people(3), {}] });
  it('a repeat is the first answer, byte for byte, with the key in the header or the body', async () => {
    const body = request();
    const first = await post(body, { headers: { 'idempotency-key': 'bulk-1' } });
    const again = await post(body, { headers: { 'idempotency-key': 'bulk-1' } });
    const inBody = await post({ ...body, idempotency_key: 'bulk-1' });
    expect([again.text, inBody.text]).toEqual([first.text, first.text]);
    expect([first, again, inBody].map(({ headers }) => headers.get('idempotent-replayed'))).toEqual([
      null,
      'true',
      'true',
    ]);
    const [stored] = await scene.query(
      `select count(*)::int as n from messages where bulk_id in
      (select bulk_id from messages where address = $1)`,
      [(body.recipients[0] as Json).phone],
    );
    expect(stored?.n).toBe(3);
  });
  it('another body under it is 422', async () => {
    const body = request();
    expect((await post({ ...body, idempotency_key: 'bulk-2' })).status).toBe(202);
    const other = await post({ ...body, body: 'Twice', idempotency_key: 'bulk-2' });
    expect([other.status, other.body.error.code]).toEqual([422, 'idempotency_key_reused']);
  });
  it('twenty at once are one bulk and twenty times its answer', async () => {
    const body = { ...request(), idempotency_key: 'bulk-3' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(body)));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers.every(({ status }) => status === 202)).toBe(true);
  });
});

describe('to others', () => {
  it('a bulk is absent: another tenant, the other mode, an id that is none', async () => {
    const { body } = await post({ channels: ['sms'], body: 'Hi', recipients: people(1) });
    const other = await scene.tenant();
    const paths = ['', '/results'];
    for (const path of paths)
      for (const key of [other.test_key, scene.liveKey])
        expect((await scene.call('GET', `${BULK}/${body.bulk_id}${path}`, { key })).status).toBe(404);
    for (const verb of ['pause', 'resume', 'cancel'])
      expect((await scene.call('POST', `${BULK}/${body.bulk_id}/${verb}`, { key: other.test_key })).status).toBe(404);
    expect((await scene.call('GET', `${BULK}/blk_1`, { key: scene.testKey })).status).toBe(404);
  });
  it('lists are newest first, page by page, of one mode', async () => {
    const mine = await scene.tenant();
    const ids: string[] = [];
    for (let i = 0; i < 5; i++)
      ids.unshift(
        (
          await post(
            { name: `Bulk ${i}`, channels: ['sms'], body: 'Hi', recipients: people(1) },
            { key: mine.test_key },
          )
        ).body.bulk_id,
      );
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Json = await scene.must(
        200,
        scene.call('GET', `${BULK}?limit=2${cursor && `&cursor=${cursor}`}`, { key: mine.test_key }),
      );
      seen.push(...page.data.map(({ bulk_id }: Json) => bulk_id));
      cursor = page.next_cursor;
    }
    expect(seen).toEqual(ids);
    expect((await scene.must(200, scene.call('GET', BULK, { key: mine.live_key }))).data).toEqual([]);
  });
});
