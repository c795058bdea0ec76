/** Alerts for the pages to show: one of each kind, and what became of them. */
import type { PortalDeps } from '../../src/features/portal/index.ts';
import { ApiError } from '../../src/lib/errors.ts';
import { toWire } from '../../src/lib/ids.ts';
import type { Fixtures } from './fixtures.ts';

type Reads<T> = T extends (...args: never[]) => Promise<infer R> ? R : never;
export type AlertRule = Reads<PortalDeps['alerts']['get']>;
type Alert = Reads<PortalDeps['alerts']['alerts']>['data'][number];
type Note = <T>(verb: string, args: readonly unknown[], result: T) => T;

const id = (kind: 'alert' | 'alertRule', n: number) =>
  toWire(kind, `019cec00-0000-7000-8000-${(n * 16).toString(16).padStart(12, '0')}`);

export function alertFixtures(
  empty: boolean,
  bad: (text: string) => string,
  ago: (seconds: number) => string,
): { readonly rules: readonly AlertRule[]; readonly history: readonly Alert[] } {
  const rule = (n: number, name: string, more: Partial<AlertRule> = {}): AlertRule => ({
    id: id('alertRule', n),
    object: 'alert_rule',
    livemode: false,
    name: bad(name),
    enabled: true,
    metric: 'failure_rate',
    threshold: 5,
    window_minutes: 15,
    min_messages: 20,
    channel: null,
    template_id: null,
    targets: [],
    created_at: ago(90_000),
    updated_at: ago(9_000),
    ...more,
  });
  const rules = [
    rule(1, 'Too much fails', {
      targets: [
        { email: 'ada@northwind.example' },
        { channel: 'slack', recipient: { slack_user_id: 'U024BE7LH' } },
        { channel: 'sms', recipient: { phone: '+14155550199' } },
      ],
    }),
    rule(2, 'Slow texts', {
      metric: 'latency_p95',
      threshold: 42.5,
      channel: 'sms',
      template_id: 'order_shipped',
      enabled: false,
    }),
  ];
  const alert = (n: number, more: Partial<Alert> = {}): Alert => ({
    id: id('alert', n),
    object: 'alert',
    livemode: false,
    alert_rule_id: id('alertRule', 1),
    name: bad('Too much fails'),
    metric: 'failure_rate',
    threshold: 5,
    value: 12.3456,
    status: 'open',
    fired_at: ago(n * 600),
    recovered_at: null,
    ...more,
  });
  const history = [
    alert(1),
    alert(2, { status: 'recovered', recovered_at: ago(700), metric: 'failures', value: 1_204 }),
  ];
  return empty ? { rules: [], history: [] } : { rules, history };
}

export function alertDoors(f: Fixtures, note: Note): Pick<PortalDeps, 'alerts'> {
  const { found, list } = f;
  const { rules, history } = f.alerts;
  const one = (wanted: string) => found(rules.find((rule) => rule.id === wanted));
  return {
    alerts: {
      list: async () => list(rules),
      get: async (_, wanted) => one(wanted),
      async create(_, command) {
        if (command.targets?.some(({ channel }) => channel === 'whatsapp'))
          throw new ApiError('validation_failed', undefined, {
            details: { fields: [{ path: 'targets.0', message: 'needs a template' }] },
          });
        return note('alerts.create', [command], found(rules[0]));
      },
      patch: async (_, wanted, command) => note('alerts.patch', [wanted, command], one(wanted)),
      remove: async (_, wanted) => note('alerts.remove', [wanted], undefined),
      alerts: async (_, query) => list(history.filter(({ status }) => !query.status || status === query.status)),
    },
  };
}
