/** Messages as their events tell of them: what never changes from the message, how it stood from the event. */
import type { Sql } from '../../lib/db.ts';
import { notificationIdOf, toWire } from '../../lib/ids.ts';
import type { Tell } from '../events/index.ts';
import type { State, Status } from './status.ts';
import { loadMessages } from './store.ts';
import { messageView } from './view.ts';

export const tellMessages: Tell = async (sql: Sql, tenantId, rows) => {
  const ids = [...new Set(rows.flatMap(({ messageId }) => messageId ?? []))];
  const messages = new Map(
    (await loadMessages(sql, ids))
      .filter((message) => message.tenantId === tenantId)
      .map((message) => [message.id, message]),
  );
  return rows.map(({ messageId, data }) => {
    const message = messageId === null ? undefined : messages.get(messageId);
    if (!message) return undefined;
    return {
      notification_id: toWire('notification', notificationIdOf(message.id)),
      ...messageView({ ...message, ...stateOf(data) }),
    };
  });
};

/** What `stateView` has written. */
function stateOf(data: Readonly<Record<string, unknown>>): State {
  const time = (name: string): Date | null => (typeof data[name] === 'string' ? new Date(data[name]) : null);
  return {
    status: (data.status as Status | undefined) ?? 'queued',
    outcome: data.unreceipted === true ? 'unreceipted' : null,
    failureCode: (data.failure_code as string | undefined) ?? null,
    attempts: (data.attempts_made as number | undefined) ?? 0,
    outcomeUnknown: data.outcome_unknown === true,
    nextAttemptAt: time('next_attempt_at'),
    sentAt: time('sent_at'),
    deliveredAt: time('delivered_at'),
    failedAt: time('failed_at'),
    readAt: time('read_at'),
    complainedAt: time('complained_at'),
  };
}
