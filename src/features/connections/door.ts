/** What other features may ask of connections. */

import type {
  AnyAdapter,
  AnyChannel,
  CheckContext,
  Credentials,
  FaultKind,
  HttpClient,
  Net,
} from '../../channel-kit/index.ts';
import type { Soon } from '../../lib/cache.ts';
import type { Mode, Principal } from '../../lib/http.ts';
import type { List } from '../../lib/list.ts';
import type { ConnectionItem, CreateConnection, GatewayItem, PatchConnection, TestResult } from './schema.ts';

/** What a connection may be asked to take. */
export interface Pace {
  /** Calls a second. */
  readonly perSecond: number;
  /** Calls in flight per process. */
  readonly concurrency: number;
}

/** How a connection fares by the last answers of its provider. */
export interface Standing {
  readonly status: 'ok' | 'failing' | 'resting';
  readonly fault?: FaultKind | undefined;
  /** In the provider's words. */
  readonly note?: string | undefined;
  /** How long nothing is sent through it. */
  readonly waitMs?: number | undefined;
}

/** By the store's clock. */
export interface Touch {
  /** Its owner has changed it. */
  readonly changed: Date;
  /** A test or another process has found it well; null: the last word is another. */
  readonly well: Date | null;
  readonly archived: boolean;
}

export interface Page {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Where a channel's message goes. */
export interface ConnectionRoute {
  /** UUID. */
  readonly connectionId: string;
  readonly adapter: AnyAdapter;
  readonly channel: AnyChannel;
}

/** A connection ready for use. It stays usable for the length of an attempt after it was changed. */
export interface OpenConnection {
  /** UUID. */
  readonly id: string;
  /** `undefined` for the platform's own. */
  readonly tenantId: string | undefined;
  readonly mode: Mode;
  readonly owner: 'platform' | 'tenant' | 'customer';
  readonly channel: AnyChannel;
  readonly adapter: AnyAdapter;
  /** Settings and secrets in one, defaults filled in. Never log them. */
  readonly credentials: Credentials;
  /** The account at the provider, for adapters that name one. */
  readonly account: string | undefined;
  /** The owner's limits over those of `adapter`. An adapter that stands in for it keeps its own. */
  readonly pace: Pace;
  /** Someone has removed it: nothing new is sent, late callbacks are still read. */
  readonly archived: boolean;
  /** What `adapter.connect` opened, on first use, kept while the credentials stay the same. */
  readonly client: unknown;
  /** `…/hooks/<adapter>/con_…`, with `?ref=` for a message's own callbacks. */
  callbackUrl(reference?: string): string;
  /** Throws `DeliveryError`: `provider_unavailable` when nothing left, `outcome_unknown` when something may have. */
  readonly http: HttpClient;
  readonly net: Net;
  checkContext(signal: AbortSignal): CheckContext<unknown>;
}

export interface Connections {
  /** Throws `live_mode_required`, `channel_unknown`, `validation_failed` (paths `credentials.…`), `url_not_allowed`. */
  create(principal: Principal, command: CreateConnection): Promise<ConnectionItem>;
  /** The caller's own, in its mode. Ids are on the wire form; another's id is `not_found`. */
  list(principal: Principal, page: Page): Promise<List<ConnectionItem>>;
  get(principal: Principal, id: string): Promise<ConnectionItem>;
  /** Credentials that are not given stay; `null` takes an optional one away. */
  patch(principal: Principal, id: string, command: PatchConnection): Promise<ConnectionItem>;
  /** The next in order becomes the channel's default. */
  archive(principal: Principal, id: string): Promise<void>;
  /** Asks the provider, 10 s at most. Throws `connection_failed` with the reason, the fix, and the provider's words. */
  test(principal: Principal, id: string): Promise<TestResult>;
  /** Sending routes open to the caller, the platform's included; no credentials. */
  gateways(principal: Principal): Promise<readonly GatewayItem[]>;

  /** One connection for each channel that has one; at most 5 s old. In sandbox every known channel has one. */
  routes(tenantId: string, mode: Mode): Soon<ReadonlyMap<string, ConnectionRoute>>;
  /** Those that exist and can be unsealed, by id. `archived: true` also gives removed ones, for late callbacks. */
  open(
    connectionIds: readonly string[],
    options?: { readonly archived?: boolean },
  ): Promise<ReadonlyMap<string, OpenConnection>>;
  /** For providers with one callback address an app: every connection of this account. */
  byAccount(adapterId: string, account: string): Promise<readonly string[]>;
  /** Remembers how it fares; written behind the caller's back, at most once a minute while nothing changes. */
  health(connectionId: string, standing: Standing): void;
  /** When these were last changed, removed, or found well, by the store's clock. */
  touched(connectionIds: readonly string[]): Promise<ReadonlyMap<string, Touch>>;
  /** Closes every client and writes what `health` still holds. */
  closeAll(): Promise<void>;
}
