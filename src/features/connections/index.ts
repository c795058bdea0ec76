/** The door of connections: credentials for adapters, sealed, routed and opened. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Vault } from '../../lib/crypto.ts';
import type { Db } from '../../lib/db.ts';
import type { Egress } from '../../lib/egress.ts';
import type { Fetch } from '../../lib/fetch.ts';
import type { Route } from '../../lib/http.ts';
import type { Log } from '../../lib/log.ts';
import type { Audit } from '../audit/index.ts';
import type { Connections } from './door.ts';

export type { ConnectionRoute, Connections, OpenConnection } from './door.ts';

export interface ConnectionsDeps {
  readonly db: Db;
  readonly vault: Vault;
  readonly registry: Registry;
  readonly fetch: Fetch;
  readonly egress: Egress;
  readonly clock: Clock;
  readonly log: Log;
  /** Known once the server listens; never ends in a slash. */
  readonly publicUrl: () => string;
  readonly audit: Audit;
}

export function createConnections(_deps: ConnectionsDeps): Connections {
  throw new Error('not built yet');
}
export const connectionRoutes = (_connections: Connections): readonly Route[] => [];
