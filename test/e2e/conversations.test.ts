/** Somebody writes: there is a contact, a conversation, an event; and they are answered where they wrote, in time. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newEmail, newPhone, ORDER, orderUpdate, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.template(orderUpdate);
});
afterAll(() => scene.close());

const at = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  scene.call(method, path, { key: scene.testKey, headers, ...(body === undefined ? {} : { body }) });
const get = (path: string): Promise<Json> => scene.must(200, at('GET', path));

/** Plays a person who writes; the conversation, once that has been read. */
async function write(channel: string, from: object, text: string, more: object = {}): Promise<Json> {
  const { provider_id } = await scene.must(
    202,
    at('POST', '/api/v1/sandbox/messages', { channel, from, text, ...more }),
  );
  return until(
    async () => {
      const [row] = await scene.query<Json>(
        'select conversation_id as id, id as message from inbound_messages where provider_id = $1',
        [provider_id],
      );
      return row && { ...(await get(`/api/v1/conversations/${row.id}`)), provider_id };
    },
    { what: 'the message in its conversation' },
  );
}
const eventsOf = async (type: string): Promise<Json[]> => (await get(`/api/v1/events?type=${type}&limit=500`)).data;
const threadOf = async (conversation: Json, query = ''): Promise<Json> =>
  get(`/api/v1/conversations/${conversation.id}/messages${query}`);
/** An hour of the store's clock for this conversation. */
const age = (conversation: Json, hours: number) =>
  scene.query(
    `update conversations set last_inbound_at = clock_now() - make_interval(secs => $2::float8 * 3600) where address = $1`,
    [conversation.address, hours],
  );

describe('what somebody writes', () => {
  it('makes a contact and a conversation, and message.received tells of it as the thread shows it', async () => {
    const phone = newPhone();
    const conversation = await write('sms', { phone }, 'Is it ready?', { name: 'Ada' });
    expect(conversation).toMatchObject({
      address: phone,
      channel: 'sms',
      status: 'open',
      unread_count: 1,
      assignee: null,
      contact: { name: 'Ada', external_id: null },
      last_message: { kind: 'text', text: 'Is it ready?' },
      window_expires_at: null,
    });
    const { data } = await threadOf(conversation);
    expect(data).toMatchObject([
      { direction: 'inbound', from: phone, content: { kind: 'text', text: 'Is it ready?' }, media: [], reply_to: null },
    ]);
    const event = await until(async () =>
      (await eventsOf('message.received')).find(({ data: { from } }) => from === phone),
    );
    expect(event.data).toEqual(data[0]);
    expect((await eventsOf('contact.identified')).filter(({ data: { from } }) => from === phone)).toEqual([]);
  });

  it('is from the contact that the tenant made, and contact.identified says so', async () => {
    const phone = newPhone();
    const made = await scene.must(
      201,
      at('POST', '/api/v1/contacts', { external_id: `crm-${phone}`, name: 'Grace', phone }),
    );
    const conversation = await write('sms', { phone }, 'Hello', { name: 'grace on her phone' });
    expect(conversation.contact).toMatchObject({ id: made.id, external_id: `crm-${phone}`, name: 'Grace' });
    const told = await until(async () =>
      (await eventsOf('contact.identified')).find(({ data: { from } }) => from === phone),
    );
    expect(told.data.contact.external_id).toBe(`crm-${phone}`);
    // By another channel it is the same contact, in a conversation of its own.
    const other = await write('whatsapp', { phone }, 'Me again');
    expect([other.contact.id, other.id === conversation.id]).toEqual([made.id, false]);
    const both = (await get(`/api/v1/conversations?contact_id=${made.id}`)).data;
    expect(both.map(({ id }: Json) => id)).toEqual([other.id, conversation.id]);
  });

  it('opens a resolved conversation again and is unread until it is answered', async () => {
    const phone = newPhone();
    const conversation = await write('sms', { phone }, 'One');
    const path = `/api/v1/conversations/${conversation.id}`;
    await scene.must(200, at('PATCH', path, { status: 'resolved', unread_count: 0 }));
    const again = await write('sms', { phone }, 'Two');
    expect(again).toMatchObject({ id: conversation.id, status: 'open', unread_count: 1 });
    await scene.must(202, at('POST', `${path}/messages`, { text: 'Here is three' }));
    expect(await get(path)).toMatchObject({ unread_count: 0 });
    const changes = (await eventsOf('conversation.updated')).filter(
      ({ data: { conversation_id } }) => conversation_id === conversation.id,
    );
    expect(changes.map(({ data }) => [data.previous_status, data.status])).toEqual([
      ['open', 'resolved'],
      ['resolved', 'open'],
    ]);
  });
});

describe('a conversation', () => {
  it('shows what came in and what went out in the order of time, a page at a time from either end', async () => {
    const phone = newPhone();
    const recipient = { phone };
    await scene.send({ recipient, notification: { channels: ['sms'], body: 'Your order is ready' } }, scene.testKey);
    const conversation = await write('sms', { phone }, 'Thank you');
    const path = `/api/v1/conversations/${conversation.id}/messages`;
    await scene.must(202, at('POST', path, { text: 'You are welcome' }));
    await write('sms', { phone }, 'Bye');
    const texts = (page: Json) => page.data.map((one: Json) => one.text ?? one.content.text);
    const all = ['Your order is ready', 'Thank you', 'You are welcome', 'Bye'];
    expect(texts(await get(path))).toEqual(all);
    const walk = async (order: string) => {
      const seen: string[] = [];
      for (let cursor = ''; ; ) {
        const page = await get(`${path}?order=${order}&limit=3${cursor}`);
        seen.push(...texts(page));
        if (!page.has_more) return seen;
        cursor = `&cursor=${page.next_cursor}`;
      }
    };
    expect(await walk('asc')).toEqual(all);
    expect(await walk('desc')).toEqual([...all].reverse());
  });

  it('is given to a person or an id of the tenant, and conversation.assigned says to whom and from whom', async () => {
    const conversation = await write('sms', { phone: newPhone() }, 'Anybody?');
    const path = `/api/v1/conversations/${conversation.id}`;
    for (const assignee of ['agent-7', 'agent-8', null]) await scene.must(200, at('PATCH', path, { assignee }));
    const told = (await eventsOf('conversation.assigned')).map(({ data }) => data);
    expect(told.filter(({ conversation_id }) => conversation_id === conversation.id)).toEqual([
      { conversation_id: conversation.id, assignee: 'agent-7', previous_assignee: null },
      { conversation_id: conversation.id, assignee: 'agent-8', previous_assignee: 'agent-7' },
      { conversation_id: conversation.id, assignee: null, previous_assignee: 'agent-8' },
    ]);
    await scene.must(200, at('PATCH', path, { assignee: 'agent-9' }));
    expect((await get('/api/v1/conversations?assignee=agent-9')).data.map(({ id }: Json) => id)).toEqual([
      conversation.id,
    ]);
    const stranger = await at('PATCH', path, { assignee: 'usr_00000000000000000000000000' });
    expect([stranger.status, stranger.body.error.code]).toEqual([422, 'validation_failed']);
  });

  it('is listed by the newest message first, by status and by channel', async () => {
    const first = await write('slack', { slack_user_id: 'U0AAAAAAA' }, 'one');
    const second = await write('slack', { slack_user_id: 'U0BBBBBBB' }, 'two');
    const slack = () => get('/api/v1/conversations?channel=slack&status=open&limit=1');
    const page = await slack();
    expect(page).toMatchObject({ data: [{ id: second.id }], has_more: true });
    const next = await get(`/api/v1/conversations?channel=slack&status=open&limit=1&cursor=${page.next_cursor}`);
    expect(next).toMatchObject({ data: [{ id: first.id }], has_more: false });
    await write('slack', { slack_user_id: 'U0AAAAAAA' }, 'three');
    expect((await slack()).data[0].id).toBe(first.id);
  });

  it('answers to its bare UUID too', async () => {
    const conversation = await write('sms', { phone: newPhone() }, 'Hi');
    const [row] = await scene.query<Json>('select id from conversations where address = $1', [conversation.address]);
    expect((await get(`/api/v1/conversations/${row?.id}`)).id).toBe(conversation.id);
  });
});

describe('an answer', () => {
  it('is free text within the window of a channel that else takes templates only, and said to be too late after it', async () => {
    const phone = newPhone();
    const conversation = await write('whatsapp', { phone }, 'Where is my order?');
    expect(new Date(conversation.window_expires_at).getTime() - new Date(conversation.last_inbound_at).getTime()).toBe(
      86_400_000,
    );
    const path = `/api/v1/conversations/${conversation.id}/messages`;
    const { notification_id } = await scene.must(202, at('POST', path, { text: 'On its way' }));
    await scene.status(notification_id, 'delivered', scene.testKey);
    const outbox = await get(`/api/v1/sandbox/outbox?recipient=${encodeURIComponent(phone)}`);
    expect(outbox.data[0].content).toEqual({ type: 'text', text: { body: 'On its way' } });
    // The ordinary send knows it as well.
    const notification = { channels: ['whatsapp'], body: 'And here' };
    await scene.send({ recipient: { phone }, notification }, scene.testKey);

    await age(conversation, 24.1);
    const { last_inbound_at, window_expires_at } = await get(`/api/v1/conversations/${conversation.id}`);
    expect(new Date(last_inbound_at) < new Date(window_expires_at)).toBe(true);
    for (const late of [
      at('POST', path, { text: 'Too late' }),
      at('POST', '/api/v1/notifications/send', { recipient: { phone }, notification }),
    ]) {
      const { status, body } = await late;
      expect([status, body.error.code, body.error.param]).toEqual([422, 'outside_window', 'notification.template_id']);
      expect(body.error.details).toEqual({ channel: 'whatsapp', window_expired_at: window_expires_at });
      expect(body.error.message).toContain(window_expires_at);
    }
    await scene.must(202, at('POST', path, { template_id: 'order_update', data: ORDER }));
  });

  it('to somebody who has never written needs a template, as before', async () => {
    const { status, body } = await at('POST', '/api/v1/notifications/send', {
      recipient: { phone: newPhone() },
      notification: { channels: ['whatsapp'], body: 'Hello' },
    });
    expect([status, body.error.code]).toEqual([422, 'template_required']);
  });

  it('under a key is sent once, and another text under it is refused', async () => {
    const conversation = await write('sms', { phone: newPhone() }, 'Hi');
    const path = `/api/v1/conversations/${conversation.id}/messages`;
    const key = { 'idempotency-key': `answer ${conversation.id}` };
    const first = await scene.must(202, at('POST', path, { text: 'Yes' }, key));
    expect(await scene.must(202, at('POST', path, { text: 'Yes' }, key))).toEqual(first);
    const other = await at('POST', path, { text: 'No' }, key);
    expect([other.status, other.body.error.code]).toEqual([422, 'idempotency_key_reused']);
  });

  it('to a mail has a subject', async () => {
    const email = newEmail();
    const conversation = await write('email', { email }, 'A letter');
    await scene.must(202, at('POST', `/api/v1/conversations/${conversation.id}/messages`, { text: 'An answer' }));
    const item = await until(
      async () => (await get(`/api/v1/sandbox/outbox?recipient=${encodeURIComponent(email)}`)).data[0],
    );
    expect(item.content).toMatchObject({ subject: 'Re:', body: 'An answer' });
  });

  it.each([
    [{ text: 'a', template_id: 'order_update' }],
    [{ subject: 'Only' }],
    [{ text: ' ' }],
    [{ content: { nonsense: true } }],
  ])('that says nothing, or two things, is refused: %j', async (body) => {
    const conversation = await write('sms', { phone: newPhone() }, 'Hi');
    const answer = await at('POST', `/api/v1/conversations/${conversation.id}/messages`, body);
    expect([answer.status, answer.body.error.code]).toEqual([422, 'validation_failed']);
  });
});

describe('the log of messages', () => {
  it('has both directions, the newest first, by direction, status and address', async () => {
    const phone = newPhone();
    const recipient = encodeURIComponent(phone);
    const conversation = await write('sms', { phone }, 'In');
    const path = `/api/v1/conversations/${conversation.id}/messages`;
    const { notification_id } = await scene.must(202, at('POST', path, { text: 'Out' }));
    await scene.status(notification_id, 'delivered', scene.testKey);
    const log = async (query: string) => (await get(`/v1/analytics/messages?recipient=${recipient}${query}`)).data;
    const said = ({ logs }: Json) => logs.map(({ direction, type, status }: Json) => [direction, type, status]);
    const [ours, theirs] = [
      ['outbound', 'text', 'delivered'],
      ['inbound', 'text', 'received'],
    ];
    expect(said(await log(''))).toEqual([ours, theirs]);
    expect(said(await log('&direction=inbound'))).toEqual([theirs]);
    expect(said(await log('&status=delivered'))).toEqual([ours]);
    expect(said(await log('&status=failed'))).toEqual([]);
    expect(await log('&limit=1&offset=1')).toMatchObject({
      total: 2,
      limit: 1,
      offset: 1,
      logs: [{ direction: 'inbound' }],
    });
  });
});

describe('playing a person', () => {
  it('is for test keys, known channels and addresses that can be', async () => {
    const body = { channel: 'sms', from: { phone: newPhone() }, text: 'Hi' };
    const ask = async (more: object, key = scene.testKey) => {
      const { status, body: said } = await scene.call('POST', '/api/v1/sandbox/messages', {
        key,
        body: { ...body, ...more },
      });
      return [status, said.error.code];
    };
    expect(await ask({}, scene.liveKey)).toEqual([404, 'not_found']);
    expect(await ask({ channel: 'raven' })).toEqual([422, 'channel_unknown']);
    expect(await ask({ from: { phone: '12' } })).toEqual([422, 'invalid_recipient']);
  });
});
