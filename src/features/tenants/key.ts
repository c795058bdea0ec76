/**
 * The form of an API key: `ak_live_` or `ak_test_`, 8 public characters, 43 secret ones, 6 of checksum, all base62. The
 * checksum lets us refuse a typing error, and a scanner of source code recognise a real key, without asking the store. Pure.
 */
import { crc32 } from 'node:zlib';
import { randomBase62, sha256 } from '../../lib/crypto.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode } from '../../lib/http.ts';
import type { Headers } from './door.ts';

const FORM = /^ak_(live|test)_([0-9A-Za-z]{8})[0-9A-Za-z]{43}([0-9A-Za-z]{6})$/;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

export interface ParsedKey {
  readonly mode: Mode;
  readonly publicPart: string;
  readonly digest: Buffer;
}

export interface NewKey extends ParsedKey {
  /** The key itself. */
  readonly text: string;
  readonly lastFour: string;
}

const checksum = (text: string): string => {
  let rest = crc32(text);
  let sum = '';
  for (let i = 0; i < 6; i++) {
    sum = DIGITS[rest % 62] + sum;
    rest = Math.floor(rest / 62);
  }
  return sum;
};

export function generateKey(mode: Mode): NewKey {
  const publicPart = randomBase62(8);
  const start = `ak_${mode === 'live' ? 'live' : 'test'}_${publicPart}${randomBase62(43)}`;
  const text = start + checksum(start);
  return { mode, publicPart, digest: sha256(text), text, lastFour: text.slice(-4) };
}

/** `undefined` for anything that cannot be a key. */
export function parseKey(text: string): ParsedKey | undefined {
  const [, mode, publicPart, sum] = FORM.exec(text) ?? [];
  if (!publicPart || checksum(text.slice(0, -6)) !== sum) return undefined;
  return { mode: mode === 'live' ? 'live' : 'sandbox', publicPart, digest: sha256(text) };
}

const SEPARATED = /[,\s]/;

/** All that is ever shown of a key again. */
export const maskKey = (mode: Mode, publicPart: string, lastFour: string): string =>
  `ak_${mode === 'live' ? 'live' : 'test'}_${publicPart}…${lastFour}`;

/**
 * What the caller presents, in X-API-Key or as a Bearer token. A header sent twice arrives joined with a comma.
 * Throws `conflicting_credentials` when two different ones came.
 */
export function presentedKey(headers: Headers): string | undefined {
  const alone = headers['x-api-key'];
  if (alone !== undefined && headers.authorization === undefined && !SEPARATED.test(alone)) return alone || undefined;
  const bearer = /^bearer +(.*)$/i.exec(headers.authorization?.trim() ?? '')?.[1];
  const given = new Set(
    [...(headers['x-api-key']?.split(',') ?? []), ...(bearer === undefined ? [] : [bearer])]
      .map((text) => text.trim())
      .filter((text) => text !== ''),
  );
  if (given.size > 1) throw new ApiError('conflicting_credentials');
  return given.values().next().value;
}
