/** What a row of the matrix is, and what most of them do: a load, something that goes wrong meanwhile, and the figures. */
import { expect } from 'vitest';
import type { Point } from './build.ts';
import { check, type Figures, settle } from './checker.ts';
import { type Load, send, type Told } from './client.ts';
import type { Customer, Proc, Rig } from './rig.ts';

export interface Row {
  readonly id: string;
  /** A guarantee. */
  readonly title: string;
  /** Part of the quick set, which runs at every merge. */
  readonly quick?: boolean;
  readonly needs?: 'redis';
  /** Longest, milliseconds. Default 180,000. */
  readonly withinMs?: number;
  run(rig: Rig, scale: Scale): Promise<Outcome>;
}

/** How large a row is: `n` sends, so many kills, outages of so many milliseconds. */
export interface Scale {
  readonly isFull: boolean;
  readonly n: number;
  readonly kills: number;
  /** An outage that the plan gives in seconds of real life. */
  outage(seconds: number): number;
}

export interface Outcome {
  readonly figures: Figures;
  /** What else is worth a word on the line. */
  readonly more?: string;
}

export interface Storm {
  readonly figures: Figures;
  readonly told: Told;
  readonly customer: Customer;
}

/** A customer sends; meanwhile `during` happens, and is told when everything has been answered. */
export async function storm(
  rig: Rig,
  load: Load & { readonly adapter?: 'seeing' | 'blind'; readonly settleMs?: number },
  during: (over: AbortSignal, customer: Customer) => Promise<unknown> = async () => undefined,
): Promise<Storm> {
  const customer = await rig.customer(load.adapter ? { adapter: load.adapter } : {});
  const answered = new AbortController();
  const trouble = during(answered.signal, customer);
  // A failure of it is told when it is waited for.
  trouble.catch(() => undefined);
  const told = await send(rig, customer, load).finally(() => answered.abort());
  await trouble;
  await Promise.all(rig.all.map((proc) => proc.up()));
  await settle(rig, load.settleMs);
  return { figures: await check(rig, customer, [told], load.count), told, customer };
}

/** BASE: everything acknowledged, stored once, taken once, and something known of it. */
export function base(
  figures: Figures,
  but: Partial<Pick<Figures, 'failed'>> & { readonly unknownAtMost?: number } = {},
): void {
  const { n, unknown } = figures;
  const { unknownAtMost = 0, failed = 0 } = but;
  expect(figures).toMatchObject({ acked: n, rows: n, outcome: n, lost: 0, dup: 0, failed, broken: [] });
  expect(unknown).toBeLessThanOrEqual(unknownAtMost);
}

/** Lets these processes die at a point, one after the other, `times` in all; each comes back by itself. */
export async function dieAt(
  procs: readonly Proc[],
  point: Point,
  times: number,
  hits: () => number,
  over: AbortSignal,
): Promise<number> {
  let deaths = 0;
  for (let round = 0; round < times; round++) {
    const proc = procs[round % procs.length] as Proc;
    await proc.up();
    const before = proc.deaths;
    proc.arm(point, hits());
    if (!(await until(() => proc.deaths > before, over))) {
      proc.arm(point, 0);
      break;
    }
    deaths++;
  }
  return deaths;
}

/** False when it was over first. */
export async function until(ask: () => boolean, over?: AbortSignal, withinMs = 60_000): Promise<boolean> {
  for (const end = performance.now() + withinMs; ; ) {
    if (ask()) return true;
    if (over?.aborted) return false;
    if (performance.now() > end) throw new Error(`did not happen within ${withinMs} ms: ${ask}`);
    await pause(20);
  }
}

/** The same numbers in every run of a row. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
