/**
 * Writing down what happened, in batches. What most messages come to is one statement (`record-store.ts`); what it does not
 * take, because a receipt or a cancellation was there first, or because more is to be decided, goes the general way: one
 * transaction that locks, folds and writes. Only who still holds the lease and the fence may close an attempt; a provider's
 * id is kept in any case, because it is true whoever learned it.
 */

import type { Registry } from '../../channel-kit/index.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { newId, notificationIdOf } from '../../lib/ids.ts';
import type { Events } from '../events/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { Suppressions } from '../suppressions/index.ts';
import type { Answer } from './breaker.ts';
import {
  type Again,
  type Claimed,
  type ClosedAttempt,
  closeAttempts,
  finishDue,
  holdDue,
  insertRefs,
  leaveRange,
  releaseDue,
} from './claim.ts';
import { judgeNotifications } from './follow.ts';
import { causesOf, type Said } from './opt-out.ts';
import { isNotAll, type Move, moveLegs, recordMoves } from './record-store.ts';
import { fold, type Word } from './status.ts';
import type { Message } from './types.ts';
import { stateView } from './view.ts';
import { applyWords, type Folded, talliesOf } from './words.ts';

/** What came of one claimed message. */
export interface Result {
  readonly claimed: Claimed;
  /** As it was when it was claimed; absent: it is gone. */
  readonly before?: Message;
  /** The attempt it closes, if there was one. */
  readonly attempt?: ClosedAttempt;
  readonly words: readonly Word[];
  /** When it is due again; absent: never. */
  readonly runAt?: Date;
  /** Its attempt stays open: nobody knows yet what became of it. */
  readonly isOpen?: boolean;
  /** Id of the adapter that was to carry it. */
  readonly adapter?: string;
  /** What it tells of the provider; absent: the provider was not asked. Nobody writes it down. */
  readonly answer?: Answer;
}

export type Recorded = 'recorded' | 'lease_lost';

export interface RecordDeps {
  readonly db: Db;
  readonly events: Events;
  readonly idempotency: Idempotency;
  readonly registry: Registry;
  readonly suppressions: Pick<Suppressions, 'suppress'>;
  /** The id of this worker on its leases. */
  readonly owner: string;
}

/** Where not all of a batch went well a moment ago, the next will not either. */
const CAUTIOUS_MS = 100;

/** One verdict per result, in order. */
export function createRecorder(deps: RecordDeps): (results: readonly Result[]) => Promise<readonly Recorded[]> {
  let cautiousUntil = 0;

  /** Whether all of them were written down, in the way that takes all or none. */
  async function all(moves: readonly Move[], results: readonly Result[]): Promise<boolean> {
    if (moves.length < results.length || performance.now() < cautiousUntil) return false;
    if (moves.some(({ runAt, outcomeUnknown, nextAttemptAt }) => runAt || outcomeUnknown || nextAttemptAt))
      return false;
    const tallies = talliesOf(
      results.map(({ before }) => before as Message),
      moves,
    );
    try {
      await deps.db.batch(moveLegs(deps.owner, moves, tallies));
      return true;
    } catch (error) {
      if (!isNotAll(error)) throw error;
      cautiousUntil = performance.now() + CAUTIOUS_MS;
      return false;
    }
  }

  return async (results) => {
    const moves = results.flatMap((result) => plainMove(result) ?? []);
    if (await all(moves, results)) return results.map(() => 'recorded');
    const moved = moves.length > 0 ? await recordMoves(deps.db, deps.owner, moves) : new Set<string>();
    const isMoved = ({ claimed }: Result): boolean => moved.has(`${claimed.id}/${claimed.fence}`);
    const rest = results.filter((result) => !isMoved(result));
    if (rest.length === 0) return results.map(() => 'recorded');
    const verdicts = await recordRest(deps, rest);
    return results.map((result) => (isMoved(result) ? 'recorded' : (verdicts.get(result) ?? 'lease_lost')));
  };
}

/** The first word about a queued message whose idempotency key stays as it is. */
function plainMove({ claimed, before, attempt, words, runAt }: Result): Move | undefined {
  const [word] = words;
  if (!before || !attempt || !word || words.length > 1 || before.status !== 'queued' || before.outcome)
    return undefined;
  // What is to follow from it is decided with the other messages of its notification.
  if (before.fallback) return undefined;
  // Nor is what follows for the address.
  if (attempt.fault === 'recipient_opted_out') return undefined;
  const { state, events } = fold(before, word);
  if (state.status === 'failed' && before.idempotencyKey) return undefined;
  const data = stateView({ ...state, attempts: attempt.number });
  return {
    id: before.id,
    tenantId: before.tenantId,
    mode: before.mode,
    startedAt: attempt.startedAt,
    finishedAt: word.at,
    dueId: claimed.dueId,
    fence: claimed.fence,
    connectionId: claimed.connectionId,
    number: attempt.number,
    result: attempt.result,
    fault: attempt.fault ?? undefined,
    providerCode: attempt.providerCode ?? undefined,
    providerMessage: attempt.providerMessage ?? undefined,
    providerId: attempt.providerId ?? undefined,
    retryAt: attempt.retryAt ?? undefined,
    status: state.status,
    outcome: state.outcome ?? undefined,
    failureCode: state.failureCode ?? undefined,
    outcomeUnknown: state.outcomeUnknown || undefined,
    nextAttemptAt: state.nextAttemptAt ?? undefined,
    sentAt: state.sentAt ?? undefined,
    deliveredAt: state.deliveredAt ?? undefined,
    failedAt: state.failedAt ?? undefined,
    runAt,
    deadline: word.word === 'unknown' || undefined,
    events: events.map((type) => ({ id: newId(), type, data })),
  };
}

const recordRest = (
  { db, events, idempotency, registry, suppressions, owner }: RecordDeps,
  results: readonly Result[],
): Promise<ReadonlyMap<Result, Recorded>> =>
  db.transaction(async (trx) => {
    const held = await holdDue(
      trx,
      owner,
      results.map(({ claimed }) => claimed),
    );
    // Of two results of one row, the late one of a lapsed lease and the current one, only the fence tells which counts.
    const isHeld = ({ claimed }: Result): boolean => held.has(`${claimed.dueId}/${claimed.fence}`);
    const mine = results.filter(isHeld);
    const refs = results.flatMap(({ claimed, attempt }) =>
      attempt?.providerId
        ? [
            {
              connectionId: claimed.connectionId,
              providerId: attempt.providerId,
              messageId: claimed.id,
              attempt: attempt.number,
            },
          ]
        : [],
    );
    if (refs.length > 0) await insertRefs(trx, refs);
    const attempts = mine.flatMap(({ attempt }) => attempt ?? []);
    const folded = await applyWords(
      trx,
      { events },
      new Map(mine.map(({ claimed, words }) => [claimed.id, words])),
      new Map(attempts.map(({ messageId, number }) => [messageId, number])),
    );
    const delivered = new Set(folded.after.filter(({ status }) => status === 'delivered').map(({ id }) => id));
    if (attempts.length > 0)
      await closeAttempts(
        trx,
        attempts.map((attempt) => (delivered.has(attempt.messageId) ? settledByReceipt(attempt) : attempt)),
      );
    const waiting = mine.filter(({ claimed }) => isNotification(claimed));
    const inRange = ({ claimed }: Result): boolean => claimed.dueId !== claimed.id;
    const again = mine.filter(({ runAt }) => runAt);
    const own = again.filter((result) => !inRange(result)).map(againOf);
    if (own.length > 0) await releaseDue(trx, own);
    const leaving = again.filter(inRange).map((result) => ({ ...againOf(result), dueId: result.claimed.dueId }));
    if (leaving.length > 0) await leaveRange(trx, leaving);
    const done = mine.filter((result) => !result.runAt && !inRange(result) && !isNotification(result.claimed));
    if (done.length > 0)
      await finishDue(
        trx,
        done.map(({ claimed }) => claimed.id),
      );
    await followUp(
      trx,
      { events },
      folded.after,
      waiting.map(({ claimed }) => claimed.id),
    );
    await releaseFailed(trx, idempotency, folded);
    await suppressions.suppress(trx, causesOf(registry, mine.flatMap(refusalOf)));
    return new Map(results.map((result) => [result, isHeld(result) ? 'recorded' : 'lease_lost']));
  });

/** The provider's word on the address, if it had one. */
const refusalOf = ({ before, attempt }: Result): Said[] =>
  before && attempt?.result === 'refused' ? [{ message: before, receipt: 'failed', fault: attempt.fault }] : [];

/** A deadline that stands for a whole notification. */
const isNotification = ({ id }: Claimed): boolean => notificationIdOf(id) === id;

/**
 * Starts and stops what the messages' notifications fall back on, as these and all others of theirs stand now. `taken` are
 * notifications whose deadline is in the hands of the caller: it is given back, or over.
 */
export async function followUp(
  trx: Sql,
  deps: Pick<RecordDeps, 'events'>,
  changed: readonly Message[],
  taken: readonly string[] = [],
): Promise<void> {
  const ids = new Set(taken);
  for (const { id, fallback } of changed) if (fallback) ids.add(notificationIdOf(id));
  if (ids.size === 0) return;
  const { superseded, at } = await judgeNotifications(trx, [...ids], taken);
  const word: Word = { word: 'failed', at, code: 'superseded', outcome: 'cancelled' };
  if (superseded.length > 0) await applyWords(trx, deps, new Map(superseded.map((id) => [id, [word]])));
}

/** How a message waits that is due again: what was open and has no answer stays open. */
function againOf({ claimed, attempt, words, runAt, isOpen = false }: Result): Again {
  const opened = attempt === undefined && (isOpen || claimed.openSince !== null);
  const counts = attempt !== undefined || opened || claimed.deadline;
  return {
    id: claimed.id,
    runAt: runAt as Date,
    tries: counts ? claimed.number : claimed.number - 1,
    opened,
    deadline: words.at(-1)?.word === 'unknown' || (claimed.deadline && words.length === 0),
  };
}

/** No answer came, but a receipt did, and it was here first. */
const settledByReceipt = (attempt: ClosedAttempt): ClosedAttempt =>
  attempt.result === 'unknown'
    ? { ...attempt, result: 'accepted', fault: null, providerCode: null, providerMessage: 'settled by a receipt' }
    : attempt;

/**
 * Frees the idempotency keys of what has failed by these words. Only after the attempts are closed and their due rows gone: a
 * key stays taken while one of them may have arrived.
 */
export async function releaseFailed(trx: Sql, idempotency: Idempotency, { after, applied }: Folded): Promise<void> {
  const failed = after.filter(
    ({ id, status, idempotencyKey }) => applied.has(id) && status === 'failed' && idempotencyKey,
  );
  if (failed.length > 0) await idempotency.release(trx, [...new Set(failed.map(({ id }) => notificationIdOf(id)))]);
}
