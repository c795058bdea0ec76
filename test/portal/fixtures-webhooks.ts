/** Webhooks for the pages to show: one in each state, and deliveries that went every way. */
import type { PortalDeps } from '../../src/features/portal/index.ts';
import { ApiError } from '../../src/lib/errors.ts';
import { toWire } from '../../src/lib/ids.ts';
import type { Fixtures } from './fixtures.ts';

type Reads<T> = T extends (...args: never[]) => Promise<infer R> ? R : never;
export type Endpoint = Reads<PortalDeps['webhooks']['get']>;
export type Rule = Reads<PortalDeps['webhooks']['rules']['get']>;
export type Delivery = Reads<PortalDeps['webhooks']['log']['get']>;
type Note = <T>(verb: string, args: readonly unknown[], result: T) => T;

const id = (kind: 'endpoint' | 'delivery' | 'event' | 'notification' | 'rule', n: number) =>
  toWire(kind, `019cec00-0000-7000-8000-${(n * 16).toString(16).padStart(12, '0')}`);

export function webhookFixtures(
  empty: boolean,
  bad: (text: string) => string,
  ago: (seconds: number) => string,
): {
  readonly endpoints: readonly Endpoint[];
  readonly deliveries: readonly Delivery[];
  readonly rules: readonly Rule[];
} {
  const endpoint = (n: number, name: string, more: Partial<Endpoint> = {}): Endpoint => ({
    id: id('endpoint', n),
    object: 'webhook',
    livemode: false,
    name,
    url: `https://shop.example/hooks/${n}/carillon`,
    event_types: null,
    routing: 'subscriptions',
    format: 'native',
    status: 'active',
    disabled_reason: null,
    drain_per_second: null,
    heartbeat_seconds: null,
    failures_in_row: 0,
    failing_since: null,
    last_success_at: ago(n * 100),
    previous_secret_ends_at: null,
    created_at: ago(86_400 * 20),
    updated_at: ago(86_400),
    ...more,
  });
  const endpoints = [
    endpoint(1, bad('Shop back end'), {
      event_types: ['message.delivered', 'message.failed'],
      heartbeat_seconds: 3_600,
      previous_secret_ends_at: ago(-40_000),
      drain_per_second: 20,
    }),
    endpoint(2, '', {
      url: `https://a-very-long-name-of-a-machine.${'behind-a-gateway-'.repeat(4)}northwind.example/${'path/'.repeat(30)}?${bad('q=1').replaceAll(/\W/g, '')}`,
      failures_in_row: 17,
      failing_since: ago(90_000),
      last_success_at: ago(90_100),
    }),
    endpoint(3, 'Data warehouse', { status: 'paused' }),
    endpoint(4, 'Old helpdesk', { status: 'disabled', disabled_reason: 'gone', last_success_at: ago(400_000) }),
    endpoint(5, 'Night watch', {
      status: 'disabled',
      disabled_reason: 'failing',
      failures_in_row: 31,
      failing_since: ago(500_000),
    }),
    endpoint(6, 'Not called yet', { last_success_at: null, routing: 'rules', format: 'messages' }),
  ];
  const body = JSON.stringify({
    id: id('event', 1),
    type: 'message.delivered',
    created_at: ago(40),
    livemode: false,
    sequence: 4_711,
    data: { notification_id: id('notification', 1), channel: 'email', status: 'delivered', note: bad('Thank you') },
  });
  const delivery = (n: number, of: number, type: string, more: Partial<Delivery> = {}): Delivery => ({
    id: id('delivery', n),
    object: 'webhook_delivery',
    livemode: false,
    endpoint_id: id('endpoint', of),
    event_id: id('event', n),
    event_type: type,
    format: 'native',
    sequence: 4_711 + n,
    status: 'delivered',
    tries: 1,
    next_attempt_at: null,
    replay_of: null,
    created_at: ago(n * 60),
    ended_at: ago(n * 60 - 1),
    headers: { 'content-type': 'application/json; charset=utf-8', 'webhook-id': id('event', n) },
    body,
    attempts: [
      { number: 1, started_at: ago(n * 60), duration_ms: 84, status_code: 200, fault: null, answer: '{"ok":true}' },
    ],
    ...more,
  });
  const attempt = (number: number, status_code: number | null, fault: string | null, answer: string | null) => ({
    ...{ number, started_at: ago(900 - number * 40), duration_ms: 10_003, status_code, fault, answer },
  });
  const deliveries = [
    delivery(1, 1, 'message.delivered'),
    delivery(2, 2, 'message.failed', {
      status: 'failed',
      tries: 4,
      attempts: [
        attempt(1, 502, null, bad(`<html><body>${'Bad gateway. '.repeat(60)}</body></html>`)),
        attempt(2, null, 'no_answer', null),
        attempt(3, 301, null, ''),
        attempt(4, 410, null, 'Gone'),
      ],
    }),
    delivery(3, 2, 'message.sent', {
      status: 'waiting',
      tries: 2,
      next_attempt_at: ago(-110),
      ended_at: null,
      attempts: [attempt(1, 503, null, 'later'), attempt(2, null, 'unreachable', null)],
    }),
    delivery(4, 3, 'message.read', { status: 'waiting', tries: 0, next_attempt_at: ago(0), attempts: [] }),
    delivery(5, 1, 'endpoint.test', { replay_of: id('delivery', 1), body: 'erased' }),
    delivery(6, 9, 'message.sent'),
  ];
  const rule = (n: number, name: string, conditions: Rule['conditions'], more: Partial<Rule> = {}): Rule => ({
    id: id('rule', n),
    object: 'webhook_rule',
    livemode: false,
    name,
    priority: 100,
    enabled: true,
    conditions,
    targets: [id('endpoint', 6)],
    stop: false,
    created_at: ago(n * 900),
    updated_at: ago(n * 800),
    ...more,
  });
  const rules = [
    rule(1, bad('Refunds go to the shop'), {
      all: [{ event_type: ['message.received'] }, { keyword: ['refund', bad('return')] }],
    }),
    rule(
      2,
      '',
      { any: [{ sender: ['+62'] }, { all: [{ channel: ['sms'] }, { regex: ['(?i)^order'] }] }] },
      {
        stop: true,
        priority: 10,
      },
    ),
    rule(3, 'Everything else', { all: [] }, { enabled: false, targets: [], priority: 900 }),
  ];
  return empty ? { endpoints: [], deliveries: [], rules: [] } : { endpoints, deliveries, rules };
}

export function webhookDoors(f: Fixtures, note: Note): Pick<PortalDeps, 'webhooks'> {
  const { found, list } = f;
  const { endpoints, deliveries, rules } = f.webhooks;
  const ruled = (wanted: string) => found(rules.find((rule) => rule.id === wanted));
  const one = (wanted: string) => found(endpoints.find((endpoint) => endpoint.id === wanted));
  const secret = 'whsec_SECRETc2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=';
  const checked = (url: string | undefined) => {
    if (!url?.startsWith('https://'))
      throw new ApiError('url_not_allowed', 'url: it must begin with https://.', {
        param: 'url',
        details: { fields: [{ path: 'url', message: 'it must begin with https://' }] },
      });
  };
  return {
    webhooks: {
      list: async () => list(endpoints),
      get: async (_, wanted) => one(wanted),
      waiting: async (_, ids) =>
        new Map(
          ids.map((wanted, index) => [wanted, { count: index * 500, more: index > 1, atMost: index === 3 }] as const),
        ),
      async create(principal, command) {
        checked(command.url);
        return note('webhooks.create', [principal.mode, command], { ...found(endpoints[0]), secret });
      },
      async patch(_, wanted, command) {
        checked(command.url);
        return note('webhooks.patch', [wanted, command], one(wanted));
      },
      archive: async (_, wanted) => note('webhooks.archive', [wanted], undefined),
      rotate: async (_, wanted) => note('webhooks.rotate', [wanted], { ...one(wanted), secret }),
      pause: async (_, wanted) => note('webhooks.pause', [wanted], one(wanted)),
      resume: async (_, wanted, command) => note('webhooks.resume', [wanted, command], one(wanted)),
      async test(_, wanted) {
        if (one(wanted).status === 'disabled') throw new ApiError('rate_limited', 'Twenty tests a minute are enough.');
        return note('webhooks.test', [wanted], {
          object: 'webhook_test',
          delivery_id: found(deliveries[0]).id,
          is_success: one(wanted).failures_in_row === 0,
          status_code: 200,
          duration_ms: 12,
          fault: null,
          answer: null,
        });
      },
      rules: {
        list: async () => list(rules),
        get: async (_, wanted) => ruled(wanted),
        async create(_, command) {
          if (JSON.stringify(command.conditions).includes('('))
            throw new ApiError('validation_failed', undefined, {
              details: { fields: [{ path: 'conditions.all.1.regex.0', message: 'is no pattern of RE2' }] },
            });
          return note('rules.create', [command], found(rules[0]));
        },
        patch: async (_, wanted, command) => note('rules.patch', [wanted, command], ruled(wanted)),
        remove: async (_, wanted) => note('rules.remove', [wanted], undefined),
        async try(_, command) {
          if (command.event_id === 'evt_gone') throw new ApiError('not_found');
          const facts = command.sample ?? { event_type: 'message.received', text: f.bad('a refund') };
          const first = found(rules[0]);
          return note('rules.try', [command], {
            object: 'webhook_rule_test',
            facts,
            rules: rules.map((rule, index) => ({
              rule_id: rule.id,
              name: rule.name,
              enabled: rule.enabled,
              matches: index !== 1,
              reached: index === 0,
              conditions:
                index === 2
                  ? []
                  : [
                      {
                        path: 'all.0',
                        condition: { event_type: ['message.received'] },
                        found: 'message.received',
                        matches: true,
                      },
                      { path: 'all.1', condition: { keyword: ['refund'] }, found: null, matches: index === 0 },
                    ],
            })),
            endpoints: endpoints.map(({ id, name, routing }) => ({
              endpoint_id: id,
              name,
              gets: routing === 'rules',
              why:
                routing === 'rules'
                  ? `Sent by ${first.name}.`
                  : 'It is told of what it subscribes to, which this is not.',
            })),
          });
        },
      },
      log: {
        list: async (_, query) => {
          const rows = deliveries.filter(
            (row) =>
              (!query.endpoint_id || row.endpoint_id === query.endpoint_id) &&
              (!query.status || row.status === query.status) &&
              (!query.event_type || row.event_type === query.event_type),
          );
          return note('deliveries.list', [query], {
            ...list(rows),
            next_cursor: rows.length > 5 && !query.cursor ? found(rows.at(-1)).id : null,
          });
        },
        get: async (_, wanted) => found(deliveries.find((row) => row.id === wanted)),
        async replay(_, wanted) {
          if (found(deliveries.find((row) => row.id === wanted)).status === 'waiting')
            throw new ApiError('conflict', 'This delivery is still on its way: it is tried again by itself.');
          return note('deliveries.replay', [wanted], found(deliveries[4]));
        },
        replayAll: async (_, wanted, body) =>
          note('deliveries.replayAll', [wanted, body], {
            object: 'webhook_replay',
            deliveries: body.status === 'all' ? 12 : 0,
            has_more: false,
            next_since: null,
          }),
      },
    },
  };
}
