/**
 * The door providers come in by: verify over the raw bytes, store them, answer, and only then read them. A request that was
 * answered with 200 is applied, whatever happens in between; a fault in the reading can be mended and the bytes read again.
 */
import type { AnyAdapter, ChannelEvent, RawRequest } from '../../channel-kit/index.ts';
import { createBatcher } from '../../lib/batch.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError, isOutage } from '../../lib/errors.ts';
import type { Reply } from '../../lib/http.ts';
import { fromWire, newId } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { Doorbell } from '../../lib/queue.ts';
import type { Connections, OpenConnection } from '../connections/index.ts';
import type { NewReceipt, Receipts } from '../notifications/index.ts';
import { SANDBOX_ADAPTER, type Sandbox } from '../sandbox/index.ts';
import { claimRequests, insertRequests, markApplied, type StoredRequest } from './store.ts';

export { inboundRoutes } from './routes.ts';

export interface Inbound {
  /** Answers a provider's request. Throws `not_found`, `bad_signature`. */
  receive(adapterId: string, connectionWireId: string, request: RawRequest): Promise<Reply>;
  /** Reads what was stored and hands it on; returns how many requests. */
  apply(): Promise<number>;
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
  verify(request: RawRequest): boolean;
  parse(request: RawRequest): readonly ChannelEvent[];
}

export function createInbound({ db, connections, sandbox, receipts, doorbell, log }: InboundDeps): Inbound {
  const store = createBatcher<StoredRequest, undefined>({
    flush: async (requests) => {
      await insertRequests(db, requests);
      return requests.map(() => undefined);
    },
    full: () => new ApiError('unavailable', undefined, { retryAfterSeconds: 1 }),
    isOutage,
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
  ): Promise<string | undefined> {
    if (account === undefined || connection.account === undefined || account === connection.account)
      return connection.id;
    const candidates = await connections.open(await connections.byAccount(connection.adapter.id, account), {
      archived: true,
    });
    for (const candidate of candidates.values())
      if (candidate.adapter.webhook?.verify(request, candidate.credentials)) return candidate.id;
    return undefined;
  }

  async function receiptsOf(request: StoredRequest): Promise<NewReceipt[]> {
    const connection = await open(request.connectionId);
    const door = connection && doorOf(request.adapter, connection);
    if (!door) return [];
    const found: NewReceipt[] = [];
    for (const event of door.parse(request)) {
      if (event.type === 'ignored') {
        log.debug({ inbound_id: request.id, reason: event.reason }, 'inbound event ignored');
        continue;
      }
      const owner = await ownerOf(request, connection, event.account);
      if (!owner) {
        log.warn({ inbound_id: request.id }, 'an event of an account that is not connected here');
        continue;
      }
      found.push({
        connectionId: owner,
        key: event.key,
        inboundId: request.id,
        messageId: event.reference === undefined ? null : (fromWire('message', event.reference) ?? null),
        providerId: event.providerId ?? null,
        receipt: event.receipt,
        fault: event.fault?.kind ?? null,
        providerCode: event.fault?.providerCode ?? null,
        providerMessage: event.fault?.providerMessage ?? null,
        at: event.at ?? null,
      });
    }
    return found;
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
      doorbell.ring('inbound');
      return { status: 200, body: '', type: 'text/plain' };
    },
    apply: () =>
      db.transaction(async (trx) => {
        const requests = await claimRequests(trx, 200);
        if (requests.length === 0) return 0;
        const found = (await Promise.all(requests.map(receiptsOf))).flat();
        await receipts.ingest(trx, found);
        await markApplied(
          trx,
          requests.map(({ id }) => id),
        );
        return requests.length;
      }),
  };
}
