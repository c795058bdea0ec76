/**
 * A connection's secrets, sealed as one text for one row: moved to another row or another tenant, they do not open. What does
 * not open is reported once, to the log and the audit, and is never taken for something else.
 */
import type { Vault } from '../../lib/crypto.ts';
import type { Db } from '../../lib/db.ts';
import { toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { SealedColumn } from '../../lib/sealed.ts';
import type { Audit } from '../audit/index.ts';
import type { Values } from './settings.ts';
import type { ConnectionRow } from './store.ts';

export interface Seal {
  seal(tenantId: string | null, id: string, secrets: Values): string;
  /** `undefined` when it cannot be opened. */
  unseal(row: Pick<ConnectionRow, 'id' | 'tenant_id' | 'secrets'>): Values | undefined;
}

const place = (tenantId: string | null, id: string): string => `${tenantId ?? 'platform'}|connections|${id}|secrets`;

export const SEALED_CONNECTIONS: SealedColumn = {
  table: 'connections',
  column: 'secrets',
  key: 'id',
  fields: ['tenant_id'],
  place: ({ key, tenant_id }: { key: string; tenant_id: string | null }) => place(tenant_id, key),
};

const REPORTED_MAX = 1_000;

export function createSeal({ vault, audit, db, log }: { vault: Vault; audit: Audit; db: Db; log: Log }): Seal {
  const reported = new Set<string>();

  function report(row: Pick<ConnectionRow, 'id' | 'tenant_id'>, error: unknown): void {
    if (reported.has(row.id) || reported.size >= REPORTED_MAX) return;
    reported.add(row.id);
    const connection = toWire('connection', row.id);
    log.error({ err: error, connection }, 'the secrets of a connection cannot be opened; see ENCRYPTION_KEYS');
    audit
      .record(db, {
        ...(row.tenant_id === null ? {} : { tenantId: row.tenant_id }),
        actor: { kind: 'operator', id: 'carillon' },
        action: 'connection.secrets_unreadable',
        target: connection,
      })
      .catch((failure: unknown) => log.warn({ err: failure, connection }, 'could not write the audit log'));
  }

  return {
    seal: (tenantId, id, secrets) => vault.seal(JSON.stringify(secrets), place(tenantId, id)),
    unseal(row) {
      try {
        return JSON.parse(vault.open(row.secrets, place(row.tenant_id, row.id))) as Values;
      } catch (error) {
        report(row, error);
        return undefined;
      }
    },
  };
}
