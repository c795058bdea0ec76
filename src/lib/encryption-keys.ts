/** Reads encryption keys as people write them down. What it says of a wrong one never holds a piece of a key. */
export interface EncryptionKey {
  readonly id: string;
  readonly secret: Buffer;
}

const ID = /^[\w-]{1,32}$/;

/** `id:base64`, one after the other, with commas or line ends between them. Without faults there is at least one. */
export function readKeys(text: string): {
  readonly keys: readonly EncryptionKey[];
  readonly faults: readonly string[];
} {
  const keys: EncryptionKey[] = [];
  const faults: string[] = [];
  const entries = text
    .split(/[,\r\n]/)
    .map((entry) => entry.trim())
    .filter(Boolean);
  for (const [index, entry] of entries.entries()) {
    const at = entry.indexOf(':');
    const id = entry.slice(0, Math.max(at, 0)).trim();
    const base64 = entry.slice(at + 1).trim();
    const which = `entry ${index + 1} of ${entries.length}`;
    const fault = (what: string) => faults.push(`${which}${ID.test(id) ? ` (${id})` : ''} ${what}`);
    if (at < 0) fault('has no id: it must be id:key, with a colon between them');
    else if (!ID.test(id)) fault('has an id that is not 1 to 32 letters, digits, _ or -');
    else if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(base64)) fault('has a key with characters that base64 does not have');
    else {
      const secret = Buffer.from(base64, 'base64');
      if (secret.length !== 32) fault(`has a key of ${secret.length} bytes; it must be the base64 of 32`);
      else if (keys.some((other) => other.id === id && !other.secret.equals(secret)))
        fault('has the id of another key before it');
      else keys.push({ id, secret });
    }
  }
  if (entries.length === 0) faults.push('there is no key in it');
  return { keys, faults };
}

/** k1, k2, …: after the highest that there is. */
export const nextKeyId = (keys: readonly EncryptionKey[]): string =>
  `k${1 + Math.max(0, ...keys.map(({ id }) => Number(/^k(\d{1,9})$/.exec(id)?.[1] ?? 0)))}`;
