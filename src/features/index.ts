/**
 * The features in order: each may import only those before it, through their index. Mounting order is the same order.
 * Surfaces, at the end, are imported by nobody.
 */
export const FEATURES = [
  'events',
  'audit',
  'idempotency',
  'limits',
  'tenants',
  'connections',
  'templates',
  'suppressions',
  'sandbox',
  'notifications',
  'bulks',
  'campaigns',
  'custody',
  'contacts',
  'conversations',
  'replies',
  'inbound',
  'webhooks',
  'alerts',
  'erasure',
  'health',
  'docs',
  'portal',
] as const;
