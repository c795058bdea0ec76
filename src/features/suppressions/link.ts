/**
 * The address in a mail at which one click ends marketing (RFC 8058). It carries, sealed, whom it is about; nothing is stored for
 * it and it has no end, because the mail it stands in has none. Its key is derived, and outlives every key that seals the store.
 */
import { createVault, type Vault } from '../../lib/crypto.ts';
import type { Mode } from '../../lib/http.ts';

/** Whom a link is about. */
export interface Linked {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly channel: string;
  readonly address: string;
  /** The message it stands in. */
  readonly id: string;
}

export interface Links {
  /** `undefined`: nobody could reach this installation by it. */
  urlOf(linked: Linked): string | undefined;
  /** `undefined` for what is none of ours. */
  read(token: string): Linked | undefined;
}

const PLACE = 'unsubscribe';
/** What every token begins with says nothing. */
const HEAD = 'v1.u.';

/** `base`: the public address, when there is one. */
export function createLinks(vault: Pick<Vault, 'derive'>, base: (() => string) | undefined): Links {
  const seal = createVault([{ id: 'u', secret: vault.derive('unsubscribe links') }]);
  return {
    urlOf({ tenantId, mode, channel, address, id }) {
      const text = [mode, short(tenantId), short(id), channel, address].join(' ');
      return base && `${base()}/u/${seal.seal(text, PLACE).slice(HEAD.length)}`;
    },
    read(token) {
      try {
        const [mode, tenantId = '', id = '', channel = '', ...address] = seal.open(HEAD + token, PLACE).split(' ');
        return { mode: mode as Mode, tenantId: long(tenantId), id: long(id), channel, address: address.join(' ') };
      } catch {
        return undefined;
      }
    },
  };
}

const short = (uuid: string): string => Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64url');
const long = (text: string): string =>
  Buffer.from(text, 'base64url')
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
