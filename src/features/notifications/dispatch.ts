/**
 * The worker's loop: claim a batch, hand each message over, record in batches. It takes only what it can start at once (free
 * places and pace per connection), so a slow provider keeps only itself waiting. Rings and a tick wake it; it trusts neither.
 * What is accepted in this very process, while there is room, is born into its hands and never waits in the queue.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createBatcher } from '../../lib/batch.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import { isOutage } from '../../lib/errors.ts';
import { toWire } from '../../lib/ids.ts';
import { BREAKER, type BreakerTiming } from './breaker.ts';
import { type Claimed, claimDue, claimedOf, returnTaken, type TakenRow } from './claim.ts';
import { type Cradle, createCradle, type Place } from './cradle.ts';
import type { Timing } from './deliver.ts';
import { createGiveBack } from './give-back.ts';
import { createPace, type Open } from './pace.ts';
import { type PrepareDeps, prepare, type Taken } from './prepare.ts';
import { closeRange, openRanges } from './ranges.ts';
import { createRecorder, type RecordDeps, type Result } from './record.ts';
import { createReport } from './report.ts';
import { loadMessages } from './store.ts';
import { createTend } from './tend.ts';

export interface DispatchTiming extends Timing {
  /** A worker that says nothing for so long has lost its messages. */
  readonly leaseSeconds: number;
  /** How often to look without being rung. */
  readonly sweepMs: number;
  /** Default: as production has it. */
  readonly breaker?: BreakerTiming;
}

export interface Dispatcher {
  readonly cradle: Cradle;
  start(): void;
  /** Something may be due. */
  wake(): void;
  /** The connections that this process leaves alone, or tries again with care. */
  open(): readonly Open[];
  /** Takes nothing new and waits for what is under way, at most so long. */
  stop(withinMs: number): Promise<void>;
}

export interface DispatchDeps
  extends Omit<PrepareDeps, 'clock' | 'learn' | 'timing'>,
    Pick<RecordDeps, 'events' | 'idempotency'> {
  readonly db: Db;
  readonly timing: DispatchTiming;
}

const BATCH = 200;
const IN_FLIGHT_MAX = 4_096;
const RECORD_AGAIN_MS = 500;

export function createDispatcher(deps: DispatchDeps): Dispatcher {
  const { db, connections, log, timing } = deps;
  const owner = randomUUID();
  const pace = createPace({ ...(timing.breaker ?? BREAKER), random: timing.random });
  const report = createReport({ connections, log, pace, track: deps.track });
  let offsetMs = 0;
  // The store's clock, as of the last claim: what is due was decided by it.
  const clock: Clock = { now: () => new Date(Date.now() + offsetMs) };
  const recorder = createBatcher<Result, 'recorded' | 'lease_lost'>({
    flush: createRecorder({ ...deps, owner }),
    maxItems: BATCH,
    enough: BATCH / 2,
    flights: 2,
    full: () => new Error('too many results wait to be recorded'),
    isOutage,
  });

  let running = false;
  let pumping = false;
  let looking: Promise<void> = Promise.resolve();
  let again = false;
  let inFlight = 0;
  /** Connections that may have more waiting than there was room for at the last look. */
  let hungry = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let roomTimer: NodeJS.Timeout | undefined;
  let onIdle: (() => void) | undefined;

  async function claim(): Promise<readonly TakenRow[]> {
    const limit = Math.min(BATCH, IN_FLIGHT_MAX - inFlight);
    const rooms = pace.rooms();
    if (limit <= 0) {
      hungry = new Set(rooms.map(({ connectionId }) => connectionId));
      return [];
    }
    const rows = await claimDue(db, owner, { rooms, defaultRoom: 1, limit, leaseSeconds: timing.leaseSeconds });
    if (rows[0]) offsetMs = rows[0].now.getTime() - Date.now();
    const left = new Map(rooms.map(({ connectionId, common }) => [connectionId, common]));
    let total = 0;
    for (const { connectionId, quota } of rows) {
      total += quota;
      left.set(connectionId, (left.get(connectionId) ?? 1) - quota);
    }
    hungry = new Set([...left].filter(([, room]) => room <= 0).map(([id]) => id));
    // The batch was full, or a connection was met whose room is only known now.
    if (total >= limit || rows.some(({ connectionId }) => !rooms.some((room) => room.connectionId === connectionId)))
      again = true;
    return rows;
  }

  async function load(rows: readonly TakenRow[]): Promise<{ taken: Taken[]; ranges: Map<string, Range> }> {
    const single = rows.filter(({ kind }) => kind !== 'range');
    const ids = single.map(({ id }) => id);
    const messages = new Map(
      ids.length > 0 ? (await loadMessages(db, ids)).map((message) => [message.id, message] as const) : [],
    );
    const taken: Taken[] = single.map((row) => ({ claimed: claimedOf(row), message: messages.get(row.id) }));
    const ranges = new Map<string, Range>();
    for (const { dueId, fence, work } of await openRanges(db, owner, rows)) {
      ranges.set(dueId, { dueId, fence, left: work.length, whole: true });
      taken.push(...work);
      if (work.length === 0) void close(ranges.get(dueId) as Range);
    }
    return { taken, ranges };
  }

  /** The range's row goes when nothing of it is open any more; one that could not be written down is found again. */
  async function close(range: Range): Promise<void> {
    if (range.whole)
      await closeRange(db, owner, range).catch((err) => log.warn({ err }, 'a range could not be closed'));
  }

  async function run(
    claimed: Claimed,
    work: () => Promise<Result>,
    leave: Place['leave'],
    range?: Range,
  ): Promise<void> {
    const { id, connectionId } = claimed;
    const began = performance.now();
    let whole = false;
    try {
      const result = await work();
      report.answered(result, leave(result.answer));
      const recorded = await record(result);
      // @crash K8: written down, and the place not free again
      whole = true;
      report.attempted(result, recorded, performance.now() - began);
    } catch (error) {
      // Nothing is lost: the lease lapses and the row is found again.
      log.error(
        { err: error, message_id: toWire('message', id) },
        'could not finish a message; it is taken up again when its lease ends',
      );
    } finally {
      leave();
      if (range) {
        range.whole &&= whole;
        if (--range.left === 0) await close(range);
      }
      left();
      if (hungry.has(connectionId) && pace.worthALook(connectionId)) wake();
    }
  }

  /** One message less is under way. */
  function left(): void {
    if (--inFlight === 0) onIdle?.();
  }

  /** What the provider answered is worth more than a hiccup of the store: it is written down as long as the lease can hold. */
  async function record(result: Result): Promise<'recorded' | 'lease_lost'> {
    const until = performance.now() + timing.leaseSeconds * 1_000;
    for (;;) {
      try {
        return await recorder.add(result);
      } catch (error) {
        if (performance.now() >= until) throw error;
        await delay(RECORD_AGAIN_MS);
      }
    }
  }

  const preparing = { ...deps, clock, learn: pace.learn };
  /** Five seconds of thirty are kept before the lease ends, so that the answer can still be written down. */
  const deadlineOf = (began: number): number => began + (timing.leaseSeconds * 1_000 * 5) / 6;

  async function look(): Promise<void> {
    pumping = true;
    try {
      for (again = true; again && running; ) {
        again = false;
        const began = performance.now();
        const rows = await claim();
        if (rows.length === 0) continue;
        await go(rows, began);
      }
    } catch (error) {
      log.warn({ err: error }, 'could not look for due messages; trying again at the next tick');
    } finally {
      pumping = false;
    }
    clearTimeout(roomTimer);
    const wait = pace.nextRoomMs();
    if (running && wait !== undefined) roomTimer = setTimeout(wake, wait).unref();
  }

  /** What was claimed since `began` starts, or is given back: nothing of it is lost to a hiccup of the store. */
  async function go(rows: readonly TakenRow[], began: number): Promise<void> {
    // @crash K4: claimed, and nothing is loaded
    if (!running) return give(rows, 0);
    let prepared: Awaited<ReturnType<typeof prepare>>;
    let ranges: Map<string, Range>;
    try {
      const loaded = await load(rows);
      ranges = loaded.ranges;
      prepared = await prepare(preparing, loaded.taken, deadlineOf(began));
    } catch (error) {
      // Behind what else waits, which may have better luck.
      give(rows, 1);
      throw error;
    }
    for (const { claimed, work } of prepared) {
      inFlight++;
      void run(claimed, work, pace.begin(claimed.connectionId), ranges.get(claimed.dueId));
    }
  }

  /** Taken, and not begun: others may have them. */
  const give = (rows: readonly TakenRow[], afterSeconds: number): void =>
    givingBack.add(
      rows.reduce((sum, { size }) => sum + size, 0),
      () => returnTaken(db, owner, rows, afterSeconds),
    );

  const wake = (): void => {
    if (!running) return;
    if (pumping) again = true;
    else looking = look();
  };

  const givingBack = createGiveBack({ log, leaseSeconds: timing.leaseSeconds, wake });
  const tend = createTend({ db, owner, leaseSeconds: timing.leaseSeconds, connections, pace, clock, log, go, wake });

  const cradle = createCradle({
    ...preparing,
    owner,
    leaseSeconds: timing.leaseSeconds,
    givingBack,
    reserve(connectionId, lane) {
      if (!running || inFlight >= IN_FLIGHT_MAX || pace.room(connectionId, lane === 0) === 0) return undefined;
      inFlight++;
      const leave = pace.begin(connectionId);
      return {
        leave,
        cancel() {
          leave();
          left();
        },
      };
    },
    deadlineOf,
    run: (claimed, work, place) => void run(claimed, work, place.leave),
  });

  return {
    cradle,
    wake,
    open: pace.open,
    start() {
      running = true;
      timer = setInterval(() => {
        wake();
        tend.look();
      }, timing.sweepMs);
      wake();
    },
    async stop(withinMs) {
      running = false;
      clearInterval(timer);
      clearTimeout(roomTimer);
      const late = new Promise<void>((resolve) => setTimeout(resolve, withinMs).unref());
      // What is being claimed is started or given back first; only then is it known what is under way.
      await Promise.race([Promise.all([looking, tend.idle()]), late]);
      const quiet =
        inFlight === 0
          ? Promise.resolve()
          : new Promise<void>((resolve) => {
              onIdle = resolve;
            });
      await Promise.race([quiet.then(() => Promise.all([recorder.idle(), givingBack.idle()])), late]);
    },
  };
}

/** A range in this worker's hands. */
interface Range {
  readonly dueId: string;
  readonly fence: number;
  /** Messages of it that are under way. */
  left: number;
  /** Everything so far was written down. */
  whole: boolean;
}
