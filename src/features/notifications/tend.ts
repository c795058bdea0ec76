/**
 * What goes on for a connection that nothing may be sent through: its decisions still fall when they are due, messages still
 * end with their time, and when its owner has done something about it, it is tried at once. Runs with the worker's tick and
 * costs nothing while every connection is well.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import type { Log } from '../../lib/log.ts';
import type { Connections, Touch } from '../connections/index.ts';
import { claimOver, type TakenRow } from './claim.ts';
import type { Pace } from './pace.ts';

export interface TendDeps {
  readonly db: Db;
  readonly owner: string;
  readonly leaseSeconds: number;
  readonly connections: Pick<Connections, 'touched'>;
  readonly pace: Pick<Pace, 'open' | 'retry' | 'forget'>;
  /** The store's. */
  readonly clock: Clock;
  readonly log: Log;
  /** Starts what was claimed since `began`. */
  readonly go: (rows: readonly TakenRow[], began: number) => Promise<void>;
  readonly wake: () => void;
}

/** What others find well does not end a pause that this process was asked for. */
const newest = ({ changed, well }: Touch, asked: boolean): number =>
  Math.max(changed.getTime(), asked ? 0 : (well?.getTime() ?? 0));

export interface Tend {
  /** One look at a time; a call during one does nothing. */
  look(): void;
  idle(): Promise<void>;
}

const BATCH = 200;
/** What waits may be much: of the time between two looks at it, so large a part may be spent looking. */
const SHARE = 1 / 20;

export function createTend({ db, owner, leaseSeconds, connections, pace, clock, log, go, wake }: TendDeps): Tend {
  let current: Promise<void> | undefined;
  let nextAt = 0;

  async function mended(): Promise<void> {
    const held = pace.open().filter((one) => one.held);
    if (held.length === 0) return;
    const touched = await connections.touched(held.map(({ connectionId }) => connectionId));
    const monotone = clock.now().getTime() - performance.now();
    for (const { connectionId, since, asked } of held) {
      const touch = touched.get(connectionId);
      // What was removed is refused without a call.
      if (touch?.archived) pace.forget(connectionId);
      else if (touch && newest(touch, asked) > monotone + since) pace.retry(connectionId);
      else continue;
      wake();
    }
  }

  async function over(): Promise<void> {
    const began = performance.now();
    if (began < nextAt) return;
    const held = pace.open().flatMap((one) => (one.held ? [one.connectionId] : []));
    if (held.length === 0) return;
    const rows = await claimOver(db, owner, held, BATCH, leaseSeconds);
    nextAt = rows.length < BATCH ? performance.now() + (performance.now() - began) / SHARE : 0;
    if (rows.length > 0) await go(rows, began);
  }

  return {
    look() {
      if (pace.open().length === 0) return;
      current ??= mended()
        .then(over)
        .catch((err: unknown) => log.warn({ err }, 'could not tend to connections that are unwell; trying again'))
        .finally(() => {
          current = undefined;
        });
    },
    idle: () => current ?? Promise.resolve(),
  };
}
