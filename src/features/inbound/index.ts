/**
 * The door providers come in by: verify over the raw bytes, store them, answer, and only then read them. A request that was
 * answered with 200 is applied, whatever happens in between; a fault in the reading can be mended and the bytes read again.
 */
import {
  type AnyAdapter,
  type ChannelEvent,
  DeliveryError,
  type RawRequest,
  type ReceiptEvent,
  storable,
} from '../../channel-kit/index.ts';
import { createBatcher } from '../../lib/batch.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError, isOutage } from '../../lib/errors.ts';
import type { Reply } from '../../lib/http.ts';
import { fromWire, newId } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import { dropOlder } from '../../lib/partitions.ts';
import type { Doorbell } from '../../lib/queue.ts';
import type { Connections, OpenConnection } from '../connections/index.ts';
import type { NewReceipt, Receipts } from '../notifications/index.ts';
import { SANDBOX_ADAPTER, type Sandbox } from '../sandbox/index.ts';
import { createDocuments } from './documents.ts';
import {
  claimRequests,
  hasWaiting,
  insertRequests,
  markApplied,
  markUnreadable,
  putOff,
  type StoredRequest,
} from './store.ts';

export { inboundRoutes } from './routes.ts';

export interface Inbound {
  /** Answers a provider's request. Throws `not_found`, `bad_signature`. */
  receive(adapterId: string, connectionWireId: string, request: RawRequest): Promise<Reply>;
  /** Reads what was stored and hands it on; returns how many requests. */
  apply(): Promise<number>;
  /** Drops months of requests older than so many days, all of them read; 0 keeps everything. Returns how many months. */
  purge(days: number): Promise<number>;
}

export interface InboundDeps {
  readonly db: Db;
  readonly connections: Connections;
  readonly sandbox: Sandbox;
  readonly receipts: Receipts;
  readonly doorbell: Doorbell;
  readonly log: Log;
}

interface Door {
  handshake(request: RawRequest): string | false | undefined;
  verify(request: RawRequest): boolean | Promise<boolean>;
  /** Does what a genuine request asks for at once. */
  confirm(request: RawRequest): Promise<void>;
  readonly reply: { readonly type: string; readonly body: string };
  parse(request: RawRequest): readonly ChannelEvent[] | Promise<readonly ChannelEvent[]>;
}

const NO_REPLY = { type: 'text/plain', body: '' };

export function createInbound({ db, connections, sandbox, receipts, doorbell, log }: InboundDeps): Inbound {
  const documents = createDocuments();
  /** Statuses in a request, as of the last batch. */
  let perRequest = 1;
  const store = createBatcher<StoredRequest, undefined>({
    flush: async (requests) => {
      await insertRequests(db, requests);
      // @crash K10: stored, and neither answered nor applied
      // Once for all that were stored together.
      doorbell.ring('inbound');
      return requests.map(() => undefined);
    },
    full: () => new ApiError('unavailable', undefined, { retryAfterSeconds: 1 }),
    isOutage,
    weigh: ({ body }) => body.length,
  });

  function doorOf(adapterId: string, connection: OpenConnection): Door | undefined {
    if (adapterId === SANDBOX_ADAPTER && connection.mode === 'sandbox')
      return {
        handshake: () => undefined,
        verify: (request) => sandbox.webhook.verify(request, connection.id),
        confirm: async () => undefined,
        reply: NO_REPLY,
        parse: (request) => sandbox.webhook.parse(request),
      };
    const webhook: AnyAdapter['webhook'] = connection.adapter.id === adapterId ? connection.adapter.webhook : undefined;
    if (!webhook) return undefined;
    const { credentials, http } = connection;
    return {
      handshake: (request) => webhook.handshake?.(request, credentials),
      verify: (request) => webhook.verify(request, credentials, documents.of(connection.id, http)),
      async confirm(request) {
        const url = webhook.confirm?.(request, credentials);
        const status = url === undefined ? 200 : (await http({ url })).status;
        if (status !== 200) throw new DeliveryError('provider_unavailable', { providerCode: String(status) });
      },
      reply: webhook.reply ?? NO_REPLY,
      parse: (request) => webhook.parse(request),
    };
  }

  async function open(connectionId: string): Promise<OpenConnection | undefined> {
    return (await connections.open([connectionId], { archived: true })).get(connectionId);
  }

  /**
   * One callback address may serve several accounts of one app (D26): an event of another account goes to that account's
   * connection, but only if the same request proves itself with that connection's secret too.
   */
  async function ownerOf(
    request: StoredRequest,
    connection: OpenConnection,
    account: string | undefined,
  ): Promise<string | undefined> {
    if (account === undefined || connection.account === undefined || account === connection.account)
      return connection.id;
    const candidates = await connections.open(await connections.byAccount(connection.adapter.id, account), {
      archived: true,
    });
    for (const candidate of candidates.values())
      if (await candidate.adapter.webhook?.verify(request, candidate.credentials)) return candidate.id;
    return undefined;
  }

  /** `undefined`: the connection cannot be opened here. */
  async function receiptsOf(
    request: StoredRequest,
    connection: OpenConnection | undefined,
  ): Promise<NewReceipt[] | undefined> {
    const door = connection && doorOf(request.adapter, connection);
    if (!door) return undefined;
    const found: NewReceipt[] = [];
    for (const event of await door.parse(request)) {
      if (event.type !== 'receipt') {
        const reason = event.type === 'ignored' ? event.reason : event.type;
        log.debug({ inbound_id: request.id, reason }, 'inbound event ignored');
        continue;
      }
      const owner = await ownerOf(request, connection, event.account);
      if (owner) found.push(receiptOf(event, request, owner));
      else log.warn({ inbound_id: request.id }, 'an event of an account that is not connected here');
    }
    return found;
  }

  /** The oldest waiting requests, in one transaction; returns how many there were. */
  const applyBatch = (
    limit: number,
    taken: (requests: readonly StoredRequest[]) => void = () => undefined,
  ): Promise<number> =>
    db.transaction(async (trx) => {
      const requests = await claimRequests(trx, limit);
      if (requests.length === 0) return 0;
      taken(requests);
      const opened = await connections.open(
        requests.map(({ connectionId }) => connectionId),
        { archived: true },
      );
      const read: { readonly request: StoredRequest; readonly found: readonly NewReceipt[] | undefined }[] = [];
      for (const request of requests)
        read.push({ request, found: await receiptsOf(request, opened.get(request.connectionId)) });
      const all = read.flatMap(({ found }) => found ?? []);
      perRequest = Math.max(1, all.length / requests.length);
      await receipts.ingest(trx, all);
      const idsOf = (understood: boolean) =>
        read.filter(({ found }) => (found !== undefined) === understood).map(({ request }) => request.id);
      const [done, later] = [idsOf(true), idsOf(false)];
      if (done.length > 0) await markApplied(trx, done);
      if (later.length > 0) await putOff(trx, later, PUT_OFF_SECONDS);
      return requests.length;
    });

  /** One by one, so that a request that cannot be read fails alone and holds nobody up. */
  async function applySingly(): Promise<number> {
    for (let count = 0; ; count++) {
      let current: StoredRequest | undefined;
      try {
        if (
          count >= BATCH ||
          (await applyBatch(1, ([request]) => {
            current = request;
          })) === 0
        )
          return count;
      } catch (error) {
        if (!current || isOutage(error)) throw error;
        log.error({ err: error, inbound_id: current.id }, 'a callback that was stored cannot be read; it is set aside');
        await markUnreadable(db, current.id, storable(error instanceof Error ? error.message : String(error), 500));
      }
    }
  }

  return {
    async receive(adapterId, connectionWireId, request) {
      const connectionId = fromWire('connection', connectionWireId);
      const connection = connectionId ? await open(connectionId) : undefined;
      const door = connection && doorOf(adapterId, connection);
      if (!connectionId || !door) throw new ApiError('not_found');
      const challenge = door.handshake(request);
      if (challenge === false) throw new ApiError('bad_signature');
      if (challenge !== undefined && request.method === 'GET')
        return { status: 200, body: challenge, type: 'text/plain' };
      if (!(await orLater(() => door.verify(request)))) throw new ApiError('bad_signature');
      if (challenge !== undefined) return { status: 200, body: challenge, type: 'text/plain' };
      await orLater(() => door.confirm(request));
      // A password proves who is asking, once; it is nothing to keep.
      const { authorization: _, ...headers } = request.headers;
      await store.add({ ...request, headers, id: newId(), connectionId, adapter: adapterId });
      return { status: 200, ...door.reply };
    },
    async apply() {
      try {
        return await applyBatch(Math.ceil(BATCH / perRequest));
      } catch (error) {
        if (isOutage(error)) throw error;
        return applySingly();
      }
    },
    purge: async (days) =>
      days === 0 ? 0 : dropOlder(db, 'inbound_requests', days, (sql, { name }) => hasWaiting(sql, name)),
  };
}

/** What needs somebody who cannot be reached just now: the provider may come again. */
async function orLater<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DeliveryError) throw new ApiError('unavailable', undefined, { retryAfterSeconds: 1 });
    throw error;
  }
}

/** Statuses of one transaction, about; a request that holds more is read whole. */
const BATCH = 1_000;
const PUT_OFF_SECONDS = 60;
const ID_MAX = 512;
const TEXT_MAX = 1_000;

/** What a stranger wrote, cut to what the store can hold. */
function receiptOf(event: ReceiptEvent, request: StoredRequest, connectionId: string): NewReceipt {
  const text = (value: string | undefined, max: number): string | null =>
    value === undefined ? null : storable(value, max);
  return {
    connectionId,
    key: storable(event.key, ID_MAX),
    inboundId: request.id,
    messageId: event.reference === undefined ? null : (fromWire('message', event.reference) ?? null),
    providerId: text(event.providerId, ID_MAX),
    receipt: event.receipt,
    fault: event.fault?.kind ?? null,
    providerCode: text(event.fault?.providerCode, ID_MAX),
    providerMessage: text(event.fault?.providerMessage, TEXT_MAX),
    at: event.at && isPlausible(event.at) ? event.at : null,
  };
}

/** A clock may be wrong, but not by a lifetime. */
const isPlausible = (at: Date): boolean => at.getTime() > Date.UTC(2000, 0) && at.getTime() < Date.UTC(2100, 0);
