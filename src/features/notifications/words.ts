/** Words folded into messages in the store, with the events and the sums that follow from them. */
import type { Sql } from '../../lib/db.ts';
import type { Events } from '../events/index.ts';
import { fold, type Word } from './status.ts';
import { insertTallies, lockMessages, type Tally, updateStates } from './store.ts';
import type { Message } from './types.ts';
import { stateView } from './view.ts';

export interface Folded {
  /** The messages as they are now. */
  readonly after: readonly Message[];
  /** Which of them changed. */
  readonly applied: ReadonlySet<string>;
}

/** Folds words into messages and tells of what became true. */
export async function applyWords(
  trx: Sql,
  { events }: { readonly events: Events },
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
          data: stateView(message),
        });
    }
    if (STATE.some((field) => message[field] !== before[field])) changed.push(message);
    return message;
  });
  await updateStates(trx, changed);
  await events.emit(trx, news);
  const tallies = talliesOf(messages, after);
  if (tallies.length > 0) {
    const { text, values } = insertTallies(tallies);
    await trx.query(text, values);
  }
  return { after, applied: new Set(changed.map(({ id }) => id)) };
}

/** By how much these changes move the sums of their bulks. */
export function talliesOf(before: readonly Message[], after: readonly Pick<Message, 'status'>[]): Tally[] {
  const sums = new Map<string, { -readonly [K in keyof Tally]: Tally[K] }>();
  for (const [index, { bulkId, tenantId, status: was }] of before.entries()) {
    const status = after[index]?.status;
    if (!bulkId || !status || was === status) continue;
    const sum = sums.get(bulkId) ?? { bulkId, tenantId, queued: 0, sent: 0, delivered: 0, failed: 0 };
    sum[was]--;
    sum[status]++;
    sums.set(bulkId, sum);
  }
  return [...sums.values()];
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
