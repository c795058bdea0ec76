/**
 * Hands deliveries over: taken with a lease, called, written down. At least once: a process that dies between the call and
 * the word about it leaves a lease that lapses, and the same event is sent again under the same id.
 */
import type { Db, Sql } from '../../lib/db.ts';
import { newId } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import { type CallDeps, type Called, callEndpoint, isSuccess } from './call.ts';
import { noteFailure, noteSuccess } from './cursors-store.ts';
import { type Claimed, claimDeliveries, closeDelivery, releaseDeliveries } from './deliveries-store.ts';
import type { Secrets } from './secrets.ts';

import { askedFor, type WebhookTiming, waitAfter } from './timetable.ts';

/** Joins the transaction; what it returns is done after it. */
export type Disable = (trx: Sql, endpointId: string, reason: 'failing' | 'gone') => Promise<() => void>;

export interface DispatchDeps extends Omit<CallDeps, 'timeoutMs'> {
  readonly db: Db;
  readonly log: Log;
  readonly secrets: Secrets;
  readonly timing: WebhookTiming;
  readonly disable: Disable;
}

export interface Dispatch {
  /** Who takes deliveries, for those that are born taken. */
  readonly owner: string;
  /** Takes what is due and begins to call; returns how many. `free` is called when there is room again. */
  work(free: () => void): Promise<number>;
  /** Calls now and writes it down. */
  run(delivery: Claimed): Promise<Called>;
  /** Takes nothing more, waits so long for what is under way, cuts off the rest and gives it back. */
  stop(withinMs: number): Promise<void>;
}

export function createDispatch({ db, log, secrets, timing, disable, ...calls }: DispatchDeps): Dispatch {
  const owner = newId();
  const underWay = new Map<string, Promise<void>>();
  const cut = new AbortController();
  let isStopping = false;

  async function call(delivery: Claimed, signing: readonly string[]): Promise<Called> {
    const called = await callEndpoint({ ...calls, timeoutMs: timing.timeoutMs }, delivery, signing, cut.signal);
    // What was cut off may be sent again at once; nobody has heard how it ended.
    if (cut.signal.aborted && called.statusCode === null) {
      await releaseDeliveries(db, owner, [delivery.id]);
      return called;
    }
    // @crash K9: the endpoint has answered, and nobody has written it down
    await record(delivery, called);
    return called;
  }

  async function record(delivery: Claimed, called: Called): Promise<void> {
    const after = await db.transaction((trx) => write(trx, delivery, called));
    after?.();
  }

  async function write(trx: Sql, delivery: Claimed, called: Called): Promise<(() => void) | undefined> {
    const isTest = delivery.type === 'endpoint.test';
    const ok = isSuccess(called.statusCode);
    const wait = isTest
      ? undefined
      : waitAfter(delivery.tries + 1, timing, askedFor(called.retryAfter, calls.clock.now()));
    const then = ok
      ? ({ status: 'delivered' } as const)
      : wait === undefined
        ? ({ status: 'failed' } as const)
        : { waitMs: wait };
    if (!(await closeDelivery(trx, owner, delivery, called, then)) || isTest) return undefined;
    if (ok) {
      await noteSuccess(trx, delivery.endpointId);
      return undefined;
    }
    const { over, active } = await noteFailure(trx, delivery.endpointId, timing.failures, timing.failingMs);
    if (!active || !(over || called.statusCode === 410)) return undefined;
    return disable(trx, delivery.endpointId, called.statusCode === 410 ? 'gone' : 'failing');
  }

  return {
    owner,
    async work(free) {
      const limit = timing.atOnce - underWay.size;
      if (isStopping || limit <= 0) return 0;
      const { perEndpoint, leaseSeconds } = timing;
      const taken = await db.transaction((trx) => claimDeliveries(trx, owner, { limit, perEndpoint, leaseSeconds }));
      if (isStopping)
        await releaseDeliveries(
          db,
          owner,
          taken.map(({ id }) => id),
        );
      if (taken.length === 0 || isStopping) return 0;
      const signing = await secrets.of(db, [...new Set(taken.map(({ endpointId }) => endpointId))]);
      for (const delivery of taken) {
        const done = call(delivery, signing.get(delivery.endpointId) ?? [])
          .catch((err: unknown) =>
            log.warn({ err }, 'what came of a webhook could not be written down; it is sent again'),
          )
          .then(() => {
            underWay.delete(delivery.id);
            if (!isStopping) free();
          });
        underWay.set(delivery.id, done);
      }
      return taken.length;
    },
    run: async (delivery) =>
      call(delivery, (await secrets.of(db, [delivery.endpointId])).get(delivery.endpointId) ?? []),
    async stop(withinMs) {
      isStopping = true;
      const timer = setTimeout(() => cut.abort(new Error('we are leaving')), withinMs);
      await Promise.all(underWay.values());
      clearTimeout(timer);
    },
  };
}
