/** What a scene is given, and what two of them need: sides in turns made into outcomes. */
import { FIGURES, type Figure } from '../figures.ts';
import type { LoadCheck } from '../lib/load.ts';
import { type Part, startPart } from '../lib/part.ts';
import type { Turns } from '../lib/rounds.ts';
import { ratios, type Spread, spread } from '../lib/stats.ts';
import type { LoadOrder, LoadReport } from '../parts/generator.ts';
import type { UploadOrder, UploadReport } from '../parts/uploader.ts';
import type { Outcome } from '../results.ts';
import type { Stage } from '../stage.ts';

export interface Scale {
  readonly rounds: number;
  /** How often a disturbed round is done again. */
  readonly repeats: number;
  /** Of one round that is timed. */
  readonly roundMs: number;
  /** Messages of a drain. */
  readonly queued: number;
  /** Rows of a bulk whose acceptance is timed. */
  readonly rows: number;
  /** E-mails of a drain. */
  readonly mails: number;
  /** Callbacks of one round. */
  readonly callbacks: number;
  /** Messages of the large drain and the small, whose memory is compared. */
  readonly memory: readonly [number, number];
  /** Messages stored before, many and few. */
  readonly history: readonly [number, number];
}
export interface Context {
  readonly stage: Stage;
  readonly load: LoadCheck;
  readonly scale: Scale;
  /** The provider, and the generator. */
  readonly stub: Part<{ port: number }>;
  readonly generator: Part<unknown>;
  /** Whether a figure is asked for; what serves none that is, is not started. */
  readonly wants: (name: string) => boolean;
  readonly say: (line: string) => void;
}
export interface Scene {
  readonly figures: readonly string[];
  readonly run: (context: Context) => Promise<readonly Outcome[]>;
}

export function figureOf(name: string): Figure {
  const found = FIGURES.find((figure) => figure.name === name);
  if (!found) throw new Error(`there is no figure ${name}`);
  return found;
}

export const missing = (name: string, reason: string): Outcome => ({ figure: figureOf(name), missing: reason });

const rate = (value: number): string => `${Math.round(value).toLocaleString('en')}/s`;

/** `name` as ours over theirs, of rates that were measured in turns. */
export function outcome(name: string, turns: Turns, ours: string, theirs: string): Outcome {
  const [a = [], b = []] = [turns.values.get(ours), turns.values.get(theirs)];
  return {
    figure: figureOf(name),
    result: spread(ratios(a, b)),
    detail: `${rate(spread(a).median)} against ${rate(spread(b).median)}`,
    disturbed: turns.disturbed,
  };
}

export const absolute = (name: string, values: readonly number[], detail: string, disturbed: number): Outcome => ({
  figure: figureOf(name),
  result: spread(values) satisfies Spread,
  detail,
  disturbed,
});

/** A round of the generator; a request that failed spoils what it stands for, and is said at once. */
export async function loaded(generator: Part<unknown>, order: LoadOrder): Promise<LoadReport> {
  const report = await generator.ask<LoadReport>('load', order);
  if (report.failed > 0) throw new Error(`${report.failed} of the requests failed: ${report.firstFailure}`);
  return report;
}

/** A bulk of so many rows, all of which must be accepted. */
export async function uploaded(uploader: Part<unknown>, order: UploadOrder): Promise<UploadReport> {
  const report = await uploader.ask<UploadReport>('upload', order);
  if (report.accepted !== order.rows) throw new Error(`${report.accepted} of ${order.rows} rows were accepted`);
  return report;
}

/** Runs with everything that was started stopped afterwards, last first, whatever happened. */
export async function withAll<T>(
  work: (keep: <R extends { stop(): Promise<void> }>(one: Promise<R>) => Promise<R>) => Promise<T>,
): Promise<T> {
  const kept: { stop(): Promise<void> }[] = [];
  try {
    return await work(async (one) => {
      const started = await one;
      kept.push(started);
      return started;
    });
  } finally {
    for (const one of kept.reverse()) await one.stop();
  }
}

export const peer = <I = { port: number }>(name: string, options: unknown = {}): Promise<Part<I>> =>
  startPart<I>(`peers/${name}`, options);
