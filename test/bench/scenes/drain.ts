/**
 * Starts a worker on what is queued, and times it: messages a second from the end of the first quarter, which warms it up as
 * everybody else is warm, until the store says that all is done.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { peakMbOf } from '../lib/load.ts';
import type { Part } from '../lib/part.ts';
import type { StubReport } from '../parts/arrivals.ts';
import { type Database, type Stage, startProduct } from '../stage.ts';

/** A start, and then no less than this many a second; whoever is slower is stuck. */
const START_MS = 20_000;
const LEAST_PER_SECOND = 100;
/** Often enough to be exact to a percent of a drain, seldom enough not to be felt. */
const LOOK_MS = 20;

export interface Drain {
  readonly perSecond: number;
  /** Resident memory of the worker at its most, MB; undefined where nobody can tell. */
  readonly peakMb: number | undefined;
}

export async function drained(
  { stage, stub }: { readonly stage: Stage; readonly stub: Part<{ port: number }> },
  database: Database,
  count: number,
  { delayMs = 0 }: { delayMs?: number } = {},
): Promise<Drain> {
  await stub.ask('reset', { delayMs });
  const worker = await startProduct(stage, database.url, { role: 'worker', stubPort: stub.info.port });
  try {
    const reach = async (wanted: number): Promise<void> => {
      const withinMs = START_MS + (wanted / LEAST_PER_SECOND) * 1_000;
      if (!(await stub.ask<boolean>('until', { count: wanted, withinMs })))
        throw new Error(`the provider heard of ${(await stub.ask<StubReport>('report')).count} of ${count} messages`);
    };
    await reach(Math.floor(count / 4));
    const beganAt = performance.now();
    const { count: warm } = await stub.ask<StubReport>('report');
    await reach(count);
    const lastAt = performance.now();
    while ((await database.query('select 1 from due limit 1')).length > 0) {
      if (performance.now() - lastAt > 60_000) throw new Error('what was sent was not recorded within a minute');
      await delay(LOOK_MS);
    }
    const seconds = (performance.now() - beganAt) / 1_000;
    const [left] = await database.query<{ left: string }>(
      `select count(*) as left from messages where status = 'queued'`,
    );
    if (Number(left?.left) > 0) throw new Error(`${left?.left} messages are still queued, with nothing due`);
    return { perSecond: (count - warm) / seconds, peakMb: peakMbOf(worker.pid) };
  } finally {
    await worker.stop();
  }
}
