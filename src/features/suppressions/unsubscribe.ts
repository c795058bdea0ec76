/** What whoever holds the link of a mail may do: look, end marketing to the address in it, and take that back. Nothing else. */
import type { Db } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Tenants } from '../tenants/index.ts';
import type { Keeping } from './heed.ts';
import type { Linked, Links } from './link.ts';

export interface Unsubscribing {
  /** Who sends. */
  readonly sender: string;
  /** Enough to know one's own by. */
  readonly address: string;
  readonly isOut: boolean;
}

/** All throw `not_found` for a link that is none. */
export interface Unsubscribe {
  look(token: string): Promise<Unsubscribing>;
  leave(token: string): Promise<Unsubscribing>;
  comeBack(token: string): Promise<Unsubscribing>;
}

interface Deps {
  readonly db: Db;
  readonly links: Links;
  readonly tenants: Pick<Tenants, 'tenant'>;
  readonly heed: Pick<Keeping, 'suppress' | 'restore' | 'isKept'>;
}

export function createUnsubscribe({ db, links, tenants, heed }: Deps): Unsubscribe {
  const show = async ({ tenantId, address }: Linked, isOut: boolean): Promise<Unsubscribing> => ({
    sender: (await tenants.tenant(tenantId)).name,
    address: masked(address),
    isOut,
  });
  const read = (token: string): Linked => {
    const linked = links.read(token);
    if (!linked) throw new ApiError('not_found');
    return linked;
  };
  const what = { reason: 'unsubscribe', scope: 'marketing', connectionId: null } as const;
  return {
    async look(token) {
      const linked = read(token);
      return show(linked, await heed.isKept(db, { ...linked, ...what }));
    },
    async leave(token) {
      const { id: messageId, ...party } = read(token);
      await db.transaction((trx) => heed.suppress(trx, [{ ...party, ...what, messageId }]));
      return show({ ...party, id: messageId }, true);
    },
    async comeBack(token) {
      const linked = read(token);
      await db.transaction((trx) => heed.restore(trx, [{ ...linked, ...what }]));
      return show(linked, false);
    },
  };
}

/** `a•••@example.com`, `+141•••23`: the page may be looked at over a shoulder. */
export function masked(address: string): string {
  const at = address.lastIndexOf('@');
  if (at > 0) return `${address.slice(0, 1)}•••${address.slice(at)}`;
  return address.length > 7 ? `${address.slice(0, 4)}•••${address.slice(-2)}` : '•••';
}
