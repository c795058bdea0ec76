/**
 * After a word about a message, or when a deadline has come: what its notification falls back on is started, waited for or
 * withdrawn, in the transaction of that word. Notifications are judged one transaction at a time, on how all their messages
 * stand, so no step starts twice; and every word is followed by a judgement, so none is forgotten.
 */
import type { Sql } from '../../lib/db.ts';
import { messageIdOf, newId, notificationIdOf } from '../../lib/ids.ts';
import { finishDue, releaseDue } from './claim.ts';
import { judgeFallback } from './fallback.ts';
import { type Deadline, loadWhole, lockNotifications, type Start, setDeadlines, startSteps } from './fallback-store.ts';
import { withdrawDue } from './store.ts';
import type { Message } from './types.ts';

/** Returns the messages that are wanted no longer and that nobody will send any more; they are to be told so, `at`. */
export async function judgeNotifications(
  sql: Sql,
  notificationIds: readonly string[],
  taken: readonly string[],
): Promise<{ superseded: readonly string[]; at: Date }> {
  await lockNotifications(sql, notificationIds);
  const rows = await loadWhole(sql, notificationIds);
  const byNotification = new Map<string, (typeof rows)[number][]>();
  for (const row of rows) {
    const id = notificationIdOf(row.id);
    byNotification.set(id, [...(byNotification.get(id) ?? []), row]);
  }
  const at = rows[0]?.now ?? new Date(0);
  const starts: Start[] = [];
  const deadlines = new Map<string, Deadline>();
  const unwanted: string[] = [];
  for (const [id, messages] of byNotification) {
    const [first] = messages as [(typeof rows)[number]];
    if (!first.fallback || first.withdrawn) continue;
    const { start, lookAt, superseded } = judgeFallback(first.fallback, messages, at);
    unwanted.push(...superseded);
    if (start !== undefined) starts.push(startOf(first, messages.length, start, at));
    const next = first.fallback.steps[messages.length - first.fallback.channels + (start === undefined ? 0 : 1)];
    if (lookAt && next)
      deadlines.set(id, {
        id,
        tenantId: first.tenantId,
        // Of the channel that would begin: one that is slow does not hold up what stands in for it.
        connectionId: next.connectionId,
        lane: first.lane,
        runAt: lookAt,
        bulkId: first.bulkId,
      });
  }
  if (starts.length > 0) await startSteps(sql, starts);
  await wait(sql, notificationIds, taken, deadlines);
  return { superseded: unwanted.length > 0 ? await withdrawDue(sql, unwanted) : [], at };
}

/** A deadline that the caller holds goes back or goes; any other is set, or withdrawn unless somebody is just taking it. */
async function wait(
  sql: Sql,
  notificationIds: readonly string[],
  taken: readonly string[],
  deadlines: ReadonlyMap<string, Deadline>,
): Promise<void> {
  const back = taken.flatMap((id) => deadlines.get(id) ?? []);
  if (back.length > 0)
    await releaseDue(
      sql,
      back.map(({ id, runAt }) => ({ id, runAt, tries: 0, opened: false, deadline: true })),
    );
  const over = taken.filter((id) => !deadlines.has(id));
  if (over.length > 0) await finishDue(sql, over);
  if (deadlines.size > 0) await setDeadlines(sql, [...deadlines.values()]);
  const idle = notificationIds.filter((id) => !deadlines.has(id) && !taken.includes(id));
  if (idle.length > 0) await withdrawDue(sql, idle);
}

const startOf = ({ id, fallback }: Message, count: number, index: number, at: Date): Start => {
  const step = fallback?.steps[index];
  if (!step) throw new Error('a step that is started is there');
  const { channel, address, connectionId, templateVersionId, templateSlug, language, input } = step;
  return {
    id: messageIdOf(notificationIdOf(id), count),
    eventId: newId(),
    firstId: id,
    at,
    channel,
    address,
    connectionId,
    templateVersionId,
    templateSlug,
    language,
    input,
  };
};
