/** What each channel has of its own in a message, whether it goes at once or is kept as a fallback. Pure. */
import type { ConnectionRoute } from '../connections/index.ts';
import type { ResolvedTemplate } from '../templates/index.ts';
import type { Ask } from './policy.ts';
import type { SendBody, SendNotification } from './schema.ts';
import type { Fallback, FallbackStep } from './types.ts';

export type Part = Omit<FallbackStep, 'on' | 'afterSeconds'>;

interface Means {
  readonly template: ResolvedTemplate | undefined;
  readonly routes: ReadonlyMap<string, ConnectionRoute>;
}

/** All that a request names, in order. */
export const channelsOf = ({ notification: { channels, fallback } }: SendBody): readonly string[] =>
  fallback ? [...channels, ...fallback.map(({ channel }) => channel)] : channels;

/** Where a request names a step. */
export const stepParam = (index: number): string => `notification.fallback.${index}.channel`;

/** `undefined`: something essential is missing, and the rules will say what. */
export function partOf(
  { id, channel, address, source, language, content }: Ask,
  notification: SendNotification,
  { template, routes }: Means,
): Part | undefined {
  const route = routes.get(id);
  if (!channel || address === undefined || !route || !source) return undefined;
  const version = source === 'template' ? template : undefined;
  // One literal: every part has the same shape, which is what the engine is fast with.
  return {
    channel: id,
    address,
    connectionId: route.connectionId,
    templateVersionId: version?.versionId ?? null,
    templateSlug: version?.slug ?? null,
    language: language ?? notification.language ?? null,
    input: {
      ...(notification.data ? { data: notification.data } : {}),
      ...(source === 'own' && content ? { content } : (content ?? {})),
    },
  };
}

/** The steps, as ready to go as the channels. `asks` are those of the channels, then those of the steps. */
export const fallbackOf = (notification: SendNotification, asks: readonly Ask[], means: Means): Fallback => ({
  channels: notification.channels.length,
  steps: (notification.fallback ?? []).flatMap(({ on, after_seconds }, index) => {
    const ask = asks[notification.channels.length + index];
    const part = ask && partOf(ask, notification, means);
    return part ? [{ ...part, on, afterSeconds: after_seconds ?? null }] : [];
  }),
});
