/** Deliveries: what was sent to a webhook, what it answered, and sending it again. */
import type { Reply, Route } from '../../lib/http.ts';
import { EVENT_TYPES } from '../events/index.ts';
import { type Faults, faultsOf } from './forms.ts';
import { addressOf } from './pages-messages.ts';
import type { Delivery, WebhooksDoor } from './ports.ts';
import { pretty } from './samples.ts';
import type { Site, Visit } from './site.ts';
import { attemptWords, DELIVERED_TYPES, DELIVERY_STATUSES, deliveryWords, wordsOf } from './webhook-words.ts';

export interface DeliveryPagesDeps {
  readonly site: Site;
  readonly webhooks: WebhooksDoor;
}

const PAGE = 50;

export function deliveryPages({ site, webhooks }: DeliveryPagesDeps): readonly Route[] {
  const endpoints = async ({ principal }: Visit) => (await webhooks.list(principal, { limit: 100 })).data.map(wordsOf);
  const page = async (visit: Visit, faults?: Faults): Promise<Reply> => {
    const delivery = await webhooks.log.get(visit.principal, visit.params.delivery_id ?? '');
    const endpoint = (await endpoints(visit)).find(({ id }) => id === delivery.endpoint_id);
    return visit.render(
      'delivery',
      { title: delivery.event_type, section: 'webhooks', ...(faults ? { faults } : {}) },
      {
        delivery: deliveryWords(delivery),
        endpoint,
        waits: delivery.status === 'waiting',
        headers: headersOf(delivery),
        in_feed: Object.hasOwn(EVENT_TYPES, delivery.event_type),
        attempts: delivery.attempts.map(attemptWords),
        ...read(delivery.body),
      },
    );
  };

  return [
    site.get(
      '/portal/deliveries',
      'What was sent to webhooks, newest first.',
      async (visit) => {
        const { endpoint_id, event_type, cursor } = visit.query;
        const status = DELIVERY_STATUSES.find((known) => known === visit.query.status);
        const address = (more: Readonly<Record<string, string | undefined>>) =>
          addressOf('/portal/deliveries', { endpoint_id, status, event_type, ...more });
        const [log, known] = await Promise.all([
          webhooks.log.list(visit.principal, {
            limit: PAGE,
            ...(endpoint_id ? { endpoint_id } : {}),
            ...(status ? { status } : {}),
            ...(event_type ? { event_type } : {}),
            ...(cursor ? { cursor } : {}),
          }),
          endpoints(visit),
        ]);
        const titles = new Map(known.map(({ id, title }) => [id, title]));
        return visit.render(
          'deliveries',
          { title: 'Deliveries', section: 'webhooks' },
          {
            rows: log.data.map((row) => ({
              ...deliveryWords(row),
              endpoint: titles.get(row.endpoint_id) ?? 'archived',
            })),
            filter: { endpoint_id, status, event_type },
            filtered: Boolean(endpoint_id || status || event_type),
            endpoints: known,
            statuses: DELIVERY_STATUSES,
            types: DELIVERED_TYPES,
            next: log.next_cursor ? address({ cursor: log.next_cursor }) : undefined,
            first: cursor ? address({}) : undefined,
            refresh: address({ cursor }),
          },
        );
      },
      { query: ['endpoint_id', 'status', 'event_type', 'cursor'] },
    ),
    site.get('/portal/deliveries/:delivery_id', 'One delivery, with every attempt.', (visit) => page(visit)),
    site.post(
      '/portal/deliveries/:delivery_id/replay',
      'Sends a delivery again.',
      async (visit) => {
        try {
          const { id } = await webhooks.log.replay(visit.principal, visit.params.delivery_id ?? '');
          return visit.go(`/portal/deliveries/${id}`, 'replayed_one');
        } catch (error) {
          return page(
            visit,
            faultsOf(error, () => undefined),
          );
        }
      },
      { audit: 'webhook_delivery.replayed' },
    ),
  ];
}

/** As they were sent last, but for the signature: it is made with the secret, which nobody is shown again. */
function headersOf({ headers, attempts }: Delivery) {
  const last = attempts.at(-1);
  return [
    ...Object.entries(headers).map(([name, value]) => ({ name, value })),
    ...(last ? [{ name: 'webhook-timestamp', value: String(Math.floor(Date.parse(last.started_at) / 1_000)) }] : []),
    { name: 'webhook-signature', value: 'v1,…' },
    { name: 'x-signature-256', value: 'sha256=…' },
  ];
}

/** The body laid out for reading, and the message it is about. What was erased since is no JSON of ours. */
function read(body: string) {
  try {
    const event = JSON.parse(body) as { readonly data?: { readonly notification_id?: unknown } };
    const id = event.data?.notification_id;
    return { laid_out: pretty(event), notification_id: typeof id === 'string' ? id : undefined };
  } catch {
    return { laid_out: body };
  }
}
