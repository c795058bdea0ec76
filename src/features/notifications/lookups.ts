/**
 * Notifications looked up by their ids. Questions of one tenant that come while others are being answered are asked together:
 * one trip of a transaction that can see this tenant and no other, one statement a table, however many ask.
 */
import { type Batcher, createBatcher } from '../../lib/batch.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError, isOutage } from '../../lib/errors.ts';
import type { Mode } from '../../lib/http.ts';
import { notificationIdOf } from '../../lib/ids.ts';
import { messagesIn } from './queries-store.ts';
import { attemptsIn, receiptsIn } from './receipts-store.ts';
import type { AttemptRow, Message, ReceiptRow } from './types.ts';

export interface Found {
  /** Oldest first; none when there is no such notification. */
  readonly messages: readonly Message[];
  readonly attempts: readonly AttemptRow[];
  readonly receipts: readonly ReceiptRow[];
}

export type LookUp = (tenantId: string, mode: Mode, notificationId: string) => Promise<Found>;

const TOGETHER_MAX = 200;

export function createLookUp(db: Db): LookUp {
  /** One for each tenant and mode that asks at this moment. */
  const desks = new Map<string, Batcher<string, Found>>();

  function deskOf(tenantId: string, mode: Mode): Batcher<string, Found> {
    const key = `${mode}|${tenantId}`;
    const known = desks.get(key);
    if (known) return known;
    const desk = createBatcher<string, Found>({
      flush: (ids) => find(db, tenantId, mode, ids),
      maxItems: TOGETHER_MAX,
      full: () => new ApiError('unavailable', undefined, { retryAfterSeconds: 1 }),
      isOutage,
    });
    desks.set(key, desk);
    // After the question that it was made for.
    queueMicrotask(() => void desk.idle().then(() => desks.delete(key)));
    return desk;
  }

  return (tenantId, mode, notificationId) => deskOf(tenantId, mode).add(notificationId);
}

async function find(db: Db, tenantId: string, mode: Mode, asked: readonly string[]): Promise<Found[]> {
  const ids = [...new Set(asked)];
  const [messages, attempts, receipts] = await db.look<[Message[], AttemptRow[], ReceiptRow[]]>(tenantId, [
    messagesIn(tenantId, mode, ids),
    attemptsIn(ids),
    receiptsIn(ids),
  ]);
  const messagesOf = grouped(messages, ({ id }) => notificationIdOf(id));
  const attemptsOf = grouped(attempts, ({ messageId }) => notificationIdOf(messageId));
  const receiptsOf = grouped(receipts, ({ messageId }) => notificationIdOf(messageId));
  return asked.map((id) => ({
    messages: messagesOf.get(id) ?? [],
    attempts: attemptsOf.get(id) ?? [],
    receipts: receiptsOf.get(id) ?? [],
  }));
}

function grouped<T>(rows: readonly T[], key: (row: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const at = key(row);
    const group = groups.get(at);
    if (group) group.push(row);
    else groups.set(at, [row]);
  }
  return groups;
}
