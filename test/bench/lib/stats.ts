/** Pure arithmetic of a run: what the rounds of one figure say together, and whether that is enough. */

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error('a spread needs at least one value');
  const sorted = [...values].sort((a, b) => a - b);
  return { min: sorted[0] as number, median: quantile(sorted, 0.5), max: sorted.at(-1) as number };
}

/** Of sorted values, between neighbours in proportion. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] as number;
  const above = sorted[Math.ceil(at)] as number;
  return below + (above - below) * (at - Math.floor(at));
}

/** Ours over theirs, round by round: neighbours in time saw the same machine. */
export const ratios = (ours: readonly number[], theirs: readonly number[]): number[] =>
  ours.slice(0, theirs.length).map((value, round) => value / (theirs[round] as number));

export interface Goal {
  readonly at: 'least' | 'most';
  readonly value: number;
}

/** A figure is judged by its median; a single round that was disturbed neither saves nor spoils it. */
export const isMet = (median: number, { at, value }: Goal): boolean =>
  at === 'least' ? median >= value : median <= value;

/**
 * Latencies in a fixed number of counters: below 1 ms each holds 10 µs, above it 1 % of its value, so a quantile is exact
 * to about that, and recording costs nothing that a generator would feel.
 */
export class Histogram {
  readonly counts: number[];
  total = 0;
  constructor(counts: readonly number[] = []) {
    this.counts = Array.from({ length: SLOTS }, (_, slot) => counts[slot] ?? 0);
    this.total = this.counts.reduce((sum, count) => sum + count, 0);
  }
  record(ms: number): void {
    const slot =
      ms < 1 ? Math.max(0, Math.floor(ms * 100)) : Math.min(SLOTS - 1, 100 + Math.floor(Math.log(ms) / STEP));
    this.counts[slot] = (this.counts[slot] as number) + 1;
    this.total++;
  }
  quantile(share: number): number {
    let left = Math.max(1, Math.ceil(this.total * share));
    for (let slot = 0; slot < SLOTS; slot++) {
      left -= this.counts[slot] as number;
      if (left <= 0) return slot < 100 ? (slot + 1) / 100 : Math.exp((slot - 99) * STEP);
    }
    return 0;
  }
}
const STEP = Math.log(1.01);
/** Up to about two minutes. */
const SLOTS = 1_300;
