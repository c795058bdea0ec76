/** Tenants and connections on a fresh database behind the real HTTP stack: what most integration tests need. */
import { type AnyChannel, createRegistry } from '../../src/channel-kit/index.ts';
import { auditRoutes, createAudit } from '../../src/features/audit/index.ts';
import { connectionRoutes, createConnections } from '../../src/features/connections/index.ts';
import { createLimits } from '../../src/features/limits/index.ts';
import { createTenants, tenantRoutes } from '../../src/features/tenants/index.ts';
import type { Config } from '../../src/lib/config.ts';
import { createVault } from '../../src/lib/crypto.ts';
import { createEgress } from '../../src/lib/egress.ts';
import { ApiError } from '../../src/lib/errors.ts';
import { createFetch } from '../../src/lib/fetch.ts';
import { createLog } from '../../src/lib/log.ts';
import { createTestDatabase } from './database.ts';
import { serve } from './server.ts';

export const ADMIN_KEY = 'operator-key-of-the-tests-0123456789';

/** A clock that tests can move; it runs on by itself otherwise. */
export function movableClock() {
  let offset = 0;
  return {
    now: () => new Date(Date.now() + offset),
    advance(ms: number) {
      offset += ms;
    },
  };
}

export interface WorldOptions {
  readonly channels?: readonly AnyChannel[];
  readonly egressAllow?: readonly string[];
  readonly signUp?: 'open' | 'invite' | 'closed';
  readonly adminKey?: string | undefined;
  readonly limits?: Partial<Pick<Config, 'rateLimit' | 'otpPerHour'>>;
}

export async function createWorld(options: WorldOptions = {}) {
  const { channels = [], egressAllow = [], signUp = 'open' } = options;
  const database = await createTestDatabase();
  const { db } = database;
  const clock = movableClock();
  const log = createLog('silent');
  const vault = createVault([{ id: 'k1', secret: Buffer.alloc(32, 7) }]);
  const egress = createEgress(egressAllow);
  const fetch = createFetch(egress);
  const audit = createAudit({ db, clock });
  const adminKey = 'adminKey' in options ? options.adminKey : ADMIN_KEY;
  const publicUrl = () => 'https://bells.example.com';
  const settings = { signUp, adminKey, defaultCountry: 'DE', rateLimit: undefined, otpPerHour: 5, ...options.limits };
  const limits = createLimits({ db, clock, log, vault });
  const tenants = createTenants({ db, vault, clock, log, audit, limits, config: settings, publicUrl });
  const registry = createRegistry(channels);
  const connections = createConnections({ db, vault, registry, fetch, egress, clock, log, publicUrl, audit });
  const http = await serve([...auditRoutes(audit), ...tenantRoutes(tenants), ...connectionRoutes(connections)], {
    audit: audit.hook,
    authenticate: {
      key: ({ headers, ip }) => tenants.authenticate(headers, ip),
      admin: ({ headers }) => tenants.authenticateAdmin(headers),
      session: () => Promise.reject(new ApiError('unauthorized')),
      open: () => Promise.reject(new ApiError('unauthorized')),
    },
  });
  return {
    database,
    db,
    clock,
    vault,
    audit,
    tenants,
    connections,
    http,
    call: http.call,
    async close() {
      await http.close();
      await connections.closeAll();
      await tenants.close();
      await limits.close();
      await fetch.close();
      await database.close();
    },
  };
}
export type World = Awaited<ReturnType<typeof createWorld>>;
