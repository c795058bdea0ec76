/** Secrets of endpoints, each sealed for its row. What cannot be opened is said in the log and signs nothing. */
import type { Vault } from '../../lib/crypto.ts';
import type { Sql } from '../../lib/db.ts';
import { newId, toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { SealedColumn } from '../../lib/sealed.ts';
import { endSecrets, insertSecret, liveSecrets } from './secrets-store.ts';
import { newSecret } from './signature.ts';

const place = (tenantId: string, id: string): string => `${tenantId}|endpoint_secrets|${id}|sealed`;

export const SEALED_ENDPOINTS: SealedColumn = {
  table: 'endpoint_secrets',
  column: 'sealed',
  key: 'id',
  fields: ['tenant_id'],
  place: ({ key, tenant_id }: { key: string; tenant_id: string }) => place(tenant_id, key),
};

export interface Secrets {
  /** A new one; those before sign along for so many seconds. */
  add(trx: Sql, tenantId: string, endpointId: string, overlapSeconds: number): Promise<string>;
  /** All that sign now, by endpoint, the newest first. */
  of(sql: Sql, endpointIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
}

export function createSecrets({ vault, log }: { readonly vault: Vault; readonly log: Log }): Secrets {
  return {
    async add(trx, tenantId, endpointId, overlapSeconds) {
      const [id, secret] = [newId(), newSecret()];
      await endSecrets(trx, endpointId, overlapSeconds);
      await insertSecret(trx, { id, tenantId, endpointId, sealed: vault.seal(secret, place(tenantId, id)) });
      return secret;
    },
    async of(sql, endpointIds) {
      const found = new Map<string, string[]>();
      for (const { id, tenantId, endpointId, sealed } of await liveSecrets(sql, endpointIds))
        try {
          const known = found.get(endpointId) ?? [];
          known.push(vault.open(sealed, place(tenantId, id)));
          found.set(endpointId, known);
        } catch (err) {
          const endpoint = toWire('endpoint', endpointId);
          log.error({ err, endpoint }, 'the secret of an endpoint cannot be opened; see ENCRYPTION_KEYS');
        }
      return found;
    },
  };
}
