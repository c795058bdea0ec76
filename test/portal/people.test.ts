/** The forms about people who write: answers, who has a conversation, contacts, who is not written to, rules and alerts. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toWire } from '../../src/lib/ids.ts';
import { type Served, servePortal } from './fixtures.ts';
import { PEOPLE } from './fixtures-people.ts';
import { get, post } from './visits.ts';

let full: Served;
let empty: Served;
beforeAll(async () => {
  [full, empty] = await Promise.all([servePortal(), servePortal({ empty: true })]);
});
afterAll(async () => {
  await Promise.all([full.close(), empty.close()]);
});

const last = (verb: string) => full.calls.made.filter((call) => call.verb === verb).at(-1)?.args;
const count = (verb: string) => full.calls.made.filter((call) => call.verb === verb).length;
const text = async (path: string) => (await (await get(full, path)).text()).replaceAll('&#x3D;', '=');
const talk = (n: number) => `/portal/inbox/${full.fixtures.people.conversations[n]?.id}`;
const wire = (path: string) => path.split('/').at(-1);
const ME = toWire('user', PEOPLE[0]?.id ?? '');

describe('the inbox', () => {
  test('shows what is open first, and takes filters as a plain form', async () => {
    await text('/portal/inbox');
    expect(last('conversations.list')).toEqual([{ limit: 50, status: 'open' }]);
    const mine = await text('/portal/inbox?status=all&assignee=me&channel=whatsapp');
    expect(last('conversations.list')).toEqual([{ limit: 50, assignee: ME, channel: 'whatsapp' }]);
    expect(mine).toContain('3 new');
    expect(mine).toContain('/portal/inbox?status=resolved&amp;assignee=me&amp;channel=whatsapp');
    expect(await (await get(empty, '/portal/inbox')).text()).toContain('/api/v1/sandbox/messages');
  });

  test('a conversation shows both sides, its files, and is read by being looked at', async () => {
    const page = await text(talk(0));
    expect(last('conversations.patch')).toEqual([wire(talk(0)), { unread_count: 0 }]);
    expect(page.indexOf('Your order ORD-1001')).toBeLessThan(page.indexOf('Thank you!'));
    expect(page.match(/<li class="ours">/g)).toHaveLength(4);
    const [, file] = /<img src="(\/portal\/media\/med_\w+)"/.exec(page) ?? [];
    const got = await get(full, file ?? '');
    expect([got.headers.get('content-type'), got.headers.get('x-content-type-options')]).toEqual([
      'image/png',
      'nosniff',
    ]);
    expect(got.headers.get('content-disposition')).toMatch(/^attachment;/);
    expect(page).toContain('is being fetched');
    expect(page).toContain('could not be fetched from the provider');
    expect((await get(full, file ?? '', 'guest')).status).toBe(303);
  });

  test('plain words are answered while they may be, once however often the button is pressed', async () => {
    const page = await text(talk(0));
    const [, once = ''] = /name="once" value="([^"]+)"/.exec(page) ?? [];
    const sent = await post(full, `${talk(0)}/reply`, { text: 'At nine.', once });
    expect(sent.headers.get('location')).toBe(`${talk(0)}?note=answered`);
    const [, said, key] = last('conversations.reply') as [string, object, string];
    expect(said).toEqual({ text: 'At nine.' });
    await post(full, `${talk(0)}/reply`, { text: 'At nine.', once });
    expect(last('conversations.reply')?.[2]).toBe(key);
    await post(full, `${talk(0)}/reply`, { text: 'At ten.', once });
    expect(last('conversations.reply')?.[2]).not.toBe(key);
  });

  test('a refusal keeps what was typed, and says the way out', async () => {
    const late = await post(full, `${talk(0)}/reply`, { text: 'late' });
    const page = await late.text();
    expect([late.status, page.includes('>late</textarea>')]).toEqual([422, true]);
    expect(page).toContain('Plain words may be sent for 24 hours');
    const before = count('conversations.reply');
    const nothing = await post(full, `${talk(0)}/reply`, { text: '  ' });
    expect([nothing.status, (await nothing.text()).includes('id="e-text"')]).toEqual([422, true]);
    expect(count('conversations.reply')).toBe(before);
  });

  test('after the time for plain words there is no box for them, and a template goes with its variables', async () => {
    const late = await text(talk(1));
    expect(late).toContain('Plain words cannot be sent now.');
    expect(late).not.toContain('name="text"');
    const page = await text(`${talk(2)}?template_id=order_shipped`);
    expect(page).toContain('name="v_order_id"');
    const fields = { template_id: 'order_shipped', language: 'en', v_name: 'Mary', v_order_id: 'ORD-7', v_day: '' };
    await post(full, `${talk(2)}/reply`, fields);
    expect(last('conversations.reply')?.[1]).toEqual({
      template_id: 'order_shipped',
      language: 'en',
      data: { name: 'Mary', order_id: 'ORD-7' },
    });
  });

  test('a conversation is taken, given, resolved and reopened; nobody of this organization is refused', async () => {
    for (const [fields, command] of [
      [{ assignee: 'me' }, { assignee: ME }],
      [{ assignee: '' }, { assignee: null }],
      [{ status: 'resolved' }, { status: 'resolved' }],
    ] as const) {
      await post(full, talk(0), fields);
      expect(last('conversations.patch')).toEqual([wire(talk(0)), command]);
    }
    expect(await text(talk(2))).toContain('>Reopen<');
    expect((await post(full, talk(0), { status: 'forgotten' })).status).toBe(422);
    expect((await post(full, talk(0), { assignee: 'usr_nobody' })).status).toBe(422);
  });

  test('the outbox writes back in the place of the person, and says STOP by a button', async () => {
    const id = full.fixtures.messages.find(({ part }) => part.channel === 'sms')?.part.message_id ?? '';
    const page = await text(`/portal/outbox/${id}`);
    expect(page).toContain('value="STOP"');
    const wrote = await post(full, `/portal/outbox/${id}/write`, { text: 'When do you open?' });
    expect(wrote.headers.get('location')).toBe('/portal/inbox?note=wrote');
    expect(last('write')).toEqual([{ channel: 'sms', from: { phone: '+14155550123' }, text: 'When do you open?' }]);
    await post(full, `/portal/outbox/${id}/write`, { text: '', word: 'STOP' });
    expect(last('write')).toMatchObject([{ text: 'STOP' }]);
    expect((await post(full, `/portal/outbox/${id}/write`, { text: ' ' })).status).toBe(422);
  });
});

describe('contacts', () => {
  const page = () => `/portal/contacts/${full.fixtures.people.contacts[0]?.id}`;

  test('are made and changed; an emptied field is none, and notes must be JSON', async () => {
    await post(full, '/portal/contacts', { name: 'Mary', phone: '+1 (415) 555-0121', email: '', external_id: '' });
    expect(last('contacts.create')).toEqual([{ name: 'Mary', phone: '+14155550121' }]);
    const taken = await post(full, '/portal/contacts', { external_id: 'taken' });
    expect([taken.status, (await taken.text()).includes('id="e-external_id"')]).toEqual([422, true]);
    await post(full, page(), { name: 'Mary', phone: '', email: '', external_id: '', metadata: '{"tier":"gold"}' });
    expect(last('contacts.patch')?.[1]).toEqual({
      ...{ name: 'Mary', phone: null, email: null, external_id: null, metadata: { tier: 'gold' } },
    });
    const wrong = await post(full, page(), { name: 'Mary', metadata: '[1]' });
    expect([wrong.status, (await wrong.text()).includes('id="e-metadata"')]).toEqual([422, true]);
  });

  test('are found, merged and taken apart; what is written down names fields, not people', async () => {
    const found = await text(`${page()}?like=all`);
    const [, other = ''] = /name="other" value="([^"]+)"/.exec(found) ?? [];
    await post(full, `${page()}/merge`, { other });
    expect(last('contacts.merge')).toEqual([wire(page()), other]);
    const merge = full.fixtures.people.contacts[0]?.merges[0]?.id ?? '';
    await post(full, `${page()}/merges/${merge}/undo`, {});
    expect(last('contacts.undo')).toEqual([wire(page()), merge]);
    const same = await post(full, `${page()}/merge`, { other: wire(page()) ?? '' });
    expect(await same.text()).toContain('a part of another contact already');
    await post(full, `${page()}/remove`, {});
    expect(last('contacts.remove')).toEqual([wire(page())]);
  });
});

describe('who is not written to', () => {
  test('is looked up by address, added with a cause, and removed by a button that asks', async () => {
    await text('/portal/suppressions?address=%2B14155550121&channel=sms&reason=stop_word');
    expect(last('suppressions.list')).toEqual([
      { limit: 50, address: '+14155550121', channel: 'sms', reason: 'stop_word' },
    ]);
    await post(full, '/portal/suppressions', { channel: 'sms', address: '+1', scope: 'marketing', note: ' asked ' });
    expect(last('suppressions.add')).toEqual([[{ channel: 'sms', address: '+1', scope: 'marketing', note: 'asked' }]]);
    const wrong = await post(full, '/portal/suppressions', { channel: 'sms', address: 'x' });
    expect([wrong.status, (await wrong.text()).includes('id="e-address"')]).toEqual([422, true]);
    const id = full.fixtures.people.suppressions[0]?.id ?? '';
    await post(full, `/portal/suppressions/${id}/remove`, {});
    expect(last('suppressions.remove')).toEqual([id]);
    expect(await text('/portal/suppressions')).toContain('erased, still recognised');
  });
});

describe('rules', () => {
  const rule = (n: number) => full.fixtures.webhooks.rules[n]?.id ?? '';
  const ROWS = { name: 'R', priority: '5', join: 'all', enabled: 'yes' };

  test('are written row by row, with several values by commas, and nested ones as JSON', async () => {
    await post(full, '/portal/rules', [
      ...Object.entries({ ...ROWS, property_0: 'channel', value_0: 'sms, email' }),
      ...Object.entries({ property_2: 'regex', value_2: '^a,b$', stop: 'yes' }),
      ['targets', full.fixtures.webhooks.endpoints[5]?.id ?? ''],
    ]);
    expect(last('rules.create')).toEqual([
      {
        ...{ name: 'R', priority: 5, enabled: true, stop: true, targets: [full.fixtures.webhooks.endpoints[5]?.id] },
        conditions: { all: [{ channel: ['sms', 'email'] }, { regex: ['^a,b$'] }] },
      },
    ]);
    const page = await text(`/portal/rules/${rule(1)}`);
    expect(page).toContain('name="conditions"');
    expect(await text(`/portal/rules/${rule(0)}`)).toContain('value="refund, return"');
    const json = await post(full, `/portal/rules/${rule(1)}`, { name: '', priority: '', conditions: '{' });
    expect([json.status, (await json.text()).includes('id="e-conditions"')]).toEqual([422, true]);
  });

  test('a fault stands beside its row, whatever rows were left empty', async () => {
    const rows = { ...ROWS, property_1: 'channel', value_1: 'sms', property_5: 'regex', value_5: '(' };
    const refused = await post(full, '/portal/rules', rows);
    const page = await refused.text();
    expect([refused.status, page.includes('id="e-value_1"')]).toEqual([422, true]);
    expect(/id="f-value_1"[^>]*value="([^"]*)"/.exec(page)?.[1]).toBe('(');
    const half = await post(full, '/portal/rules', { ...ROWS, property_3: 'keyword', value_3: '' });
    expect(await half.text()).toContain('Write what it is to be.');
  });

  test('are switched, deleted and tried; an event that is not kept says so beside its field', async () => {
    await post(full, `/portal/rules/${rule(0)}/switch`, { enabled: 'no' });
    expect(last('rules.patch')).toEqual([rule(0), { enabled: false }]);
    await post(full, `/portal/rules/${rule(0)}/remove`, {});
    expect(last('rules.remove')).toEqual([rule(0)]);
    const tried = await text('/portal/rules/try?event_type=message.received&text=a+refund');
    expect(last('rules.try')).toEqual([{ sample: { event_type: 'message.received', text: 'a refund' } }]);
    expect(tried).toContain('gets it');
    expect(tried).toContain('The event has nothing of the kind');
    const gone = await get(full, '/portal/rules/try?event_id=evt_gone');
    expect([gone.status, (await gone.text()).includes('id="e-event_id"')]).toEqual([422, true]);
  });
});

describe('what works by itself', () => {
  test('an auto-reply is written, switched and deleted; words it needs are asked for beside their field', async () => {
    const fields = { trigger: 'keyword', keywords: 'hours,  open', match: 'contains', text: 'Nine.', is_active: 'yes' };
    await post(full, '/portal/auto-replies', { ...fields, channel: '', pause_minutes: '5' });
    expect(last('replies.create')).toEqual([
      {
        ...{ name: '', trigger: 'keyword', keywords: ['hours', 'open'], match: 'contains', channel: null },
        ...{ reply: { text: 'Nine.' }, pause_minutes: 5, is_active: true },
      },
    ]);
    const wrong = await post(full, '/portal/auto-replies', { ...fields, keywords: '' });
    expect([wrong.status, (await wrong.text()).includes('id="e-keywords"')]).toEqual([422, true]);
    const id = full.fixtures.people.autoReplies[2]?.id ?? '';
    expect(await text(`/portal/auto-replies/${id}`)).toContain('name="reply"');
    await post(full, `/portal/auto-replies/${id}/switch`, { on: 'yes' });
    expect(last('replies.patch')).toEqual([id, { is_active: true }]);
    await post(full, `/portal/auto-replies/${id}/remove`, {});
    expect(last('replies.remove')).toEqual([id]);
  });

  test('an alert tells whom was ticked and one address, and keeps whom the form cannot show', async () => {
    const fields = { name: 'A', metric: 'failures', threshold: '2.5', window_minutes: '5', min_messages: '1' };
    await post(full, '/portal/alerts', [
      ...Object.entries({ ...fields, through: 'slack', address: 'U024BE7LH', enabled: 'yes' }),
      ['email', 'ada@northwind.example'],
      ['email', 'grace@northwind.example'],
    ]);
    expect(last('alerts.create')).toMatchObject([
      {
        ...{ metric: 'failures', threshold: 2.5, window_minutes: 5, channel: null, enabled: true },
        targets: [{ email: 'ada@northwind.example' }, { email: 'grace@northwind.example' }, { channel: 'slack' }],
      },
    ]);
    const id = full.fixtures.alerts.rules[0]?.id ?? '';
    await post(full, `/portal/alerts/${id}`, { ...fields, through: '', address: '' });
    expect(last('alerts.patch')?.[1]).toMatchObject({ targets: [{ channel: 'sms' }], enabled: false });
    const wrong = await post(full, '/portal/alerts', { ...fields, through: 'whatsapp', address: '+14155550123' });
    expect([wrong.status, (await wrong.text()).includes('id="e-address"')]).toEqual([422, true]);
    expect(await text('/portal/alerts')).toContain('12.35 % failed');
    // What is not over stands on Home.
    expect((await text('/portal')).match(/has reached its limit/g)).toHaveLength(1);
  });
});
