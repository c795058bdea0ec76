/** A bulk that is under way: paused, resumed, cancelled, told about, and sent at the time of each recipient. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { type Reply, type Scene, startScene } from '../support/scene.ts';

const BULK = '/api/v1/notifications/bulk';
let numbers = 3_000_000;
const newPhone = (): string => `+1415${numbers++}`;
const people = (count: number): { phone: string }[] => Array.from({ length: count }, () => ({ phone: newPhone() }));
let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());
beforeEach(() => scene.twilio.always('*', behave.ok()));

const post = (body: unknown, key = scene.liveKey): Promise<Json> =>
  scene.must(202, scene.call('POST', BULK, { key, body }));
const get = (id: string, key = scene.liveKey): Promise<Json> =>
  scene.must(200, scene.call('GET', `${BULK}/${id}`, { key }));
const verb = (id: string, name: string, key = scene.liveKey): Promise<Reply> =>
  scene.call('POST', `${BULK}/${id}/${name}`, { key });
const when = (id: string, what: string, test: (bulk: Json) => boolean): Promise<Json> =>
  until(
    async () => {
      const bulk = await get(id);
      return test(bulk) && bulk;
    },
    { what, withinMs: 15_000 },
  );
const sum = ({ counts }: Json): number => counts.queued + counts.sent + counts.delivered + counts.failed;
const sentTo = (phones: readonly string[]): number => {
  const set = new Set(phones);
  return scene.twilio.messages.filter(({ to }) => set.has(to)).length;
};

/** A bulk to a slow provider, caught when some of it is sent and some is not. */
async function underWay(count = 150): Promise<{ id: string; phones: string[] }> {
  scene.twilio.always('*', behave.slow(100));
  const recipients = people(count);
  const { bulk_id: id } = await post({ channels: ['sms'], body: 'Hi', recipients });
  await when(id, 'the first to be sent', ({ counts }) => counts.queued < count);
  return { id, phones: recipients.map(({ phone }) => phone) };
}

describe('a bulk under way', () => {
  it('is paused: what is under way finishes, nothing more begins, and after resume each is sent once', async () => {
    const { id, phones } = await underWay();
    const paused = await verb(id, 'pause');
    expect([paused.status, paused.body.status]).toEqual([200, 'paused']);
    expect(paused.body.estimated_finish_at).toBeUndefined();
    await until(
      async () => (await scene.query('select 1 from due where opened and bulk_id is not null')).length === 0,
      { what: 'the end of what is under way' },
    );
    const before = sentTo(phones);
    expect(before).toBeLessThan(phones.length);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(sentTo(phones)).toBe(before);
    expect((await verb(id, 'pause')).status).toBe(200);
    scene.twilio.always('*', behave.ok());
    expect((await verb(id, 'resume')).body.status).toBe('running');
    const done = await when(id, 'the end', ({ status }) => status === 'completed');
    expect(sum(done)).toBe(phones.length);
    expect(sentTo(phones)).toBe(phones.length);
  });

  it('is cancelled: what has not begun fails as cancelled, the rest ends as it would have, and all are counted', async () => {
    const { id, phones } = await underWay();
    const cancelled = await verb(id, 'cancel');
    expect([cancelled.status, cancelled.body.status]).toEqual([200, 'cancelled']);
    const done = await when(id, 'the end', ({ counts, finished_at }) => counts.queued === 0 && finished_at);
    expect(sum(done)).toBe(phones.length);
    expect(done.counts.failed).toBeGreaterThan(0);
    expect(sentTo(phones)).toBe(phones.length - done.counts.failed);
    const rows = await scene.query(
      `select failure_code, count(*)::int as n from messages where status = 'failed' and bulk_id = (select id from bulks order by id desc limit 1) group by 1`,
    );
    expect(rows).toEqual([{ failure_code: 'cancelled', n: done.counts.failed }]);
    expect(
      await scene.query('select 1 from due where bulk_id = (select id from bulks order by id desc limit 1)'),
    ).toEqual([]);
    for (const name of ['pause', 'resume']) expect((await verb(id, name)).body.error.code).toBe('bulk_state');
    expect((await verb(id, 'cancel')).status).toBe(200);
  });

  it('tells how fast it goes and when it will be done', async () => {
    const { id } = await underWay();
    const bulk = await when(id, 'a rate', ({ rate_per_second }) => rate_per_second > 0);
    expect(Date.parse(bulk.estimated_finish_at)).toBeGreaterThan(Date.now() - 1_000);
    await verb(id, 'cancel');
    await when(id, 'the end', ({ finished_at }) => finished_at);
  });

  it('that is completed can be neither paused, resumed nor cancelled', async () => {
    const { bulk_id: id } = await post({ channels: ['sms'], body: 'Hi', recipients: people(1) });
    await when(id, 'the end', ({ status }) => status === 'completed');
    for (const name of ['pause', 'resume', 'cancel']) {
      const { status, body } = await verb(id, name);
      expect([status, body.error.code]).toEqual([409, 'bulk_state']);
    }
  });

  it('leaves an entry in the audit log for each change', async () => {
    const { bulk_id: id } = await post({ channels: ['sms'], body: 'Hi', send_at: later(1), recipients: people(1) });
    for (const name of ['pause', 'resume', 'cancel']) expect((await verb(id, name)).status).toBe(200);
    const { data } = await scene.must(200, scene.call('GET', '/api/v1/audit', { key: scene.liveKey }));
    expect(data.filter(({ target }: Json) => target === id).map(({ action }: Json) => action)).toEqual([
      'bulk.cancel',
      'bulk.resume',
      'bulk.pause',
    ]);
  });
});

const later = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();

describe('results', () => {
  it('stand in the order of the rows, messages and errors alike, page after page', async () => {
    const recipients = Array.from({ length: 3_000 }, (_, i) =>
      i % 3 === 2 ? { phone: 'x' } : { phone: newPhone(), email: 'a@people.example' },
    );
    const { bulk_id: id } = await post({
      channels: ['sms', 'email'],
      subject: 'Hi',
      body: 'Hi',
      send_at: later(1),
      recipients,
    });
    const { text, headers } = await scene.call('GET', `${BULK}/${id}/results`, { key: scene.liveKey });
    expect(headers.get('content-type')).toContain('application/x-ndjson');
    const rows: Json[] = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ index }) => index)).toEqual(recipients.map((_, index) => index));
    expect(rows.every(({ index, error, channels }) => (index % 3 === 2 ? error.code : channels.length === 2))).toBe(
      true,
    );
    await verb(id, 'cancel');
  });

  it('are a CSV for who asks for one, and no cell of it is a formula', async () => {
    const { bulk_id: id } = await post({
      channels: ['slack'],
      body: 'Hi',
      send_at: later(1),
      recipients: [{ slack_user_id: 'U012AB3CD' }, { phone: newPhone() }],
    });
    const { bulk_id: sms } = await post({ channels: ['sms'], body: 'Hi', send_at: later(1), recipients: people(1) });
    for (const ask of [{ path: '?format=csv' }, { headers: { accept: 'text/csv' } }]) {
      const { text, headers } = await scene.call('GET', `${BULK}/${id}/results${ask.path ?? ''}`, {
        key: scene.liveKey,
        headers: ask.headers ?? {},
      });
      expect(headers.get('content-type')).toContain('text/csv');
      const [head, first, second] = text.split('\r\n');
      expect(head).toBe('index,notification_id,channel,message_id,address,status,code,message,field');
      expect(first).toMatch(/^0,ntf_\w{26},slack,msg_\w{26},U012AB3CD,queued,,,$/);
      expect(second).toMatch(/^1,,,,,rejected,recipient_field_missing,.*slack_user_id/);
    }
    const { text } = await scene.call('GET', `${BULK}/${sms}/results?format=csv`, { key: scene.liveKey });
    expect(text).toContain(`,'+1415`);
  });
});

describe('a schedule', () => {
  const at = async (id: string): Promise<(string | null)[]> => {
    const { results } = id as unknown as Json;
    return Promise.all(
      results.map(async ({ notification_id }: Json) => (await scene.get(notification_id)).channels[0].send_at ?? null),
    );
  };
  it('is each recipient’s own time in the zone of the row, and UTC where none is given', async () => {
    const day = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10);
    const accepted = await post({
      channels: ['sms'],
      body: 'Hi',
      schedule: { at: `${day}T09:00` },
      recipients: [
        { phone: newPhone(), time_zone: 'Asia/Tokyo' },
        { phone: newPhone() },
        { phone: newPhone(), time_zone: 'Asia/Kolkata' },
      ],
    });
    expect(accepted.status).toBe('scheduled');
    expect(await at(accepted)).toEqual([`${day}T00:00:00.000Z`, `${day}T09:00:00.000Z`, `${day}T03:30:00.000Z`]);
    expect((await get(accepted.bulk_id)).send_at).toBe(`${day}T00:00:00.000Z`);
    const due = await scene.query(
      'select kind, size, held, run_at from due where bulk_id = (select id from bulks order by id desc limit 1) order by run_at',
    );
    expect(due.map(({ kind, size, held }: Json) => [kind, size, held])).toEqual(Array(3).fill(['message', 1, false]));
    await verb(accepted.bulk_id, 'cancel');
  });
  it('is one time for all in a zone that is named', async () => {
    const accepted = await post({
      channels: ['sms'],
      body: 'Hi',
      schedule: { at: '2027-01-15T09:00', time_zone: 'Europe/Berlin' },
      recipients: [{ phone: newPhone(), time_zone: 'Asia/Tokyo' }, { phone: newPhone() }],
    });
    expect(await at(accepted)).toEqual(Array(2).fill('2027-01-15T08:00:00.000Z'));
    await verb(accepted.bulk_id, 'cancel');
  });
  it('keeps quiet hours in the zone of the recipient, and keeps them with the message', async () => {
    const accepted = await post({
      channels: ['sms'],
      body: 'Hi',
      send_at: '2027-01-15T20:30:00Z',
      schedule: { quiet_hours: { from: '21:00', to: '08:00' } },
      recipients: [
        { phone: newPhone(), time_zone: 'Europe/Berlin' },
        { phone: newPhone() },
        { phone: newPhone(), time_zone: 'Asia/Tokyo' },
      ],
    });
    expect(await at(accepted)).toEqual([
      '2027-01-16T07:00:00.000Z',
      '2027-01-15T20:30:00.000Z',
      '2027-01-15T23:00:00.000Z',
    ]);
    const [stored] = await scene.query(
      'select quiet_hours from messages where bulk_id is not null order by id desc limit 1',
    );
    expect(stored?.quiet_hours).toEqual({ from: '21:00', to: '08:00', zone: 'Asia/Tokyo' });
    await verb(accepted.bulk_id, 'cancel');
  });
});

it('capabilities state how much a bulk may be', async () => {
  const { bulk_limits } = await scene.must(
    200,
    scene.call('GET', '/api/v1/channels/capabilities', { key: scene.testKey }),
  );
  expect(bulk_limits).toMatchObject({ json: { rows: 10_000 }, stream: { rows: 1_000_000 } });
});
