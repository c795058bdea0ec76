/** Health of a connection as the portal says it: a word, the shape of a status, and whom it concerns. Pure. */
import type { Connection } from './ports.ts';

export interface HealthWords {
  /** Of a status, so that it can be told without colour. */
  readonly shape: 'delivered' | 'failed' | 'queued' | 'sent';
  readonly word: string;
  readonly unwell: boolean;
}

const WORDS: Readonly<Record<Connection['health']['status'], HealthWords>> = {
  ok: { shape: 'delivered', word: 'works', unwell: false },
  failing: { shape: 'failed', word: 'failing', unwell: true },
  resting: { shape: 'queued', word: 'resting', unwell: true },
  probing: { shape: 'sent', word: 'trying again', unwell: true },
  unknown: { shape: 'queued', word: 'not tested yet', unwell: false },
};
const NEEDS_YOU: HealthWords = { shape: 'failed', word: 'needs you', unwell: true };

/** The provider of test mode needs no test: it is there. */
const BUILT_IN: HealthWords = { shape: 'delivered', word: 'built in', unwell: false };

/** Without a cause it was a test that failed, and its owner who pressed it. */
export const healthOf = ({ health, livemode }: Connection): HealthWords =>
  !livemode && health.status === 'unknown'
    ? BUILT_IN
    : health.status === 'failing' && (health.cause?.owner ?? 'tenant') === 'tenant'
      ? NEEDS_YOU
      : WORDS[health.status];
