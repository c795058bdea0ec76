/** The audit log's door. */
export { changeOf } from './change.ts';
export { auditRoutes } from './routes.ts';
export type { Audit, AuditEntry } from './service.ts';
export { createAudit, PLATFORM } from './service.ts';
