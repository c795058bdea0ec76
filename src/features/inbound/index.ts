/**
 * The door providers come in by: verify over the raw bytes, store them, answer, and only then read them. A request that was
 * answered with 200 is applied, whatever happens in between; a fault in the reading can be mended and the bytes read again.
 */
import {
  type AnyAdapter,
  type ChannelEvent,
  DeliveryError,
  type RawRequest,
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
import type { Notices, Take } from '../conversations/index.ts';
import type { Receipts } from '../notifications/index.ts';
import { SANDBOX_ADAPTER, type Sandbox } from '../sandbox/index.ts';
import { createDocuments } from './documents.ts';
import { add, type Found, type Hear, receiptOf } from './found.ts';
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

export type { Hear, Preference } from './found.ts';
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

interface Door {
  handshake(request: RawRequest): string | false | undefined;
  verify(request: RawRequest): boolean | Promise<boolean>;
  /** Does what a genuine request asks for at once. */
  confirm(request: RawRequest): Promise<void>;
  readonly reply: { readonly type: string; readonly body: string };
  parse(request: RawRequest): readonly ChannelEvent[] | Promise<readonly ChannelEvent[]>;
}

const NO_REPLY = { type: 'text/plain', body: '' };

export function createInbound(deps: InboundDeps): Inbound {
  const { db, connections, sandbox, receipts, take, notices, hear, doorbell, log, ...rest } = deps;
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
  ): Promise<OpenConnection | undefined> {
    if (account === undefined || connection.account === undefined || account === connection.account) return connection;
    const candidates = await connections.open(await connections.byAccount(connection.adapter.id, account), {
      archived: true,
    });
    for (const candidate of candidates.values())
      if (await candidate.adapter.webhook?.verify(request, candidate.credentials)) return candidate;
    return undefined;
  }

  const passOn = createPassOn({ ...rest, ownerOf });

  /** Adds what it says to what the batch says. False: the connection cannot be opened here. */
  async function read(request: ReadRequest, connection: OpenConnection | undefined, found: Found): Promise<boolean> {
    const door = connection && doorOf(request.adapter, connection);
    if (!door) return false;
    for (const event of await door.parse(request)) {
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
