/**
 * A rollout as arithmetic: who gets the new version, and when it has failed too often. Pure.
 *
 * A person falls into one of ten thousand buckets by a hash of the rollout and of the address; the share is the buckets
 * below a mark. Raising the mark therefore only ever adds people, and who writes to somebody twice says the same twice.
 */
import { sha256 } from '../../lib/crypto.ts';
import type { Mode } from '../../lib/http.ts';
import type { ResolvedTemplate } from './door.ts';

const BUCKETS = 10_000;

/** Another rollout asks other people first: the hash covers its id. */
export const bucketOf = (rolloutId: string, person: string): number =>
  sha256(`${rolloutId}\n${person}`).readUInt32BE(0) % BUCKETS;

/** The version for this person. Somebody without a usable address gets the active one. */
export function pickVersion<T extends ResolvedTemplate | undefined>(
  resolved: T,
  person: () => string | undefined,
): T | ResolvedTemplate {
  if (!resolved?.candidate) return resolved;
  const { rolloutId, percent, template } = resolved.candidate;
  const who = person();
  return who !== undefined && bucketOf(rolloutId, who) < Math.round(percent * (BUCKETS / 100)) ? template : resolved;
}

/** Messages that a provider has answered, and those of them that failed for a reason that may be the version's. */
export interface Count {
  readonly sent: number;
  readonly failed: number;
}
export type Side = 'from' | 'to';
export type Tally = Readonly<Record<Mode, Readonly<Record<Side, Count>>>>;

export interface FailureLimit {
  readonly percent: number;
  readonly minSent: number;
}

const NONE: Count = { sent: 0, failed: 0 };
export const NO_TALLY: Tally = { live: { from: NONE, to: NONE }, sandbox: { from: NONE, to: NONE } };

export function addTo(tally: Tally, more: readonly (Count & { readonly mode: Mode; readonly side: Side })[]): Tally {
  let sum = tally;
  for (const { mode, side, sent, failed } of more) {
    const one = sum[mode][side];
    sum = { ...sum, [mode]: { ...sum[mode], [side]: { sent: one.sent + sent, failed: one.failed + failed } } };
  }
  return sum;
}

/** Per cent, or null while there is nothing to divide by. */
export const rateOf = ({ sent, failed }: Count): number | null =>
  sent === 0 ? null : Math.round((failed / sent) * 10_000) / 100;

/**
 * Why the new version must go, if it must. Each mode is judged by itself: test sends that go well must not hide live ones
 * that do not.
 */
export function tooManyFailed(tally: Tally, { percent, minSent }: FailureLimit): string | undefined {
  for (const [mode, word] of [
    ['live', 'live'],
    ['sandbox', 'test'],
  ] as const) {
    const { sent, failed } = tally[mode].to;
    if (sent >= minSent && failed * 100 > percent * sent)
      return `${failed} of ${sent} ${word} messages failed (${rateOf({ sent, failed })} %); the limit is ${percent} %.`;
  }
  return undefined;
}
