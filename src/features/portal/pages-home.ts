/** Home: is everything all right? Numbers of the last day, why messages failed, what waits, what is unwell, what to do first. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Route } from '../../lib/http.ts';
import { STATUSES } from '../notifications/index.ts';
import { chart } from './chart.ts';
import { healthOf } from './health-words.ts';
import type {
  AlertsDoor,
  ConnectionsDoor,
  NotificationsDoor,
  Overview,
  TemplatesDoor,
  TenantsDoor,
  WebhooksDoor,
} from './ports.ts';
import { firstSend, readersKey } from './samples.ts';
import type { Site, Visit } from './site.ts';
import { wordsOf } from './webhook-words.ts';
import { span } from './words.ts';

export interface HomePageDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly connections: ConnectionsDoor;
  readonly notifications: NotificationsDoor;
  readonly templates: TemplatesDoor;
  readonly webhooks: Pick<WebhooksDoor, 'list'>;
  readonly alerts: Pick<AlertsDoor, 'alerts'>;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

/** A queue that has waited this long deserves a look. Seconds. */
const LATE = 60;

export function homePage(deps: HomePageDeps): Route {
  const { site, tenants, connections, notifications, webhooks, alerts, registry, publicUrl } = deps;
  return site.get('/portal', 'Home.', async (visit) => {
    const [overview, links, endpoints, open, key, done] = await Promise.all([
      notifications.overview(visit.principal),
      connections.list({ ...visit.principal, mode: 'live' }, { limit: 100 }),
      webhooks.list(visit.principal, { limit: 100 }),
      alerts.alerts(visit.principal, { limit: 10, status: 'open' }),
      readersKey(tenants, visit.principal),
      progress(deps, visit),
    ]);
    const curl = firstSend(registry, { baseUrl: publicUrl(), key });
    const steps = firstSteps({ ...done, channel_connected: links.data.length > 0 }, curl);
    const totals = STATUSES.map((status) => ({
      status,
      count: overview.by_channel.reduce((sum, row) => sum + row[status], 0),
    }));
    const total = totals.reduce((sum, { count }) => sum + count, 0);
    return visit.render(
      'home',
      { title: 'Home', section: 'home' },
      {
        totals,
        total,
        chart: chart(overview.by_hour),
        channels: overview.by_channel.map((row) => byChannel(registry, row)),
        failures: overview.failures,
        quarantined: overview.queue.quarantined,
        alerts: open.data,
        disabled: endpoints.data.filter(({ status }) => status === 'disabled').map(wordsOf),
        waiting: overview.queue.waiting,
        oldest: span(overview.queue.oldest_seconds),
        late: overview.queue.oldest_seconds > LATE,
        unwell: links.data
          .map((connection) => ({ ...connection, status: healthOf(connection) }))
          .filter(({ status }) => status.unwell),
        steps,
        steps_done: steps.filter(({ done }) => done).length,
        steps_open: steps.some(({ done }) => !done),
        curl,
      },
    );
  });
}

function byChannel(registry: Registry, row: Overview['by_channel'][number]) {
  const total = STATUSES.reduce((sum, status) => sum + row[status], 0);
  const settled = row.delivered + row.failed;
  let x = 0;
  return {
    ...row,
    label: registry.channel(row.channel)?.label ?? row.channel,
    total,
    rate: settled === 0 ? undefined : `${((row.delivered / settled) * 100).toFixed(settled >= 1_000 ? 1 : 0)} %`,
    parts: (['delivered', 'sent', 'queued', 'failed'] as const).flatMap((status) => {
      if (row[status] === 0) return [];
      const width = Math.round((row[status] / total) * 1_000) / 10;
      const part = { status, x, width };
      x += width;
      return [part];
    }),
  };
}

/** What has been done so far, in either mode. A template counts once it is not as it came. */
async function progress({ notifications, templates }: HomePageDeps, { principal }: Visit) {
  const any = async (mode: 'live' | 'sandbox') =>
    Object.values(await notifications.counts({ ...principal, mode }, {})).some((count) => count > 0);
  const [test_sent, live_sent, known] = await Promise.all([
    any('sandbox'),
    any('live'),
    templates.list(principal, { limit: 100 }),
  ]);
  const first = Math.min(...known.data.map(({ created_at }) => Date.parse(created_at)));
  const template_created = known.data.some(
    ({ latest_version, created_at }) => latest_version > 1 || Date.parse(created_at) - first > 5_000,
  );
  return { test_sent, live_sent, template_created };
}

interface Step {
  readonly done: boolean;
  readonly title: string;
  readonly text: string;
  readonly href?: string;
  readonly link?: string;
  readonly curl?: string;
}

function firstSteps(done: Readonly<Record<string, boolean>>, curl: string): readonly Step[] {
  const steps: readonly Step[] = [
    {
      done: done.test_sent ?? false,
      title: 'Send a test message',
      text: 'Paste this into a terminal. It uses a magic recipient, so nobody is disturbed.',
      curl,
    },
    {
      done: done.template_created ?? false,
      title: 'Write a template',
      text: 'Words live here, not in your code: per channel and language, with a preview as you type.',
      href: '/portal/templates/new',
      link: 'New template',
    },
    {
      done: done.channel_connected ?? false,
      title: 'Connect a channel',
      text: 'Give a channel its real credentials, and test them without sending anything.',
      href: '/portal/channels',
      link: 'Channels',
    },
    {
      done: done.live_sent ?? false,
      title: 'Send your first live message',
      text: 'The same request with a live key. Nothing else changes.',
      href: '/portal/keys',
      link: 'API keys',
    },
  ];
  return steps;
}
