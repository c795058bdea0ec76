/** The audit log, read-only. */
import { type Route, route } from '../../lib/http.ts';
import { listOf, listQuery } from '../../lib/list.ts';
import { auditItem } from './schema.ts';
import type { Audit } from './service.ts';

export const auditRoutes = (audit: Audit): readonly Route[] => [
  route({
    method: 'GET',
    path: '/api/v1/audit',
    auth: 'key',
    scope: 'manage',
    tag: 'Audit',
    summary: 'List who did what',
    description: 'Changes to keys, connections and accounts, newest first. Entries are never changed or removed.',
    query: listQuery,
    replies: { 200: { description: 'One page', schema: listOf(auditItem) } },
    errors: [],
    async handler({ principal, query }) {
      return { status: 200, body: await audit.list(principal, query) };
    },
  }),
];
