/**
 * The first answer per key. A key is unique per tenant and mode, survives the rotation of API keys, and is written in the
 * transaction of its effect: either both exist or neither. A repeat gets the same bytes; another request under the key is
 * refused; a key whose messages have all definitely failed is free again.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Copy } from '../../lib/copy.ts';
import { sha256Hex } from '../../lib/crypto.ts';
import type { Db, Sql, Statement } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode } from '../../lib/http.ts';
import { canonicalJson } from '../../lib/json.ts';
import { claimKeys, copyKeys, findKeys, purgeKeys, releaseKeys } from './store.ts';

const KEEP_DAYS = 35;

export interface Claim {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly key: string;
  /** Hexadecimal SHA-256 of route and canonical body. */
  readonly hash: string;
  readonly notificationId: string;
  /** The answer, as it is sent. */
  readonly status: number;
  readonly body: string;
}
export type Stored = Claim;

export interface Idempotency {
  /**
   * The first statement of the transaction of the effect; of several claims to one key the first in line counts. Gives a row
   * for each that has won: `notification_id`, and in `retry_of` the notification that has freed the key, if one has.
   */
  claim(claims: readonly Claim[]): Statement;
  /** For keys that are most likely new, at a third of the price: all of them are won, or the transaction fails with `isTaken`. */
  claimNew(claims: readonly Claim[]): Copy;
  /** The first answers to these keys, by `nameOf`. */
  stored(claims: readonly Claim[]): Promise<ReadonlyMap<string, Stored>>;
  /** The first answer under a key, as long as it stands; another transaction's is not waited for. */
  find(key: Pick<Claim, 'tenantId' | 'mode' | 'key'>): Promise<Stored | undefined>;
  /** Frees the keys of those notifications whose messages have all definitely failed. */
  release(trx: Sql, notificationIds: readonly string[]): Promise<void>;
  /** Forgets expired keys; returns how many. */
  purge(): Promise<number>;
}

interface IdempotencyDeps {
  readonly db: Db;
  readonly clock: Clock;
}

export const createIdempotency = ({ db, clock }: IdempotencyDeps): Idempotency => ({
  claim: (claims) => {
    const first = new Map<string, Claim>();
    for (const claim of claims) {
      const name = nameOf(claim);
      if (!first.has(name)) first.set(name, claim);
    }
    return claimKeys([...first.values()], KEEP_DAYS);
  },
  // Which of two clocks tells the day on which a key is forgotten does not matter.
  claimNew: (claims) => copyKeys(claims, new Date(clock.now().getTime() + KEEP_DAYS * 86_400_000)),
  stored: async (claims) => new Map((await findKeys(db, claims)).map((row) => [nameOf(row), row])),
  find: async (key) => (await findKeys(db, [key], true))[0],
  release: (trx, notificationIds) => releaseKeys(trx, notificationIds),
  async purge() {
    let purged = 0;
    for (let batch = 1; batch > 0; purged += batch) batch = await purgeKeys(db, 5_000);
    return purged;
  },
});

/** One of the keys of `claimNew` is known. */
export const isTaken = (error: unknown): boolean => {
  const { code, table } = error as { code?: string; table?: string };
  return code === '23505' && (table?.startsWith('idempotency') ?? false);
};

/** A key within its tenant and mode. */
export const nameOf = ({ tenantId, mode, key }: Pick<Claim, 'tenantId' | 'mode' | 'key'>): string =>
  `${tenantId} ${mode} ${key}`;

/**
 * The key of a request: `Idempotency-Key` (quoted or not), `idempotency_key` as a header, or as a field of the body.
 * Throws `idempotency_key_invalid`, and `idempotency_key_conflict` when two of them differ.
 */
export function keyOf(headers: Readonly<Record<string, string>>, inBody: string | undefined): string | undefined {
  let found: string | undefined;
  for (const given of [unquote(headers['idempotency-key']), unquote(headers.idempotency_key), inBody]) {
    if (given === undefined) continue;
    if (!KEY.test(given)) throw new ApiError('idempotency_key_invalid', undefined, { param: 'idempotency_key' });
    if (found !== undefined && found !== given)
      throw new ApiError('idempotency_key_conflict', undefined, { param: 'idempotency_key' });
    found = given;
  }
  return found;
}
const KEY = /^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/;
const unquote = (value: string | undefined): string | undefined =>
  value?.startsWith('"') ? (/^"(.*)"$/.exec(value)?.[1] ?? value) : value;

/** The same for the same request, whatever the order of its keys. The key itself is not part of it. */
export function hashOf(route: string, body: object): string {
  if (!('idempotency_key' in body)) return sha256Hex(`${route}\n${canonicalJson(body)}`);
  const { idempotency_key: _, ...rest } = body as Record<string, unknown>;
  return sha256Hex(`${route}\n${canonicalJson(rest)}`);
}

/** The answer to a repeat: the first one's bytes, or a refusal when the request differs. */
export function replay(
  stored: Stored,
  hash: string,
): { status: number; body: string; headers: Record<string, string> } {
  if (stored.hash !== hash) throw new ApiError('idempotency_key_reused', undefined, { param: 'idempotency_key' });
  return { status: stored.status, body: stored.body, headers: { 'Idempotent-Replayed': 'true' } };
}
