/**
 * Which connection a channel's messages go through. Live: the tenant's own, then the platform's, the default first. Sandbox:
 * the tenant's own for that channel, made at first use with credentials that lead nowhere.
 */
import type { AnyChannel, Registry } from '../../channel-kit/index.ts';
import { createCache, type Soon } from '../../lib/cache.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { newId } from '../../lib/ids.ts';
import type { ConnectionRoute } from './door.ts';
import { noLimits } from './limits.ts';
import type { Seal } from './seal.ts';
import { accountOf, sandboxValues, split } from './settings.ts';
import { type ConnectionRow, insertSandbox, listUsable, type NewConnection } from './store.ts';

export interface Routing {
  routes(tenantId: string, mode: Mode): Soon<ReadonlyMap<string, ConnectionRoute>>;
  /** Every usable row, first choice first within each channel, in the channels' listing order. */
  usable(tenantId: string, mode: Mode): Promise<readonly ConnectionRow[]>;
  /** `null`: the platform's changed, which concerns everybody. */
  forget(tenantId: string | null, mode: Mode): void;
}

export interface RoutingDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly seal: Seal;
}

export function createRouting({ db, registry, clock, seal }: RoutingDeps): Routing {
  const cache = createCache<string, ReadonlyMap<string, ConnectionRoute>>({ clock });
  const keyOf = (tenantId: string, mode: Mode): string => `${mode}|${tenantId}`;

  function sandboxOf(tenantId: string, channel: AnyChannel): NewConnection | undefined {
    const [adapter] = channel.adapters;
    if (!adapter) return undefined;
    const id = newId();
    const values = sandboxValues(adapter);
    const { settings, secrets } = split(adapter, values);
    return {
      id,
      owner: tenantId,
      mode: 'sandbox',
      channel: channel.id,
      adapter: adapter.id,
      name: `Sandbox ${channel.label}`,
      settings,
      secrets: seal.seal(tenantId, id, secrets),
      account: accountOf(adapter, values),
      isDefault: true,
      position: 0,
      ...noLimits,
    };
  }

  async function read(tenantId: string, mode: Mode): Promise<readonly ConnectionRow[]> {
    const rows = await listUsable(db, tenantId, mode);
    if (mode === 'live') return rows;
    const known = new Set(rows.map(({ channel }) => channel));
    const missing = registry.channels
      .filter(({ id }) => !known.has(id))
      .map((channel) => sandboxOf(tenantId, channel))
      .filter((row) => row !== undefined);
    if (missing.length === 0) return rows;
    await insertSandbox(db, missing);
    return listUsable(db, tenantId, mode);
  }

  async function usable(tenantId: string, mode: Mode): Promise<readonly ConnectionRow[]> {
    const rows = await read(tenantId, mode);
    return registry.channels.flatMap((channel) =>
      rows.filter((row) => row.channel === channel.id && channel.adapters.some(({ id }) => id === row.adapter)),
    );
  }

  async function firstChoices(tenantId: string, mode: Mode): Promise<ReadonlyMap<string, ConnectionRoute>> {
    const routes = new Map<string, ConnectionRoute>();
    for (const { id, channel, adapter } of await usable(tenantId, mode)) {
      const found = registry.adapter(adapter);
      if (found && !routes.has(channel)) routes.set(channel, { connectionId: id, ...found });
    }
    return routes;
  }

  return {
    usable,
    routes: (tenantId, mode) => cache.get(keyOf(tenantId, mode), () => firstChoices(tenantId, mode)),
    forget(tenantId, mode) {
      if (tenantId === null) cache.clear();
      else cache.forget(keyOf(tenantId, mode));
    },
  };
}
