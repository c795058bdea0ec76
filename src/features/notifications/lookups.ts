/**
 * Notifications looked up by their ids. Questions of one tenant that come while others are being answered are asked together:
 * one transaction that can see this tenant and no other, one statement a table, however many ask.
 */
import { type Batcher, createBatcher } from '../../lib/batch.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError, isOutage } from '../../lib/errors.ts';
import type { Mode } from '../../lib/http.ts';
import { notificationIdOf } from '../../lib/ids.ts';
import { loadAttempts, loadReceipts } from './receipts-store.ts';
import { loadNotifications } from './store.ts';
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

async function find(db: Db, tenantId: string, mode: Mode, ids: readonly string[]): Promise<Found[]> {
  const [messages, attempts, receipts] = await db.read(tenantId, async (sql) => {
    const found = await loadNotifications(sql, tenantId, mode, [...new Set(ids)]);
    const messageIds = found.map(({ id }) => id);
    if (messageIds.length === 0) return [[], [], []];
    return [found, await loadAttempts(sql, messageIds), await loadReceipts(sql, messageIds)];
  });
  const messagesOf = grouped(messages, ({ id }) => notificationIdOf(id));
  const attemptsOf = grouped(attempts, ({ messageId }) => notificationIdOf(messageId));
  const receiptsOf = grouped(receipts, ({ messageId }) => notificationIdOf(messageId));
  return ids.map((id) => ({
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
