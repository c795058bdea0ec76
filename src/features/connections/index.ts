/** The door of connections: credentials for adapters, sealed, routed and opened. */
export type { ConnectionRoute, Connections, OpenConnection } from './door.ts';
export { connectionRoutes } from './routes.ts';
export type { ConnectionItem, CreateConnection, GatewayItem, PatchConnection, TestResult } from './schema.ts';
export type { ConnectionsDeps } from './service.ts';
export { createConnections } from './service.ts';
