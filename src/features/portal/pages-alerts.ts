/** Alerts: what is going wrong, what went wrong before, and the limits beyond which people are told. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { validator } from '../../lib/schema.ts';
import { createAlertRule } from '../alerts/index.ts';
import { changeOf } from '../audit/index.ts';
import { type Faults, faultsOf, lastPart } from './forms.ts';
import { addressOf } from './pages-messages.ts';
import type { AlertRule, AlertsDoor, TemplatesDoor, TenantsDoor } from './ports.ts';
import { curl, readersKey } from './samples.ts';
import type { Site, Visit } from './site.ts';
import { span } from './words.ts';

export interface AlertPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly templates: TemplatesDoor;
  readonly alerts: AlertsDoor;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

type Target = AlertRule['targets'][number];
const creation = validator(createAlertRule);
const PAGE = 50;
const METRICS: Readonly<Record<AlertRule['metric'], { readonly label: string; readonly unit: string }>> = {
  failure_rate: { label: 'Messages that failed, in per cent', unit: ' % failed' },
  failures: { label: 'Messages that failed', unit: ' failed' },
  latency_p95: { label: 'Seconds to arrive, for one in twenty more', unit: ' s to arrive' },
  endpoint_failures: { label: 'Failures of a webhook in a row', unit: ' failures of a webhook in a row' },
};
const said = (metric: AlertRule['metric'], value: number) =>
  `${value.toLocaleString('en', { maximumFractionDigits: 2 })}${METRICS[metric].unit}`;

export function alertPages(deps: AlertPagesDeps): readonly Route[] {
  const { site, tenants, templates, alerts, registry, publicUrl } = deps;
  const one = (visit: Visit) => alerts.get(visit.principal, visit.params.alert_rule_id ?? '');

  const form = async (visit: Visit, rule: AlertRule | undefined, faults?: Faults): Promise<Reply> => {
    const typed = faults ? visit.fields : undefined;
    const [people, known] = await Promise.all([
      tenants.people(visit.principal.tenantId),
      templates.list(visit.principal, { limit: 100 }),
    ]);
    const told = rule?.targets.find(isPlain);
    const ticked = typed ? visit.values('email') : (rule?.targets ?? []).flatMap(({ email }) => email ?? []);
    const metric = typed?.metric ?? rule?.metric ?? 'failure_rate';
    const [channel, template] = [typed?.channel ?? rule?.channel, typed?.template_id ?? rule?.template_id];
    const through = typed?.through ?? told?.channel;
    return visit.render(
      'alert-rule',
      { title: rule?.name ?? 'New alert', section: 'alerts', ...(faults ? { faults } : {}) },
      {
        rule,
        action: rule ? `/portal/alerts/${rule.id}` : '/portal/alerts',
        form: {
          name: typed?.name ?? rule?.name,
          threshold: typed?.threshold ?? rule?.threshold ?? 5,
          window_minutes: typed?.window_minutes ?? rule?.window_minutes ?? 15,
          min_messages: typed?.min_messages ?? rule?.min_messages ?? 20,
          enabled: typed ? typed.enabled !== undefined : (rule?.enabled ?? true),
          address: typed?.address ?? Object.values(told?.recipient ?? {})[0],
        },
        metrics: Object.entries(METRICS).map(([id, { label }]) => ({ id, label, chosen: id === metric })),
        channels: registry.channels.map(({ id, label }) => ({ id, label, chosen: id === channel })),
        through: registry.channels.map(({ id, label }) => ({ id, label, chosen: id === through })),
        templates: known.data.map(({ template_id: id }) => ({ id, chosen: id === template })),
        people: people.map(({ name, email }) => ({ name, email, ticked: ticked.includes(email) })),
      },
    );
  };

  /** The address under whichever field of the channel reads it. */
  const targetOf = (channelId: string, address: string): Target => {
    const channel = registry.channel(channelId);
    const field = channel?.recipient.find(({ name }) => {
      try {
        return channel.address({ [name]: address }, {}) !== '';
      } catch {
        return false;
      }
    });
    return { channel: channelId, recipient: { [field?.name ?? channel?.recipient[0]?.name ?? 'address']: address } };
  };
  /** Who is told: the people that were ticked, one address, and whom this form could not show. */
  const targets = (visit: Visit, rule: AlertRule | undefined, colleagues: readonly string[]): Target[] => {
    const shown = rule?.targets.find(isPlain);
    const kept = (rule?.targets ?? []).filter(
      (target) => target !== shown && !(target.email !== undefined && colleagues.includes(target.email)),
    );
    const { through = '', address = '' } = visit.fields;
    return [
      ...visit.values('email').map((email) => ({ email })),
      ...(through && address.trim() ? [targetOf(through, address.trim())] : []),
      ...kept,
    ];
  };
  const read = async (visit: Visit, rule?: AlertRule) => {
    const { name = '', metric, threshold, window_minutes, min_messages, enabled, channel, template_id } = visit.fields;
    const people = await tenants.people(visit.principal.tenantId);
    return creation.check({
      name: name.trim(),
      metric,
      threshold: Number(threshold),
      window_minutes: Number(window_minutes),
      min_messages: Number(min_messages),
      enabled: enabled !== undefined,
      channel: channel || null,
      template_id: template_id || null,
      targets: targets(
        visit,
        rule,
        people.map(({ email }) => email),
      ),
    });
  };

  return [
    site.get(
      '/portal/alerts',
      'What goes wrong, and the limits that are watched.',
      async (visit) => {
        const cursor = visit.query.cursor;
        const [rules, history, key] = await Promise.all([
          alerts.list(visit.principal, { limit: 100 }),
          alerts.alerts(visit.principal, { limit: PAGE, ...(cursor ? { cursor } : {}) }),
          readersKey(tenants, visit.principal),
        ]);
        return visit.render(
          'alerts',
          { title: 'Alerts', section: 'alerts' },
          {
            rules: rules.data.map((rule) => ({
              ...rule,
              limit: said(rule.metric, rule.threshold),
              label: rule.channel && (registry.channel(rule.channel)?.label ?? rule.channel),
              told: rule.targets.map(
                ({ email, channel, recipient }) => email ?? `${channel} ${Object.values(recipient ?? {}).join(', ')}`,
              ),
            })),
            history: history.data.map((alert) => ({
              ...alert,
              open: alert.status === 'open',
              was: said(alert.metric, alert.value),
              lasted: alert.recovered_at
                ? span((Date.parse(alert.recovered_at) - Date.parse(alert.fired_at)) / 1_000)
                : undefined,
            })),
            next: history.next_cursor ? addressOf('/portal/alerts', { cursor: history.next_cursor }) : undefined,
            first: cursor ? '/portal/alerts' : undefined,
            curl: curl({ baseUrl: publicUrl(), key }, 'POST', '/api/v1/alert_rules', {
              name: 'Too much fails',
              metric: 'failure_rate',
              threshold: 5,
              window_minutes: 15,
              min_messages: 20,
            }),
          },
        );
      },
      { query: ['cursor'] },
    ),
    site.get('/portal/alerts/new', 'The form for a new alert.', (visit) => form(visit, undefined)),
    site.post(
      '/portal/alerts',
      'Makes an alert.',
      async (visit) => {
        try {
          const made = await alerts.create(visit.principal, await read(visit));
          return { ...visit.go('/portal/alerts', 'alert_saved'), noted: changeOf(undefined, nameless(made)) };
        } catch (error) {
          return form(visit, undefined, faultsOf(error, inputOf));
        }
      },
      { audit: 'alert_rule.created' },
    ),
    site.get('/portal/alerts/:alert_rule_id', 'One alert.', async (visit) => form(visit, await one(visit))),
    site.post(
      '/portal/alerts/:alert_rule_id',
      'Changes an alert.',
      async (visit) => {
        const before = await one(visit);
        try {
          const after = await alerts.patch(visit.principal, before.id, await read(visit, before));
          return { ...visit.go('/portal/alerts', 'alert_saved'), noted: changeOf(nameless(before), nameless(after)) };
        } catch (error) {
          return form(visit, before, faultsOf(error, inputOf));
        }
      },
      { audit: 'alert_rule.updated' },
    ),
    site.post(
      '/portal/alerts/:alert_rule_id/remove',
      'Deletes an alert.',
      async (visit) => {
        const before = await one(visit);
        await alerts.remove(visit.principal, before.id);
        return { ...visit.go('/portal/alerts', 'alert_removed'), noted: changeOf(nameless(before), undefined) };
      },
      { audit: 'alert_rule.deleted' },
    ),
  ];
}

/** What one address of the form can say. */
const isPlain = ({ channel, recipient }: Target): boolean =>
  channel !== undefined && Object.keys(recipient ?? {}).length === 1;

/** Without whom it tells: the audit log outlives the people in it. */
const nameless = ({ targets, ...rule }: AlertRule) => ({ ...rule, targets: targets.length });

const inputOf = (path: string): string | undefined =>
  path.startsWith('targets')
    ? 'address'
    : lastPart('name', 'metric', 'threshold', 'window_minutes', 'min_messages', 'channel', 'template_id')(path);
