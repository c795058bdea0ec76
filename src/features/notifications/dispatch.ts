/**
 * The worker's loop: claim a batch, open its attempts, hand each message over, record in batches. It takes only what it can
 * start at once (free places and pace per connection), so a slow provider keeps only itself waiting. Rings and a tick wake
 * it; it trusts neither.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { AnyAdapter, Registry } from '../../channel-kit/index.ts';
import { createBatcher } from '../../lib/batch.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import { isOutage } from '../../lib/errors.ts';
import { toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { Connections, OpenConnection } from '../connections/index.ts';
import type { Events } from '../events/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { Templates } from '../templates/index.ts';
import { type Claimed, claimDue, releaseDue } from './claim.ts';
import type { Timing } from './deliver.ts';
import { createPace } from './pace.ts';
import { prepare } from './prepare.ts';
import { type Result, recordResults } from './record.ts';
import type { Render } from './render.ts';

export interface DispatchTiming extends Timing {
  /** A worker that says nothing for so long has lost its messages. */
  readonly leaseSeconds: number;
  /** How often to look without being rung. */
  readonly sweepMs: number;
}

export interface Dispatcher {
  start(): void;
  /** Something may be due. */
  wake(): void;
  /** Takes nothing new and waits for what is under way, at most so long. */
  stop(withinMs: number): Promise<void>;
}

export interface DispatchDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly connections: Connections;
  readonly templates: Templates;
  readonly events: Events;
  readonly idempotency: Idempotency;
  readonly render: Render;
  /** The connection's own adapter, or the sandbox in its place. */
  readonly adapterOf: (connection: OpenConnection) => AnyAdapter;
  readonly log: Log;
  readonly timing: DispatchTiming;
}

const BATCH = 200;
const IN_FLIGHT_MAX = 1_000;
const RECORD_AGAIN_MS = 500;

export function createDispatcher(deps: DispatchDeps): Dispatcher {
  const { db, connections, events, idempotency, log, timing } = deps;
  const owner = randomUUID();
  const pace = createPace();
  let offsetMs = 0;
  // The store's clock, as of the last claim: what is due was decided by it.
  const clock: Clock = { now: () => new Date(Date.now() + offsetMs) };
  const recorder = createBatcher<Result, 'recorded' | 'lease_lost'>({
    flush: (results) => recordResults({ db, events, idempotency, owner }, results),
    maxItems: BATCH,
    full: () => new Error('too many results wait to be recorded'),
    isOutage,
  });

  let running = false;
  let pumping = false;
  let looking: Promise<void> = Promise.resolve();
  let again = false;
  let inFlight = 0;
  /** Something may be due that had no room at the last look. */
  let held = false;
  let timer: NodeJS.Timeout | undefined;
  let onIdle: (() => void) | undefined;

  async function claim(): Promise<readonly Claimed[]> {
    const limit = Math.min(BATCH, IN_FLIGHT_MAX - inFlight);
    const rooms = pace.rooms();
    held = limit <= 0 || rooms.some(({ room }) => room === 0);
    if (limit <= 0) return [];
    const claimed = await claimDue(db, owner, { rooms, defaultRoom: 1, limit, leaseSeconds: timing.leaseSeconds });
    if (claimed[0]) offsetMs = claimed[0].now.getTime() - Date.now();
    return claimed;
  }

  async function run(one: Claimed, work: () => Promise<Result>): Promise<void> {
    inFlight++;
    const finish = pace.begin(one.connectionId);
    const began = performance.now();
    try {
      const result = await work();
      finish();
      note(result);
      const recorded = await record(result);
      const { attempt: closed, words } = result;
      log[closed?.fault && recorded === 'recorded' ? 'info' : recorded === 'lease_lost' ? 'warn' : 'debug'](
        {
          message_id: toWire('message', one.id),
          connection_id: toWire('connection', one.connectionId),
          attempt: closed?.number,
          result: closed?.result,
          fault: closed?.fault ?? undefined,
          provider_code: closed?.providerCode ?? undefined,
          word: words.at(-1)?.word,
          next_at: result.runAt?.toISOString(),
          ms: Math.round(performance.now() - began),
          recorded,
        },
        'attempt',
      );
    } catch (error) {
      // Nothing is lost: the lease lapses and the row is found again.
      log.error(
        { err: error, message_id: toWire('message', one.id) },
        'could not finish a message; it is taken up again when its lease ends',
      );
    } finally {
      finish();
      inFlight--;
      if (inFlight === 0) onIdle?.();
      if (held && running) setImmediate(wake);
    }
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

  function note({ connectionId, attempt: closed }: Result): void {
    if (!closed) return;
    if (closed.result === 'accepted') connections.health(connectionId, true);
    else if (closed.fault === 'credentials_invalid' || closed.fault === 'provider_unavailable')
      connections.health(connectionId, false, closed.providerMessage ?? closed.fault);
  }

  async function look(): Promise<void> {
    pumping = true;
    try {
      for (again = true; again && running; ) {
        again = false;
        const began = performance.now();
        const claimed = await claim();
        // A ring that came during the look asks for another one.
        if (claimed.length === 0) continue;
        if (!running) return await give(claimed);
        // Five seconds before the lease ends, so that the answer can still be written down.
        const prepared = await prepare(
          { ...deps, clock, owner, learn: pace.learn },
          claimed,
          began + (timing.leaseSeconds * 1_000 * 5) / 6,
        );
        for (const { claimed: one, work } of prepared) void run(one, work);
        again = true;
      }
    } catch (error) {
      log.warn({ err: error }, 'could not look for due messages; trying again at the next tick');
    } finally {
      pumping = false;
    }
    const wait = pace.nextRoomMs();
    if (running && wait !== undefined) setTimeout(wake, wait).unref();
  }

  /** Taken, and then told to stop: others may have them at once. */
  const give = async (claimed: readonly Claimed[]): Promise<void> =>
    void (await releaseDue(
      db,
      claimed.map(({ id, now }) => ({ id, runAt: now })),
    ));

  const wake = (): void => {
    if (!running) return;
    if (pumping) again = true;
    else looking = look();
  };

  return {
    wake,
    start() {
      running = true;
      timer = setInterval(wake, timing.sweepMs);
      wake();
    },
    async stop(withinMs) {
      running = false;
      clearInterval(timer);
      const late = new Promise<void>((resolve) => setTimeout(resolve, withinMs).unref());
      // What is being claimed is started or given back first; only then is it known what is under way.
      await Promise.race([looking, late]);
      const quiet =
        inFlight === 0
          ? Promise.resolve()
          : new Promise<void>((resolve) => {
              onIdle = resolve;
            });
      await Promise.race([quiet.then(() => recorder.idle()), late]);
    },
  };
}
