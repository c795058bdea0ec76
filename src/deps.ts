/**
 * The composition root: configuration in, the whole house out. The only wiring there is, and the only place that knows the
 * list of channels.
 */
import { channels } from '../channels/index.ts';
import { type AnyChannel, createRegistry, type Registry } from './channel-kit/index.ts';
import { type Alerts, createAlerts } from './features/alerts/index.ts';
import { type Audit, createAudit } from './features/audit/index.ts';
import { type Bulks, createBulks } from './features/bulks/index.ts';
import { type Campaigns, createCampaigns } from './features/campaigns/index.ts';
import { type Connections, createConnections } from './features/connections/index.ts';
import { type Contacts, createContacts } from './features/contacts/index.ts';
import {
  type Conversations,
  createConversations,
  createMedia,
  createNotices,
  createTake,
  MEDIA_MAX,
  type Media,
} from './features/conversations/index.ts';
import { type Custody, createCustody } from './features/custody/index.ts';
import { createErasures, type Erasures } from './features/erasure/index.ts';
import { createEvents, createFeed, type Feed, type Tell, tellBy } from './features/events/index.ts';
import { createHealth, type Health } from './features/health/index.ts';
import { createIdempotency, type Idempotency } from './features/idempotency/index.ts';
import { createInbound, type Inbound } from './features/inbound/index.ts';
import { createLimits, type Limits } from './features/limits/index.ts';
import {
  createNotifications,
  type DispatchTiming,
  type Notifications,
  TIMING,
  tellMessages,
} from './features/notifications/index.ts';
import { createReplies, type Replies } from './features/replies/index.ts';
import { createSandbox, type Sandbox } from './features/sandbox/index.ts';
import { createSuppressions, type Suppressions } from './features/suppressions/index.ts';
import { createTemplates, type Templates } from './features/templates/index.ts';
import { createTenants, type Tenants } from './features/tenants/index.ts';
import { createWebhooks, type Webhooks, type WebhookTiming } from './features/webhooks/index.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import type { Config } from './lib/config.ts';
import type { Vault } from './lib/crypto.ts';
import { createDb, type Db } from './lib/db.ts';
import { createEgress } from './lib/egress.ts';
import { createFetch } from './lib/fetch.ts';
import type { Log } from './lib/log.ts';
import { createMail, type Mail } from './lib/mail.ts';
import { createQueues, type Doorbell, type Queues } from './lib/queue.ts';
import { openVault } from './lib/sealed.ts';
import { createTraces } from './lib/traces.ts';

export interface Deps {
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  readonly db: Db;
  readonly vault: Vault;
  readonly queues: Queues;
  readonly doorbell: Doorbell;
  readonly registry: Registry;
  readonly health: Health;
  readonly audit: Audit;
  /** Absent while SYSTEM_SMTP_URL is. */
  readonly mail: Mail | undefined;
  readonly idempotency: Idempotency;
  readonly limits: Limits;
  readonly tenants: Tenants;
  readonly connections: Connections;
  readonly sandbox: Sandbox;
  readonly templates: Templates;
  readonly suppressions: Suppressions;
  readonly notifications: Notifications;
  readonly feed: Feed;
  readonly bulks: Bulks;
  readonly campaigns: Campaigns;
  readonly custody: Custody;
  readonly contacts: Contacts;
  readonly conversations: Conversations;
  readonly media: Media;
  readonly replies: Replies;
  readonly inbound: Inbound;
  readonly webhooks: Webhooks;
  readonly alerts: Alerts;
  readonly erasures: Erasures;
  /** Base address of links and callbacks; known once the listener is. */
  readonly publicUrl: () => string;
  /** In the order that loses nothing: no more work, then clients, then stores. */
  close(): Promise<void>;
}

export interface DepsOptions {
  readonly config: Config;
  /** The database, embedded or not. */
  readonly databaseUrl: string;
  readonly log: Log;
  readonly publicUrl: () => string;
  /** Channels of plugins, after ours. */
  readonly plugins?: readonly AnyChannel[];
  /** Names of those without which this build cannot work; readiness looks for them. Default none. */
  readonly migrations?: readonly string[];
  /** What tells the files of an embedded server from a copy of them. */
  readonly files?: string | undefined;
  /** Shortened by tests. */
  readonly timing?: Partial<DispatchTiming> & {
    readonly webhooks?: Partial<WebhookTiming>;
    readonly alertsMs?: number;
  };
}

export async function createDeps({
  config,
  databaseUrl,
  log,
  publicUrl,
  plugins = [],
  migrations = [],
  files,
  timing,
}: DepsOptions): Promise<Deps> {
  const clock = systemClock;
  const db = createDb({ url: databaseUrl, log });
  const vault = await openVault(db, config.encryptionKeys).catch(async (error: unknown) => {
    await db.close();
    throw error;
  });
  const queues = await createQueues({ redisUrl: config.redisUrl, databaseUrl, log });
  const doorbell = queues.doorbell();
  const health = createHealth({ db, queues, log, migrations });
  const registry = createRegistry([...channels, ...plugins]);
  const egress = createEgress(config.egressAllow);
  const fetch = createFetch(egress);
  const download = createFetch(egress, { connections: 32, bodyMax: MEDIA_MAX });

  const traces = config.traces && createTraces({ settings: config.traces, log });
  const events = createEvents();
  const audit = createAudit({ db, clock });
  const idempotency = createIdempotency({ db, clock });
  const mail = config.systemSmtpUrl ? createMail({ url: config.systemSmtpUrl, log }) : undefined;
  const limits = createLimits({ db, clock, log, vault });
  const tenants = createTenants({ db, vault, clock, log, config, audit, limits, mail, publicUrl });
  const connections = createConnections({ db, vault, registry, fetch, egress, clock, log, publicUrl, audit });
  const templates = createTemplates({ db, registry, clock, log, audit });
  tenants.onTenantCreated((trx, tenant) => templates.installStarters(trx, tenant.id));
  const suppressions = createSuppressions({
    db,
    vault,
    registry,
    events,
    connections,
    tenants,
    publicUrl: config.publicUrl ? publicUrl : undefined,
  });
  const sandbox: Sandbox = createSandbox({
    db,
    registry,
    connections,
    vault,
    clock,
    doorbell,
    publicUrl,
    // The sandbox's receipts come in by the providers' door, which stands further on in the house.
    post: async (adapterId, connectionId, request) => void (await inbound.receive(adapterId, connectionId, request)),
  });
  const notifications = createNotifications({
    db,
    clock,
    log,
    registry,
    limits,
    tenants,
    connections,
    templates,
    suppressions,
    events,
    idempotency,
    doorbell,
    adapterOf: sandbox.adapterOf,
    isQuarantined: () => custody.isQuarantined(),
    // Whether somebody has just written is known further on in the house.
    windows: (...asked) => conversations.windows(...asked),
    timing: { ...TIMING, ...timing },
    traces,
  });
  const tellReceived: Tell = (...of) => conversations.tell(...of);
  const feed = createFeed({
    db,
    tell: tellBy({ 'message.received': tellReceived, 'contact.identified': tellReceived }, tellMessages),
  });
  const bulks = createBulks({
    db,
    clock,
    registry,
    connections,
    events,
    idempotency,
    doorbell,
    plan: notifications.plan,
    codes: notifications.codes,
  });
  const campaigns = createCampaigns({ db, registry, connections, templates, bulks });
  const custody: Custody = createCustody({ db, log, events, audit, doorbell, files });
  const contacts = createContacts({ db, connections });
  const conversations: Conversations = createConversations({
    db,
    registry,
    connections,
    contacts,
    notifications,
    tenants,
    events,
  });
  const replies = createReplies({ db, clock, log, registry, connections, conversations });
  const media = createMedia({ db, log, connections, download });
  const inbound: Inbound = createInbound({
    db,
    connections,
    sandbox,
    receipts: notifications.receipts,
    take: createTake({ events }),
    notices: createNotices({ events }),
    async hear(trx, { messages, preferences }) {
      await suppressions.prefer(trx, preferences);
      await replies.hear(trx, messages, await suppressions.hear(trx, messages));
    },
    doorbell,
    log,
    events,
    // Whom endpoints belong to is known further on in the house.
    wanted: (sql) => webhooks.rawReaders(sql),
  });
  const webhooks: Webhooks = createWebhooks({
    db,
    registry,
    clock,
    log,
    vault,
    fetch,
    egress,
    feed,
    events,
    audit,
    tenants,
    mail,
    publicUrl,
    timing: timing?.webhooks,
  });
  const alerts = createAlerts({
    db,
    clock,
    log,
    registry,
    events,
    feed,
    tenants,
    notifications,
    webhooks,
    mail,
    publicUrl,
    everyMs: timing?.alertsMs,
  });
  const erasures = createErasures({ db, log, clock, registry, vault, events, tenants, suppressions });

  return {
    config,
    log,
    clock,
    db,
    vault,
    queues,
    doorbell,
    registry,
    health,
    audit,
    mail,
    idempotency,
    limits,
    tenants,
    connections,
    sandbox,
    templates,
    suppressions,
    notifications,
    feed,
    bulks,
    campaigns,
    custody,
    contacts,
    conversations,
    media,
    replies,
    inbound,
    webhooks,
    alerts,
    erasures,
    publicUrl,
    async close() {
      await notifications.idle();
      await Promise.allSettled([tenants.close(), limits.close(), connections.closeAll(), doorbell.close()]);
      await Promise.allSettled([fetch.close(), download.close(), queues.close(), mail?.close(), traces?.close()]);
      await db.close();
    },
  };
}
