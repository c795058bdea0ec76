/** Fallbacks as answers show them. Pure. */
import { toWire } from '../../lib/ids.ts';
import { isDormant, stageOf } from './fallback.ts';
import type { Fallback, Message } from './types.ts';
import type { TimelineEntry } from './view.ts';

/** Each step: the message it has become, or whether it still can become one. */
export function fallbackView({ channels, steps }: Fallback, messages: readonly Message[]) {
  const open = isDormant({ channels, steps }, messages);
  return steps.map(({ channel, address, on, afterSeconds }, index) => {
    const message = messages[channels + index];
    return {
      channel,
      on,
      ...(afterSeconds === null ? {} : { after_seconds: afterSeconds }),
      address,
      status: message ? 'started' : open ? 'dormant' : 'not_needed',
      ...(message ? { message_id: toWire('message', message.id), started_at: message.createdAt.toISOString() } : {}),
    };
  });
}

/** Why a message that was not asked for at once has begun; `undefined` for one that was. */
export function beganBy(messages: readonly Message[], index: number): Omit<TimelineEntry, 'at'> | undefined {
  const fallback = messages[0]?.fallback;
  const message = messages[index];
  const step = fallback?.steps[index - fallback.channels];
  if (!fallback || !message || !step) return undefined;
  const before = messages.filter(
    (_, other) => other < index && stageOf(fallback, other) === stageOf(fallback, index) - 1,
  );
  const names = before.map(({ channel }) => channel).join(', ');
  const failed = before.every(
    ({ failedAt, outcome }) => failedAt && outcome !== 'unknown' && failedAt <= message.createdAt,
  );
  return {
    type: 'fallback_started',
    text: `Fallback to ${message.channel} began`,
    detail: failed
      ? `It failed on ${names}.`
      : `It was not delivered on ${names} within ${step.afterSeconds} seconds of the hand-over.`,
  };
}

/** All messages' stories as one; of the same moment, in the order in which the channels were asked for. */
export const mergeTimelines = (
  parts: readonly { readonly channel: string; readonly timeline: readonly TimelineEntry[] }[],
) =>
  parts
    .flatMap(({ channel, timeline }) => timeline.map((entry) => ({ ...entry, channel })))
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
