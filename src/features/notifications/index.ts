/**
 * Notifications: the pipeline, one room a file.
 *
 *     routes → accept (plan → policy → store) → due row … dispatch (claim → render → deliver → record)
 *                                                              receipts (status) ← inbound
 */
import { type AcceptDeps, createAccept } from './accept.ts';
import { createDispatcher, type DispatchDeps, type Dispatcher } from './dispatch.ts';
import { createPlanner, type PlanDeps, type Planner } from './plan.ts';
import { createQueries, type Queries, type QueryDeps } from './queries.ts';
import { createReceipts, type ReceiptDeps, type Receipts } from './receipts.ts';
import { createRender } from './render.ts';
import { createWatch } from './rollouts.ts';
import { createVerbs, type Verbs } from './service.ts';

export type { DispatchTiming } from './dispatch.ts';
export { type BulkMessage, bulkMessages, cancelHeld, dropHeld, holdBulk, holdUnbegun, releaseBulk } from './held.ts';
export { BULK_LIMITS } from './limits.ts';
export type { Plan, Planner } from './plan.ts';
export { judge, type Refusal } from './policy.ts';
export { bindSheaf, type Sheaf } from './pour.ts';
export type { Overview, Queries, Summary } from './queries.ts';
export { isZone, localTime, nextAllowed, type QuietHours } from './quiet.ts';
export type { NewReceipt, Receipts } from './receipts.ts';
export { notificationRoutes } from './routes.ts';
export { page, type SendBody, type SendNotification, STATUSES, sendAheadMs, sendBody } from './schema.ts';
export type { Verbs } from './service.ts';
export type { NewMessage, Origin, SendCommand } from './types.ts';
export { reasonOf, reasons } from './view.ts';

export interface Notifications extends Queries, Verbs {
  readonly receipts: Receipts;
  /** A worker of this process; start it at most once. */
  readonly dispatcher: Dispatcher;
  /** For bulks, which store what is planned by themselves. */
  readonly plan: Planner;
  /** Counts what became of rollouts, at most every two seconds; answers how many have more to be counted at once. */
  watchRollouts(): Promise<number>;
  /** Resolves when nothing is being committed. */
  idle(): Promise<void>;
}

export type NotificationsDeps = Omit<AcceptDeps, 'plan' | 'dispatcher'> &
  PlanDeps &
  Omit<QueryDeps, 'render'> &
  Omit<DispatchDeps, 'render'> &
  ReceiptDeps;

export function createNotifications(deps: NotificationsDeps): Notifications {
  const render = createRender(deps);
  const plan = createPlanner(deps);
  const dispatcher = createDispatcher({ ...deps, render });
  const accept = createAccept({ ...deps, plan, dispatcher });
  const queries = createQueries({ ...deps, render });
  return {
    ...queries,
    ...createVerbs({ ...deps, accept, plan, render, queries }),
    receipts: createReceipts(deps),
    dispatcher,
    plan,
    watchRollouts: createWatch(deps),
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
