/** When a delivery is tried again, and when an endpoint is given up. Pure, but for the draw. */

export interface WebhookTiming {
  /** Before each try, counted from the one before. */
  readonly delaysMs: readonly number[];
  /** Part of a delay by which it may be shorter or longer. */
  readonly jitter: number;
  readonly timeoutMs: number;
  /** Longer than a call may take. */
  readonly leaseSeconds: number;
  /** Calls of one endpoint at a time. */
  readonly perEndpoint: number;
  /** Calls of this process at a time. */
  readonly atOnce: number;
  /** Deliveries that may wait before the cursor does. */
  readonly window: number;
  /** Disabled after so many failures in a row, if the first is so old. */
  readonly failures: number;
  readonly failingMs: number;
  /** How long the secret before still signs. */
  readonly overlapSeconds: number;
  readonly random: () => number;
}

const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000];
export const WEBHOOK_TIMING: WebhookTiming = {
  delaysMs: [0, 10 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR],
  jitter: 0.2,
  timeoutMs: 10_000,
  leaseSeconds: 30,
  perEndpoint: 2,
  atOnce: 64,
  window: 1_000,
  failures: 24,
  failingMs: 120 * HOUR,
  overlapSeconds: 86_400,
  random: Math.random,
};

const ASKED_MAX = 24 * HOUR;

/** Milliseconds until the next try after `tries` have failed; `undefined`: there is none. The endpoint may ask for more. */
export function waitAfter(
  tries: number,
  { delaysMs, jitter, random }: Pick<WebhookTiming, 'delaysMs' | 'jitter' | 'random'>,
  askedMs = 0,
): number | undefined {
  const delay = delaysMs[tries];
  if (delay === undefined) return undefined;
  return Math.max(Math.round(delay * (1 + jitter * (2 * random() - 1))), askedMs);
}

/** Milliseconds of a `Retry-After`, in seconds or as a date, at most a day; 0 for none. */
export function askedFor(header: string | undefined, now: Date): number {
  if (header === undefined) return 0;
  const text = header.trim();
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * SECOND : Date.parse(text) - now.getTime();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), ASKED_MAX) : 0;
}
