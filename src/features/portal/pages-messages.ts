/** Activity, and one message: did it go out, and if not, why? */
import { FAULTS, type FaultKind, type Registry } from '../../channel-kit/index.ts';
import type { Route } from '../../lib/http.ts';
import { STATUSES } from '../notifications/index.ts';
import { type Faults, noFaults } from './forms.ts';
import { letter } from './letter.ts';
import type {
  Message,
  Notification,
  NotificationsDoor,
  Seen,
  Status,
  Summary,
  TemplatesDoor,
  TenantsDoor,
} from './ports.ts';
import { curl, firstSend, readersKey } from './samples.ts';
import type { Site, Visit } from './site.ts';
import { spaced, took } from './words.ts';

export interface MessagePagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly notifications: NotificationsDoor;
  readonly templates: TemplatesDoor;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

const PAGE = 50;
const FILTERS = ['recipient', 'channel', 'status', 'template_id', 'bulk_id', 'from', 'to'] as const;

export function messagePages(deps: MessagePagesDeps): readonly Route[] {
  const { site, tenants, notifications, templates, registry, publicUrl } = deps;
  const labelOf = (id: string) => registry.channel(id)?.label ?? id;
  const sample = async ({ principal }: Visit) => ({
    baseUrl: publicUrl(),
    key: await readersKey(tenants, principal),
  });

  return [
    site.get(
      '/portal/activity',
      'What went out, newest first.',
      async (visit) => {
        const faults = dayFaults(visit.query);
        const filter = filterOf(visit.query);
        const { status, ...unstated } = filter;
        // A status that there is not is left out of the form as well, so that the next search does not carry it on.
        const asked = { ...pick(visit.query), status };
        const channels = registry.channels.map(({ id, label }) => ({ id, label }));
        const address = (changes: Readonly<Record<string, string | undefined>>) =>
          addressOf('/portal/activity', { ...asked, ...changes });
        if (faults !== noFaults) {
          const known = await templates.list(visit.principal, { limit: 100 });
          return visit.render(
            'activity',
            { title: 'Activity', section: 'activity', faults },
            {
              filter: asked,
              refused: true,
              channels,
              templates: known.data.map(({ template_id }) => template_id),
              refresh: address({}),
            },
          );
        }
        const cursor = visit.query.cursor;
        const [page, counts, known] = await Promise.all([
          notifications.list(visit.principal, { ...filter, limit: PAGE, ...(cursor ? { cursor } : {}) }),
          notifications.counts(visit.principal, unstated),
          templates.list(visit.principal, { limit: 100 }),
        ]);
        const total = STATUSES.reduce((sum, status) => sum + counts[status], 0);
        return visit.render(
          'activity',
          { title: 'Activity', section: 'activity' },
          {
            rows: page.data.map((row) => summary(row, labelOf)),
            filter: asked,
            filtered: FILTERS.some((name) => asked[name]),
            tabs: [
              { word: 'All', count: total, href: address({ status: undefined }), current: !status },
              ...STATUSES.map((one) => ({
                status: one,
                word: one,
                count: counts[one],
                href: address({ status: one }),
                current: one === status,
              })),
            ],
            channels,
            templates: known.data.map(({ template_id }) => template_id),
            next: page.next_cursor ? address({ cursor: page.next_cursor }) : undefined,
            first: cursor ? address({}) : undefined,
            refresh: address({ cursor }),
            curl: firstSend(registry, await sample(visit)),
          },
        );
      },
      { query: [...FILTERS, 'cursor'] },
    ),

    site.get(
      '/portal/messages/:notification_id',
      'One notification: as it was seen, and its whole story.',
      async (visit) => {
        const notification = await notifications.get(visit.principal, visit.params.notification_id ?? '');
        const parts = await Promise.all(
          notification.channels.map(async (message) =>
            part(message, await notifications.preview(visit.principal, message.message_id), labelOf, visit.request.at),
          ),
        );
        const context = await sample(visit);
        return visit.render(
          'message',
          { title: `To ${recipientOf(notification.recipient)}`, section: 'activity' },
          {
            notification,
            recipient: Object.entries(notification.recipient).map(([name, value]) => ({ name, value })),
            parts,
            steps: notification.fallback
              ?.filter(({ status }) => status !== 'started')
              .map((step) => ({ ...step, label: labelOf(step.channel), waits: step.status === 'dormant' })),
            moving: notification.channels.some(({ status }) => status === 'queued' || status === 'sent'),
            cancellable: notification.channels.some(({ status }) => status === 'queued'),
            retryable: notification.channels.every(({ status }) => status === 'failed'),
            again: curl(context, 'POST', '/api/v1/notifications/send', requestOf(notification, parts)),
            look: curl(context, 'GET', `/api/v1/notifications/${notification.notification_id}`),
            record: JSON.stringify(notification, null, 2),
          },
        );
      },
    ),
    site.get('/portal/messages/:message_id/letter', 'The HTML of a message, alone in its frame.', async (visit) => {
      const { preview } = await notifications.preview(visit.principal, visit.params.message_id ?? '');
      return letter(preview);
    }),
    site.post(
      '/portal/messages/:notification_id/cancel',
      'Stops what has not been handed over yet.',
      async (visit) => {
        const { notification_id } = await notifications.cancel(visit.principal, visit.params.notification_id ?? '');
        return visit.go(`/portal/messages/${notification_id}`, 'cancelled');
      },
      { audit: 'notification.cancelled' },
    ),
    site.post(
      '/portal/messages/:notification_id/retry',
      'Sends a failed notification again, as a new one.',
      async (visit) => {
        const { principal, ip, requestId, at } = visit.request;
        const { body } = await notifications.retry(
          { principal, ip, requestId, at },
          visit.params.notification_id ?? '',
        );
        const again = body as { readonly notification_id?: string } | undefined;
        return visit.go(`/portal/messages/${again?.notification_id ?? visit.params.notification_id}`, 'retried');
      },
      { audit: 'notification.retried' },
    ),
  ];
}

const pick = (query: Visit['query']): Readonly<Partial<Record<(typeof FILTERS)[number], string>>> =>
  Object.fromEntries(FILTERS.map((name) => [name, query[name]]));

export function addressOf(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return given.length > 0 ? `${path}?${new URLSearchParams(given)}` : path;
}

/** A day of the calendar, written as date inputs write it; none before there were any ids with a time in them. */
function realDay(text: string): boolean {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00.000Z`) : undefined;
  return at !== undefined && at.getTime() >= 0 && at.toISOString().slice(0, 10) === text;
}

function dayFaults({ from, to }: Visit['query']): Faults {
  const fields: Record<string, string> = {};
  const wrong = 'There is no such day. Write it as 2026-03-14.';
  if (from && !realDay(from)) fields.from = wrong;
  if (to && !realDay(to)) fields.to = wrong;
  if (from && to && !fields.from && !fields.to && from > to) fields.to = 'This day lies before the first.';
  return Object.keys(fields).length > 0 ? { fields } : noFaults;
}

/** Days are whole days, in UTC, judged already. A status that there is not is left out, as if not asked. */
function filterOf(query: Visit['query']) {
  const { from, to } = query;
  const status = STATUSES.find((known) => known === query.status);
  return {
    ...(query.recipient ? { recipient: query.recipient } : {}),
    ...(query.channel ? { channel: query.channel } : {}),
    ...(query.template_id ? { template_id: query.template_id } : {}),
    ...(query.bulk_id ? { bulk_id: query.bulk_id } : {}),
    ...(status ? { status } : {}),
    ...(from ? { from: `${from}T00:00:00.000Z` } : {}),
    ...(to ? { to: `${to}T23:59:59.999Z` } : {}),
  };
}

export const recipientOf = (recipient: Readonly<Record<string, string>>): string =>
  Object.values(recipient)[0] ?? 'somebody';

const summary = (row: Summary, labelOf: (id: string) => string) => ({
  ...row,
  recipient: [...new Set(row.channels.map(({ address }) => address))].join(', '),
  channels: row.channels.map((message) => ({ ...message, label: labelOf(message.channel) })),
  template_id: row.channels.find(({ template_id }) => template_id)?.template_id,
  attempts: row.channels.reduce((sum, { attempts_made }) => sum + attempts_made, 0),
  failure: row.channels.find(({ failure }) => failure)?.failure,
});

const part = (message: Message, look: Seen, labelOf: (id: string) => string, now: Date) => ({
  ...message,
  label: labelOf(message.channel),
  preview: look.preview,
  content: look.content,
  unseen: look.fault && (Object.hasOwn(FAULTS, look.fault) ? FAULTS[look.fault as FaultKind].message : look.fault),
  frame: `/portal/messages/${message.message_id}/letter`,
  attempts: message.attempts.map((attempt) => ({
    ...attempt,
    said: spaced(attempt.outcome),
    // What is past has become an attempt of its own.
    retry_at: attempt.retry_at && Date.parse(attempt.retry_at) > now.getTime() ? attempt.retry_at : undefined,
    took: attempt.duration_ms === undefined ? undefined : took(attempt.duration_ms),
  })),
  timeline: message.timeline.map((entry) => ({ ...entry, ...mark(entry.type) })),
});

/** The shape and colour of a line of the story. */
function mark(type: string): { readonly mark: Status } {
  if (/failed|bounced|complained|refused|not_sent/.test(type)) return { mark: 'failed' };
  if (/delivered|read/.test(type)) return { mark: 'delivered' };
  return { mark: /accepted$|^retry/.test(type) && !type.startsWith('attempt') ? 'queued' : 'sent' };
}

/** The request that would send this again: by its template, else by the finished content. */
function requestOf(notification: Notification, parts: readonly ReturnType<typeof part>[]): object {
  const template = parts.find(({ template_id }) => template_id)?.template_id;
  const raw = parts.filter(({ template_id, content }) => !template_id && content);
  const steps = notification.fallback ?? [];
  // The text of a step that has not begun is not known here; a template knows it.
  const fallback = steps
    .filter(({ message_id }) => template || message_id)
    .map(({ channel, on, after_seconds }) => ({ channel, on, ...(after_seconds ? { after_seconds } : {}) }));
  const first = parts.filter(({ message_id }) => !steps.some((step) => step.message_id === message_id));
  return {
    recipient: notification.recipient,
    notification: {
      channels: first.map(({ channel }) => channel),
      ...(fallback.length > 0 ? { fallback } : {}),
      ...(template ? { template_id: template } : {}),
      ...(notification.data && Object.keys(notification.data).length > 0 ? { data: notification.data } : {}),
      ...(raw.length > 0 ? { content: Object.fromEntries(raw.map(({ channel, content }) => [channel, content])) } : {}),
    },
  };
}
