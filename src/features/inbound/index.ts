/**
 * The door providers come in by: verify over the raw bytes, store them, answer, and only then read them. A request that was
 * answered with 200 is applied, whatever happens in between; a fault in the reading can be mended and the bytes read again.
 */
import {
  type AnyAdapter,
  type ChannelEvent,
  type PreferenceEvent,
  type RawRequest,
  type ReceiptEvent,
  storable,
} from '../../channel-kit/index.ts';
import { createBatcher } from '../../lib/batch.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError, isOutage } from '../../lib/errors.ts';
import type { Mode, Reply } from '../../lib/http.ts';
import { fromWire, newId } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import { dropOlder } from '../../lib/partitions.ts';
import type { Doorbell } from '../../lib/queue.ts';
import type { Connections, OpenConnection } from '../connections/index.ts';
import type { Heard, Notices, Take } from '../conversations/index.ts';
import type { NewReceipt, Receipts } from '../notifications/index.ts';
import { SANDBOX_ADAPTER, type Sandbox } from '../sandbox/index.ts';
import { createPassOn, type PassOnDeps } from './passthrough.ts';
import {
  claimRequests,
  hasWaiting,
  insertRequests,
  markApplied,
  markUnreadable,
  putOff,
  type ReadRequest,
  type StoredRequest,
} from './store.ts';

export { type Passed, readPassed } from './passthrough.ts';
export { inboundRoutes } from './routes.ts';

export interface Inbound {
  /** Answers a provider's request. Throws `not_found`, `bad_signature`. */
  receive(adapterId: string, connectionWireId: string, request: RawRequest): Promise<Reply>;
  /** Reads what was stored and hands it on; returns how many requests. */
  apply(): Promise<number>;
  /** Drops months of requests older than so many days, all of them read; 0 keeps everything. Returns how many months. */
  purge(days: number): Promise<number>;
}

export interface InboundDeps extends Pick<PassOnDeps, 'events' | 'wanted'> {
  readonly db: Db;
  readonly connections: Connections;
  readonly sandbox: Sandbox;
  readonly receipts: Receipts;
  readonly take: Take;
  readonly notices: Notices;
  /** Who wants to know what people say, in the same transaction: each message once, preferences as often as they are told. */
  readonly hear?: Hear | undefined;
  readonly doorbell: Doorbell;
  readonly log: Log;
}

/** Somebody has told the provider what he wants, or no longer wants. */
export interface Preference extends Pick<PreferenceEvent, 'recipient' | 'category' | 'value' | 'at'> {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly channel: string;
  readonly connectionId: string;
}

export type Hear = (
  trx: Sql,
  said: { readonly messages: readonly Heard[]; readonly preferences: readonly Preference[] },
) => Promise<void>;

interface Door {
  handshake(request: RawRequest): string | false | undefined;
  verify(request: RawRequest): boolean;
  parse(request: RawRequest): readonly ChannelEvent[];
}

/** What the requests of a batch say. */
interface Found {
  readonly receipts: NewReceipt[];
  readonly messages: Parameters<Take>[1][number][];
  readonly preferences: Preference[];
  readonly notices: Parameters<Notices>[1][number][];
}

export function createInbound(deps: InboundDeps): Inbound {
  const { db, connections, sandbox, receipts, take, notices, hear, doorbell, log, ...rest } = deps;
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
        parse: (request) => sandbox.webhook.parse(request),
      };
    const webhook: AnyAdapter['webhook'] = connection.adapter.id === adapterId ? connection.adapter.webhook : undefined;
    if (!webhook) return undefined;
    const { credentials } = connection;
    return {
      handshake: (request) => webhook.handshake?.(request, credentials),
      verify: (request) => webhook.verify(request, credentials),
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
  ): Promise<OpenConnection | undefined> {
    if (account === undefined || connection.account === undefined || account === connection.account) return connection;
    const candidates = await connections.open(await connections.byAccount(connection.adapter.id, account), {
      archived: true,
    });
    for (const candidate of candidates.values())
      if (candidate.adapter.webhook?.verify(request, candidate.credentials)) return candidate;
    return undefined;
  }

  const passOn = createPassOn({ ...rest, ownerOf });

  /** Adds what it says to what the batch says. False: the connection cannot be opened here. */
  async function read(request: ReadRequest, connection: OpenConnection | undefined, found: Found): Promise<boolean> {
    const door = connection && doorOf(request.adapter, connection);
    if (!door) return false;
    for (const event of door.parse(request)) {
      if (event.type === 'ignored') {
        log.debug({ inbound_id: request.id, reason: event.reason }, 'inbound event ignored');
        continue;
      }
      const owner = await ownerOf(request, connection, event.account);
      if (!owner) log.warn({ inbound_id: request.id }, 'an event of an account that is not connected here');
      else if (event.type === 'receipt') found.receipts.push(receiptOf(event, request, owner.id));
      // A connection of the platform serves many, and nobody can tell to whom of them somebody writes.
      else if (owner.tenantId === undefined)
        log.info({ inbound_id: request.id, type: event.type }, 'inbound event of a connection of the platform');
      else add(found, event, request, owner, owner.tenantId);
    }
    return true;
  }

  /** The oldest waiting requests, in one transaction; returns how many there were. */
  const applyBatch = (
    limit: number,
    taken: (requests: readonly ReadRequest[]) => void = () => undefined,
  ): Promise<number> =>
    db.transaction(async (trx) => {
      const requests = await claimRequests(trx, limit);
      if (requests.length === 0) return 0;
      taken(requests);
      const opened = await connections.open(
        requests.map(({ connectionId }) => connectionId),
        { archived: true },
      );
      const found: Found = { receipts: [], messages: [], preferences: [], notices: [] };
      const [done, later]: [string[], string[]] = [[], []];
      for (const request of requests)
        ((await read(request, opened.get(request.connectionId), found)) ? done : later).push(request.id);
      perRequest = Math.max(1, (found.receipts.length + found.messages.length) / requests.length);
      await receipts.ingest(trx, found.receipts);
      const messages = await take(trx, found.messages);
      await notices(trx, found.notices);
      const { preferences } = found;
      if (messages.length > 0 || preferences.length > 0) await hear?.(trx, { messages, preferences });
      await passOn(trx, requests, opened);
      if (done.length > 0) await markApplied(trx, done);
      if (later.length > 0) await putOff(trx, later, PUT_OFF_SECONDS);
      return requests.length;
    });

  /** One by one, so that a request that cannot be read fails alone and holds nobody up. */
  async function applySingly(): Promise<number> {
    for (let count = 0; ; count++) {
      let current: ReadRequest | undefined;
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
      if (!door.verify(request)) throw new ApiError('bad_signature');
      if (challenge !== undefined) return { status: 200, body: challenge, type: 'text/plain' };
      await store.add({ ...request, id: newId(), connectionId, adapter: adapterId });
      return { status: 200, body: '', type: 'text/plain' };
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

/** Statuses of one transaction, about; a request that holds more is read whole. */
const BATCH = 1_000;
const PUT_OFF_SECONDS = 60;
const ID_MAX = 512;
const TEXT_MAX = 1_000;

function add(
  { messages, preferences, notices }: Found,
  event: Exclude<ChannelEvent, { type: 'ignored' | 'receipt' }>,
  request: ReadRequest,
  connection: OpenConnection,
  tenantId: string,
): void {
  const { id: connectionId, mode, channel } = connection;
  if (event.type === 'message')
    messages.push({ connection, tenantId, inboundId: request.id, receivedAt: request.at, event });
  else if (event.type === 'notice') notices.push({ connection, tenantId, event });
  else preferences.push({ ...event, tenantId, mode, channel: channel.id, connectionId });
}

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
