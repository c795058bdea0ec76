/** People who write, for the pages to show: conversations in each state, a thread of every kind, contacts, and who said no. */
import type { PortalDeps } from '../../src/features/portal/index.ts';
import { ApiError } from '../../src/lib/errors.ts';
import { toWire } from '../../src/lib/ids.ts';
import type { Fixtures } from './fixtures.ts';

type Reads<T> = T extends (...args: never[]) => Promise<infer R> ? R : never;
export type Conversation = Reads<PortalDeps['conversations']['get']>;
export type ThreadItem = Reads<PortalDeps['conversations']['messages']>['data'][number];
export type Contact = Reads<PortalDeps['contacts']['get']>;
export type AutoReply = Reads<PortalDeps['replies']['get']>;
export type Suppression = Reads<PortalDeps['suppressions']['get']>;
type Came = Extract<ThreadItem, { origin: string }>;
type Note = <T>(verb: string, args: readonly unknown[], result: T) => T;

const uuid = (n: number) => `019cec00-0000-7000-8000-${(n * 16).toString(16).padStart(12, '0')}`;
const id = (kind: Parameters<typeof toWire>[0], n: number) => toWire(kind, uuid(n));
/** Who is signed in, and a colleague. */
export const PEOPLE = [
  { id: '019cec00-0000-7000-8000-000000000002', name: 'Ada Lovelace', email: 'ada@northwind.example' },
  { id: '019cec00-0000-7000-8000-000000000003', name: 'Grace Hopper', email: 'grace@northwind.example' },
];
const [ME = '', COLLEAGUE = ''] = PEOPLE.map((one) => toWire('user', one.id));

export function peopleFixtures(empty: boolean, bad: (text: string) => string, ago: (seconds: number) => string) {
  const card = (n: number, name: string | null, more: Partial<Contact> = {}) => ({
    id: id('contact', n),
    external_id: null,
    name,
    email: null,
    phone: `+141555501${20 + n}`,
    ...more,
  });
  const contact = (n: number, name: string | null, more: Partial<Contact> = {}): Contact => ({
    ...card(n, name),
    object: 'contact',
    livemode: false,
    identities: [
      { kind: 'phone', value: `+141555501${20 + n}`, scope: null, connection_id: null, created_at: ago(90_000) },
      {
        kind: 'slack_user',
        value: 'U024BE7LH',
        scope: 'T0123',
        connection_id: id('connection', 1),
        created_at: ago(80),
      },
    ],
    metadata: {},
    merges: [],
    created_at: ago(n * 90_000),
    updated_at: ago(n * 900),
    ...more,
  });
  const contacts = [
    contact(1, bad('Mary Somerville'), {
      external_id: 'customer-1042',
      email: 'mary@example.com',
      metadata: { tier: 'gold', note: bad('likes stars') },
      merges: [{ id: id('merge', 1), contact_id: id('contact', 9), name: bad('M. Somerville'), created_at: ago(500) }],
    }),
    contact(2, 'A person whose name somebody has made rather long, with all the titles there are', { phone: null }),
    contact(3, null, { phone: null, identities: [] }),
  ];
  const conversation = (n: number, more: Partial<Conversation> = {}): Conversation => ({
    id: id('conversation', n),
    object: 'conversation',
    livemode: false,
    channel: 'whatsapp',
    connection_id: id('connection', 1),
    address: `+141555501${20 + n}`,
    contact: card(n, n === 1 ? bad('Mary Somerville') : null),
    status: 'open',
    assignee: null,
    unread_count: 0,
    last_inbound_at: ago(n * 200),
    window_expires_at: ago(n * 200 - 86_400),
    last_message: { kind: 'text', text: bad('When do you open tomorrow?'), created_at: ago(n * 200) },
    created_at: ago(90_000),
    updated_at: ago(n * 200),
    ...more,
  });
  const conversations = [
    conversation(1, { unread_count: 3, assignee: ME }),
    conversation(2, {
      window_expires_at: ago(3_600),
      last_message: { kind: 'image', text: null, created_at: ago(90_000) },
      assignee: COLLEAGUE,
    }),
    conversation(3, {
      channel: 'email',
      address: 'mary@example.com',
      status: 'resolved',
      window_expires_at: null,
      assignee: 'agent-7-of-another-system',
    }),
    conversation(4, { contact: null, status: 'on_hold', last_message: null }),
  ];
  const common = (n: number, at: number) => ({
    id: id('message', n),
    object: 'message' as const,
    livemode: false,
    channel: 'whatsapp',
    connection_id: id('connection', 1),
    conversation_id: id('conversation', 1),
    created_at: ago(at),
  });
  const came = (n: number, at: number, content: Came['content'], more: Partial<Came> = {}): Came => ({
    ...common(n, at),
    direction: 'inbound',
    contact: null,
    from: '+14155550121',
    origin: 'live',
    content,
    media: [],
    reply_to: null,
    provider_id: `wamid.${n}`,
    received_at: ago(at),
    ...more,
  });
  const went = (n: number, at: number, text: string | null, more: object = {}): ThreadItem =>
    ({
      ...common(n, at),
      direction: 'outbound',
      notification_id: id('notification', 1),
      status: 'delivered',
      failure: null,
      template_id: null,
      text,
      preview: null,
      sent_at: ago(at),
      delivered_at: ago(at),
      read_at: null,
      ...more,
    }) as ThreadItem;
  const file = (n: number, mime: string, status: 'waiting' | 'stored' | 'failed', filename: string | null) => ({
    ...{ id: id('media', n), mime, filename, size: status === 'stored' ? 48_211 : null, status, url: '/' },
  });
  const thread: ThreadItem[] = [
    went(1, 100_000, bad('Your order ORD-1001 is on its way.'), { template_id: 'order_shipped', read_at: ago(99_000) }),
    came(2, 95_000, { kind: 'text', text: bad('Thank you!\nWhen do you open tomorrow?'), data: null }),
    came(
      3,
      94_000,
      { kind: 'image', text: bad('this one'), data: null },
      {
        media: [file(1, 'image/png', 'stored', bad('photo.png')), file(2, 'application/pdf', 'stored', 'invoice.pdf')],
      },
    ),
    came(
      4,
      93_000,
      { kind: 'document', text: null, data: null },
      {
        media: [file(3, 'application/pdf', 'waiting', null), file(4, 'text/html', 'failed', bad('page.html'))],
      },
    ),
    came(5, 92_000, { kind: 'location', text: 'Reading room', data: { latitude: 51.5, longitude: -0.1 } }),
    came(6, 91_000, { kind: 'button', text: 'Yes, please', data: { id: 'yes' } }),
    came(
      7,
      900,
      { kind: 'text', text: 'From the app of the shop', data: null },
      { origin: 'echo', direction: 'outbound' },
    ),
    went(8, 800, 'We open at nine.', {
      status: 'failed',
      failure: { code: 'outside_window', message: bad('Too late.') },
    }),
    went(9, 700, null, { status: 'sent' }),
    came(10, 200, { kind: 'unsupported', text: null, data: null }),
  ];
  const suppression = (n: number, more: Partial<Suppression> = {}): Suppression => ({
    id: id('suppression', n),
    object: 'suppression',
    livemode: false,
    channel: 'sms',
    address: `+141555501${20 + n}`,
    scope: 'all',
    reason: 'stop_word',
    connection_id: id('connection', 1),
    message_id: null,
    note: null,
    created_by: null,
    created_at: ago(n * 4_000),
    ...more,
  });
  const suppressions = [
    suppression(1),
    suppression(2, { channel: 'email', address: 'mary@example.com', scope: 'marketing', reason: 'unsubscribe' }),
    suppression(3, { address: null, reason: 'hard_bounce' }),
    suppression(4, { reason: 'manual', note: bad('asked by telephone'), connection_id: null }),
  ];
  const autoReply = (n: number, more: Partial<AutoReply> = {}): AutoReply => ({
    id: id('autoReply', n),
    object: 'auto_reply',
    livemode: false,
    name: '',
    trigger: 'keyword',
    keywords: ['hours', bad('open')],
    match: 'contains',
    channel: null,
    connection_id: null,
    reply: { text: bad('We are open from nine to five.') },
    position: n,
    pause_minutes: 10,
    is_active: true,
    failure_code: null,
    failed_at: null,
    created_at: ago(90_000),
    updated_at: ago(900),
    ...more,
  });
  const autoReplies = [
    autoReply(1),
    autoReply(2, { name: bad('At night'), trigger: 'default', keywords: [], reply: { template_id: 'order_shipped' } }),
    autoReply(3, {
      trigger: 'help',
      is_active: false,
      channel: 'sms',
      reply: { content: { body: 'x' } },
      failure_code: 'outside_window',
      failed_at: ago(300),
    }),
  ];
  return empty
    ? { contacts: [], conversations: [], thread: [], suppressions: [], autoReplies: [] }
    : { contacts, conversations, thread, suppressions, autoReplies };
}

/** A picture of one point. */
const POINT = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

export function peopleDoors(
  f: Fixtures,
  note: Note,
): Pick<PortalDeps, 'conversations' | 'media' | 'contacts' | 'suppressions' | 'replies'> {
  const { found, list } = f;
  const { contacts, conversations, thread, suppressions, autoReplies } = f.people;
  const auto = (wanted: string) => found(autoReplies.find((one) => one.id === wanted));
  const talk = (wanted: string) => found(conversations.find((one) => one.id === wanted));
  const person = (wanted: string) => found(contacts.find((one) => one.id === wanted));
  return {
    conversations: {
      list: async (_, query) =>
        note(
          'conversations.list',
          [query],
          list(
            conversations.filter(
              (one) =>
                (!query.status || one.status === query.status) &&
                (!query.contact_id || one.contact?.id === query.contact_id) &&
                (!query.assignee || one.assignee === (query.assignee === 'none' ? null : query.assignee)),
            ),
          ),
        ),
      get: async (_, wanted) => talk(wanted),
      async patch(_, wanted, command) {
        if (command.assignee === 'usr_nobody')
          throw new ApiError('validation_failed', undefined, {
            details: { fields: [{ path: 'assignee', message: 'is nobody of this organization' }] },
          });
        return note('conversations.patch', [wanted, command], talk(wanted));
      },
      messages: async (_, wanted, query) =>
        note('conversations.messages', [wanted, query], {
          ...list(talk(wanted).id === conversations[0]?.id && !query.cursor ? thread.toReversed() : []),
          next_cursor: query.cursor ? null : found(thread[0]).id,
        }),
      async reply(_, wanted, command, key) {
        if (command.text === 'late')
          throw new ApiError('outside_window', 'Plain words may be sent for 24 hours after the person has written.');
        return note('conversations.reply', [wanted, command, key], { status: 202, body: {} });
      },
    },
    media: {
      get: async (_, wanted) => {
        const item = found(thread.flatMap((one) => ('media' in one ? one.media : [])).find((one) => one.id === wanted));
        if (item.status !== 'stored') throw new ApiError('conflict', 'It is still being fetched.');
        return { mime: item.mime, filename: item.filename ?? 'file', bytes: POINT };
      },
    },
    replies: {
      list: async () => list(autoReplies),
      get: async (_, wanted) => auto(wanted),
      async create(_, command) {
        if (command.trigger === 'keyword' && !command.keywords?.length)
          throw new ApiError('validation_failed', undefined, {
            details: { fields: [{ path: 'keywords', message: 'needs at least one' }] },
          });
        return note('replies.create', [command], found(autoReplies[0]));
      },
      patch: async (_, wanted, command) => note('replies.patch', [wanted, command], auto(wanted)),
      remove: async (_, wanted) => note('replies.remove', [wanted], auto(wanted)),
    },
    contacts: {
      list: async (_, query) =>
        note(
          'contacts.list',
          [query],
          list(contacts.filter(({ name }) => !query.search || name?.includes(query.search) || query.search === 'all')),
        ),
      get: async (_, wanted) => person(wanted),
      async create(_, command) {
        if (command.external_id === 'taken')
          throw new ApiError('conflict', 'Another contact has the external id taken.', { param: 'external_id' });
        return note('contacts.create', [command], found(contacts[0]));
      },
      patch: async (_, wanted, command) => note('contacts.patch', [wanted, command], person(wanted)),
      remove: async (_, wanted) => note('contacts.remove', [wanted], undefined),
      async merge(_, wanted, from) {
        if (wanted === from) throw new ApiError('conflict', 'One of the two is a part of another contact already.');
        return note('contacts.merge', [wanted, from], person(wanted));
      },
      undo: async (_, wanted, merge) => note('contacts.undo', [wanted, merge], person(wanted)),
    },
    suppressions: {
      unsubscribe: Object.fromEntries(
        (['look', 'leave', 'comeBack'] as const).map((verb) => [
          verb,
          async (token: string) => {
            if (token !== 'whole') throw new ApiError('not_found');
            return note(verb, [token], {
              sender: 'Bakery',
              address: 'a•••@people.example',
              isOut: verb === 'leave',
            });
          },
        ]),
      ) as unknown as PortalDeps['suppressions']['unsubscribe'],
      list: async (_, query) => note('suppressions.list', [query], list(suppressions)),
      get: async (_, wanted) => found(suppressions.find((one) => one.id === wanted)),
      async add(_, entries) {
        if (!/[@+]/.test(entries[0]?.address ?? ''))
          throw new ApiError('validation_failed', undefined, {
            details: { fields: [{ path: 'suppressions.0.address', message: 'is no phone number' }] },
          });
        return note('suppressions.add', [entries], suppressions.slice(0, 1));
      },
      remove: async (_, wanted) =>
        note('suppressions.remove', [wanted], found(suppressions.find((one) => one.id === wanted))),
    },
  };
}
