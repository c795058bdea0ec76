/** Rules that answer what people write: the first that fits, once, and never a STOP by a rule that was not made for it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.close());
beforeEach(() => scene.query('delete from auto_replies'));

const rule = (body: object, key = scene.testKey): Promise<Json> =>
  scene.must(201, scene.call('POST', '/api/v1/auto_replies', { key, body }));
/** A person writes, through the same door as a real one. */
const write = (phone: string, text: string): Promise<Json> =>
  scene.must(
    202,
    scene.call('POST', '/api/v1/sandbox/messages', {
      key: scene.testKey,
      body: { channel: 'sms', from: { phone }, text },
    }),
  );
/** What the person has got, oldest first. */
const got = async (phone: string): Promise<string[]> => {
  const path = `/api/v1/sandbox/outbox?recipient=${encodeURIComponent(phone)}&limit=100`;
  const { data } = await scene.must(200, scene.call('GET', path, { key: scene.testKey }));
  return data.map(({ content }: Json) => content.body).reverse();
};
/** Resolves when everything that was written has been read, and everything owed for it was given. */
const settled = (): Promise<unknown> =>
  until(
    async () =>
      (
        await scene.query(
          'select 1 from inbound_requests where applied_at is null union all select 1 from owed_replies union all select 1 from due where opened',
        )
      ).length === 0,
  );
const asked = async (phone: string, ...texts: string[]): Promise<string[]> => {
  for (const text of texts) {
    await write(phone, text);
    await settled();
  }
  return got(phone);
};

it('the first rule that fits answers, and the default only when none does', async () => {
  await rule({ trigger: 'default', reply: { text: 'Somebody will answer.' }, position: 0, pause_minutes: 0 });
  await rule({ trigger: 'keyword', keywords: ['Hours', 'open?'], reply: { text: 'Seven to six.' } });
  await rule({ trigger: 'keyword', keywords: ['buns'], match: 'contains', reply: { text: 'Fresh at eight.' } });
  await rule({ trigger: 'keyword', keywords: ['hours'], reply: { text: 'Never seen.' } });
  expect(await asked(newPhone(), ' HOURS ')).toEqual(['Seven to six.']);
  expect(await asked(newPhone(), 'Have you got buns, please?')).toEqual(['Fresh at eight.']);
  expect(await asked(newPhone(), 'Have you got bunsen burners?')).toEqual(['Somebody will answer.']);
});

it('a person gets the same answer once in so many minutes, another person his own', async () => {
  const { id } = await rule({ trigger: 'default', reply: { text: 'Hello' } });
  const phone = newPhone();
  expect(await asked(phone, 'Hi', 'Hi again')).toEqual(['Hello']);
  expect(await asked(newPhone(), 'Hi')).toEqual(['Hello']);
  await scene.must(
    200,
    scene.call('PATCH', `/api/v1/auto_replies/${id}`, { key: scene.testKey, body: { pause_minutes: 0 } }),
  );
  expect(await asked(phone, 'And again')).toEqual(['Hello', 'Hello']);
});

it('what is switched off, of another channel, or of the other mode does not answer', async () => {
  await rule({ trigger: 'default', reply: { text: 'off' }, is_active: false });
  await rule({ trigger: 'default', reply: { text: 'whatsapp' }, channel: 'whatsapp' });
  await rule({ trigger: 'default', reply: { text: 'live' } }, scene.liveKey);
  expect(await asked(newPhone(), 'Hi')).toEqual([]);
});

describe('STOP, START and HELP', () => {
  it('are answered by their own rules alone; the confirmation is the last that arrives', async () => {
    await rule({ trigger: 'default', reply: { text: 'default' }, pause_minutes: 0 });
    await rule({ trigger: 'keyword', keywords: ['stop', 'start', 'help'], reply: { text: 'keyword' } });
    const phone = newPhone();
    expect(await asked(phone, 'STOP', 'START', 'HELP')).toEqual([]);
    for (const trigger of ['stop', 'start', 'help'])
      await rule({ trigger, reply: { text: `${trigger} heard` }, pause_minutes: 0 });
    expect(await asked(phone, 'HELP', 'STOP')).toEqual(['help heard', 'stop heard']);
    // Whatever else is written meanwhile is not answered to somebody who said no.
    expect(await asked(phone, 'What do you want?')).toEqual(['help heard', 'stop heard']);
    expect(await asked(phone, 'START')).toEqual(['help heard', 'stop heard', 'start heard']);
  });

  it('take effect through the door of the provider', async () => {
    const phone = newPhone();
    await asked(phone, 'Arrêt');
    const send = () =>
      scene.send({ recipient: { phone }, notification: { channels: ['sms'], body: 'Hello' } }, scene.testKey);
    const { channels } = await scene.status((await send()).notification_id, 'failed', scene.testKey);
    expect(channels[0].failure.code).toBe('recipient_opted_out');
    await asked(phone, 'START');
    await scene.status((await send()).notification_id, 'delivered', scene.testKey);
  });
});

it('an answer that is owed survives whatever happens before it is given, and is given once', async () => {
  await rule({ trigger: 'default', reply: { text: 'Hello' } });
  const phone = newPhone();
  await asked(phone, 'Hi');
  // As if the process had died between the sending and the note of it.
  await scene.query(
    `insert into owed_replies (message_id, tenant_id, mode, rule_id, conversation_id)
     select m.id, m.tenant_id, m.mode, r.id, m.conversation_id from inbound_messages m, auto_replies r, conversations c
     where c.id = m.conversation_id and c.address = $1`,
    [phone],
  );
  await settled();
  expect(await got(phone)).toEqual(['Hello']);
});

it('an answer does not make a conversation read', async () => {
  await rule({ trigger: 'default', reply: { text: 'Hello' } });
  const phone = newPhone();
  await asked(phone, 'Hi');
  expect(await scene.query('select unread from conversations where address = $1', [phone])).toEqual([{ unread: 1 }]);
});

it('a rule that cannot answer says why', async () => {
  const { id } = await rule({ trigger: 'default', reply: { template_id: 'nobody_made_this' } });
  await asked(newPhone(), 'Hi');
  const after = await scene.must(200, scene.call('GET', `/api/v1/auto_replies/${id}`, { key: scene.testKey }));
  expect(after).toMatchObject({ failure_code: 'template_not_found', failed_at: expect.any(String) });
});

it.each([
  ['neither text nor template', { trigger: 'default', reply: { subject: 'x' } }, 'reply'],
  ['both', { trigger: 'default', reply: { text: 'x', template_id: 'y' } }, 'reply'],
  ['content for any channel', { trigger: 'default', reply: { content: { body: 'x' } } }, 'channel'],
  ['a keyword rule without any', { trigger: 'keyword', reply: { text: 'x' } }, 'keywords'],
  ['keywords that nobody compares', { trigger: 'help', keywords: ['x'], reply: { text: 'x' } }, 'keywords'],
  ['a channel that is none', { trigger: 'default', channel: 'pigeon', reply: { text: 'x' } }, 'channel'],
  [
    'a connection of nobody',
    { trigger: 'default', connection_id: 'con_01M7YXQ98YEDF8SNZDY0QNH2RC', reply: { text: 'x' } },
    'connection_id',
  ],
])('refuses %s', async (_, body, path) => {
  const { status, body: answer } = await scene.call('POST', '/api/v1/auto_replies', { key: scene.testKey, body });
  expect([status, answer.error.details.fields.map((field: Json) => field.path)]).toEqual([422, [path]]);
});

it('lists rules in their order, by pages, and forgets what was removed', async () => {
  const [b, c] = [
    await rule({ trigger: 'default', reply: { text: 'b' } }),
    await rule({ trigger: 'help', reply: { text: 'c' } }),
  ];
  const a = await rule({ trigger: 'default', reply: { text: 'a' }, position: 1 });
  const page = (query: string): Promise<Json> =>
    scene.must(200, scene.call('GET', `/api/v1/auto_replies?${query}`, { key: scene.testKey }));
  const first = await page('limit=2');
  const second = await page(`limit=2&cursor=${first.next_cursor}`);
  expect([...first.data, ...second.data].map(({ id }: Json) => id)).toEqual([a.id, b.id, c.id]);
  expect(second.has_more).toBe(false);
  const path = `/api/v1/auto_replies/${b.id}`;
  expect((await scene.call('DELETE', path, { key: scene.testKey })).status).toBe(204);
  expect((await scene.call('GET', path, { key: scene.testKey })).status).toBe(404);
  expect((await scene.call('PATCH', path, { key: scene.testKey, body: { name: 'x' } })).status).toBe(404);
});
