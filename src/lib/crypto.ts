/**
 * Secrets: sealing what must be read again (AES-256-GCM), hashing what must only be recognised, and deriving every key of
 * the installation from one root (`sealed.ts` keeps it).
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hash,
  hkdfSync,
  randomBytes,
  scrypt,
  timingSafeEqual,
} from 'node:crypto';
import type { EncryptionKey } from './encryption-keys.ts';

/** Seals text for one place only: what is sealed for one record cannot be opened as another's. */
export interface Vault {
  /** `v1.<key id>.<nonce>.<text>.<tag>`, base64url. `place` names tenant, table, row and column. */
  seal(text: string, place: string): string;
  /** Throws when the text was changed, moved to another place, or sealed with a key that is not loaded. */
  open(sealed: string, place: string): string;
  /** A key for one purpose (sessions, CSRF, sandbox signatures), always the same for this installation. */
  derive(purpose: string): Buffer;
  /** The id of the key that seals now. */
  readonly keyId: string;
  /** Of all keys that open, the newest first. */
  readonly keyIds: readonly string[];
}

/** `root`: of what is derived; without it the oldest key is. */
export function createVault(keys: readonly EncryptionKey[], root?: Buffer): Vault {
  const [newest] = keys;
  if (!newest) throw new Error('no encryption key');
  const byId = new Map(keys.map((key) => [key.id, key.secret]));
  const derivedFrom = root ?? (keys.at(-1) ?? newest).secret;
  return {
    keyId: newest.id,
    keyIds: keys.map(({ id }) => id),
    seal(text, place) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', newest.secret, nonce);
      cipher.setAAD(Buffer.from(place));
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return [
        'v1',
        newest.id,
        nonce.toString('base64url'),
        sealed.toString('base64url'),
        cipher.getAuthTag().toString('base64url'),
      ].join('.');
    },
    open(sealed, place) {
      const [version, id = '', nonce = '', text = '', tag = ''] = sealed.split('.');
      const secret = byId.get(id);
      if (version !== 'v1' || !secret)
        throw new Error(`sealed with the unknown key ${JSON.stringify(id)}; add it to ENCRYPTION_KEYS`);
      const decipher = createDecipheriv('aes-256-gcm', secret, Buffer.from(nonce, 'base64url'), { authTagLength: 16 });
      decipher.setAAD(Buffer.from(place));
      decipher.setAuthTag(Buffer.from(tag, 'base64url'));
      return Buffer.concat([decipher.update(Buffer.from(text, 'base64url')), decipher.final()]).toString('utf8');
    },
    derive: (purpose) => Buffer.from(hkdfSync('sha256', derivedFrom, 'carillon', purpose, 32)),
  };
}

export const newEncryptionKey = (id = 'k1'): string => `${id}:${randomBytes(32).toString('base64')}`;

export const sha256 = (text: string | Buffer): Buffer => hash('sha256', text, 'buffer');
export const sha256Hex = (text: string | Buffer): string => hash('sha256', text, 'hex');

/**
 * Stands for an address that is not kept: whoever has the address can tell whether it is the one, nobody can tell the address.
 * `key` is derived for the purpose; the tenant is part of it, so that two tenants' lists cannot be compared.
 */
export const addressDigest = (key: Buffer, tenantId: string, channel: string, address: string): string =>
  createHmac('sha256', key).update(`${tenantId}\n${channel}\n${address}`).digest('base64url');

/** Equal in constant time. */
export const sameDigest = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Unbiased random letters and digits. */
export function randomBase62(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && text.length < length) text += BASE62[byte % 62];
    }
  }
  return text;
}

/** A one-time token for a link or a cookie: 256 random bits. */
export const newToken = (): string => randomBytes(32).toString('base64url');

const SCRYPT = { N: 2 ** 17, r: 8, p: 1 };
const stretch = (password: string, salt: Buffer, { N, r, p }: typeof SCRYPT): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    scrypt(password.normalize('NFKC'), salt, 32, { N, r, p, maxmem: 256 * N * r }, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  );

/** `scrypt.<N>.<r>.<p>.<salt>.<hash>`: the cost travels with the hash, so it can be raised later. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await stretch(password, salt, SCRYPT);
  return ['scrypt', SCRYPT.N, SCRYPT.r, SCRYPT.p, salt.toString('base64url'), key.toString('base64url')].join('.');
}

/** Also spends the full time when there is no hash, so that an unknown account cannot be told by the clock. */
export async function checkPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [, N, r, p, salt = '', expected = ''] = (
    hash ?? `scrypt.${SCRYPT.N}.${SCRYPT.r}.${SCRYPT.p}.AAAAAAAAAAAAAAAAAAAAAA.AA`
  ).split('.');
  const key = await stretch(password, Buffer.from(salt, 'base64url'), { N: Number(N), r: Number(r), p: Number(p) });
  return hash !== undefined && sameDigest(key, Buffer.from(expected, 'base64url'));
}
