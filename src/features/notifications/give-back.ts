/**
 * What this worker holds and will not send: it is given back as long as the lease lasts, however often the store has to be
 * asked. Nothing of it has left, and nobody else looks at it meanwhile; what cannot be given back ends as unknown.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../lib/log.ts';

export interface GiveBack {
  /** Begins at once and never fails. `messages` is for the log. */
  add(messages: number, work: () => Promise<unknown>): void;
  /** Resolves when everything was given back, or given up. */
  idle(): Promise<void>;
}

const AGAIN_MS = 500;

export function createGiveBack({
  log,
  leaseSeconds,
  wake,
}: {
  readonly log: Log;
  readonly leaseSeconds: number;
  /** Something may be due again. */
  readonly wake: () => void;
}): GiveBack {
  const under = new Set<Promise<void>>();

  async function persist(messages: number, work: () => Promise<unknown>): Promise<void> {
    const until = performance.now() + leaseSeconds * 1_000;
    for (;;) {
      try {
        await work();
        return wake();
      } catch (err) {
        if (performance.now() >= until)
          return log.error({ err, messages }, 'could not give messages back; their outcome is unknown');
        await delay(AGAIN_MS);
      }
    }
  }

  return {
    add(messages, work) {
      const one = persist(messages, work).finally(() => under.delete(one));
      under.add(one);
    },
    async idle() {
      while (under.size > 0) await Promise.all(under);
    },
  };
}
