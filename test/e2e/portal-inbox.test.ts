/** A conversation in the portal of the real product, by forms alone: written, read, answered, given, stopped. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Visitor } from '../support/browsing.ts';
import { apiAt, type Product, startProduct, until } from '../support/product.ts';

const PHONE = '+14155550123';
let product: Product;
let visitor: Visitor;
let key = '';
let talk = '';
beforeAll(async () => {
  product = await startProduct({ env: { SIGNUP: 'open' } });
  visitor = new Visitor(product.url);
  await visitor.open('/portal/signup');
  const form = { organization: 'Northwind', name: 'Ada', email: 'ada@northwind.example' };
  await visitor.submit('/portal/signup', { ...form, password: 'a bell for every book' });
  key = visitor.find(/ak_test_\w+/);
});
afterAll(() => product?.stop());

const send = async () => {
  const notification = { channels: ['sms'], body: 'Your order is on its way.' };
  return (
    await apiAt(product.url, key)('/api/v1/notifications/send', { body: { recipient: { phone: PHONE }, notification } })
  ).body;
};
const shows = (page: string, words: string) =>
  until(async () => (await visitor.open(page)).words.includes(words), { what: `${page} to say ${words}` });
/** The page of the message in the outbox, once it has been taken. */
const outboxOf = async ({ channels: [{ message_id }] }: { channels: [{ message_id: string }] }) => {
  await until(async () => (await visitor.open(`/portal/outbox/${message_id}`)).status === 200, { what: 'the outbox' });
  return `/portal/outbox/${message_id}`;
};

test('what the person writes back from the outbox stands in the inbox, unread until it is looked at', async () => {
  const item = await outboxOf(await send());
  await visitor.submit(`${item}/write`, { text: 'When do you open?' });
  expect(visitor.at).toBe('/portal/inbox?note=wrote');
  await shows('/portal/inbox', '1 new When do you open?');
  talk = visitor.find(/href="(\/portal\/inbox\/cnv_\w+)#answer"/);
  await visitor.open(talk);
  expect(visitor.words).toContain('Your order is on its way.');
  expect(visitor.words).toContain('When do you open?');
  expect((await visitor.open('/portal/inbox')).words).not.toContain('1 new');
});

test('an answer goes out to them and stands in the thread; a second press of the same form sends nothing', async () => {
  await visitor.open(talk);
  const form = visitor.text;
  await visitor.submit(`${talk}/reply`, { text: 'At nine.' });
  expect(visitor.words).toContain('Accepted. It goes out now');
  visitor.text = form;
  await visitor.submit(`${talk}/reply`, { text: 'At nine.' });
  await shows('/portal/outbox', 'At nine.');
  expect(visitor.text.match(/At nine\./g)).toHaveLength(1);
  await shows(talk, 'At nine.');
});

test('it is given to a person, resolved, and opened again by the next word of theirs', async () => {
  await visitor.open(talk);
  await visitor.submit(talk, { assignee: 'me' });
  expect(visitor.words).toContain('Saved.');
  expect((await visitor.open('/portal/inbox?assignee=me')).words).toContain(PHONE);
  await visitor.open(talk);
  await visitor.submit(talk, { status: 'resolved' });
  expect((await visitor.open('/portal/inbox')).words).not.toContain(PHONE);
  const item = await outboxOf(await send());
  await visitor.submit(`${item}/write`, { text: 'And on Sunday?' });
  await shows('/portal/inbox', 'And on Sunday?');
});

test('who wrote is a contact, with a name of ours and the conversation beside it', async () => {
  await visitor.open('/portal/contacts');
  await visitor.open(visitor.find(/class="row-link" href="(\/portal\/contacts\/ctc_\w+)"/));
  const contact = visitor.at;
  expect(visitor.text).toContain(talk);
  await visitor.submit(contact, { name: 'Mary Somerville', phone: PHONE, metadata: '{"tier":"gold"}' });
  expect(visitor.words).toContain('The contact is saved.');
  expect((await visitor.open('/portal/contacts?search=Somerville')).words).toContain('Mary Somerville');
  expect((await visitor.open(talk)).words).toContain('Mary Somerville');
});

test('STOP by a button puts them on the list, with the cause; the next message fails, until they are removed', async () => {
  const item = await outboxOf(await send());
  await visitor.submit(`${item}/write`, { word: 'STOP' });
  await shows('/portal/suppressions', PHONE);
  expect(visitor.words).toContain('answered STOP');
  const { notification_id } = await send();
  await shows(`/portal/messages/${notification_id}`, 'recipient_opted_out');
  await visitor.open(`/portal/suppressions?address=${encodeURIComponent(PHONE)}`);
  await visitor.submit(visitor.find(/action="(\/portal\/suppressions\/sup_\w+\/remove)"/));
  expect(visitor.words).toContain('written to again');
  await visitor.submit('/portal/suppressions', { channel: 'sms', address: 'nobody', scope: 'all' });
  expect([visitor.status, visitor.text.includes('id="e-address"')]).toEqual([422, true]);
});

test('an auto-reply, a routing rule and an alert are made by forms; the rule is tried on what was written', async () => {
  await visitor.open('/portal/auto-replies/new');
  const reply = { trigger: 'keyword', keywords: 'hours', match: 'contains', text: 'Nine to five.', is_active: 'yes' };
  await visitor.submit('/portal/auto-replies', { ...reply, channel: '', pause_minutes: '0', template_id: '' });
  expect(visitor.words).toContain('Nine to five.');
  const item = await outboxOf(await send());
  await visitor.submit(`${item}/write`, { text: 'What are your hours?' });
  await shows(talk, 'Nine to five.');

  await visitor.open('/portal/rules/new');
  const rule = { name: 'Hours', priority: '1', join: 'all', property_0: 'keyword', value_0: 'hours', enabled: 'yes' };
  await visitor.submit('/portal/rules', rule);
  expect(visitor.words).toContain('the text has the word hours');
  const api = apiAt(product.url, key);
  const { body } = await api('/api/v1/events?type=message.received&limit=100');
  await visitor.open(`/portal/rules/try?event_id=${body.data.at(-1).id}`);
  expect(visitor.words).toContain('Hours matches');

  await visitor.open('/portal/alerts/new');
  const alert = { name: 'Too much fails', metric: 'failures', threshold: '1', window_minutes: '60', min_messages: '1' };
  await visitor.submit('/portal/alerts', { ...alert, enabled: 'yes', channel: '', template_id: '', through: '' });
  expect(visitor.words).toContain('1 failed in 60 min');
});
