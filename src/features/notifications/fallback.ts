/**
 * What a notification falls back on, decided from how its messages stand. A step starts when the stage before it has not
 * worked: the first stage is every message of `channels`, each later one a step. Pure, so that whoever asks, and however
 * often, comes to the same verdict; what was started is seen in the messages themselves.
 */
import type { Fallback, FallbackStep, Message } from './types.ts';

/** As much of a message as the verdict depends on. */
export type Standing = Pick<Message, 'id' | 'status' | 'outcome' | 'createdAt' | 'sendAt' | 'sentAt' | 'bulkId'>;

export interface Verdict {
  /** The step to start now. */
  readonly start?: number;
  /** When to look again, unless a word about a message comes first; absent: only words can change anything. */
  readonly lookAt?: Date;
  /** Queued, and wanted no longer, because an earlier stage has delivered. */
  readonly superseded: readonly string[];
}

/** `messages` are all of the notification, in the order of their ids. */
export function judgeFallback(fallback: Fallback, messages: readonly Standing[], now: Date): Verdict {
  const delivered = messages.findIndex(isDelivered);
  if (delivered >= 0) {
    const stage = stageOf(fallback, delivered);
    return {
      superseded: messages
        .filter(({ status }, index) => status === 'queued' && stageOf(fallback, index) > stage)
        .map(({ id }) => id),
    };
  }
  const index = startedOf(fallback, messages);
  const step = fallback.steps[index];
  if (!step || !mayStart(fallback, messages)) return { superseded: [] };
  const at = startOf(step, stageBefore(fallback, messages));
  if (at === 'never') return { superseded: [] };
  if (at !== 'now' && at > now) return { superseded: [], lookAt: at };
  const next = fallback.steps[index + 1];
  return {
    superseded: [],
    start: index,
    ...(next?.on === 'not_delivered' ? { lookAt: later(now, next) } : {}),
  };
}

/**
 * Whether the next step is still waited for; as long as it is, the notification has not failed. A failure that is certain has
 * started it at once, or it was withheld (its bulk was cancelled) and never will be.
 */
export const isDormant = (fallback: Fallback, messages: readonly Standing[]): boolean =>
  mayStart(fallback, messages) && !stageBefore(fallback, messages).every(isRefused);

function mayStart(fallback: Fallback, messages: readonly Standing[]): boolean {
  const step = fallback.steps[startedOf(fallback, messages)];
  if (!step || messages.some(isDelivered)) return false;
  const before = stageBefore(fallback, messages);
  // Who takes a notification back takes back what has not begun, too.
  if (before.some(({ outcome }) => outcome === 'cancelled')) return false;
  // A message that nobody heard of may have arrived (D3): it is no failure to follow up.
  return step.on === 'not_delivered' || !before.every(({ status }) => status === 'failed') || before.every(isRefused);
}

/** How many steps have been started: each is a message. */
export const startedOf = ({ channels }: Fallback, messages: readonly unknown[]): number =>
  Math.max(0, messages.length - channels);

/** The stage whose failure the message's own start answered, or would answer: 0 for what was asked for at once. */
export const stageOf = ({ channels }: Fallback, index: number): number => Math.max(0, index - channels + 1);

/** The messages whose success would make the next step unnecessary. */
export function stageBefore<T>(fallback: Fallback, messages: readonly T[]): readonly T[] {
  const stage = startedOf(fallback, messages);
  return messages.filter((_, index) => stageOf(fallback, index) === stage);
}

/** All have failed for certain: at once, whatever was asked for. Else a deadline counts from the last hand-over. */
function startOf(step: FallbackStep, before: readonly Standing[]): Date | 'now' | 'never' {
  const hoped = before.filter((message) => !isRefused(message));
  if (hoped.length === 0) return 'now';
  if (step.on === 'failed') return 'never';
  // What waits its turn in a bulk is late by nobody's fault; its time begins with the hand-over, which is a word.
  if (hoped.some(({ status, bulkId }) => status === 'queued' && bulkId)) return 'never';
  const from = Math.max(...hoped.map(({ sentAt, sendAt, createdAt }) => (sentAt ?? sendAt ?? createdAt).getTime()));
  return later(new Date(from), step);
}

const later = (from: Date, { afterSeconds }: FallbackStep): Date =>
  new Date(from.getTime() + (afterSeconds ?? 0) * 1_000);

const isDelivered = ({ status }: Standing): boolean => status === 'delivered';
/** For certain, and by nobody's wish. */
const isRefused = ({ status, outcome }: Standing): boolean =>
  status === 'failed' && (outcome === 'failed' || outcome === 'expired');
