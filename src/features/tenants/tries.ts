/** How often somebody may guess: five tries in a quarter of an hour for one account from one address. Bounded memory. */
import type { Clock } from '../../lib/clock.ts';
import { sha256 } from '../../lib/crypto.ts';
import { ApiError } from '../../lib/errors.ts';

const TRIES = 5;
const WINDOW_MS = 15 * 60_000;
const REMEMBERED = 20_000;
const HASHES_AT_ONCE = 2;
const HASHES_WAITING = 30;

export interface Tries {
  /** Counts a try before it is made. Throws `rate_limited`. */
  spend(email: string, ip: string): void;
  /** The guess was right: counting starts anew. */
  forgive(email: string, ip: string): void;
}

export function createTries(clock: Clock): Tries {
  const seen = new Map<string, { count: number; since: number }>();
  const keyOf = (email: string, ip: string): string => sha256(`${email.toLowerCase()}\n${ip}`).toString('base64');
  return {
    spend(email, ip) {
      const key = keyOf(email, ip);
      const now = clock.now().getTime();
      let tries = seen.get(key);
      if (!tries || now - tries.since >= WINDOW_MS) tries = { count: 0, since: now };
      if (tries.count >= TRIES)
        throw new ApiError(
          'rate_limited',
          'Too many tries to sign in. Wait as Retry-After says (at most 15 minutes).',
          {
            retryAfterSeconds: Math.max(1, Math.ceil((tries.since + WINDOW_MS - now) / 1_000)),
          },
        );
      tries.count++;
      seen.delete(key);
      seen.set(key, tries);
      for (const oldest of seen.keys()) {
        if (seen.size <= REMEMBERED) break;
        seen.delete(oldest);
      }
    },
    forgive: (email, ip) => void seen.delete(keyOf(email, ip)),
  };
}

/** Stretching a password takes 128 MB and a third of a second: two at once, a few in line, the rest are sent away. */
export function createQueue(): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const line: (() => void)[] = [];
  return async (work) => {
    if (running >= HASHES_AT_ONCE) {
      if (line.length >= HASHES_WAITING)
        throw new ApiError('rate_limited', 'Too many people are signing in at this moment. Try again shortly.', {
          retryAfterSeconds: 5,
        });
      await new Promise<void>((go) => line.push(go));
    } else running++;
    try {
      return await work();
    } finally {
      // The place is handed on to the next in line, or given back.
      const next = line.shift();
      if (next) next();
      else running--;
    }
  };
}
