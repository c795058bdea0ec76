/**
 * A provider's later word, folded into its message: once, never backwards, and never lost. What belongs to no message yet is
 * parked until the provider's id is known. A refusal that may pass opens the way for another attempt.
 */
import { FAULTS, type FaultKind, type Receipt } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { closeAttempts } from './claim.ts';
import { nextAttempt, type Timing } from './deliver.ts';
import { causesOf } from './opt-out.ts';
import {
  claimParked,
  insertReceipts,
  markApplied,
  moveCursor,
  overdueReceipts,
  purgeParked,
  refuseLater,
  type StoredReceipt,
} from './receipts-store.ts';
import { followUp, type RecordDeps, releaseFailed } from './record.ts';
import type { Word } from './status.ts';
import { lockMessages, scheduleDue, withdrawDue } from './store.ts';
import type { Track } from './track.ts';
import type { Message } from './types.ts';
import { applyWords } from './words.ts';

export interface NewReceipt {
  readonly connectionId: string;
  /** Equal for duplicates; unique within the connection. */
  readonly key: string;
  readonly inboundId: string;
  /** Our own reference, where the provider echoes it. */
  readonly messageId: string | null;
  readonly providerId: string | null;
  readonly receipt: Receipt;
  readonly fault: FaultKind | null;
  readonly providerCode: string | null;
  readonly providerMessage: string | null;
  /** The provider's time; null: now. */
  readonly at: Date | null;
}

export interface Receipts {
  /** In the transaction that marks their request as applied. */
  ingest(trx: Sql, receipts: readonly NewReceipt[]): Promise<void>;
  /** Receipts that came before their message was known, and messages whose time for receipts is over; how many of these. */
  sweep(): Promise<number>;
}

export interface ReceiptDeps extends Pick<RecordDeps, 'events' | 'idempotency' | 'registry' | 'suppressions'> {
  readonly db: Db;
  readonly clock: Clock;
  readonly timing: Timing;
  /** Absent while nobody collects traces. */
  readonly track?: Track | undefined;
}

export function createReceipts(deps: ReceiptDeps): Receipts {
  const { clock, db, timing } = deps;
  return {
    async ingest(trx, receipts) {
      if (receipts.length === 0) return;
      const passing = ({ fault }: NewReceipt): boolean => fault !== null && FAULTS[fault].retryable;
      await apply(
        trx,
        deps,
        await insertReceipts(
          trx,
          receipts.map((receipt) => ({ ...receipt, passing: passing(receipt) })),
        ),
      );
    },
    async sweep() {
      await db.transaction(async (trx) => apply(trx, deps, await claimParked(trx)));
      await purgeParked(db, timing.receiptWindowMs / 1_000);
      return db.transaction(async (trx) => {
        const { ids, position } = await overdueReceipts(trx, timing.receiptWindowMs, 1_000);
        if (!position) return 0;
        await applyWords(trx, deps, new Map(ids.map((id) => [id, [{ word: 'silence', at: clock.now() }]])));
        await moveCursor(trx, position);
        return ids.length;
      });
    },
  };
}

async function apply(trx: Sql, deps: ReceiptDeps, receipts: readonly StoredReceipt[]): Promise<void> {
  if (receipts.length === 0) return;
  // Locked at once: a worker may be writing down the answer that these receipts follow.
  const before = new Map(
    (await lockMessages(trx, [...new Set(receipts.map(({ messageId }) => messageId))])).map((message) => [
      message.id,
      message,
    ]),
  );
  const words = new Map<string, Word[]>();
  const retries: { message: Message; receipt: StoredReceipt; nextAt: Date }[] = [];
  for (const receipt of receipts) {
    const message = before.get(receipt.messageId);
    if (!message) continue;
    // A second word about an attempt that was taken back, in this batch or before it, is history.
    if (isNegative(receipt) && (isPast(message, receipt) || retries.some((retry) => retry.message.id === message.id)))
      continue;
    const nextAt = laterAttempt(message, receipt, deps);
    if (nextAt) retries.push({ message, receipt, nextAt });
    else words.set(message.id, [...(words.get(message.id) ?? []), wordOf(receipt, message)]);
  }
  await takeBack(trx, words, retries);
  const folded = await applyWords(trx, deps, words);
  const { after, applied } = folded;
  const moved = receipts.filter(({ messageId }) => applied.has(messageId));
  if (moved.length > 0) await markApplied(trx, moved);
  if (deps.track)
    for (const receipt of receipts) {
      const message = before.get(receipt.messageId);
      if (message) deps.track.received(receipt, message, applied.has(receipt.messageId));
    }
  const settled = after.filter(
    ({ id, status, nextAttemptAt, outcomeUnknown }) =>
      applied.has(id) && status !== 'queued' && nextAttemptAt === null && !outcomeUnknown,
  );
  if (settled.length > 0)
    await withdrawDue(
      trx,
      settled.map(({ id }) => id),
    );
  await closeUnknown(trx, before, receipts);
  await followUp(trx, deps, after);
  await releaseFailed(trx, deps.idempotency, folded);
  await deps.suppressions.suppress(
    trx,
    causesOf(
      deps.registry,
      receipts.flatMap(({ messageId, receipt, fault }) => {
        const message = before.get(messageId);
        return message ? { message, receipt, fault } : [];
      }),
    ),
  );
}

/** A provider that tells the time in whole seconds, or by a slow clock, does not make a message arrive before it left. */
function wordOf({ receipt, at, fault }: StoredReceipt, { createdAt, sentAt }: Message): Word {
  const earliest = sentAt ?? createdAt;
  return {
    word: 'receipt',
    receipt: receipt as Receipt,
    at: at < earliest ? earliest : at,
    ...(fault ? { code: fault } : {}),
  };
}

const isNegative = ({ receipt }: StoredReceipt): boolean => receipt === 'failed' || receipt === 'bounced';

/** It speaks of an attempt that is over and has been followed, or is about to be followed, by another. */
const isPast = ({ attempts, nextAttemptAt }: Message, { attempt }: StoredReceipt): boolean =>
  nextAttemptAt !== null || (attempt !== null && attempt < attempts);

/** When a message that was taken and then refused may go again; `undefined`: this receipt is the last word. */
function laterAttempt(message: Message, stored: StoredReceipt, { registry, timing }: ReceiptDeps): Date | undefined {
  const { fault, at } = stored;
  // A bounce that names a passing reason (a full mailbox) is such a refusal too.
  if (!isNegative(stored) || !fault || !FAULTS[fault as FaultKind]?.retryable) return undefined;
  if (message.status !== 'sent' || message.outcome || message.nextAttemptAt || message.outcomeUnknown) return undefined;
  const channel = registry.channel(message.channel);
  const nextAt = channel && nextAttempt(channel, message.attempts, at, timing);
  return nextAt && nextAt < message.expiresAt ? nextAt : undefined;
}

async function takeBack(
  trx: Sql,
  words: Map<string, Word[]>,
  retries: readonly { message: Message; receipt: StoredReceipt; nextAt: Date }[],
): Promise<void> {
  if (retries.length === 0) return;
  const refused = await refuseLater(
    trx,
    retries.map(({ message, receipt, nextAt }) => ({
      messageId: message.id,
      number: receipt.attempt ?? message.attempts,
      fault: receipt.fault ?? 'provider_unavailable',
      providerCode: receipt.providerCode,
      providerMessage: receipt.providerMessage,
      retryAt: nextAt,
    })),
  );
  const again = retries.filter(({ message }) => refused.has(message.id));
  await scheduleDue(
    trx,
    again.map(({ message, nextAt }) => ({
      id: message.id,
      tenantId: message.tenantId,
      connectionId: message.connectionId,
      lane: message.lane,
      runAt: nextAt,
      tries: message.attempts,
      bulkId: message.bulkId,
    })),
  );
  for (const { message, receipt, nextAt } of retries)
    words.set(message.id, [
      ...(words.get(message.id) ?? []),
      refused.has(message.id) ? { word: 'retry', at: receipt.at, nextAt } : wordOf(receipt, message),
    ]);
}

/** The last attempt of a message; it was written down as unknown, so only its key counts here. */
const attemptOf = ({ id, tenantId, connectionId, attempts, sentAt, createdAt }: Message) => ({
  messageId: id,
  tenantId,
  connectionId,
  number: attempts,
  fence: 0,
  startedAt: sentAt ?? createdAt,
});

/** The attempt that had no answer has one now: the provider has it, or has refused it after all. */
const closeUnknown = async (
  trx: Sql,
  before: ReadonlyMap<string, Message>,
  receipts: readonly StoredReceipt[],
): Promise<void> => {
  const known = receipts.filter(({ messageId }) => before.get(messageId)?.outcomeUnknown);
  if (known.length === 0) return;
  await closeAttempts(
    trx,
    known.map((receipt) => ({
      ...attemptOf(before.get(receipt.messageId) as Message),
      result: isNegative(receipt) ? 'refused' : 'accepted',
      fault: isNegative(receipt) ? receipt.fault : null,
      providerCode: receipt.providerCode,
      providerMessage: receipt.providerMessage ?? 'settled by a receipt',
      providerId: receipt.providerId,
      retryAt: null,
    })),
  );
};
