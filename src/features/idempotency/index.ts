/**
 * The first answer per key. A key is unique per tenant and mode, survives the rotation of API keys, and is written in the
 * transaction of its effect: either both exist or neither. A repeat gets the same bytes; another request under the key is
 * refused; a key whose messages have all definitely failed is free again.
 */
import { sha256 } from '../../lib/crypto.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode } from '../../lib/http.ts';
import { canonicalJson } from '../../lib/json.ts';
import { claimKeys, findKeys, purgeKeys, releaseKeys } from './store.ts';

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

export type Verdict =
  | { readonly won: true; readonly retryOf: string | undefined }
  | { readonly won: false; readonly stored: Stored };

export interface Idempotency {
  /** One verdict per claim, in order. Call it with the transaction of the effect. */
  claim(trx: Sql, claims: readonly Claim[]): Promise<readonly Verdict[]>;
  /** The first answer under a key, as long as it stands; another transaction's is not waited for. */
  find(key: Pick<Claim, 'tenantId' | 'mode' | 'key'>): Promise<Stored | undefined>;
  /** Frees the keys of those notifications whose messages have all definitely failed. */
  release(trx: Sql, notificationIds: readonly string[]): Promise<void>;
  /** Forgets expired keys; returns how many. */
  purge(): Promise<number>;
}

export const createIdempotency = ({ db }: { readonly db: Db }): Idempotency => ({
  async claim(trx, claims) {
    // Two requests of one batch may carry the same key: the first in line is the one that counts.
    const first = new Map<string, Claim>();
    for (const claim of claims) if (!first.has(nameOf(claim))) first.set(nameOf(claim), claim);
    const won = new Map(
      (await claimKeys(trx, [...first.values()], KEEP_DAYS)).map((row) => [
        row.notification_id,
        row.retry_of ?? undefined,
      ]),
    );
    const isWinner = (claim: Claim) => won.has(claim.notificationId);
    const lost = claims.filter((claim) => !isWinner(claim));
    const stored = new Map((lost.length > 0 ? await findKeys(trx, lost) : []).map((row) => [nameOf(row), row]));
    return claims.map((claim): Verdict => {
      if (isWinner(claim)) return { won: true, retryOf: won.get(claim.notificationId) };
      const row = stored.get(nameOf(claim));
      if (!row) throw new ApiError('idempotency_in_progress', undefined, { retryAfterSeconds: 1 });
      return { won: false, stored: row };
    });
  },
  find: async (key) => (await findKeys(db, [key], true))[0],
  release: (trx, notificationIds) => releaseKeys(trx, notificationIds),
  async purge() {
    let purged = 0;
    for (let batch = 1; batch > 0; purged += batch) batch = await purgeKeys(db, 5_000);
    return purged;
  },
});

const nameOf = ({ tenantId, mode, key }: Pick<Claim, 'tenantId' | 'mode' | 'key'>): string =>
  `${tenantId} ${mode} ${key}`;

/**
 * The key of a request: `Idempotency-Key` (quoted or not), `idempotency_key` as a header, or as a field of the body.
 * Throws `idempotency_key_invalid`, and `idempotency_key_conflict` when two of them differ.
 */
export function keyOf(headers: Readonly<Record<string, string>>, inBody: string | undefined): string | undefined {
  const given = [headers['idempotency-key'], headers.idempotency_key]
    .map(unquote)
    .concat(inBody)
    .filter((key) => key !== undefined);
  for (const key of given)
    if (!/^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/.test(key))
      throw new ApiError('idempotency_key_invalid', undefined, { param: 'idempotency_key' });
  if (new Set(given).size > 1) throw new ApiError('idempotency_key_conflict', undefined, { param: 'idempotency_key' });
  return given[0];
}
const unquote = (value: string | undefined): string | undefined =>
  value === undefined ? undefined : (/^"(.*)"$/.exec(value)?.[1] ?? value);

/** The same for the same request, whatever the order of its keys. The key itself is not part of it. */
export function hashOf(route: string, body: object): string {
  const { idempotency_key: _, ...rest } = body as Record<string, unknown>;
  return sha256(`${route}\n${canonicalJson(rest)}`).toString('hex');
}

/** The answer to a repeat: the first one's bytes, or a refusal when the request differs. */
export function replay(
  stored: Stored,
  hash: string,
): { status: number; body: string; headers: Record<string, string> } {
  if (stored.hash !== hash) throw new ApiError('idempotency_key_reused', undefined, { param: 'idempotency_key' });
  return { status: stored.status, body: stored.body, headers: { 'Idempotent-Replayed': 'true' } };
}
