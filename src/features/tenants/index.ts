/** The door of tenants: accounts, keys, people and their sessions. */
import type { Clock } from '../../lib/clock.ts';
import type { Config } from '../../lib/config.ts';
import type { Vault } from '../../lib/crypto.ts';
import type { Db } from '../../lib/db.ts';
import type { Route } from '../../lib/http.ts';
import type { Log } from '../../lib/log.ts';
import type { Audit } from '../audit/index.ts';
import type { Tenants } from './door.ts';

export type {
  Headers,
  Keys,
  Page,
  Session,
  Sessions,
  SignUp,
  Tenant,
  TenantSubscriber,
  Tenants,
  User,
} from './door.ts';

export interface TenantsDeps {
  readonly db: Db;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: Pick<Config, 'signUp' | 'adminKey' | 'defaultCountry'>;
  readonly audit: Audit;
}

export function createTenants(_deps: TenantsDeps): Tenants {
  throw new Error('not built yet');
}
export const tenantRoutes = (_tenants: Tenants): readonly Route[] => [];
