/** Webhooks: which servers are told of events, do they hear us, and if not, what then? */
import type { Reply, Route } from '../../lib/http.ts';
import { validator } from '../../lib/schema.ts';
import { changeOf } from '../audit/index.ts';
import { createEndpoint, patchEndpoint, replayBody, resumeEndpoint } from '../webhooks/index.ts';
import { type Faults, type Fields, faultsOf, lastPart } from './forms.ts';
import type { TenantsDoor, WebhooksDoor } from './ports.ts';
import { curl, readersKey, SIGNATURE_CHECK } from './samples.ts';
import type { Site, Visit } from './site.ts';
import { deliveryWords, eventGroups, wordsOf } from './webhook-words.ts';

export interface WebhookPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly webhooks: WebhooksDoor;
  readonly publicUrl: () => string;
}

const creation = validator(createEndpoint);
const change = validator(patchEndpoint);
const resumption = validator(resumeEndpoint);
const repetition = validator(replayBody);
/** Deliveries on the page of an endpoint; the log has the others. */
const RECENT = 10;

export function webhookPages({ site, tenants, webhooks, publicUrl }: WebhookPagesDeps): readonly Route[] {
  const addPage = (visit: Visit, faults?: Faults): Reply =>
    visit.render(
      'webhook-new',
      { title: 'New webhook', section: 'webhooks', ...(faults ? { faults } : {}) },
      { form: visit.fields, groups: eventGroups(visit.values('event_types')) },
    );
  const one = (visit: Visit) => webhooks.get(visit.principal, visit.params.endpoint_id ?? '');
  const page = async (visit: Visit, faults?: Faults): Promise<Reply> => {
    const endpoint = await one(visit);
    const [waiting, recent] = await Promise.all([
      webhooks.waiting(visit.principal, [endpoint.id]),
      webhooks.log.list(visit.principal, { limit: RECENT, endpoint_id: endpoint.id }),
    ]);
    // Of the four forms on this page only the one with an address changes the endpoint.
    const typed = faults && visit.fields.url !== undefined ? visit.fields : undefined;
    return visit.render(
      'webhook',
      { title: wordsOf(endpoint).title, section: 'webhooks', ...(faults ? { faults } : {}) },
      {
        endpoint: wordsOf(endpoint),
        waiting: waiting.get(endpoint.id),
        deliveries: recent.data.map(deliveryWords),
        form: typed ?? endpoint,
        other: faults ? visit.fields : {},
        groups: eventGroups(typed ? visit.values('event_types') : (endpoint.event_types ?? [])),
      },
    );
  };
  const secretShown = (visit: Visit, id: string, secret: string): Reply =>
    visit.go(`/portal/webhooks/${id}/shown`, undefined, [site.handOver(visit.token, { secret })]);
  /** The form again, with what was wrong. */
  const orFaults = async (visit: Visit, work: () => Promise<Reply>): Promise<Reply> => {
    try {
      return await work();
    } catch (error) {
      return page(visit, faultsOf(error, inputOf));
    }
  };
  const here = ({ params }: Visit) => `/portal/webhooks/${params.endpoint_id}`;

  return [
    site.get('/portal/webhooks', 'Every webhook, and whether it is heard.', async (visit) => {
      const { data } = await webhooks.list(visit.principal, { limit: 100 });
      const [waiting, key] = await Promise.all([
        webhooks.waiting(
          visit.principal,
          data.map(({ id }) => id),
        ),
        readersKey(tenants, visit.principal),
      ]);
      return visit.render(
        'webhooks',
        { title: 'Webhooks', section: 'webhooks' },
        {
          rows: data.map((endpoint) => ({ ...wordsOf(endpoint), waiting: waiting.get(endpoint.id) })),
          curl: curl({ baseUrl: publicUrl(), key }, 'POST', '/api/v1/webhooks', {
            url: 'https://your-server.example/hooks/carillon',
            event_types: ['message.delivered', 'message.failed'],
          }),
        },
      );
    }),
    site.get('/portal/webhooks/new', 'The form for a new webhook.', async (visit) => addPage(visit)),
    site.post(
      '/portal/webhooks',
      'Makes a webhook.',
      async (visit) => {
        try {
          const { secret, ...made } = await webhooks.create(visit.principal, creation.check(readForm(visit)));
          return { ...secretShown(visit, made.id, secret), noted: changeOf(undefined, made) };
        } catch (error) {
          return addPage(visit, faultsOf(error, inputOf));
        }
      },
      { audit: 'webhook.created' },
    ),
    site.get('/portal/webhooks/:endpoint_id/shown', 'A new secret, shown once.', async (visit) => {
      const endpoint = wordsOf(await one(visit));
      const { secret, cookie } = site.takeOver(visit);
      if (!secret?.secret) return visit.go(here(visit), 'secret_gone');
      return visit.render(
        'webhook-shown',
        { title: 'The secret of your webhook', section: 'webhooks', cookies: [cookie] },
        { secret: secret.secret, check: SIGNATURE_CHECK, endpoint },
      );
    }),
    site.get('/portal/webhooks/:endpoint_id', 'One webhook.', (visit) => page(visit)),
    site.post(
      '/portal/webhooks/:endpoint_id',
      'Changes a webhook.',
      (visit) =>
        orFaults(visit, async () => {
          const before = await one(visit);
          const after = await webhooks.patch(visit.principal, before.id, change.check(readForm(visit)));
          return { ...visit.go(here(visit), 'webhook_saved'), noted: changeOf(before, after) };
        }),
      { audit: 'webhook.updated' },
    ),
    site.post(
      '/portal/webhooks/:endpoint_id/pause',
      'Stops calling it; its events wait.',
      (visit) =>
        orFaults(visit, async () => {
          await webhooks.pause(visit.principal, (await one(visit)).id);
          return visit.go(here(visit), 'webhook_paused');
        }),
      { audit: 'webhook.paused' },
    ),
    site.post(
      '/portal/webhooks/:endpoint_id/resume',
      'Calls it again, with what has waited.',
      (visit) =>
        orFaults(visit, async () => {
          const rate = numberIn(visit.fields.drain_per_second);
          const command = resumption.check(rate === null ? {} : { drain_per_second: rate });
          await webhooks.resume(visit.principal, (await one(visit)).id, command);
          return visit.go(here(visit), 'webhook_resumed');
        }),
      { audit: 'webhook.resumed' },
    ),
    site.post(
      '/portal/webhooks/:endpoint_id/rotate',
      'Gives it a new secret.',
      async (visit) => {
        const { id, secret } = await webhooks.rotate(visit.principal, visit.params.endpoint_id ?? '');
        return secretShown(visit, id, secret);
      },
      { audit: 'webhook.rotated' },
    ),
    site.post(
      '/portal/webhooks/:endpoint_id/test',
      'Sends it one event now.',
      (visit) =>
        orFaults(visit, async () => {
          const { delivery_id, is_success } = await webhooks.test(visit.principal, visit.params.endpoint_id ?? '');
          return visit.go(`/portal/deliveries/${delivery_id}`, is_success ? 'webhook_heard' : 'webhook_unheard');
        }),
      { audit: 'webhook.tested' },
    ),
    site.post(
      '/portal/webhooks/:endpoint_id/replay',
      'Sends many deliveries again.',
      (visit) =>
        orFaults(visit, async () => {
          const { id } = await one(visit);
          const body = repetition.check(readRange(visit.fields));
          const { deliveries, has_more } = await webhooks.log.replayAll(visit.principal, id, body);
          if (deliveries === 0) return visit.go(here(visit), 'replayed_none');
          return {
            ...visit.go(`/portal/deliveries?endpoint_id=${id}`, has_more ? 'replayed_part' : 'replayed'),
            noted: { ...body, deliveries },
          };
        }),
      { audit: 'webhook.replayed' },
    ),
    site.post(
      '/portal/webhooks/:endpoint_id/archive',
      'Ends a webhook.',
      async (visit) => {
        const before = await one(visit);
        await webhooks.archive(visit.principal, before.id);
        return { ...visit.go('/portal/webhooks', 'webhook_archived'), noted: changeOf(before, undefined) };
      },
      { audit: 'webhook.archived' },
    ),
  ];
}

/** Of a list of types, the boxes are one field. */
const inputOf = (path: string): string | undefined =>
  path.startsWith('event_types')
    ? 'event_types'
    : lastPart('url', 'name', 'heartbeat_seconds', 'format', 'drain_per_second', 'since', 'until')(path);

/** Nothing typed is none; what is no number is the schema's to refuse. */
const numberIn = (text = ''): unknown => (text.trim() === '' ? null : Number.isNaN(Number(text)) ? text : Number(text));

/** No box ticked: it is told of all but what is only accepted. */
function readForm({ fields: { url = '', name = '', heartbeat_seconds, routing, format }, values }: Visit) {
  const types = values('event_types');
  return {
    url: url.trim(),
    name: name.trim(),
    event_types: types.length > 0 ? types : null,
    heartbeat_seconds: numberIn(heartbeat_seconds),
    ...(routing ? { routing } : {}),
    ...(format ? { format } : {}),
  };
}

/** Times as their inputs write them, read as UTC. */
function readRange({ since = '', until = '', status }: Fields) {
  const time = (text: string) =>
    /^[\d-]+T\d\d:\d\d$/.test(text) ? `${text}:00Z` : /^[\d-]+T[\d:]+$/.test(text) ? `${text}Z` : text;
  return {
    ...(since ? { since: time(since) } : {}),
    ...(until ? { until: time(until) } : {}),
    status: status === 'all' ? 'all' : 'failed',
  };
}
