/** Endpoints as a tenant manages them, and the whole of what stands behind them: told, delivered, given up, looked at. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Vault } from '../../lib/crypto.ts';
import type { Db, Sql } from '../../lib/db.ts';
import type { Egress } from '../../lib/egress.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Fetch } from '../../lib/fetch.ts';
import type { Mode, Principal } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import { type List, listPage, readCursor } from '../../lib/list.ts';
import type { Log } from '../../lib/log.ts';
import type { Mail } from '../../lib/mail.ts';
import type { Audit } from '../audit/index.ts';
import type { Events, Feed } from '../events/index.ts';
import type { Tenants } from '../tenants/index.ts';
import { checkAddress } from './address.ts';
import { isSuccess } from './call.ts';
import { insertTest, purgeDeliveries, waitForTest } from './deliveries-store.ts';
import { createDispatch } from './dispatch.ts';
import { fanOut, ownEvent } from './fan-out.ts';
import { createDeliveryLog, type DeliveryLog } from './log.ts';
import { createRules, type Rules } from './rules-service.ts';
import { dropTarget } from './rules-store.ts';
import type {
  CreateEndpoint,
  EndpointItem,
  EndpointWithSecret,
  PatchEndpoint,
  ResumeEndpoint,
  TestResult,
} from './schema.ts';
import { createSecrets } from './secrets.ts';
import * as store from './store.ts';
import { WEBHOOK_TIMING, type WebhookTiming } from './timetable.ts';
import { show } from './view.ts';
import { bodyOf, isOurs } from './words.ts';

export interface Webhooks {
  /** The secret is in the answer only. Throws `url_not_allowed`, `conflict` when there are fifty already. */
  create(principal: Principal, command: CreateEndpoint): Promise<EndpointWithSecret>;
  list(principal: Principal, page: { readonly limit: number; readonly cursor?: string }): Promise<List<EndpointItem>>;
  /** What each of these has yet to hear, by its id. */
  waiting(principal: Principal, ids: readonly string[]): Promise<ReadonlyMap<string, Omit<store.Waiting, 'id'>>>;
  /** All that take an id throw `not_found`. */
  get(principal: Principal, id: string): Promise<EndpointItem>;
  /** Throws `url_not_allowed`. What has been made of events already keeps its bytes and goes to the new address. */
  patch(principal: Principal, id: string, command: PatchEndpoint): Promise<EndpointItem>;
  archive(principal: Principal, id: string): Promise<void>;
  /** A new secret; the one before signs along for a day. */
  rotate(principal: Principal, id: string): Promise<EndpointWithSecret>;
  /** Throws `conflict` for one that is disabled. */
  pause(principal: Principal, id: string): Promise<EndpointItem>;
  resume(principal: Principal, id: string, command: ResumeEndpoint): Promise<EndpointItem>;
  /** Calls it now, whatever its status. Throws `rate_limited`: twenty a minute a tenant. */
  test(principal: Principal, id: string): Promise<TestResult>;
  readonly log: DeliveryLog;
  readonly rules: Rules;
  /** Whose endpoints want the words of providers as they came. */
  rawReaders(sql: Sql): Promise<readonly { readonly tenantId: string; readonly mode: Mode }[]>;
  /** The most failures in a row that any endpoint of a tenant has at the moment. */
  failuresInRow(sql: Sql, tenantId: string, mode: Mode): Promise<number>;
  /** Makes deliveries of events; returns how many endpoints were moved on. For a worker. */
  fanOut(): Promise<number>;
  /** Begins what is due; returns how many calls. For a worker, which is told by `free` when there is room again. */
  deliver(free: () => void): Promise<number>;
  /** Forgets deliveries that ended so many days ago; 0 keeps them. */
  purge(days: number): Promise<void>;
  stop(withinMs: number): Promise<void>;
}

export interface WebhooksDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly vault: Vault;
  readonly fetch: Fetch;
  readonly egress: Egress;
  readonly feed: Feed;
  readonly events: Events;
  readonly audit: Audit;
  readonly tenants: Pick<Tenants, 'mailTo'>;
  readonly mail: Mail | undefined;
  readonly publicUrl: () => string;
  readonly timing?: Partial<WebhookTiming> | undefined;
}

const ENDPOINTS_MAX = 50;
const TESTS_A_MINUTE = 20;
const PURGED_AT_ONCE = 5_000;
/** Rows that are counted of what waits. */
const COUNTED = 1_000;

export function createWebhooks({
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
  timing: given,
}: WebhooksDeps): Webhooks {
  const timing = { ...WEBHOOK_TIMING, ...given };
  const secrets = createSecrets({ vault, log });
  const rules = createRules({ db, feed, registry });
  const dispatch = createDispatch({ db, clock, log, fetch, secrets, timing, disable });

  async function disable(trx: Sql, id: string, reason: 'failing' | 'gone'): Promise<() => void> {
    const row = await store.stopEndpoint(trx, id, 'disabled', reason);
    const { tenantId, mode } = row;
    const endpoint = toWire('endpoint', id);
    await events.emit(trx, [{ tenantId, mode, type: 'endpoint.disabled', data: show(row) }]);
    await audit.record(trx, {
      tenantId,
      actor: { kind: 'operator', id: 'carillon' },
      action: 'webhook.disabled',
      target: endpoint,
      detail: { reason, failures_in_row: row.failuresInRow },
    });
    const people = mail ? await tenants.mailTo(tenantId) : [];
    const words = {
      site: new URL(publicUrl()).host,
      link: `${publicUrl()}/portal/webhooks`,
      endpoint,
      data: mode === 'live' ? 'live' : 'test',
    };
    return () => {
      log.warn({ endpoint, reason }, 'a webhook endpoint was disabled');
      for (const to of people) mail?.post({ to, name: 'webhook-disabled', words });
    };
  }

  const change = <T>(
    { tenantId, mode }: Principal,
    id: string,
    work: (trx: Sql, row: store.EndpointRow) => Promise<T>,
  ): Promise<T> =>
    db.transaction(async (trx) =>
      work(trx, there(await store.findEndpoint(trx, tenantId, mode, uuid(id), 'for update'))),
    );

  return {
    async create({ tenantId, mode }, command) {
      const { url, name = '', event_types = null, heartbeat_seconds = null } = command;
      const { routing = 'subscriptions', format = 'native' } = command;
      checkBeat(format, heartbeat_seconds);
      const address = checkAddress(url, egress, publicUrl());
      return db.transaction(async (trx) => {
        const id = newId();
        const after = await feed.now(trx);
        const row = await store.insertEndpoint(
          trx,
          {
            id,
            tenantId,
            mode,
            name: name.trim(),
            url: address,
            eventTypes: event_types,
            routing,
            format,
            heartbeatSeconds: heartbeat_seconds,
            after,
          },
          ENDPOINTS_MAX,
        );
        if (!row) throw new ApiError('conflict', `There are ${ENDPOINTS_MAX} webhooks already. Archive one first.`);
        return { ...show(row), secret: await secrets.add(trx, tenantId, id, 0) };
      });
    },
    async list({ tenantId, mode }, { limit, cursor }) {
      const before = readCursor('endpoint', cursor);
      const rows = await db.read(tenantId, (sql) => store.listEndpoints(sql, tenantId, mode, limit + 1, before));
      return listPage(rows, limit, show);
    },
    waiting: ({ tenantId, mode }, ids) =>
      db.read(tenantId, async (sql) => {
        const rows = await store.countWaiting(sql, tenantId, mode, ids.map(uuid), COUNTED);
        return new Map(rows.map(({ id, ...waiting }) => [toWire('endpoint', id), waiting]));
      }),
    get: ({ tenantId, mode }, id) =>
      db.read(tenantId, async (sql) => show(there(await store.findEndpoint(sql, tenantId, mode, uuid(id))))),
    patch: (principal, id, command) =>
      change(principal, id, async (trx, row) => {
        const { url, name, event_types, heartbeat_seconds, routing = row.routing, format = row.format } = command;
        const heartbeatSeconds = heartbeat_seconds === undefined ? row.heartbeatSeconds : heartbeat_seconds;
        checkBeat(format, heartbeatSeconds);
        return show(
          await store.updateEndpoint(trx, {
            ...{ id: row.id, routing, format, heartbeatSeconds },
            name: name?.trim() ?? row.name,
            url: url === undefined ? row.url : checkAddress(url, egress, publicUrl()),
            eventTypes: event_types === undefined ? row.eventTypes : event_types,
          }),
        );
      }),
    archive: (principal, id) =>
      change(principal, id, async (trx, row) => {
        await store.archiveEndpoint(trx, row.id);
        await dropTarget(trx, row.tenantId, row.mode, row.id);
      }),
    rotate: (principal, id) =>
      change(principal, id, async (trx, row) => {
        const secret = await secrets.add(trx, row.tenantId, row.id, timing.overlapSeconds);
        return { ...show(await store.setOverlap(trx, row.id, timing.overlapSeconds)), secret };
      }),
    pause: (principal, id) =>
      change(principal, id, async (trx, row) => {
        if (row.status === 'disabled')
          throw new ApiError('conflict', 'It is disabled: nothing is sent until it is resumed.');
        return show(row.status === 'paused' ? row : await store.stopEndpoint(trx, row.id, 'paused'));
      }),
    resume: (principal, id, { drain_per_second = null }) =>
      change(principal, id, async (trx, row) =>
        show(row.status === 'active' ? row : await store.resumeEndpoint(trx, row.id, drain_per_second)),
      ),
    async test(principal, id) {
      const delivery = await change(principal, id, async (trx, { tenantId, mode, id: endpointId, url, format }) => {
        const wait = await waitForTest(trx, tenantId, TESTS_A_MINUTE);
        if (wait !== undefined)
          throw new ApiError('rate_limited', `Twenty tests a minute are enough. The next in ${wait} s.`, {
            retryAfterSeconds: wait,
          });
        const eventId = newId();
        const event = ownEvent(eventId, 'endpoint.test', mode, clock, 'This is a test. It is not part of the feed.');
        const body = isOurs(format) ? bodyOf(event, 0, format) : sampleOf(registry, format);
        const made = {
          ...{ id: newId(), tenantId, mode, endpointId, eventId, url, format, body },
          ...{ type: event.type, sequence: 0, tries: 0, fence: 1 },
        };
        await insertTest(trx, dispatch.owner, made, timing.leaseSeconds);
        return made;
      });
      const { statusCode, fault, answer, durationMs } = await dispatch.run(delivery);
      return {
        object: 'webhook_test',
        delivery_id: toWire('delivery', delivery.id),
        is_success: isSuccess(statusCode),
        status_code: statusCode,
        duration_ms: durationMs,
        fault,
        answer,
      };
    },
    log: createDeliveryLog({ db }),
    rules,
    rawReaders: store.rawReaders,
    failuresInRow: store.mostFailures,
    fanOut: () => fanOut({ db, feed, rules, registry, clock, window: timing.window }),
    deliver: (free) => dispatch.work(free),
    async purge(days) {
      if (days === 0) return;
      while ((await purgeDeliveries(db, days, PURGED_AT_ONCE)) === PURGED_AT_ONCE);
    },
    stop: (withinMs) => dispatch.stop(withinMs),
  };
}

function there<T>(row: T | undefined): T {
  if (row === undefined) throw new ApiError('not_found');
  return row;
}

/** A bot that was written for a provider would not know what a heartbeat is. */
function checkBeat(format: string, heartbeatSeconds: number | null): void {
  if (!isOurs(format) && heartbeatSeconds !== null)
    throw new ApiError('validation_failed', `heartbeat_seconds: is not for the format ${format}. Send null.`, {
      param: 'heartbeat_seconds',
    });
}

/** What a provider could send whose words this format passes on. */
const sampleOf = ({ channels }: Registry, format: string): string =>
  channels
    .flatMap(({ adapters }) => adapters)
    .find(({ webhook }) => webhook?.passthrough?.format === format)
    ?.webhook?.passthrough?.sample.toString() ?? '{}';

const uuid = (id: string): string => there(fromWire('endpoint', id));
