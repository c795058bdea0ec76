/** How often somebody may try, in this process. Bounded memory: who tried longest ago is forgotten first. */
import ipaddr from 'ipaddr.js';
import type { Clock } from '../../lib/clock.ts';
import { sha256 } from '../../lib/crypto.ts';
import { ApiError } from '../../lib/errors.ts';

const REMEMBERED = 20_000;
const HASHES_AT_ONCE = 2;
const HASHES_WAITING = 30;

export interface Limit {
  /** Counts a try. Seconds to wait when there were too many already, and then it does not count. */
  spend(key: string): number | undefined;
  /** Counting starts anew. */
  forgive(key: string): void;
}

/** At most `max` tries of one key within `windowMs` of its first. */
export function createLimit(clock: Clock, max: number, windowMs: number, remembered = REMEMBERED): Limit {
  const seen = new Map<string, { count: number; since: number }>();
  return {
    spend(key) {
      const now = clock.now().getTime();
      const known = seen.get(key);
      if (known && now - known.since < windowMs && now >= known.since) {
        if (known.count >= max) return Math.max(1, Math.ceil((known.since + windowMs - now) / 1_000));
        known.count++;
        return undefined;
      }
      seen.delete(key);
      seen.set(key, { count: 1, since: now });
      const [oldest] = seen.keys();
      if (seen.size > remembered && oldest !== undefined) seen.delete(oldest);
      return undefined;
    },
    forgive: (key) => void seen.delete(key),
  };
}

/** Throws `rate_limited` with `text` when the try is one too many. */
export function spendOrThrow(limit: Limit, key: string, text: string): void {
  const wait = limit.spend(key);
  if (wait !== undefined) throw new ApiError('rate_limited', text, { retryAfterSeconds: wait });
}

/** Who a caller is to a limit: an IPv4 address, or the /64 that one customer of a network has to himself in IPv6. */
export function networkOf(ip: string): string {
  if (!ip.includes(':')) return ip;
  try {
    const address = ipaddr.process(ip);
    return address.kind() === 'ipv6' ? (address as ipaddr.IPv6).parts.slice(0, 4).join(':') : address.toString();
  } catch {
    return ip;
  }
}

export interface Tries {
  /** Counts a try before it is made. Throws `rate_limited`. */
  spend(email: string, ip: string): void;
  /** The guess was right: counting starts anew. */
  forgive(email: string, ip: string): void;
}

/** Guesses at a password: five in a quarter of an hour for one account from one address. */
export function createTries(clock: Clock): Tries {
  const limit = createLimit(clock, 5, 15 * 60_000);
  const keyOf = (email: string, ip: string): string =>
    sha256(`${email.toLowerCase()}\n${networkOf(ip)}`).toString('base64');
  return {
    spend: (email, ip) =>
      spendOrThrow(
        limit,
        keyOf(email, ip),
        'Too many tries to sign in. Wait as Retry-After says (at most 15 minutes).',
      ),
    forgive: (email, ip) => limit.forgive(keyOf(email, ip)),
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
