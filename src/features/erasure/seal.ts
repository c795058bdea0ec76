/** Whom an erasure looks for: kept sealed while it works, and for no place but its own row. */
import type { Vault } from '../../lib/crypto.ts';
import type { SealedColumn } from '../../lib/sealed.ts';
import type { Needles } from './needles.ts';
import type { ErasureRow } from './store.ts';

export interface Sealed extends Needles {
  readonly addresses: readonly string[];
}

/** The key is not here. */
export class Unsealable extends Error {}

export const place = (tenantId: string, id: string): string => `${tenantId}|erasures|${id}|sealed`;

export const SEALED_ERASURES: SealedColumn = {
  table: 'erasures',
  column: 'sealed',
  key: 'id',
  fields: ['tenant_id'],
  place: ({ key, tenant_id }: { key: string; tenant_id: string }) => place(tenant_id, key),
};

export function unseal(vault: Vault, sealed: string, { id, tenantId }: ErasureRow): Sealed {
  try {
    return JSON.parse(vault.open(sealed, place(tenantId, id))) as Sealed;
  } catch (err) {
    throw new Unsealable(`what it looks for cannot be read: ${(err as Error).message}`);
  }
}
