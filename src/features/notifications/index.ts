/**
 * Notifications: the pipeline, one room a file.
 *
 *     routes → accept (plan → policy → store) → due row … dispatch (claim → render → deliver → record)
 *                                                              receipts (status) ← inbound
 */
import type { Traces } from '../../lib/traces.ts';
import { type AcceptDeps, createAccept } from './accept.ts';
import { type Codes, createCodes } from './codes.ts';
import { createDispatcher, type DispatchDeps, type Dispatcher } from './dispatch.ts';
import { createPlanner, type PlanDeps, type Planner } from './plan.ts';
import { createQueries, type Queries, type QueryDeps } from './queries.ts';
import { createReceipts, type ReceiptDeps, type Receipts } from './receipts.ts';
import { createRender } from './render.ts';
import { purgeOlder } from './retention.ts';
import { createWatch } from './rollouts.ts';
import { createVerbs, type Verbs } from './service.ts';
import { createThread, type Thread } from './thread.ts';
import { createTrack } from './track.ts';

export type { Codes } from './codes.ts';
export type { DispatchTiming } from './dispatch.ts';
export { cancelWaiting, eraseNotifications, eraseWords, notificationsTo, unsettledOf } from './erase.ts';
export { type BulkMessage, bulkMessages, cancelHeld, dropHeld, holdBulk, holdUnbegun, releaseBulk } from './held.ts';
export { BULK_LIMITS } from './limits.ts';
export { countMinutes, MINUTE_PAGE, type MinuteCount } from './minutes.ts';
export { type Plan, type Planner, type Window, type Windows, windowName } from './plan.ts';
export { judge, type Refusal, refusalOf } from './policy.ts';
export { bindSheaf, type Sheaf } from './pour.ts';
export {
  type Choice,
  countQuarantined,
  discardQuarantined,
  listQuarantined,
  QUARANTINE_GROUPS,
  quarantineDue,
  releaseQuarantined,
} from './quarantine.ts';
export type { Overview, Queries, Summary } from './queries.ts';
export { isZone, localTime, nextAllowed, type QuietHours } from './quiet.ts';
export type { NewReceipt, Receipts } from './receipts.ts';
export { IDEMPOTENCY, notificationRoutes, POLICY } from './routes.ts';
export { Accepted, page, type SendBody, type SendNotification, STATUSES, sendAheadMs, sendBody } from './schema.ts';
export type { Verbs } from './service.ts';
export { tellMessages } from './tell.ts';
export { type Outgoing, sentLog, type Thread } from './thread.ts';
export { LAST_WORD, type NewMessage, type Origin, type SendCommand } from './types.ts';
export { reasonOf, reasons } from './view.ts';

export interface Notifications extends Queries, Verbs {
  readonly thread: Thread;
  readonly receipts: Receipts;
  /** A worker of this process; start it at most once. */
  readonly dispatcher: Dispatcher;
  /** For bulks, which store what is planned by themselves. */
  readonly plan: Planner;
  /** For bulks, too. */
  readonly codes: Codes;
  /** Counts what became of rollouts, at most every two seconds; answers how many have more to be counted at once. */
  watchRollouts(): Promise<number>;
  /** Drops months older than so many days, but for those that hold work; 0 keeps everything. Returns how many partitions. */
  purge(days: number): Promise<number>;
  /** Resolves when nothing is being committed. */
  idle(): Promise<void>;
}

export type NotificationsDeps = Omit<AcceptDeps, 'plan' | 'codes' | 'dispatcher' | 'track'> &
  Parameters<typeof createCodes>[0] &
  PlanDeps &
  Omit<QueryDeps, 'render'> &
  Omit<DispatchDeps, 'render' | 'track'> &
  Omit<ReceiptDeps, 'track'> & {
    /** Absent while nobody collects them. */
    readonly traces?: Traces | undefined;
  };

export function createNotifications({ traces, ...given }: NotificationsDeps): Notifications {
  const deps = { ...given, track: traces && createTrack(traces) };
  const render = createRender(deps);
  const plan = createPlanner(deps);
  const dispatcher = createDispatcher({ ...deps, render });
  const codes = createCodes(deps);
  const accept = createAccept({ ...deps, plan, codes, dispatcher });
  const queries = createQueries({ ...deps, render });
  return {
    ...queries,
    thread: createThread({ ...deps, render }),
    ...createVerbs({ ...deps, accept, plan, render, queries }),
    receipts: createReceipts(deps),
    dispatcher,
    plan,
    codes,
    watchRollouts: createWatch(deps),
    purge: (days) => purgeOlder(deps.db, days),
    idle: () => accept.idle(),
  };
}

/** As production runs them; tests shorten them. */
export const TIMING = {
  leaseSeconds: 30,
  sweepMs: 1_000,
  receiptWindowMs: 72 * 3_600_000,
  lookupSettleMs: 30_000,
  random: Math.random,
} as const;
