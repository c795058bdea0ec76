/**
 * Rounds in turns: A B A B, so that a machine that drifts drifts for both. A round during which others used the processors
 * is repeated, a bounded number of times; then it counts, and is flagged.
 */
import type { LoadCheck } from './load.ts';

/** Of one processor. */
export const DISTURBED = 0.1;

export interface Side {
  readonly name: string;
  /** One round; gives a rate or an amount. */
  readonly run: () => Promise<number>;
}

export interface Turns {
  /** Values of each side, in the order of the rounds. */
  readonly values: ReadonlyMap<string, readonly number[]>;
  /** Rounds that were disturbed to the last. */
  readonly disturbed: number;
  /** The most that others used in a round that counts; undefined where nobody can tell. */
  readonly others: number | undefined;
}

export interface TurnOptions {
  readonly rounds: number;
  /** How often a disturbed round is done again. */
  readonly repeats: number;
  readonly load: LoadCheck;
  /** Once for each side before the first round; its value is thrown away. Default true. */
  readonly warmUp?: boolean;
}

export async function inTurns(
  sides: readonly Side[],
  { rounds, repeats, load, warmUp = true }: TurnOptions,
): Promise<Turns> {
  const values = new Map<string, number[]>(sides.map(({ name }) => [name, []]));
  let disturbed = 0;
  let others: number | undefined;
  if (warmUp) for (const { run } of sides) await run();
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of sides) {
      for (let tries = 0; ; tries++) {
        const end = load.begin();
        const value = await run();
        const share = end();
        const isDisturbed = share !== undefined && share > DISTURBED;
        if (isDisturbed && tries < repeats) continue;
        if (isDisturbed) disturbed++;
        if (share !== undefined) others = Math.max(others ?? 0, share);
        values.get(name)?.push(value);
        break;
      }
    }
  }
  return { values, disturbed, others };
}
