/** The door of connections: credentials for adapters, sealed, routed and opened. */
export type { ConnectionRoute, Connections, OpenConnection, Standing, Touch } from './door.ts';
export { connectionRoutes } from './routes.ts';
export type { ConnectionItem, CreateConnection, GatewayItem, PatchConnection, TestResult } from './schema.ts';
export { SEALED_CONNECTIONS } from './seal.ts';
export type { ConnectionsDeps } from './service.ts';
export { createConnections } from './service.ts';
