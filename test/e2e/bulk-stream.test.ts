/** Bulks as streams: NDJSON and CSV, good and bad, broken off and gone on with. Nothing is sent before the last row is stored. */
import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp, listen } from '../../src/app.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { type Reply, type Scene, startScene } from '../support/scene.ts';

const BULK = '/api/v1/notifications/bulk';
const NDJSON = 'application/x-ndjson';
let numbers = 2_000_000;
/** More of them than the exchange that the other tests use has. */
const newPhone = (): string => `+1415${numbers++}`;
let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

const lines = (...rows: readonly (object | string)[]): string =>
  rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('');
const SMS = { channels: ['sms'], body: 'Hi {{name}}', data: { name: 'you' } };
const person = (more: object = {}) => ({ phone: newPhone(), ...more });
const people = (count: number) => Array.from({ length: count }, () => person());

const send = (
  raw: string | Buffer,
  type: string,
  { key = scene.testKey, query = '', headers = {} } = {},
): Promise<Reply> =>
  scene.call('POST', BULK + query, {
    key,
    raw: raw as Buffer<ArrayBuffer>,
    headers: { 'content-type': type, ...headers },
  });
const ndjson = (raw: string | Buffer, more: { key?: string; headers?: object } = {}) => send(raw, NDJSON, more);
const csv = (raw: string | Buffer, query = '?channels=sms&body=Hi+%7B%7Bname%7D%7D', more: { headers?: object } = {}) =>
  send(raw, 'text/csv', { query, ...more });

const get = (id: string): Promise<Json> => scene.must(200, scene.call('GET', `${BULK}/${id}`, { key: scene.testKey }));
const results = async (id: string): Promise<Json[]> => {
  const { text } = await scene.call('GET', `${BULK}/${id}/results`, { key: scene.testKey });
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
};
const faults = async (id: string): Promise<Json[]> =>
  (await results(id)).filter(({ error }) => error).map(({ index, error }) => [index, error.code]);
const finished = (id: string): Promise<Json> =>
  until(async () => {
    const bulk = await get(id);
    return bulk.status === 'completed' && bulk;
  });

describe('NDJSON', () => {
  it('is accepted with counts, sent, and told row by row', async () => {
    const { status, body } = await ndjson(
      lines(SMS, ...people(700), { phone: 'x' }, person({ data: { name: 'Ada' } })),
    );
    expect(status).toBe(202);
    expect(body).toMatchObject({ status: 'running', accepted: 701, rejected: 1 });
    expect(body.results).toBeUndefined();
    expect(body.results_url).toBe(`${BULK}/${body.bulk_id}/results`);
    await finished(body.bulk_id);
    const rows = await results(body.bulk_id);
    expect(rows.map(({ index }) => index)).toEqual(Array.from({ length: 702 }, (_, index) => index));
    expect(rows[700]).toMatchObject({ error: { code: 'invalid_recipient', param: 'phone' } });
    const one = await scene.get(rows[701].notification_id, scene.testKey);
    expect(one.data).toEqual({ name: 'Ada' });
  });

  it.each<[string, () => string | Buffer, number, [number, string][]]>([
    [
      'a byte order mark, CR LF and blank lines',
      () => `\ufeff${lines(SMS, person(), '', '  ', person())}`.replaceAll('\n', '\r\n'),
      2,
      [],
    ],
    ['an end without a line end', () => lines(SMS, person(), person()).trimEnd(), 2, []],
    ['a row cut in its middle', () => lines(SMS, person(), person()).slice(0, -9), 1, [[1, 'malformed_row']]],
    [
      'a character cut in its middle',
      () => Buffer.concat([Buffer.from(lines(SMS, person())), Buffer.from('{"phone":"ä').subarray(0, 11)]),
      1,
      [[1, 'malformed_row']],
    ],
    [
      'a line of 256 KB and more',
      () => lines(SMS, person(), { phone: 'x'.repeat(300_000) }, person()),
      2,
      [[1, 'malformed_row']],
    ],
    ['what is no JSON', () => lines(SMS, 'phone', person()), 1, [[0, 'malformed_row']]],
    [
      'what is no object',
      () => lines(SMS, '[1]', person(), 'null'),
      1,
      [
        [0, 'malformed_row'],
        [2, 'malformed_row'],
      ],
    ],
    ['a second shared part', () => lines(SMS, person(), SMS), 1, [[1, 'validation_failed']]],
  ])('with %s: the other rows are taken', async (_, body, accepted, errors) => {
    const answer = await ndjson(body());
    expect([answer.status, answer.body.accepted]).toEqual([202, accepted]);
    expect(await faults(answer.body.bulk_id)).toEqual(errors);
  });

  it.each<[string, () => string | Buffer, number, string]>([
    ['without a row', () => lines(SMS), 422, 'validation_failed'],
    ['without anything', () => '', 422, 'validation_failed'],
    ['whose first line is no JSON', () => lines('phone', person()), 400, 'malformed_json'],
    ['whose first line is a row', () => lines(person(), person()), 422, 'validation_failed'],
    ['whose first line has recipients', () => lines({ ...SMS, recipients: [] }, person()), 422, 'validation_failed'],
    [
      'whose first line is longer than a line may be',
      () => lines({ ...SMS, body: 'x'.repeat(300_000) }, person()),
      400,
      'malformed_json',
    ],
    ['with a channel there is not', () => lines({ ...SMS, channels: ['pigeon'] }, person()), 422, 'channel_unknown'],
    [
      'without the template that is required',
      () => lines({ channels: ['whatsapp'] }, person()),
      422,
      'template_required',
    ],
  ])('%s is refused, and nothing is stored', async (_, body, status, code) => {
    const count = async () =>
      (await scene.query('select count(*) from bulks where idempotency_key is not null or released_at is not null'))[0]
        ?.count;
    const before = await count();
    const answer = await ndjson(body());
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    expect(await count()).toBe(before);
  });
  it('takes no query: the first line says it all', async () => {
    const answer = await send(lines(SMS, person()), NDJSON, { query: '?channels=sms' });
    expect([answer.status, answer.body.error.code]).toEqual([422, 'validation_failed']);
  });
  it('takes a million rows of one recipient for what they are: rows', async () => {
    const phone = newPhone();
    const { body } = await ndjson(
      lines({ ...SMS, send_at: new Date(Date.now() + 9e6).toISOString() }, ...Array(20_000).fill({ phone })),
    );
    expect(body).toMatchObject({ status: 'scheduled', accepted: 20_000 });
    await scene.must(200, scene.call('POST', `${BULK}/${body.bulk_id}/cancel`, { key: scene.testKey }));
  });
});

describe('CSV', () => {
  it('names fields and variables in its header, and its cells are what they are', async () => {
    const [one, two] = [newPhone(), newPhone()];
    const { status, body } = await csv(
      `\ufeffphone,name,language,time_zone\r\n${one},"Ada ""A"", L",en,Europe/Berlin\n${two},=1+1,,\r`,
    );
    expect(status).toBe(202);
    expect(body).toMatchObject({ accepted: 2, rejected: 0 });
    await finished(body.bulk_id);
    const rows = await results(body.bulk_id);
    const sent = await Promise.all(rows.map(({ notification_id }) => scene.get(notification_id, scene.testKey)));
    expect(sent.map(({ data }) => data)).toEqual([{ name: 'Ada "A", L' }, { name: '=1+1' }]);
  });

  it.each<[string, string, number, [number, string][]]>([
    ['mixed line ends', 'phone,name\r\n+14155550001,A\n+14155550002,B\r+14155550003,C', 3, []],
    ['a broken quote', 'phone,name\n+14155550001,"A\n+14155550002,B\n', 1, [[0, 'malformed_row']]],
    ['too many cells', 'phone,name\n+14155550001,A,x\n+14155550002,B\n', 1, [[0, 'malformed_row']]],
    [
      'an empty cell where a variable is needed',
      'phone,name\n+14155550001,\n+14155550002,B\n',
      1,
      [[0, 'template_variable_mismatch']],
    ],
    ['semicolons', 'phone;name\n+14155550001;A\n', 1, []],
  ])('with %s: the other rows are taken', async (_, text, accepted, errors) => {
    const { status, body } = await csv(text);
    expect([status, body.accepted]).toEqual([202, accepted]);
    expect(await faults(body.bulk_id)).toEqual(errors);
  });

  it.each<[string, string, string | undefined, string]>([
    ['without a column that a channel needs', 'mail,name\na@b.example,A\n', undefined, 'recipient_field_missing'],
    ['with a column twice', 'phone,phone\n1,2\n', undefined, 'csv_header_invalid'],
    ['with three million columns', `phone${',a'.repeat(3_000_000)}\n`, undefined, 'csv_header_invalid'],
    ['whose header opens a quote for good', 'phone,"name\n+1,A\n', undefined, 'csv_header_invalid'],
    [
      'with a column that is no variable of the template',
      'phone,email,name,order_id,colour\n+1,,A,1,red\n',
      '?channels=email&template_id=bulk_csv',
      'template_variable_mismatch',
    ],
    ['without a row', 'phone,name\n', undefined, 'validation_failed'],
    ['without channels', 'phone,name\n+14155550001,A\n', '?body=Hi', 'validation_failed'],
    ['with an unknown query', 'phone,name\n+14155550001,A\n', '?channels=sms&colour=red', 'validation_failed'],
  ])('%s is refused', async (_, text, query, code) => {
    if (query?.includes('bulk_csv'))
      await scene.template({
        template_id: 'bulk_csv',
        content: { email: { en: { subject: '{{order_id}}', body: 'Hi {{name}}' } } },
      });
    const answer = await csv(text, query);
    expect([answer.status, answer.body.error.code]).toEqual([422, code]);
  });
});

/** An upload in the hands of the test. */
function openUpload(
  key: string | undefined,
  url = scene.product.url,
): { request: ClientRequest; answer: Promise<{ status: number; body: Json; headers: IncomingMessage['headers'] }> } {
  const upload = request(url + BULK, {
    method: 'POST',
    headers: { 'x-api-key': scene.testKey, 'content-type': NDJSON, ...(key ? { 'idempotency-key': key } : {}) },
  });
  const answer = once(upload, 'response').then(async ([response]) => {
    let text = '';
    for await (const piece of response as IncomingMessage) text += piece;
    const { statusCode = 0, headers } = response as IncomingMessage;
    return { status: statusCode, body: JSON.parse(text), headers };
  });
  answer.catch(() => undefined);
  upload.on('error', () => undefined);
  return { request: upload, answer };
}
const bulkOf = async (key: string): Promise<Json> =>
  (
    await scene.query(
      'select id, status, rows, accepted, receiving_until > clock_now() as held from bulks where idempotency_key = $1',
      [key],
    )
  )[0];
const write = (upload: ClientRequest, text: string): Promise<void> =>
  new Promise((resolve) => upload.write(text, () => resolve()));

/** Stores the first 5,000 rows of `rows` under a key and hangs up. */
async function breakOff(key: string, rows: readonly object[], shared: object = SMS): Promise<void> {
  const { request: upload } = openUpload(key);
  await write(upload, lines(shared, ...rows.slice(0, 7_000)));
  await until(async () => (await bulkOf(key))?.rows === 5_000, { what: 'the first chunk' });
  upload.destroy();
  await until(async () => (await bulkOf(key))?.held === false, { what: 'the end of the hold' });
}

describe('an upload that breaks off', () => {
  it('sends nothing, says so, and goes on when it is repeated whole under its key', async () => {
    const rows = people(8_000);
    await breakOff('half', rows);
    const [listed] = (await scene.must(200, scene.call('GET', BULK, { key: scene.testKey }))).data;
    expect(listed).toMatchObject({ status: 'interrupted', accepted: 5_000, counts: { queued: 0, sent: 0 } });
    const [waiting] = await scene.query(
      'select count(*)::int as n from due where not held and bulk_id = (select id from bulks where idempotency_key = $1)',
      ['half'],
    );
    expect(waiting?.n).toBe(0);

    const whole = lines(SMS, ...rows);
    const first = await ndjson(whole, { headers: { 'idempotency-key': 'half' } });
    expect([first.status, first.body.accepted, first.body.bulk_id]).toEqual([202, 8_000, listed.bulk_id]);
    const [stored] = await scene.query(
      'select count(*)::int as n, count(distinct address)::int as people from messages where bulk_id = (select id from bulks where idempotency_key = $1)',
      ['half'],
    );
    expect(stored).toEqual({ n: 8_000, people: 8_000 });

    const again = await ndjson(whole, { headers: { 'idempotency-key': 'half' } });
    expect(again.text).toBe(first.text);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const other = await ndjson(`${whole}${lines(person())}`, { headers: { 'idempotency-key': 'half' } });
    expect([other.status, other.body.error.code]).toEqual([422, 'idempotency_key_reused']);
    await scene.call('POST', `${BULK}/${listed.bulk_id}/cancel`, { key: scene.testKey });
  });

  it.each<[string, (rows: Json[]) => [object, Json[]]]>([
    ['another row', (rows) => [SMS, rows.with(3, person())]],
    ['another text', (rows) => [{ ...SMS, body: 'Other' }, rows]],
    ['fewer rows than came before', (rows) => [SMS, rows.slice(0, 4_000)]],
  ])('takes no other bytes under its key: %s', async (what, change) => {
    const rows = people(7_000);
    await breakOff(what, rows);
    const answer = await ndjson(
      lines(...((([shared, changed]) => [shared, ...changed]) as (both: [object, Json[]]) => object[])(change(rows))),
      {
        headers: { 'idempotency-key': what },
      },
    );
    expect([answer.status, answer.body.error.code]).toEqual([422, 'idempotency_key_reused']);
    const right = await ndjson(lines(SMS, ...rows), { headers: { 'idempotency-key': what } });
    expect([right.status, right.body.accepted]).toEqual([202, 7_000]);
    await scene.call('POST', `${BULK}/${right.body.bulk_id}/cancel`, { key: scene.testKey });
  });

  it('is held by one upload at a time: the second one under the key is told to wait', async () => {
    const { request: upload, answer } = openUpload('two');
    const rows = people(3);
    await write(upload, lines(SMS, rows[0] as object));
    await until(async () => (await bulkOf('two'))?.held, { what: 'the hold' });
    const second = await ndjson(lines(SMS, ...rows), { headers: { 'idempotency-key': 'two' } });
    expect([second.status, second.body.error.code]).toEqual([409, 'idempotency_in_progress']);
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0);
    upload.end(lines(...rows.slice(1)));
    const first = await answer;
    expect([first.status, first.body.accepted]).toEqual([202, 3]);
    const third = await ndjson(lines(SMS, ...rows), { headers: { 'idempotency-key': 'two' } });
    expect(third.body).toEqual(first.body);
  });

  it('and is never gone on with is taken away after a day, with all it had stored', async () => {
    await breakOff('forgotten', people(7_000));
    const { id } = await bulkOf('forgotten');
    const stored = async () => [
      (await scene.query('select count(*)::int as n from messages where bulk_id = $1', [id]))[0]?.n,
      (await scene.query('select count(*)::int as n from due where bulk_id = $1', [id]))[0]?.n,
      (await scene.query('select count(*)::int as n from events where message_id > $1', [id]))[0]?.n,
      (await scene.query('select count(*)::int as n from bulks where id = $1', [id]))[0]?.n,
    ];
    expect(await stored()).toEqual([5_000, 10, 5_000, 1]);
    await scene.product.deps.bulks.purge();
    expect((await stored())[0]).toBe(5_000);
    await scene.query(`update bulks set receiving_until = receiving_until - interval '25 hours' where id = $1`, [id]);
    expect(await scene.product.deps.bulks.purge()).toBeGreaterThan(0);
    expect(await stored()).toEqual([0, 0, 0, 0]);
    const anew = await ndjson(lines(SMS, person()), { headers: { 'idempotency-key': 'forgotten' } });
    expect(anew.status).toBe(202);
  });
});

describe('a listener of little patience', () => {
  let hasty: Awaited<ReturnType<typeof listen>>;
  const patience = { headersMs: 1_000, requestMs: 1_000, idleMs: 600 };
  beforeAll(async () => {
    hasty = await listen(createApp(scene.product.deps, patience), 0, '127.0.0.1', patience);
  });
  afterAll(() => hasty.close(100));
  const open = () => openUpload(undefined, `http://127.0.0.1:${hasty.port}`);

  it('waits for an upload as long as something comes', async () => {
    const { request: upload, answer } = open();
    await write(upload, lines(SMS));
    for (let i = 0; i < 16; i++) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await write(upload, lines(person()));
    }
    upload.end();
    expect((await answer).body).toMatchObject({ accepted: 16 });
  });

  it('and cuts it when nothing does', async () => {
    const { request: upload, answer } = open();
    await write(upload, lines(SMS, person()));
    const { status, body, headers } = await answer;
    expect([status, body.error.code, headers.connection]).toEqual([408, 'upload_interrupted', 'close']);
    upload.destroy();
  });
});

describe('the connection', () => {
  it('is of use again after a refusal that came before the end of the body', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = async (raw: string): Promise<number> => {
      const upload = request(scene.product.url + BULK, {
        method: 'POST',
        agent,
        headers: { 'x-api-key': scene.testKey, 'content-type': NDJSON },
      });
      upload.end(raw);
      const [response] = (await once(upload, 'response')) as [IncomingMessage];
      response.resume();
      await once(response, 'end');
      return response.statusCode ?? 0;
    };
    const long = 'x'.repeat(4_000_000);
    expect([await ask(`no JSON\n${long}`), await ask(lines(SMS, person())), await ask(`[]\n${long}`)]).toEqual([
      400, 202, 400,
    ]);
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
    agent.destroy();
  });
});
