/** Every route of the product, without a product: the handlers are never called, so what they would ask is not there. */
import { channels } from '../../channels/index.ts';
import { serve } from '../../src/app.ts';
import { createRegistry } from '../../src/channel-kit/index.ts';
import type { Deps } from '../../src/deps.ts';
import { readConfig } from '../../src/lib/config.ts';
import type { Route } from '../../src/lib/http.ts';

/** Stands for anything: every member of it is another one, and calling it gives one. */
const nothing: object = new Proxy(() => undefined, {
  get: (_target, name) => (name === Symbol.toPrimitive ? () => '' : name === 'then' ? undefined : nothing),
  apply: () => nothing,
});

const ABSENT = [
  ...([
    'log',
    'clock',
    'db',
    'vault',
    'queues',
    'doorbell',
    'audit',
    'idempotency',
    'limits',
    'tenants',
    'connections',
  ] as const),
  ...([
    'sandbox',
    'templates',
    'notifications',
    'bulks',
    'campaigns',
    'custody',
    'contacts',
    'conversations',
    'media',
    'inbound',
    'erasures',
    'feed',
    'webhooks',
    'suppressions',
    'contacts',
    'conversations',
    'media',
    'replies',
    'alerts',
  ] as const),
];

export function allRoutes(): readonly Route[] {
  const deps = {
    ...Object.fromEntries(ABSENT.map((name) => [name, nothing])),
    registry: createRegistry(channels),
    config: readConfig({}),
    publicUrl: () => 'http://localhost:3000',
    close: async () => undefined,
  };
  return serve(deps as unknown as Deps).routes;
}
