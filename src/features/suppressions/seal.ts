/** The two forms in which an address stands in the list: a keyed hash to be recognised by, and sealed to be shown. */
import { addressDigest, type Vault } from '../../lib/crypto.ts';
import type { SealedColumn } from '../../lib/sealed.ts';

export interface Seal {
  digest(tenantId: string, channel: string, address: string): string;
  seal(tenantId: string, digest: string, address: string): string;
  /** `undefined`: sealed with a key that is not here. */
  open(tenantId: string, digest: string, sealed: string): string | undefined;
}

const place = (tenantId: string, digest: string): string => `${tenantId}|suppressions|${digest}|sealed`;

export const SEALED_SUPPRESSIONS: SealedColumn = {
  table: 'suppressions',
  column: 'sealed',
  key: 'id',
  fields: ['tenant_id', 'digest'],
  place: ({ tenant_id, digest }: { tenant_id: string; digest: string }) => place(tenant_id, digest),
};

export function createSeal(vault: Vault): Seal {
  const key = vault.derive('suppression');
  return {
    digest: (tenantId, channel, address) => addressDigest(key, tenantId, channel, address),
    seal: (tenantId, digest, address) => vault.seal(address, place(tenantId, digest)),
    open(tenantId, digest, sealed) {
      try {
        return vault.open(sealed, place(tenantId, digest));
      } catch {
        return undefined;
      }
    },
  };
}
