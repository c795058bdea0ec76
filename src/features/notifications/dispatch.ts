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
import { toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { Connections, OpenConnection } from '../connections/index.ts';
import type { Events } from '../events/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { Templates } from '../templates/index.ts';
import { type Claimed, claimDue, openAttempts } from './claim.ts';
import { attempt, type Job, settle, type Timing } from './deliver.ts';
import { createPace } from './pace.ts';
import { type Result, recordResults } from './record.ts';
import type { Render } from './render.ts';
import type { Word } from './status.ts';
import { loadMessages } from './store.ts';
import type { Message } from './types.ts';

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
  const { db, registry, connections, templates, events, idempotency, render, adapterOf, log, timing } = deps;
  const owner = randomUUID();
  const pace = createPace();
  let offsetMs = 0;
  // The store's clock, as of the last claim: what is due was decided by it.
  const clock: Clock = { now: () => new Date(Date.now() + offsetMs) };
  const recorder = createBatcher<Result, 'recorded' | 'lease_lost'>({
    flush: (results) => recordResults({ db, events, idempotency, owner }, results),
    maxItems: BATCH,
    full: () => new Error('too many results wait to be recorded'),
  });

  let running = false;
  let pumping = false;
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

  /** What each claimed row asks for, in the order of the questions: is it over, has it expired, did it crash, shall it go? */
  async function prepare(claimed: readonly Claimed[], deadline: number): Promise<readonly (() => Promise<Result>)[]> {
    const messages = new Map(
      (
        await loadMessages(
          db,
          claimed.map(({ id }) => id),
        )
      ).map((message) => [message.id, message]),
    );
    const open = await connections.open([...new Set(claimed.map(({ connectionId }) => connectionId))]);
    const versions = await templates.versions([
      ...new Set([...messages.values()].flatMap(({ templateVersionId }) => templateVersionId ?? [])),
    ]);
    const sending: Job[] = [];
    const work = claimed.map((one) => {
      const message = messages.get(one.id);
      const done =
        (words: readonly Word[], extra: Partial<Result> = {}) =>
        async (): Promise<Result> => ({
          id: one.id,
          fence: one.fence,
          connectionId: one.connectionId,
          words,
          ...extra,
        });
      if (!message) return done([]);
      if (!wantsAttempt(message))
        return done(
          message.outcomeUnknown ? [{ word: 'failed', at: one.now, code: 'outcome_unknown', outcome: 'unknown' }] : [],
          closing(one),
        );
      const connection = open.get(one.connectionId);
      const channel = registry.channel(message.channel);
      if (!connection || !channel) return done([{ word: 'failed', at: one.now, code: 'credentials_invalid' }]);
      const adapter = adapterOf(connection);
      pace.learn(one.connectionId, adapter);
      const version = message.templateVersionId ? versions.get(message.templateVersionId) : undefined;
      const job: Job = {
        claimed: one,
        message,
        channel,
        adapter,
        connection,
        render: () => render(channel, message, version),
        attempt: one.lastNumber + 1,
        deadline,
      };
      if (one.openNumber !== null) return () => settle(job, clock, timing);
      if (message.expiresAt <= one.now)
        return done([{ word: 'failed', at: one.now, code: 'expired', outcome: 'expired' }]);
      sending.push(job);
      return () => attempt(job, clock, timing);
    });
    await openAttempts(
      db,
      sending.map(({ message, claimed: { fence, connectionId }, attempt: number }) => ({
        messageId: message.id,
        number,
        tenantId: message.tenantId,
        connectionId,
        fence,
      })),
    );
    return work;
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

  async function pump(): Promise<void> {
    if (pumping) {
      again = true;
      return;
    }
    pumping = true;
    try {
      for (again = true; again && running; ) {
        again = false;
        const began = performance.now();
        const claimed = await claim();
        // A ring that came during the look asks for another one.
        if (claimed.length === 0) continue;
        // Five seconds before the lease ends, so that the answer can still be written down.
        const work = await prepare(claimed, began + (timing.leaseSeconds * 1_000 * 5) / 6);
        for (const [index, one] of claimed.entries()) void run(one, work[index] as () => Promise<Result>);
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

  const wake = (): void => {
    if (running) void pump();
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
      if (inFlight === 0) return recorder.idle();
      await Promise.race([
        new Promise<void>((resolve) => {
          onIdle = resolve;
        }).then(() => recorder.idle()),
        new Promise((resolve) => setTimeout(resolve, withinMs).unref()),
      ]);
    },
  };
}

/** Queued, or taken and later refused with another attempt planned. */
const wantsAttempt = ({ status, nextAttemptAt, outcomeUnknown }: Message): boolean =>
  !outcomeUnknown && (status === 'queued' || (status === 'sent' && nextAttemptAt !== null));

/** A receipt has settled what a crashed attempt left open: the provider had taken it. */
const closing = ({ id, openNumber }: Claimed): Partial<Result> =>
  openNumber === null
    ? {}
    : {
        attempt: {
          messageId: id,
          number: openNumber,
          result: 'accepted',
          fault: null,
          providerCode: null,
          providerMessage: 'settled by a receipt',
          providerId: null,
          retryAt: null,
        },
      };
