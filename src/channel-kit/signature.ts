/** Keyed digests for callbacks, and the only comparison of secrets that adapters may use. */
import { createHash, createHmac, timingSafeEqual, verify } from 'node:crypto';

type Bytes = string | Buffer;

export const hmac = (algorithm: 'sha1' | 'sha256', key: Bytes, data: Bytes): Buffer =>
  createHmac(algorithm, key).update(data).digest();

export const sha256Hex = (data: Bytes): string => createHash('sha256').update(data).digest('hex');

/** Whether the holder of this certificate (PEM) has signed the data, by RSA. A certificate that cannot be read has signed nothing. */
export function signedBy(pem: string, algorithm: 'sha1' | 'sha256', data: string, base64: string): boolean {
  try {
    return verify(algorithm, Buffer.from(data), pem, Buffer.from(base64, 'base64'));
  } catch {
    return false;
  }
}

/** Equal in constant time. Values of unequal length are unequal; `undefined` equals nothing. */
export function sameBytes(given: Bytes | undefined, expected: Bytes): boolean {
  if (given === undefined) return false;
  const a = Buffer.from(given as string);
  const b = Buffer.from(expected as string);
  return a.length === b.length && timingSafeEqual(a, b);
}
