/**
 * Connections opened for use: secrets unsealed, the provider's client kept, the network guarded. What is kept is compared
 * with the row every 5 s at most; a client lives as long as its credentials stay the same, and is closed a while after they
 * changed, because an attempt may still be using it.
 */
import {
  type AnyAdapter,
  type CheckContext,
  type Credentials,
  classify,
  DeliveryError,
  type HttpRequest,
  type HttpResponse,
  type Net,
  type Registry,
  withDefaults,
} from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import type { Egress } from '../../lib/egress.ts';
import { type Fetch, FetchError } from '../../lib/fetch.ts';
import { toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { OpenConnection } from './door.ts';
import { paceOf } from './limits.ts';
import type { Seal } from './seal.ts';
import { type ConnectionRow, findAll } from './store.ts';

export interface PoolDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly fetch: Fetch;
  readonly egress: Egress;
  readonly clock: Clock;
  readonly log: Log;
  readonly seal: Seal;
  readonly publicUrl: () => string;
  /** Milliseconds a client outlives its credentials. Default 30,000: longer than any attempt. */
  readonly retireMs?: number;
}

export interface Pool {
  open(ids: readonly string[], options?: { readonly archived?: boolean }): Promise<ReadonlyMap<string, OpenConnection>>;
  /** The row changed in this process: look again at the next use. */
  forget(id: string): void;
  close(): void;
}

interface Closable {
  close(): void;
}
interface Entry {
  readonly row: ConnectionRow;
  /** `undefined`: the adapter is not installed, or the secrets do not open. */
  readonly connection: OpenConnection | undefined;
  readonly client: Lazy | undefined;
  seenAt: number;
}
interface Lazy {
  get(): unknown;
  close(): void;
}

const FRESH_MS = 5_000;
const KEPT_MAX = 1_000;

export function createPool(deps: PoolDeps): Pool {
  const { db, registry, clock, log, seal, publicUrl, retireMs = 30_000 } = deps;
  const entries = new Map<string, Entry>();
  const retired = new Set<Lazy>();
  const outside = { http: adaptFetch(deps.fetch), net: adaptDial(deps.egress) };

  function retire(client: Lazy | undefined): void {
    if (!client) return;
    retired.add(client);
    setTimeout(() => {
      retired.delete(client);
      client.close();
    }, retireMs).unref();
  }

  function build(row: ConnectionRow, kept?: Lazy): Entry {
    const seenAt = clock.now().getTime();
    const found = registry.adapter(row.adapter);
    const secrets = found && seal.unseal(row);
    if (!found || !secrets) return { row, connection: undefined, client: undefined, seenAt };
    const { channel, adapter } = found;
    const { http, net } = row.mode === 'sandbox' ? NOWHERE : outside;
    const credentials = withDefaults(adapter.credentials, { ...row.settings, ...secrets });
    const client =
      kept ??
      lazyClient(adapter, credentials, net, (error) =>
        log.warn({ err: error, connection: toWire('connection', row.id) }, 'a client did not close'),
      );
    const base = { http, net, credentials, channel, adapter, id: row.id, mode: row.mode, owner: row.owner };
    const connection: OpenConnection = {
      ...base,
      tenantId: row.tenant_id ?? undefined,
      account: row.account ?? undefined,
      pace: paceOf(adapter, row),
      archived: row.archived_at !== null,
      get client() {
        return client.get();
      },
      callbackUrl: (reference) =>
        callbackUrl(publicUrl(), adapter.id, row.id) +
        (reference === undefined ? '' : `?ref=${encodeURIComponent(reference)}`),
      checkContext: (signal): CheckContext<unknown> => ({
        credentials,
        client: client.get(),
        http: (request) => http(request, signal),
        signal,
        fault: (response) => classify(adapter, response, credentials),
      }),
    };
    return { row, connection, client, seenAt };
  }

  function keep(row: ConnectionRow): Entry {
    const known = entries.get(row.id);
    // Of two looks at one row the older one may come in last.
    if (known && known.row.updated_at > row.updated_at) return known;
    const same =
      known && sameCredentials(known.row, row) && known.row.archived_at?.getTime() === row.archived_at?.getTime();
    const entry =
      same && sameLimits(known.row, row)
        ? Object.assign(known, { seenAt: clock.now().getTime() })
        : build(row, same ? known.client : undefined);
    if (known && known.client !== entry.client) retire(known.client);
    entries.delete(row.id);
    entries.set(row.id, entry);
    for (const [id, oldest] of entries) {
      if (entries.size <= KEPT_MAX) break;
      entries.delete(id);
      retire(oldest.client);
    }
    return entry;
  }

  return {
    async open(ids, { archived = false } = {}) {
      const now = clock.now().getTime();
      const opened = new Map<string, OpenConnection>();
      const add = ({ connection }: Entry): void => {
        if (connection && (archived || !connection.archived)) opened.set(connection.id, connection);
      };
      const unsure: string[] = [];
      for (const id of new Set(ids)) {
        const entry = entries.get(id);
        if (entry && now >= entry.seenAt && now - entry.seenAt < FRESH_MS) add(entry);
        else unsure.push(id);
      }
      if (unsure.length > 0) for (const row of await findAll(db, unsure)) add(keep(row));
      return opened;
    },
    forget(id) {
      const entry = entries.get(id);
      if (entry) entry.seenAt = Number.NEGATIVE_INFINITY;
    },
    close() {
      for (const { client } of entries.values()) client?.close();
      for (const client of retired) client.close();
      entries.clear();
      retired.clear();
    },
  };
}

export const callbackUrl = (publicUrl: string, adapterId: string, connectionId: string): string =>
  `${publicUrl}/hooks/${adapterId}/${toWire('connection', connectionId)}`;

const sameCredentials = (a: ConnectionRow, b: ConnectionRow): boolean =>
  a.secrets === b.secrets && a.adapter === b.adapter && JSON.stringify(a.settings) === JSON.stringify(b.settings);

const sameLimits = (a: ConnectionRow, b: ConnectionRow): boolean =>
  a.per_second === b.per_second && a.concurrency === b.concurrency;

/** Opened on first use, once; closed once. */
function lazyClient(adapter: AnyAdapter, credentials: Credentials, net: Net, onError: (error: unknown) => void): Lazy {
  let client: Closable | undefined;
  return {
    get() {
      client ??= adapter.connect?.(credentials, net);
      return client;
    },
    close() {
      try {
        client?.close();
      } catch (error) {
        onError(error);
      }
      client = undefined;
    },
  };
}

/** An adapter's client, which what the core knows of the attempt can end. */
type Caller = (request: HttpRequest, signal?: AbortSignal) => Promise<HttpResponse>;

/** A sandbox connection has no way out of the process, whoever holds it. */
const refuse = async (): Promise<never> => {
  throw new DeliveryError('provider_unavailable', {
    providerCode: 'SANDBOX',
    providerMessage: 'nothing leaves the sandbox',
  });
};
const NOWHERE: { readonly http: Caller; readonly net: Net } = { http: refuse, net: { dial: refuse } };

/** Nothing left: try later. Something may have: nobody knows. */
const adaptFetch =
  (fetch: Fetch): Caller =>
  async (request, signal) => {
    try {
      return await fetch(signal ? { ...request, signal } : request);
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      throw new DeliveryError(error.sent ? 'outcome_unknown' : 'provider_unavailable', {
        providerMessage: error.message,
        ...(error.code === undefined ? {} : { providerCode: error.code }),
      });
    }
  };

const adaptDial = (egress: Egress): Net => ({
  async dial(host, port) {
    try {
      return await egress.dial(host, port);
    } catch (error) {
      const { code, message } = error as { code?: unknown; message?: string };
      throw new DeliveryError('provider_unavailable', {
        ...(typeof code === 'string' ? { providerCode: code } : {}),
        ...(message === undefined ? {} : { providerMessage: message }),
      });
    }
  },
});
