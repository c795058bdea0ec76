/**
 * Writing down what happened: one transaction per batch, on its own budget. Only who still holds the lease and the fence
 * may close an attempt; a provider's id is kept in any case, because it is true whoever learned it.
 */
import type { Db, Sql } from '../../lib/db.ts';
import { notificationIdOf } from '../../lib/ids.ts';
import type { Events } from '../events/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import { type ClosedAttempt, closeAttempts, finishDue, holdDue, insertRefs, releaseDue } from './claim.ts';
import { fold, type Word } from './status.ts';
import { lockMessages, updateStates } from './store.ts';
import type { Message } from './types.ts';
import { messageEventView } from './view.ts';

/** What came of one claimed message. */
export interface Result {
  readonly id: string;
  readonly fence: number;
  /** The attempt it closes, if there was one. */
  readonly attempt?: ClosedAttempt;
  readonly connectionId: string;
  readonly words: readonly Word[];
  /** When it is due again; absent: never. */
  readonly runAt?: Date;
}

export type Recorded = 'recorded' | 'lease_lost';

export interface RecordDeps {
  readonly db: Db;
  readonly events: Events;
  readonly idempotency: Idempotency;
  /** The id of this worker on its leases. */
  readonly owner: string;
}

/** One verdict per result, in order. */
export const recordResults = (
  { db, events, idempotency, owner }: RecordDeps,
  results: readonly Result[],
): Promise<readonly Recorded[]> =>
  db.transaction(async (trx) => {
    const held = await holdDue(trx, owner, results);
    // Of two results of one row, the late one of a lapsed lease and the current one, only the fence tells which counts.
    const isHeld = ({ id, fence }: Pick<Result, 'id' | 'fence'>): boolean => held.has(`${id}/${fence}`);
    const mine = results.filter(isHeld);
    const refs = results.flatMap(({ id, connectionId, attempt }) =>
      attempt?.providerId
        ? [{ connectionId, providerId: attempt.providerId, messageId: id, attempt: attempt.number }]
        : [],
    );
    if (refs.length > 0) await insertRefs(trx, refs);
    const attempts = mine.flatMap(({ attempt }) => attempt ?? []);
    const folded = await applyWords(
      trx,
      { events },
      new Map(mine.map(({ id, words }) => [id, words])),
      new Map(attempts.map(({ messageId, number }) => [messageId, number])),
    );
    const delivered = new Set(folded.after.filter(({ status }) => status === 'delivered').map(({ id }) => id));
    if (attempts.length > 0)
      await closeAttempts(
        trx,
        attempts.map((attempt) => (delivered.has(attempt.messageId) ? settledByReceipt(attempt) : attempt)),
      );
    await releaseFailed(trx, idempotency, folded);
    const again = mine.flatMap(({ id, runAt }) => (runAt ? [{ id, runAt }] : []));
    if (again.length > 0) await releaseDue(trx, again);
    const done = mine.filter(({ runAt }) => !runAt).map(({ id }) => id);
    if (done.length > 0) await finishDue(trx, done);
    return results.map(({ id, fence }) => (isHeld({ id, fence }) ? 'recorded' : 'lease_lost'));
  });

/** No answer came, but a receipt did, and it was here first. */
const settledByReceipt = (attempt: ClosedAttempt): ClosedAttempt =>
  attempt.result === 'unknown'
    ? { ...attempt, result: 'accepted', fault: null, providerCode: null, providerMessage: 'settled by a receipt' }
    : attempt;

export interface Folded {
  /** The messages as they are now. */
  readonly after: readonly Message[];
  /** Which of them changed. */
  readonly applied: ReadonlySet<string>;
}

/** Folds words into messages and tells of what became true. */
export async function applyWords(
  trx: Sql,
  { events }: Pick<RecordDeps, 'events'>,
  words: ReadonlyMap<string, readonly Word[]>,
  attempts: ReadonlyMap<string, number> = new Map(),
): Promise<Folded> {
  if (words.size === 0) return { after: [], applied: new Set() };
  const messages = await lockMessages(trx, [...words.keys()]);
  const news: Parameters<Events['emit']>[1][number][] = [];
  const changed: Message[] = [];
  const after = messages.map((before) => {
    let message: Message = { ...before, attempts: Math.max(before.attempts, attempts.get(before.id) ?? 0) };
    for (const word of words.get(before.id) ?? []) {
      const { state, events: told } = fold(message, word);
      message = { ...message, ...state };
      for (const type of told)
        news.push({
          tenantId: message.tenantId,
          mode: message.mode,
          type,
          messageId: message.id,
          data: messageEventView(message),
        });
    }
    if (STATE.some((field) => message[field] !== before[field])) changed.push(message);
    return message;
  });
  await updateStates(trx, changed);
  await events.emit(trx, news);
  return { after, applied: new Set(changed.map(({ id }) => id)) };
}

/**
 * Frees the idempotency keys of what has failed by these words. Only after the attempts are closed: a key stays taken while
 * one of them may have arrived.
 */
export async function releaseFailed(trx: Sql, idempotency: Idempotency, { after, applied }: Folded): Promise<void> {
  const failed = after.filter(
    ({ id, status, idempotencyKey }) => applied.has(id) && status === 'failed' && idempotencyKey,
  );
  if (failed.length > 0) await idempotency.release(trx, [...new Set(failed.map(({ id }) => notificationIdOf(id)))]);
}

const STATE = [
  'status',
  'outcome',
  'failureCode',
  'attempts',
  'outcomeUnknown',
  'nextAttemptAt',
  'sentAt',
  'deliveredAt',
  'failedAt',
  'readAt',
  'complainedAt',
] as const;
