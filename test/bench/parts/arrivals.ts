/** What every provider of the bench counts: how many came, when the first and the last did, and how long each was under way. */
import { Histogram } from '../lib/stats.ts';

export interface StubReport {
  readonly count: number;
  /** Milliseconds between the first request and the last. */
  readonly spanMs: number;
  readonly perSecond: number;
  /** From the time in the body to its arrival here, ms. */
  readonly p50: number;
  readonly p99: number;
}

const TIME = Buffer.from('"at":"');

export function createArrivals() {
  let count = 0;
  let firstAt = 0;
  let lastAt = 0;
  let latencies = new Histogram();
  let waiter: { count: number; resolve: (reached: boolean) => void; timer: NodeJS.Timeout } | undefined;
  const settle = (reached: boolean): void => {
    clearTimeout(waiter?.timer);
    waiter?.resolve(reached);
    waiter = undefined;
  };
  return {
    /** A body may tell when it was sent. */
    arrived(body?: Buffer): void {
      const now = performance.now();
      if (count === 0) firstAt = now;
      lastAt = now;
      count++;
      const at = body?.indexOf(TIME) ?? -1;
      if (body && at >= 0) {
        const sent = Number(body.toString('latin1', at + TIME.length, at + TIME.length + 16));
        latencies.record((Number(process.hrtime.bigint() / 1_000n) - sent) / 1_000);
      }
      if (waiter && count >= waiter.count) settle(true);
    },
    /** Counts from nothing again. */
    reset(): void {
      count = 0;
      latencies = new Histogram();
    },
    verbs: {
      report: (): StubReport => ({
        count,
        spanMs: lastAt - firstAt,
        perSecond: (count - 1) / ((lastAt - firstAt) / 1_000),
        p50: latencies.quantile(0.5),
        p99: latencies.quantile(0.99),
      }),
      /** When so many have come; false when they did not in time. */
      until: (wanted: { count: number; withinMs: number }) =>
        new Promise<boolean>((resolve) => {
          if (count >= wanted.count) return resolve(true);
          const timer = setTimeout(() => settle(false), wanted.withinMs);
          waiter = { count: wanted.count, resolve, timer };
        }),
    },
  };
}
