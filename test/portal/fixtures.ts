/**
 * The portal over doors made of plain objects, so that its pages can be looked at and judged without a database. The
 * channels are the real ones. What strangers can write is hostile here on purpose.
 */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { channels } from '../../channels/index.ts';
import { type Content, createRegistry, type Preview, type Receipt } from '../../src/channel-kit/index.ts';
import { createPortal, type PortalDeps } from '../../src/features/portal/index.ts';
import { createVault } from '../../src/lib/crypto.ts';
import { ApiError, errorBody } from '../../src/lib/errors.ts';
import type { Mode, Principal } from '../../src/lib/http.ts';
import { toWire } from '../../src/lib/ids.ts';
import { createShell } from '../../src/lib/shell.ts';
import { alertDoors, alertFixtures } from './fixtures-alerts.ts';
import { campaignDoors, campaignFixtures } from './fixtures-campaigns.ts';
import { PEOPLE, peopleDoors, peopleFixtures } from './fixtures-people.ts';
import { webhookDoors, webhookFixtures } from './fixtures-webhooks.ts';

export const HOSTILE = `<script>alert('x')</script>"><img src=x onerror=alert(1)>'{{7*7}}`;
export const NOW = new Date('2026-03-14T10:30:00.000Z');
const LONG_ADDRESS = `${'a.very.long.name.that.somebody.chose'.repeat(2)}@mail.${'customers-of-'.repeat(4)}northwind.example`;
const LONG = {
  code: 'content_invalid',
  message:
    'The finished message was not acceptable: too long, empty, or not in the form the channel takes, and this sentence goes on.',
  fix: 'Look at the rendered message, shorten or correct the text or the data, and send again.',
};
/** What the door says of a message that could not be finished. */
export const UNFINISHED = 'body must not have more than 1600 characters';
const registry = createRegistry(channels);
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1_000).toISOString();
const id = (kind: Parameters<typeof toWire>[0], n: number) =>
  toWire(kind, `019cec00-0000-7000-8000-${(n * 16).toString(16).padStart(12, '0')}`);

const WELL = { status: 'ok', note: null, at: null, since: null, until: null, cause: null, waiting: 0 } as const;

type Reads<T> = T extends (...args: never[]) => Promise<infer R> ? R : never;
type Notification = Reads<PortalDeps['notifications']['get']>;
type Connection = Reads<PortalDeps['connections']['get']>;
type Key = Reads<PortalDeps['tenants']['keys']['list']>['data'][number];

export interface FixtureOptions {
  /** A tenant that has done nothing yet. */
  readonly empty?: boolean;
  readonly signUp?: 'open' | 'closed';
  /** Names and texts that try to become markup. */
  readonly hostile?: boolean;
}

const html = (
  name: string,
) => `<!doctype html><html><body style="margin:0;background:#f4efe6;font-family:Georgia,serif">
<table role="presentation" width="100%"><tr><td align="center" style="padding:28px 12px"><table role="presentation" width="100%" style="max-width:520px;background:#fff;border-radius:10px"><tr><td style="padding:28px 32px">
<p style="letter-spacing:.12em;font-size:12px;color:#8c4a0f">NORTHWIND BOOKS</p><h1 style="font-size:26px;margin:8px 0 14px">Your order is on its way</h1>
<p style="font-size:16px;line-height:1.6">Hello ${name}, order <b>ORD-1001</b> has left our warehouse. It should be with you on Thursday.</p>
<p><a href="https://example.com" style="display:inline-block;background:#8c4a0f;color:#fff;padding:11px 20px;border-radius:6px;text-decoration:none">Follow the parcel</a></p>
<p style="font-size:13px;color:#777">You get this because you bought something from us.</p></td></tr></table></td></tr></table><script>document.title='ran'</script></body></html>`;

function contentOf(channel: string, text: string): Content {
  switch (channel) {
    case 'email':
      return {
        subject: 'Your order is on its way',
        body: text,
        html: html('Ada'),
        from: 'Northwind <orders@northwind.example>',
      };
    case 'whatsapp':
      return {
        type: 'template',
        template: { name: 'order_shipped', language: { code: 'en' } },
        definition: {
          components: [
            { type: 'HEADER', format: 'TEXT', text: 'Order ORD-1001' },
            { type: 'BODY', text },
            { type: 'FOOTER', text: 'Northwind Books' },
            { type: 'BUTTONS', buttons: [{ type: 'URL', text: 'Follow the parcel', url: 'https://example.com' }] },
          ],
        },
      };
    case 'slack':
      return {
        body: text,
        blocks: [
          { type: 'header', text: { type: 'plain_text', text: 'payments is slow' } },
          { type: 'section', text: { type: 'mrkdwn', text } },
          { type: 'divider' },
          {
            type: 'section',
            fields: [
              { type: 'mrkdwn', text: 'Severity: high' },
              { type: 'mrkdwn', text: 'Region: eu-1' },
            ],
          },
          { type: 'actions', elements: [{ type: 'button', text: { type: 'plain_text', text: 'Acknowledge' } }] },
        ],
      };
    default:
      return { body: text };
  }
}

export function fixtures({ empty = false, signUp = 'open', hostile = false }: FixtureOptions = {}) {
  const bad = (text: string) => (hostile ? HOSTILE : text);
  const sessions = new Map<string, Mode>([
    ['test-session', 'sandbox'],
    ['live-session', 'live'],
  ]);
  const principal = (mode: Mode): Principal => ({
    tenantId: '019cec00-0000-7000-8000-000000000001',
    mode,
    scopes: ['send', 'read', 'manage'],
    actor: { kind: 'user', id: '019cec00-0000-7000-8000-000000000002' },
  });
  const csrfToken = (token: string) => createHash('sha256').update(`csrf ${token}`).digest('base64url');

  const key = (n: number, name: string, live: boolean, more: Partial<Key> = {}): Key => ({
    id: id('key', n),
    object: 'api_key',
    name,
    livemode: live,
    scopes: ['send', 'read'],
    status: 'active',
    masked: `ak_${live ? 'live' : 'test'}_4fK9xQ2b…w7Zp`,
    created_at: ago(86_400 * 12),
    expires_at: null,
    revoked_at: null,
    last_used_at: ago(95),
    allowed_ips: null,
    rate_limit: null,
    ...more,
  });
  const keys: Key[] = empty
    ? [key(1, 'First key', false, { last_used_at: null })]
    : [
        key(1, bad('Shop back end'), false),
        key(2, 'Nightly report', false, {
          scopes: ['read'],
          last_used_at: null,
          expires_at: '2026-06-01T00:00:00.000Z',
          allowed_ips: ['203.0.113.0/24', '2001:db8::/32'],
          rate_limit: { requests: 600, seconds: 60 },
        }),
        key(3, 'Old laptop', false, { status: 'revoked', revoked_at: ago(86_400 * 2) }),
        key(4, 'Shop back end', true),
      ];

  const connection = (n: number, channel: string, name: string, more: Partial<Connection> = {}): Connection => {
    const adapter = registry.channel(channel)?.adapters[0];
    return {
      id: id('connection', n),
      object: 'connection',
      livemode: true,
      channel,
      adapter: adapter?.id ?? '',
      name,
      settings: Object.fromEntries(
        (adapter?.credentials ?? [])
          .filter((field) => !field.secret)
          .map((field) => [field.name, field.default ?? field.example ?? 'value']),
      ),
      secrets: Object.fromEntries(
        (adapter?.credentials ?? [])
          .filter((field) => field.secret)
          .map((field) => [field.name, { set: true, last_four: 'x9Qa' }]),
      ),
      is_default: true,
      position: 0,
      limits: { per_second: null, concurrency: null },
      health: { ...WELL, note: 'Signed in.', at: ago(240) },
      callback_url: adapter?.webhook ? `https://notify.example.com/hooks/${adapter.id}/${id('connection', n)}` : null,
      created_at: ago(86_400 * 30),
      updated_at: ago(86_400 * 3),
      ...more,
    };
  };
  const connections: Connection[] = empty
    ? []
    : [
        connection(1, 'email', bad('Main mail server')),
        connection(2, 'email', 'Second mail server', {
          is_default: false,
          health: { ...WELL, status: 'unknown' },
        }),
        connection(3, 'sms', 'Short messages', {
          health: {
            status: 'failing',
            note: bad('{"code": 20003, "message": "Authenticate"}'),
            at: ago(40),
            since: ago(1_900),
            until: ago(-250),
            cause: {
              code: 'credentials_invalid',
              owner: 'tenant',
              message:
                'The provider refuses the credentials of this connection: they are wrong, expired or lack a permission.',
              fix: 'Renew the credentials, save them and press Test. What waits then goes out by itself.',
            },
            waiting: 1_204,
          },
        }),
        connection(4, 'whatsapp', 'Shop number', {
          health: {
            ...WELL,
            status: 'resting',
            at: ago(20),
            since: ago(20),
            until: ago(-90),
            cause: {
              code: 'rate_limited',
              owner: 'provider',
              message: 'The provider has asked for a pause: too many messages came in too short a time.',
              fix: 'Nothing to do: sending goes on when the pause is over.',
            },
            waiting: 1,
          },
        }),
      ];

  const text = bad('Hello Ada, order ORD-1001 has left our warehouse. It should be with you on Thursday.');
  const message = (n: number, channel: string, address: string, status: string, at: number, more: object = {}) =>
    ({
      channel,
      message_id: id('message', n),
      status,
      address,
      attempts_made: 1,
      sent_at: ago(at - 1),
      attempts: [{ number: 1, started_at: ago(at - 1), duration_ms: 212, outcome: 'accepted' }],
      timeline: [
        { at: ago(at), type: 'accepted', text: 'Accepted' },
        { at: ago(at - 1), type: 'attempt_started', text: 'Attempt 1 began' },
        { at: ago(at - 1.2), type: 'attempt_accepted', text: 'Attempt 1 was taken by the provider' },
        ...(status === 'delivered' ? [{ at: ago(at - 3), type: 'receipt_delivered', text: 'Delivered' }] : []),
      ],
      ...more,
    }) as unknown as Notification['channels'][number];
  const failure = {
    code: 'recipient_invalid',
    message: 'This address cannot be reached on this channel.',
    fix: 'Check the address, or use another channel for this person.',
    retryable: false,
  };
  const notification = (
    n: number,
    recipient: Record<string, string>,
    status: string,
    at: number,
    messages: Notification['channels'],
  ) =>
    ({
      notification_id: id('notification', n),
      status,
      channels: messages,
      recipient,
      data: { name: bad('Ada'), order_id: 'ORD-1001' },
      created_at: ago(at),
      livemode: false,
      request_id: id('request', n),
    }) as unknown as Notification;
  const notifications: Notification[] = empty
    ? []
    : [
        notification(1, { email: 'ada@example.com' }, 'delivered', 40, [
          message(1, 'email', 'ada@example.com', 'delivered', 40, {
            template_id: 'order_shipped',
            template_version: 3,
            language: 'en',
          }),
        ]),
        notification(2, { phone: '+14155550123' }, 'failed', 320, [
          message(2, 'sms', '+14155550123', 'failed', 320, {
            failure: { ...failure, message: bad(failure.message), at: ago(300) },
            attempts_made: 3,
            attempts: [
              {
                number: 1,
                started_at: ago(320),
                duration_ms: 5012,
                outcome: 'not_sent',
                failure: {
                  code: 'provider_unavailable',
                  message: 'The provider could not be reached or answered that it is out of order.',
                  fix: 'Nothing to do: it is sent again by itself.',
                  retryable: true,
                },
                retry_at: ago(315),
              },
              {
                number: 2,
                started_at: ago(315),
                duration_ms: 488,
                outcome: 'refused',
                failure: {
                  code: 'rate_limited',
                  message: 'Too many messages for now.',
                  fix: 'Nothing to do: it is sent again by itself.',
                  retryable: true,
                },
                retry_at: ago(301),
              },
              {
                number: 3,
                started_at: ago(301),
                duration_ms: 342,
                outcome: 'refused',
                failure: { ...failure, provider_code: '21211' },
              },
            ],
            timeline: [
              { at: ago(320), type: 'accepted', text: 'Accepted' },
              {
                at: ago(315),
                type: 'attempt_not_sent',
                text: 'Attempt 1 never left',
                detail: 'The provider could not be reached.',
              },
              { at: ago(315), type: 'retry_scheduled', text: 'The next attempt is due in 5 s' },
              {
                at: ago(314),
                type: 'attempt_refused',
                text: 'Attempt 2 was refused',
                detail: 'Too many messages for now.',
              },
              {
                at: ago(300),
                type: 'attempt_refused',
                text: 'Attempt 3 was refused',
                detail: bad('This address cannot be reached on this channel.'),
              },
            ],
          }),
        ]),
        notification(3, { phone: '+14155550199', email: 'grace@example.com' }, 'delivered', 900, [
          message(3, 'whatsapp', '+14155550199', 'delivered', 900, { template_id: 'order_shipped', read_at: ago(700) }),
          message(4, 'email', 'grace@example.com', 'sent', 900, { unreceipted: true }),
        ]),
        notification(4, { slack_user_id: 'U024BE7LH' }, 'delivered', 4_000, [
          message(5, 'slack', 'U024BE7LH', 'delivered', 4_000, { template_id: 'slack_ops_alert' }),
        ]),
        notification(5, { phone: '+4915112345678' }, 'queued', 8, [
          message(6, 'voice', '+4915112345678', 'queued', 8, {
            attempts: [],
            attempts_made: 0,
            sent_at: undefined,
            next_attempt_at: ago(-300),
            timeline: [{ at: ago(8), type: 'accepted', text: 'Accepted' }],
          }),
        ]),
        notification(7, { email: LONG_ADDRESS, phone: '+14155550166' }, 'failed', 5_400, [
          message(8, 'email', LONG_ADDRESS, 'failed', 5_400, { failure: { ...failure, ...LONG, at: ago(5_400) } }),
          message(9, 'sms', '+14155550166', 'failed', 5_400, { failure: { ...failure, ...LONG, at: ago(5_400) } }),
        ]),
        notification(6, { phone: '+14155550177' }, 'delivered', 90_000, [
          message(7, 'voice', '+14155550177', 'delivered', 90_000),
        ]),
      ];
  const messages = notifications.flatMap((one) => one.channels.map((part) => ({ one, part })));
  const previewOf = (channel: string): { content: Content; preview: Preview } => {
    const content = contentOf(channel, text);
    const preview = registry.channel(channel)?.preview(content);
    if (!preview) throw new Error(`no preview for ${channel}`);
    return { content, preview };
  };
  const outboxItem = ({ one, part }: (typeof messages)[number]) => ({
    message_id: part.message_id,
    notification_id: one.notification_id,
    channel: part.channel,
    address: part.address ?? '',
    status: part.status,
    created_at: one.created_at,
    pending: [] as Receipt[],
    ...previewOf(part.channel),
  });
  const found = <T>(thing: T | undefined): T => {
    if (thing === undefined) throw new ApiError('not_found');
    return thing;
  };
  const list = <T>(data: readonly T[]) => ({
    object: 'list' as const,
    data: [...data],
    has_more: false,
    next_cursor: null,
  });

  return {
    sessions,
    principal,
    csrfToken,
    keys,
    connections,
    notifications,
    messages,
    campaigns: campaignFixtures(empty, bad, ago),
    webhooks: webhookFixtures(empty, bad, ago),
    people: peopleFixtures(empty, bad, ago),
    alerts: alertFixtures(empty, bad, ago),
    previewOf,
    outboxItem,
    found,
    list,
    signUp,
    empty,
    bad,
  };
}
export type Fixtures = ReturnType<typeof fixtures>;

/** Everything the pages called on the doors, for tests to look at. */
export interface Calls {
  readonly made: { readonly verb: string; readonly args: readonly unknown[] }[];
}

export function portalDeps(f: Fixtures, calls: Calls, publicUrl: () => string): PortalDeps {
  const note = <T>(verb: string, args: readonly unknown[], result: T): T => {
    calls.made.push({ verb, args });
    return result;
  };
  const { list, found } = f;
  return {
    registry,
    routes: () => [],
    vault: createVault([{ id: 'k1', secret: Buffer.alloc(32, 7) }]),
    config: { signUp: f.signUp, systemSmtpUrl: undefined },
    publicUrl,
    erasures: {
      async erase(_, person) {
        if (!person.recipient.phone?.startsWith('+'))
          throw new ApiError('validation_failed', undefined, {
            details: { fields: [{ path: 'recipient', message: 'must hold an address that a channel reads, in full' }] },
          });
        return note('erase', [person], {
          id: 'ers_01M7YXQ98YEDF8SNZDY0QNH2RC',
          object: 'erasure',
          status: 'completed',
          phase: null,
          failure: null,
          counts: { notifications: 1, messages: 1, cancelled: 0, callbacks: 0, mentions: 0 },
          created_at: '2026-11-21T11:00:00.000Z',
          finished_at: '2026-11-21T11:00:01.000Z',
        });
      },
    },
    tenants: {
      async signUp(form) {
        const fields = [
          ...(form.password.length < 12 ? [{ path: 'password', message: 'must have at least 12 characters' }] : []),
          ...(form.email.includes('@')
            ? []
            : [{ path: 'email', message: 'must be an address such as you@example.com' }]),
        ];
        if (fields.length > 0) throw new ApiError('validation_failed', undefined, { details: { fields } });
        if (form.email === 'taken@example.com')
          throw new ApiError('conflict', 'There is an account with this address. Sign in instead.', { param: 'email' });
        return note('signUp', [form], { token: 'test-session', key: 'ak_test_4fK9xQ2bSECRETw7Zp' } as never);
      },
      async signIn({ password }) {
        if (password !== 'correct horse battery')
          throw new ApiError('unauthorized', 'This address and password do not belong together. Check both.');
        return { token: 'test-session' };
      },
      async session(token) {
        const mode = f.sessions.get(token);
        return (
          mode && {
            principal: f.principal(mode),
            user: { id: 'u', name: f.bad('Ada Lovelace'), email: 'ada@northwind.example' },
            tenant: {
              id: 't',
              name: f.bad('Northwind Books'),
              defaultCountry: undefined,
              defaultLanguage: undefined,
              otpPerHour: 5,
            },
          }
        );
      },
      async signOut(token) {
        note('signOut', [token], f.sessions.delete(token));
      },
      async setMode(token, mode) {
        note('setMode', [token, mode], undefined);
      },
      async redeem(token) {
        if (token !== 'good-link') throw new ApiError('not_found');
        return 'test-session';
      },
      async signOutEverywhere(userId) {
        note('signOutEverywhere', [userId], undefined);
      },
      forgot(form) {
        note('forgot', [form], undefined);
      },
      resetFor: async (token) => (token === 'good-link' ? { email: 'ada@northwind.example' } : undefined),
      reset: async (form) => note('reset', [form], { token: 'test-session' }),
      confirmFor: async (token) =>
        token === 'good-link' ? { email: 'ada@northwind.example', organization: f.bad('Northwind Books') } : undefined,
      async confirm(token) {
        note('confirm', [token], undefined);
      },
      async resendConfirmation() {
        note('resendConfirmation', [], undefined);
      },
      invitationFor: async (token) => (token === 'good-link' ? 'ada@northwind.example' : undefined),
      account: async () => ({
        email: 'ada@northwind.example',
        name: f.bad('Ada Lovelace'),
        unconfirmed: false,
        hasPassword: true,
        tenant: { name: f.bad('Northwind Books'), defaultCountry: 'DE', defaultLanguage: null },
      }),
      async rename(_, name) {
        note('rename', [name], undefined);
      },
      changePassword: async (_, form) => note('changePassword', [form], { token: 'test-session' }),
      updateTenant: async (_, settings) =>
        note('updateTenant', [settings], {
          id: 't',
          name: 'Northwind Books',
          defaultCountry: undefined,
          defaultLanguage: undefined,
          otpPerHour: 5,
        }),
      people: async () => PEOPLE.map((one) => ({ ...one, name: f.bad(one.name) })),
      csrfToken: f.csrfToken,
      checkCsrf: (token, given) => given === f.csrfToken(token),
      keys: {
        list: async ({ mode }) => list(f.keys.filter(({ livemode }) => livemode === (mode === 'live'))),
        get: async (_, id) => found(f.keys.find((key) => key.id === id)),
        async create(principal, command) {
          if (!command.name.trim())
            throw new ApiError('validation_failed', undefined, {
              details: { fields: [{ path: 'name', message: 'is required' }] },
            });
          return note('keys.create', [principal, command], { ...found(f.keys[0]), key: 'ak_test_4fK9xQ2bSECRETw7Zp' });
        },
        rotate: async (_, wanted, command) =>
          note('keys.rotate', [wanted, command], {
            ...found(f.keys.find((key) => key.id === wanted)),
            key: 'ak_test_4fK9xQ2bROTATEDw7Zp',
          }),
        async update(_, wanted, command) {
          if (command.allowed_ips?.includes('x'))
            throw new ApiError('validation_failed', undefined, {
              details: { fields: [{ path: 'allowed_ips.0', message: 'must be an IP address' }] },
            });
          return note('keys.update', [wanted, command], found(f.keys.find((key) => key.id === wanted)));
        },
        revoke: async (_, wanted) => note('keys.revoke', [wanted], found(f.keys.find((key) => key.id === wanted))),
      },
    },
    connections: {
      list: async ({ mode }) => list(mode === 'live' ? f.connections : []),
      get: async (_, wanted) => found(f.connections.find((one) => one.id === wanted)),
      async create(_, command) {
        const missing = found(registry.adapter(command.adapter ?? '')).adapter.credentials.filter(
          (field) => field.required && field.default === undefined && !command.credentials[field.name],
        );
        if (missing.length > 0)
          throw new ApiError('validation_failed', undefined, {
            details: {
              fields: missing.map((field) => ({ path: `credentials.${field.name}`, message: 'is required' })),
            },
          });
        return note('connections.create', [command], found(f.connections[0]));
      },
      patch: async (_, wanted, command) =>
        note('connections.patch', [wanted, command], found(f.connections.find((one) => one.id === wanted))),
      archive: async (_, wanted) => note('connections.archive', [wanted], undefined),
      async test(_, wanted) {
        if (found(f.connections.find((one) => one.id === wanted)).health.status === 'failing')
          throw new ApiError(
            'connection_failed',
            'The provider refused the credentials. Renew them and press Test again.',
          );
        return { ok: true, note: 'Signed in.', tested_at: NOW.toISOString() };
      },
    },
    templates: templatesDoor(f, note),
    ...campaignDoors(f, note),
    ...webhookDoors(f, note),
    ...peopleDoors(f, note),
    ...alertDoors(f, note),
    sandbox: {
      list: async ({ mode }, { channel }) =>
        list(
          mode === 'live'
            ? []
            : f.messages.filter(({ part }) => !channel || part.channel === channel).map(f.outboxItem),
        ),
      get: async (_, wanted) => f.outboxItem(found(f.messages.find(({ part }) => part.message_id === wanted))),
      react: async (_, wanted, receipt) => note('react', [wanted, receipt], undefined),
      write: async (_, letter) => note('write', [letter], { provider_id: 'sandbox-1' }),
    },
    notifications: {
      list: async (_, query) => {
        const rows = f.notifications.filter(
          (one) =>
            (!query.status || one.status === query.status) &&
            (!query.channel || one.channels.some(({ channel }) => channel === query.channel)) &&
            (!query.recipient || Object.values(one.recipient).includes(query.recipient)),
        );
        note('list', [query], undefined);
        return {
          ...list(rows),
          has_more: rows.length > 5,
          next_cursor: rows.length > 5 && !query.cursor ? found(rows.at(-1)).notification_id : null,
        };
      },
      counts: async () => {
        const of = (status: string) => f.messages.filter(({ part }) => part.status === status).length;
        return { queued: of('queued'), sent: of('sent'), delivered: of('delivered'), failed: of('failed') };
      },
      get: async (_, wanted) => found(f.notifications.find((one) => one.notification_id === wanted)),
      preview: async (_, wanted) => {
        const { part } = found(f.messages.find((one) => one.part.message_id === wanted));
        if (part.failure?.code === 'content_invalid')
          return { channel: part.channel, content: undefined, preview: undefined, fault: UNFINISHED };
        return { channel: part.channel, ...f.previewOf(part.channel) };
      },
      cancel: async (_, wanted) =>
        note('cancel', [wanted], found(f.notifications.find((one) => one.notification_id === wanted))),
      retry: async (_, wanted) =>
        note('retry', [wanted], { status: 202, body: { notification_id: found(f.notifications[0]).notification_id } }),
      overview: async () => overview(f.empty),
    },
  };
}

function overview(empty: boolean) {
  const hours = Array.from({ length: 24 }, (_, index) => {
    const busy = empty ? 0 : Math.round(140 * Math.exp(-((index - 15) ** 2) / 40) + (index % 5) * 6);
    return {
      hour: ago((23 - index) * 3_600 + 1_800),
      delivered: busy,
      failed: empty ? 0 : index % 7 === 3 ? 9 : index % 4 === 1 ? 2 : 0,
      other: index > 21 && !empty ? 14 : 0,
    };
  });
  return {
    by_channel: empty
      ? []
      : [
          { channel: 'email', queued: 2, sent: 21, delivered: 812, failed: 9 },
          { channel: 'sms', queued: 0, sent: 4, delivered: 288, failed: 31 },
          { channel: 'whatsapp', queued: 1, sent: 0, delivered: 402, failed: 3 },
          { channel: 'slack', queued: 0, sent: 0, delivered: 35, failed: 0 },
          { channel: 'voice', queued: 1, sent: 0, delivered: 7, failed: 1 },
        ],
    by_hour: hours,
    failures: empty
      ? []
      : [
          { code: 'recipient_invalid', message: 'This address cannot be reached on this channel.', count: 27 },
          {
            code: 'credentials_invalid',
            message: "The channel's connection was refused: its credentials are wrong, expired or lack a permission.",
            count: 14,
          },
          {
            code: 'outside_window',
            message: 'Free text is only allowed within 24 hours of the last message from this person.',
            count: 3,
          },
        ],
    queue: { waiting: empty ? 0 : 4, oldest_seconds: empty ? 0 : 12, quarantined: empty ? 0 : 3 },
    counted: 0,
  };
}

function templatesDoor(
  f: Fixtures,
  note: <T>(verb: string, args: readonly unknown[], result: T) => T,
): PortalDeps['templates'] {
  const written = (n: number) => ({
    email: {
      en: {
        subject: 'Order {{order_id}} is on its way',
        html: html('{{name}}'),
        body: `Hello {{name}},\norder {{order_id}} has left our warehouse.${n > 1 ? '\nIt should be with you on {{day}}.' : ''}`,
      },
      de: {
        subject: 'Bestellung {{order_id}} ist unterwegs',
        body: 'Hallo {{name}},\ndeine Bestellung {{order_id}} ist unterwegs.',
      },
    },
    sms: {
      en: {
        body:
          n > 2
            ? '{{name}}, order {{order_id}} is on its way and arrives {{day}}.'
            : '{{name}}, order {{order_id}} is on its way.',
      },
    },
  });
  const head = (slug: string, name: string, more: object = {}) => ({
    object: 'template' as const,
    template_id: slug,
    name,
    category: 'transactional' as const,
    version: 2 as number | null,
    latest_version: 3,
    channels: { email: ['de', 'en'], sms: ['en'] } as Record<string, string[]>,
    created_at: ago(86_400 * 9),
    updated_at: ago(7_200),
    ...more,
  });
  const all = f.empty
    ? []
    : [
        head('order_shipped', f.bad('Order shipped')),
        head('slack_ops_alert', 'Operations alert', { channels: { slack: ['en'] }, version: 1, latest_version: 1 }),
        head('wa_order_update', 'Order update', { channels: { whatsapp: ['en'] }, version: null, latest_version: 1 }),
      ];
  const find = (slug: string) => f.found(all.find((one) => one.template_id === slug));
  const version = (slug: string, number: number) => ({
    object: 'template_version' as const,
    id: id('templateVersion', number),
    template_id: slug,
    number,
    status: number === 2 ? ('active' as const) : number === 1 ? ('archived' as const) : ('draft' as const),
    created_by: number === 1 ? 'key:x' : 'user:y',
    created_at: ago(86_400 * (4 - number)),
    variables: {},
    inferred_variables: ['name', 'order_id', 'day'].map((name) => ({
      name,
      required: name !== 'day',
      kind: 'text' as const,
      channels: ['email', 'sms'],
    })),
    content: written(number),
  });
  const rollout = (slug: string) => ({
    object: 'rollout' as const,
    id: id('rollout', 1),
    template_id: slug,
    status: 'running' as const,
    version: 3,
    from_version: 2,
    percent: 12.5,
    failure_limit: { percent: 5, min_sent: 50 },
    counts: {
      from: { version: 2, sent: 12_804, failed: 51, failure_rate: 0.4 },
      to: { version: 3, sent: 1_822, failed: 4, failure_rate: 0.22 },
    },
    reason: null,
    started_by: 'user:y',
    ended_by: null,
    started_at: ago(7_000),
    updated_at: ago(600),
    ended_at: null,
  });
  const drawn = (
    content: Record<string, Record<string, Record<string, unknown>>>,
    data: Record<string, unknown>,
    only: { channel?: string; language?: string },
  ) => {
    const missing = new Set<string>();
    const fill = (value: unknown): unknown => {
      if (typeof value === 'string')
        return value.replace(/\{\{(\w+)\}\}/g, (whole, name: string) => {
          if (Object.hasOwn(data, name)) return String(data[name]);
          missing.add(name);
          return whole;
        });
      if (Array.isArray(value)) return value.map(fill);
      return value && typeof value === 'object'
        ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, fill(v)]))
        : value;
    };
    const [channel = '', languages = {}] =
      Object.entries(content).find(([name]) => !only.channel || name === only.channel) ?? [];
    const [language = '', part = {}] =
      Object.entries(languages).find(([name]) => !only.language || name === only.language) ?? [];
    const rendered = fill(part) as Content;
    return {
      object: 'template_preview' as const,
      data,
      missing: [...missing],
      unexpected: [],
      faults: [],
      channels: [
        {
          channel,
          language,
          content: { ...rendered },
          preview: registry.channel(channel)?.preview(rendered) ?? null,
          faults: [],
        },
      ],
    };
  };
  const SAMPLE = { name: f.bad('Ada'), order_id: 'ORD-1001', day: 'Thursday' };
  return {
    list: async () => f.list(all),
    get: async (_, slug) => {
      const { variables, inferred_variables, content } = version(find(slug).template_id, 2);
      return { ...find(slug), variables, inferred_variables, content };
    },
    async create(_, input) {
      if (!/^[a-z0-9][a-z0-9_-]*$/.test(input.template_id))
        throw new ApiError('validation_failed', undefined, {
          details: { fields: [{ path: 'template_id', message: 'has the wrong form' }] },
        });
      return note('templates.create', [input], {
        ...find('order_shipped'),
        ...input,
        variables: {},
        inferred_variables: [],
      } as never);
    },
    update: async (_, slug, input) =>
      note('templates.update', [slug, input], {
        ...find(slug),
        variables: {},
        inferred_variables: [],
        content: input.content,
      } as never),
    archive: async (_, slug) => note('templates.archive', [slug], undefined),
    listVersions: async (_, slug) =>
      f.list([3, 2, 1].slice(3 - find(slug).latest_version).map((n) => version(slug, n))),
    getVersion: async (_, slug, number) => {
      if (number > find(slug).latest_version) throw new ApiError('not_found');
      return version(slug, number);
    },
    rollOut: async (_, slug, wish) => note('templates.rollOut', [slug, wish], rollout(slug)),
    rollout: async (_, slug) => (slug === 'order_shipped' ? rollout(slug) : undefined),
    rollBack: async (_, slug) => note('templates.rollBack', [slug], find(slug) as never),
    activate: async (_, slug, number) => note('templates.activate', [slug, number], find(slug) as never),
    preview: async (_, slug, { version: number = 2, data = SAMPLE, ...only }) =>
      drawn(version(find(slug).template_id, number).content, data, only) as never,
    previewUnsaved: ({ content, data = {}, ...only }) => drawn(content, data, only) as never,
  };
}

export interface Served {
  readonly url: string;
  readonly calls: Calls;
  readonly fixtures: Fixtures;
  readonly portal: ReturnType<typeof createPortal>;
  close(): Promise<void>;
}

/** The portal on a port of its own. Sign in by the cookie `carillon_session=test-session` (or `live-session`). */
export async function servePortal(
  options: FixtureOptions & { readonly port?: number; readonly publicUrl?: string } = {},
): Promise<Served> {
  let url = '';
  const calls: Calls = { made: [] };
  const f = fixtures(options);
  const publicUrl = () => options.publicUrl ?? url;
  const portal = createPortal(portalDeps(f, calls, publicUrl));
  const app = createShell({
    routes: portal.routes,
    log: pino({ level: 'silent' }),
    clock: { now: () => NOW },
    trustedProxies: 0,
    hooks: {
      authenticate: {
        key: async () => {
          throw new ApiError('unauthorized');
        },
        admin: async () => {
          throw new ApiError('unauthorized');
        },
        session: portal.authenticate,
        open: async () => ({ ...f.principal('sandbox'), tenantId: '' }),
      },
      refuse: {
        api: (error, { requestId }) => ({ status: error.status, body: errorBody(error, requestId, publicUrl()) }),
        hook: (error) => ({ status: error.status, body: error.code, type: 'text/plain' }),
        page: portal.refuse,
      },
      audit: async (action, request) => void calls.made.push({ verb: `audit ${action}`, args: [request.target] }),
    },
  });
  const server: Server = await new Promise((resolve) => {
    const listening = createServer(app).listen(options.port ?? 0, '127.0.0.1', () => resolve(listening));
  });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    calls,
    fixtures: f,
    portal,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
