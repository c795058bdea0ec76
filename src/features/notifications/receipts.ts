/**
 * A provider's later word, folded into its message: once, never backwards, and never lost. What belongs to no message yet is
 * parked until the provider's id is known. A refusal that may pass opens the way for another attempt.
 */
import { FAULTS, type FaultKind, type Receipt, type Registry } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { closeAttempts } from './claim.ts';
import { nextAttempt, type Timing } from './deliver.ts';
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
import { applyWords, type RecordDeps } from './record.ts';
import type { Word } from './status.ts';
import { lockMessages, scheduleDue, withdrawDue } from './store.ts';
import type { Message } from './types.ts';

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
  /** Receipts that came before their message was known, and messages whose time for receipts is over. */
  sweep(): Promise<void>;
}

export interface ReceiptDeps extends Pick<RecordDeps, 'events' | 'idempotency'> {
  readonly db: Db;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly timing: Timing;
}

export function createReceipts(deps: ReceiptDeps): Receipts {
  const { clock, db, timing } = deps;
  return {
    async ingest(trx, receipts) {
      if (receipts.length > 0) await apply(trx, deps, await insertReceipts(trx, receipts));
    },
    async sweep() {
      await db.transaction(async (trx) => apply(trx, deps, await claimParked(trx)));
      await purgeParked(db, timing.receiptWindowMs / 1_000);
      await db.transaction(async (trx) => {
        const { ids, position } = await overdueReceipts(trx, timing.receiptWindowMs, 1_000);
        if (!position) return;
        await applyWords(trx, deps, new Map(ids.map((id) => [id, [{ word: 'silence', at: clock.now() }]])));
        await moveCursor(trx, position);
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
    const nextAt = laterAttempt(message, receipt, deps);
    if (nextAt) retries.push({ message, receipt, nextAt });
    else words.set(message.id, [...(words.get(message.id) ?? []), wordOf(receipt)]);
  }
  await takeBack(trx, words, retries);
  const { after, applied } = await applyWords(trx, deps, words);
  const moved = receipts.filter(({ messageId }) => applied.has(messageId));
  if (moved.length > 0) await markApplied(trx, moved);
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
}

const wordOf = ({ receipt, at, fault }: StoredReceipt): Word => ({
  word: 'receipt',
  receipt: receipt as Receipt,
  at,
  ...(fault ? { code: fault } : {}),
});

/** When a message that was taken and then refused may go again; `undefined`: this receipt is the last word. */
function laterAttempt(
  message: Message,
  { receipt, fault, at }: StoredReceipt,
  { registry, timing }: ReceiptDeps,
): Date | undefined {
  // A bounce that names a passing reason (a full mailbox) is such a refusal too.
  if ((receipt !== 'failed' && receipt !== 'bounced') || !fault || !FAULTS[fault as FaultKind]?.retryable)
    return undefined;
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
    })),
  );
  for (const { message, receipt, nextAt } of retries)
    words.set(message.id, [
      ...(words.get(message.id) ?? []),
      refused.has(message.id) ? { word: 'retry', at: receipt.at, nextAt } : wordOf(receipt),
    ]);
}

/** A receipt says that the provider has it: the attempt that had no answer was accepted after all. */
const closeUnknown = async (
  trx: Sql,
  before: ReadonlyMap<string, Message>,
  receipts: readonly StoredReceipt[],
): Promise<void> => {
  const known = receipts.filter(
    ({ messageId, receipt }) => before.get(messageId)?.outcomeUnknown && receipt !== 'failed',
  );
  if (known.length === 0) return;
  await closeAttempts(
    trx,
    known.map(({ messageId, providerId }) => ({
      messageId,
      number: before.get(messageId)?.attempts ?? 1,
      result: 'accepted',
      fault: null,
      providerCode: null,
      providerMessage: 'settled by a receipt',
      providerId,
      retryAt: null,
    })),
  );
};
