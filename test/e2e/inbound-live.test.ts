/**
 * Signed callbacks of a real provider: what people write, the files that come with it, and news of the account; sent twice and in
 * any order they end in the same rows. An answer in time reaches the provider as free text.
 */
import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromWire } from '../../src/lib/ids.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
let graph: Server;
/** Of the number that a callback is for. */
const NUMBER = '106540352242922';
const TOKEN = 'token-of-the-file-server';
const PICTURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0xff]);
let files: string;
/** How often the file server refuses before it answers. */
let refusals = 0;
const asked: string[] = [];

beforeAll(async () => {
  // Answers for the files of messages: the address of one by its id, and its bytes by that address, after a redirect.
  graph = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization ?? 'nobody'}`);
    if (request.url === '/cdn') return void response.writeHead(200, { 'content-type': 'image/png' }).end(PICTURE);
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return void response.writeHead(401).end('{}');
    if (request.url?.startsWith('/v24.0/1001') && refusals-- > 0) return void response.writeHead(500).end('{}');
    if (request.url === '/large') return void response.writeHead(200).end(Buffer.alloc(17 * 1_048_576));
    if (request.url === '/moved') return void response.writeHead(302, { location: '/cdn' }).end();
    const url = `${files}/${request.url?.startsWith('/v24.0/1002') ? 'large' : 'moved'}`;
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ url, mime_type: 'image/png' }));
  });
  await new Promise<void>((resolve) => graph.listen(0, '127.0.0.1', resolve));
  files = `http://127.0.0.1:${(graph.address() as AddressInfo).port}`;
  scene = await startScene({ egress: [new URL(files).host] });
  const { callback_url } = await scene.connect('whatsapp', scene.meta.credentials);
  scene.meta.webhookUrl = callback_url;
});
afterAll(async () => {
  await scene.close();
  graph.closeAllConnections();
  graph.close();
});

let seconds = Math.floor(Date.now() / 1_000) - 3_600;
const message = (from: string, id: string, more: object = {}) => ({
  from: from.slice(1),
  id,
  timestamp: String(seconds++),
  type: 'text',
  text: { body: `text of ${id}` },
  ...more,
});
const change = (field: string, value: object) => ({
  field,
  value: {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '15550100000', phone_number_id: NUMBER },
    ...value,
  },
});
const written = (from: string, ...messages: object[]) =>
  change('messages', { contacts: [{ profile: { name: 'Ada' }, wa_id: from.slice(1) }], messages });

async function post(
  changes: readonly object[],
  secret = scene.meta.credentials.app_secret as string,
  url?: string,
): Promise<number> {
  const body = JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ id: '102290129340398', time: 1, changes }],
  });
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` };
  return (await fetch(url ?? (scene.meta.webhookUrl as string), { method: 'POST', headers, body })).status;
}
const settled = () =>
  until(async () => (await scene.query('select 1 from inbound_requests where applied_at is null')).length === 0, {
    what: 'that all callbacks were read',
  });
const get = (path: string): Promise<Json> => scene.must(200, scene.call('GET', path, { key: scene.liveKey }));
const at = (method: string, path: string, body: unknown) => scene.call(method, path, { key: scene.liveKey, body });
async function conversationOf(address: string): Promise<Json> {
  const [row] = await until(async () => {
    const rows = await scene.query<Json>('select id from conversations where address = $1', [address]);
    return rows.length > 0 && rows;
  });
  return get(`/api/v1/conversations/${row?.id}`);
}
const threadOf = async ({ id }: Json): Promise<Json[]> => (await get(`/api/v1/conversations/${id}/messages`)).data;

it('a signed message is in its conversation, and the answer in time reaches the provider as free text', async () => {
  const phone = newPhone();
  expect(await post([written(phone, message(phone, `wamid.${phone}.1`))], 'not the secret')).toBe(401);
  expect(await post([written(phone, message(phone, `wamid.${phone}.1`))])).toBe(200);
  const conversation = await conversationOf(phone);
  expect(conversation).toMatchObject({ channel: 'whatsapp', contact: { name: 'Ada' }, unread_count: 1 });
  scene.meta.openWindow(phone);
  const answer = at('POST', `/api/v1/conversations/${conversation.id}/messages`, { text: 'It is on its way' });
  const { notification_id } = await scene.must(202, answer);
  await scene.status(notification_id, 'sent');
  const sent = scene.meta.messages.find(({ to }) => to === phone);
  expect(sent?.request.json()).toMatchObject({ type: 'text', text: { body: 'It is on its way' } });
  // The person presses reply on it: the thread says which message that was.
  expect(
    await post([written(phone, message(phone, `wamid.${phone}.2`, { context: { from: NUMBER, id: sent?.id } }))]),
  ).toBe(200);
  await settled();
  const thread = await threadOf(conversation);
  const ours = thread.find(({ notification_id: id }) => id === notification_id);
  expect(thread.find(({ provider_id }) => provider_id === `wamid.${phone}.2`)?.reply_to).toEqual({
    provider_id: sent?.id,
    message_id: ours?.id,
  });
});

it('what our side wrote elsewhere, and what is from before, is kept and wakes nobody', async () => {
  const phone = newPhone();
  const own = { ...message('+15550100000', `wamid.${phone}.echo`), to: phone.slice(1) };
  expect(await post([change('smb_message_echoes', { message_echoes: [own] })])).toBe(200);
  const old = message(phone, `wamid.${phone}.old`, { timestamp: '1700000000', history_context: { status: 'READ' } });
  expect(
    await post([
      change('history', { history: [{ metadata: {}, threads: [{ id: phone.slice(1), messages: [old] }] }] }),
    ]),
  ).toBe(200);
  await settled();
  const conversation = await conversationOf(phone);
  expect(conversation).toMatchObject({ unread_count: 0, last_inbound_at: null, window_expires_at: null });
  const thread = await threadOf(conversation);
  expect(thread.map(({ direction, origin, created_at }) => [direction, origin, created_at.slice(0, 4)])).toEqual([
    ['inbound', 'history', '2023'],
    ['outbound', 'echo', String(new Date(Date.now()).getUTCFullYear())],
  ]);
  const told = await get('/api/v1/events?type=message.received&limit=500');
  expect(told.data.filter(({ data }: Json) => data.conversation_id === conversation.id)).toEqual([]);
  const late = await at('POST', `/api/v1/conversations/${conversation.id}/messages`, { text: 'Hello' });
  expect([late.status, late.body.error.code]).toEqual([422, 'template_required']);
});

it('news of the account is told once under its own name', async () => {
  const news = change('message_template_status_update', {
    event: 'APPROVED',
    message_template_id: 42,
    message_template_name: 'order_update',
    message_template_language: 'en-US',
    reason: 'NONE',
  });
  for (const _ of [1, 2, 3]) expect(await post([news, news])).toBe(200);
  await settled();
  const told = (await get('/api/v1/events?type=template.status_changed')).data;
  expect(told).toHaveLength(1);
  expect(told[0].data).toMatchObject({ channel: 'whatsapp', connection_id: expect.stringMatching(/^con_/) });
});

it('a file is copied when it arrives, tried again, and handed out as it came', async () => {
  const credentials: Json = { ...scene.meta.credentials, base_url: `${files}/v24.0`, access_token: TOKEN };
  const { id: connection, callback_url } = await scene.connect('whatsapp', {
    ...credentials,
    phone_number_id: '206540352242922',
  });
  const phone = newPhone();
  refusals = 1;
  const image = (id: string) => ({
    type: 'image',
    image: { id, mime_type: 'image/png', sha256: 'x', caption: 'Look' },
  });
  const value = written(
    phone,
    message(phone, `wamid.${phone}.png`, image('1001')),
    message(phone, `wamid.${phone}.big`, image('1002')),
  );
  value.value.metadata.phone_number_id = '206540352242922';
  expect(await post([value], credentials.app_secret as string, callback_url)).toBe(200);
  const conversation = await conversationOf(phone);
  expect(conversation.connection_id).toBe(connection);
  const mediaOf = async (nth: number) => (await threadOf(conversation))[nth]?.media[0];
  const { url } = await mediaOf(0);
  await until(
    async () =>
      (await scene.query(`select 1 from inbound_media where status = 'waiting' and tries = 1 and fault is not null`))
        .length === 1,
    { what: 'the first try that failed' },
  );
  const early = await scene.call('GET', url, { key: scene.liveKey });
  expect([early.status, early.body.error.code, early.headers.get('retry-after')]).toEqual([409, 'conflict', '5']);
  await scene.query(`update inbound_media set run_at = clock_now() where status = 'waiting'`);
  await until(async () => (await mediaOf(0)).status === 'stored');
  const file = await fetch(scene.product.url + url, { headers: { 'x-api-key': scene.liveKey } });
  expect(Buffer.from(await file.arrayBuffer())).toEqual(PICTURE);
  expect([file.headers.get('content-type'), file.headers.get('x-content-type-options')]).toEqual([
    'image/png',
    'nosniff',
  ]);
  expect(file.headers.get('content-disposition')).toMatch(/^attachment; /);
  // What proves who we are goes to the first host only.
  expect(asked.filter((line) => line.startsWith('/cdn'))).toEqual(['/cdn nobody']);
  await until(async () => (await mediaOf(1)).status === 'failed', { what: 'that the large one is given up' });
  expect((await scene.call('GET', url, { key: scene.testKey })).status).toBe(404);
});

it('callbacks that come twice and in any order end in the same rows', async () => {
  const outcomes = new Set<string>();
  const [first] = await scene.query<Json>(`select id from connections where mode = 'live' order by id limit 1`);
  expect(fromWire('connection', new URL(scene.meta.webhookUrl as string).pathname.split('/').at(-1) ?? '')).toBe(
    first?.id,
  );
  const moment = seconds;
  seconds += 100;
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.nat()), async (numbers) => {
      const [ada, bob] = [newPhone(), newPhone()];
      const of = (phone: string, n: number, more: object = {}) =>
        message(phone, `wamid.${phone}.${n}`, { timestamp: String(moment + n), text: { body: `text ${n}` }, ...more });
      const bodies = [
        [written(ada, of(ada, 1), of(ada, 2))],
        [written(ada, of(ada, 3)), written(bob, of(bob, 1))],
        [written(bob, of(bob, 2, { type: 'reaction', reaction: { message_id: 'x', emoji: '👍' } }))],
        [
          change('smb_message_echoes', {
            message_echoes: [{ ...of('+15550100000', 4), id: `wamid.${ada}.4`, to: ada.slice(1) }],
          }),
        ],
        [written(bob, of(bob, 5, { type: 'location', location: { latitude: 1, longitude: 2 } }))],
      ];
      const order = [...bodies, ...bodies]
        .map((body) => [numbers.next().value as number, body] as const)
        .sort(([a], [b]) => a - b);
      for (const [, body] of order) expect(await post(body)).toBe(200);
      await settled();
      const rows = await scene.query<Json>(
        `select c.address = $1 as ada, c.unread, c.last_inbound_at, c.status, t.name, i.provider_id as id, i.kind, i.text, i.origin, time_of(i.id) as at,
           (select count(*)::int from events e where e.message_id = i.id) as told
         from conversations c join inbound_messages i on i.conversation_id = c.id join contacts t on t.id = c.contact_id
         where c.address in ($1, $2) order by c.address = $1, i.id`,
        [ada, bob],
      );
      expect(rows).toHaveLength(7);
      outcomes.add(JSON.stringify(rows).replaceAll(ada, 'ada').replaceAll(bob, 'bob'));
    }),
    { numRuns: 25, seed: 5 },
  );
  expect([...outcomes]).toHaveLength(1);
}, 60_000);
