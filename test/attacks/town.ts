/**
 * A product with two tenants in it, each with everything a tenant can have, live and test: people, keys, connections,
 * templates, rollouts, messages, bulks, campaigns, audit rows. Every text of a tenant carries its canary, a word that stands
 * nowhere else, so that whatever of it turns up elsewhere is found by one search.
 */
import { PassThrough } from 'node:stream';
import type { OpenConnection } from '../../src/features/connections/index.ts';
import { createTake } from '../../src/features/conversations/index.ts';
import { createEvents } from '../../src/features/events/index.ts';
import type { Principal } from '../../src/lib/http.ts';
import { newId, toWire } from '../../src/lib/ids.ts';
import { createLog } from '../../src/lib/log.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { type Scene, startScene } from '../support/scene.ts';

export type Mode = 'live' | 'test';
export const PASSWORD = 'a bell for every window';

export interface Citizen {
  /** In lower case, because addresses are; searched for without regard to case. */
  readonly canary: string;
  /** UUID. */
  readonly tenantId: string;
  readonly userId: string;
  readonly email: string;
  readonly keys: Readonly<Record<Mode, string>>;
  /** Token of a portal session, by the mode it is in. */
  readonly sessions: Readonly<Record<Mode, string>>;
  readonly principals: Readonly<Record<Mode, Principal>>;
  /** What stands in a path, by its name there. */
  readonly ids: Readonly<Record<Mode, Readonly<Record<string, string>>>>;
}

export type Town = Awaited<ReturnType<typeof startTown>>;

export async function startTown({ env = {} }: { readonly env?: Readonly<Record<string, string>> } = {}) {
  const written = new PassThrough();
  let lines = '';
  written.on('data', (chunk) => {
    lines += chunk;
  });
  const scene = await startScene({
    env: { SIGNUP: 'open', TRUSTED_PROXIES: '1', ...env },
    log: createLog('trace', written),
  });
  return {
    scene,
    /** All that was logged so far. */
    log: () => lines,
    settle: (canary: string) => settle(scene, canary),
    close: () => scene.close(),
  };
}

let people = 0;

/** Somebody who has written with a file, and a contact of two that were merged. */
async function inhabit(scene: Scene, tenantId: string, mode: Mode, key: string, canary: string) {
  const { db, connections } = scene.product.deps;
  const must = (status: number, method: string, path: string, body?: unknown): Promise<Json> =>
    scene.must(status, scene.call(method, path, { key, ...(body === undefined ? {} : { body }) }));
  const contact = await must(201, 'POST', '/api/v1/contacts', {
    name: `Guest ${canary}`,
    external_id: `crm-${mode}-${canary}`,
    email: `guest.${mode}.${canary}@people.example`,
  });
  const other = await must(201, 'POST', '/api/v1/contacts', { name: `Twin ${canary}` });
  const merged = await must(200, 'POST', `/api/v1/contacts/${contact.id}/merge`, { contact_id: other.id });
  const email = `guest.${mode}.${canary}@people.example`;
  const [row] = await scene.query<{ id: string }>(
    `select id from connections where tenant_id = $1 and mode = $2 and channel = 'email'`,
    [tenantId, mode === 'live' ? 'live' : 'sandbox'],
  );
  const connection = (await connections.open([row?.id as string])).get(row?.id as string) as OpenConnection;
  const take = createTake({ events: createEvents() });
  const [heard] = await db.transaction((trx) =>
    take(trx, [
      {
        connection,
        tenantId,
        inboundId: newId(),
        receivedAt: new Date(Date.now()),
        event: {
          type: 'message',
          key: `written ${canary}`,
          providerId: `written ${canary}`,
          person: { recipient: { email }, identities: [{ kind: 'email', value: email }] },
          content: {
            kind: 'text',
            text: `Is it open, ${canary}?`,
            media: [{ mime: 'text/plain', filename: `${canary}.txt`, bytes: Buffer.from(canary) }],
          },
        },
      },
    ]),
  );
  const conversation = toWire('conversation', heard?.conversationId as string);
  const { data } = await must(200, 'GET', `/api/v1/conversations/${conversation}/messages?order=desc&limit=1`);
  return {
    contact_id: contact.id,
    merge_id: merged.merges[0].id,
    conversation_id: conversation,
    media_id: data[0].media[0].id,
  };
}

/** A tenant with one of everything, under this canary. */
export async function settle(scene: Scene, canary: string): Promise<Citizen> {
  const { tenants, campaigns } = scene.product.deps;
  const email = `owner.${canary}@people.example`;
  const made = await tenants.signUp({
    email,
    password: PASSWORD,
    name: `Ada ${canary}`,
    organization: `Bakery ${canary}`,
  });
  const signedIn = (await tenants.session(made.token))?.principal as Principal;
  const principals = {
    live: { ...signedIn, mode: 'live' },
    test: { ...signedIn, mode: 'sandbox' },
  } as const satisfies Record<Mode, Principal>;
  const live = await tenants.keys.create(principals.live, { name: `Shop ${canary}` });
  const keys = { live: live.key, test: made.key };
  const liveSession = (await tenants.signIn({ email, password: PASSWORD, ip: `198.51.100.${people++ & 255}` })).token;
  await tenants.setMode(liveSession, 'live');

  const must = (status: number, method: string, path: string, body: unknown, mode: Mode, headers = {}): Promise<Json> =>
    scene.must(status, scene.call(method, path, { key: keys[mode], body, headers }));
  const slug = `offer_${canary}`;
  const words = (n: number) => ({
    name: `Offer ${canary}`,
    content: {
      sms: { en: { body: `Offer ${n} of ${canary} for {{name}}` } },
      email: {
        en: { subject: `Offer ${n} ${canary}`, body: `Dear {{name}}, ${canary}`, html: `<p>{{name}} ${canary}</p>` },
      },
    },
  });
  await must(201, 'POST', '/api/v1/templates', { template_id: slug, ...words(1) }, 'live');
  await must(200, 'PUT', `/api/v1/templates/${slug}`, { ...words(2), draft: true }, 'live');
  await must(200, 'POST', `/api/v1/templates/${slug}/rollout`, { version: 2, percent: 10 }, 'live');

  const connection = await must(
    201,
    'POST',
    '/api/v1/connections',
    { channel: 'email', name: `Relay ${canary}`, credentials: scene.smtp.credentials },
    'live',
  );
  const lodger = await scene.tenant(`Lodger of ${canary}`);
  const ids: Record<Mode, Record<string, string>> = { live: {}, test: {} };
  for (const mode of ['live', 'test'] as const) {
    const person = { email: `guest.${mode}.${canary}@people.example` };
    const sent = await must(
      202,
      'POST',
      '/api/v1/notifications/send',
      {
        recipient: person,
        notification: { channels: ['email'], template_id: slug, data: { name: `Guest ${canary}` } },
      },
      mode,
      { 'idempotency-key': `order-${mode}-${canary}` },
    );
    const rows = [{ ...person, data: { name: `Row ${canary}` } }, { email: `no address ${canary}` }];
    const bulk = await must(
      202,
      'POST',
      '/api/v1/notifications/bulk',
      {
        channels: ['email'],
        template_id: slug,
        data: { name: 'x' },
        name: `Spring ${canary}`,
        send_at: new Date(Date.now() + 86_400_000).toISOString(),
        recipients: rows,
      },
      mode,
    );
    const key = await must(201, 'POST', '/api/v1/keys', { name: `Spare ${canary} ${mode}` }, mode);
    const draft = await campaigns.draft(
      principals[mode],
      { name: `Draft ${canary}`, template_id: slug, channels: ['email'], priority: 'low', file: `${canary}.csv` },
      Buffer.from(`email,name\nrow.${canary}@people.example,Cell ${canary}\n`),
    );
    const gone = { recipient: { email: `gone.${mode}.${canary}@people.example` } };
    const erasure = await scene.call('POST', '/api/v1/recipients/erase', { key: keys[mode], body: gone });
    // It is paused, so that time alone changes nothing of it.
    const webhook = await must(
      201,
      'POST',
      '/api/v1/webhooks',
      { url: `${scene.twilio.url}/hooks/${canary}`, name: `Hook ${canary}` },
      mode,
    );
    await must(200, 'POST', `/api/v1/webhooks/${webhook.id}/pause`, undefined, mode);
    const rule = await must(
      201,
      'POST',
      '/api/v1/webhook_rules',
      { name: `Rule ${canary}`, conditions: { all: [{ keyword: [canary] }] }, targets: [] },
      mode,
    );
    const alertRule = await must(
      201,
      'POST',
      '/api/v1/alert_rules',
      { name: `Alert ${canary}`, metric: 'failures', threshold: 1_000, template_id: slug },
      mode,
    );
    const tested = await must(200, 'POST', `/api/v1/webhooks/${webhook.id}/test`, undefined, mode);
    const event = await until(async () => (await must(200, 'GET', '/api/v1/events?limit=1', undefined, mode)).data[0], {
      what: 'an event',
    });
    const added = await must(
      200,
      'POST',
      '/api/v1/suppressions',
      { suppressions: [{ channel: 'email', address: `never.${mode}.${canary}@people.example`, note: canary }] },
      mode,
    );
    const autoReply = await must(
      201,
      'POST',
      '/api/v1/auto_replies',
      { trigger: 'keyword', name: canary, keywords: [canary], reply: { text: `Of ${canary}` } },
      mode,
    );
    const people = await inhabit(scene, signedIn.tenantId, mode, keys[mode], canary);
    ids[mode] = {
      ...people,
      auto_reply_id: autoReply.id,
      suppression_id: added.data[0].id,
      endpoint_id: webhook.id,
      delivery_id: tested.delivery_id,
      rule_id: rule.id,
      alert_rule_id: alertRule.id,
      event_id: event.id,
      // What operators do to a tenant must not close this one's doors.
      tenant_id: lodger.id,
      erasure_id: erasure.body.id,
      key_id: key.id,
      connection_id: connection.id,
      template_id: slug,
      number: '1',
      message_id: sent.channels[0].message_id,
      notification_id: sent.notification_id,
      bulk_id: bulk.bulk_id,
      draft_id: draft,
      adapter: 'smtp',
      token: 'nobody-gave-this-out',
      file: `${canary}.css`,
    };
  }
  const { id: sandboxConnection } =
    (
      await scene.query<{ id: string }>(
        `select id from connections where tenant_id = $1 and mode = 'sandbox' and channel = 'email'`,
        [signedIn.tenantId],
      )
    )[0] ?? {};
  if (sandboxConnection) ids.test.sandbox_connection = sandboxConnection;
  await until(
    async () =>
      (
        await scene.query(`select 1 from messages where tenant_id = $1 and bulk_id is null and status = 'queued'`, [
          signedIn.tenantId,
        ])
      ).length === 0,
    { what: `that everything of ${canary} has gone out` },
  );
  return {
    canary,
    tenantId: signedIn.tenantId,
    userId: made.user.id,
    email,
    keys,
    sessions: { live: liveSession, test: made.token },
    principals,
    ids,
  };
}
