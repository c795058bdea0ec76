/**
 * Who did what: one row per change to keys, credentials, rules and money. A row is written in the transaction of its effect,
 * or by the HTTP hook right after it, and is never changed: the store refuses it, and a chain of hashes would show it.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Db, Sql } from '../../lib/db.ts';
import type { Principal, Reply, Request } from '../../lib/http.ts';
import { toWire } from '../../lib/ids.ts';
import { type List, listPage, readCursor } from '../../lib/list.ts';
import type { ShellHooks } from '../../lib/shell.ts';
import type { AuditItem } from './schema.ts';
import { type AuditEntry, type AuditRow, insertEntry, lastSeal, listEntries, PLATFORM, sealEntries } from './store.ts';

export interface Audit {
  /** Joins the transaction it is given. */
  record(sql: Sql, entry: AuditEntry): Promise<void>;
  /** The tenant's own rows, newest first. */
  list(principal: Principal, page: { readonly limit: number; readonly cursor?: string }): Promise<List<AuditItem>>;
  /** Seals what was written since; returns how many rows. For a worker, every few seconds. */
  seal(): Promise<number>;
  /** How long the chain is and what it ends with. */
  head(): Promise<{ readonly position: number; readonly hash: string } | undefined>;
  /** For `createShell`: records a route's `audit` action. The target is the last id in the path, else the reply's `id`. */
  readonly hook: ShellHooks['audit'];
}

export interface AuditDeps {
  readonly db: Db;
  readonly clock: Clock;
}

const SEALED_AT_ONCE = 500;

export function createAudit({ db }: AuditDeps): Audit {
  const record: Audit['record'] = (sql, entry) => insertEntry(sql, entry);
  return {
    record,
    async list(principal, { limit, cursor }) {
      const before = readCursor('audit', cursor);
      const rows = await db.read(principal.tenantId, (trx) => listEntries(trx, principal.tenantId, limit + 1, before));
      return listPage(rows, limit, show);
    },
    seal: () => sealEntries(db, SEALED_AT_ONCE),
    head: () => lastSeal(db),
    hook: (action, request, reply) => {
      const { principal, ip, requestId } = request;
      const target = targetOf(request, reply);
      return record(db, {
        ...(principal.tenantId ? { tenantId: principal.tenantId } : {}),
        actor: principal.actor,
        action,
        ip,
        requestId,
        ...(target === undefined ? {} : { target }),
        detail: { method: request.method, status: reply.status, ...reply.noted },
      });
    },
  };
}

function targetOf(request: Request, reply: Reply): string | undefined {
  const named = Object.values((request.params ?? {}) as Record<string, unknown>).at(-1);
  if (typeof named === 'string') return named;
  const { body } = reply;
  const id = typeof body === 'object' && !Buffer.isBuffer(body) ? (body as { id?: unknown }).id : undefined;
  if (typeof id === 'string') return id;
  // A page answers with where to go next, and that names what was made.
  const next = reply.headers?.Location;
  return typeof next === 'string' ? /\b[a-z]{3}_[0-9A-HJKMNP-TV-Z]{26}\b/.exec(next)?.[0] : undefined;
}

const SURFACES = { key: 'api', user: 'portal', operator: 'admin' } as const;

const show = (row: AuditRow): AuditItem => ({
  id: toWire('audit', row.id),
  object: 'audit_entry',
  action: row.action,
  actor: {
    kind: row.actor_kind,
    id: row.actor_kind === 'operator' ? row.actor_id : toWire(row.actor_kind, row.actor_id),
  },
  surface: SURFACES[row.actor_kind],
  target: row.target,
  result: 'succeeded',
  detail: row.detail,
  ip: row.ip,
  request_id: row.request_id,
  hash: row.hash,
  created_at: row.at.toISOString(),
});

export type { AuditEntry };
export { PLATFORM };
