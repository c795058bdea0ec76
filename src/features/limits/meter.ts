/** What one caller sees of the limits that apply to him: spends from all of them or from none, and tells what is left. */
import type { Clock } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Meter } from '../../lib/http.ts';
import type { Bucket, Limit } from './bucket.ts';

export interface Metered {
  readonly name: string;
  readonly entry: { readonly bucket: Bucket; readonly limit: Limit };
}

export interface Hooks<E> {
  /** Hears of everything that was spent or refused. */
  stir(entry: E, now: number): void;
  /** Resolves when it is worth trying again; `undefined`: it is not. */
  fetch(entry: E, cost: number, now: number, paid: number): Promise<void> | undefined;
}

/** Headers: draft-ietf-httpapi-ratelimit-headers, and the older names. */
export function createMeter<M extends Metered>(
  clock: Clock,
  parts: readonly M[],
  { stir, fetch }: Hooks<M['entry']>,
): Meter {
  const policy = parts
    .map(({ name, entry: { limit } }) => `"${name}";q=${limit.requests};w=${limit.seconds}`)
    .join(', ');

  function refuse({ name, entry: { bucket, limit } }: M, cost: number, now: number, paid: number): never {
    const { requests, seconds } = limit;
    const seen = `${requests.toLocaleString('en')} in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}`;
    const text =
      cost + paid === 1
        ? `This ${name} has used up its limit of ${seen}. Wait as Retry-After says.`
        : `This costs ${cost.toLocaleString('en')} more, and of the ${seen} that this ${name} may use ${bucket.remaining(now).toLocaleString('en')} are left. Wait as Retry-After says, or send less at once.`;
    throw new ApiError('rate_limited', text, {
      retryAfterSeconds: Math.max(1, Math.ceil(retryMs(cost + paid, now) / 1_000 - 1e-6)),
      details: { limit: name, requests, seconds, cost },
    });
  }

  /** Until no part of it would refuse. */
  function retryMs(cost: number, now: number): number {
    return parts.reduce((longest, { entry }) => Math.max(longest, entry.bucket.retryMs(cost, now)), 0);
  }

  /** From all, or from none; the one that had not enough. */
  function spend(cost: number, now: number, paid: number): M | undefined {
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as M;
      const isSpent = part.entry.bucket.spend(cost, now, paid);
      stir(part.entry, now);
      if (isSpent) continue;
      for (let paid = 0; paid < i; paid++) (parts[paid] as M).entry.bucket.owe(-cost, now);
      return part;
    }
    return undefined;
  }

  async function again(fetched: Promise<void>, cost: number, paid: number): Promise<void> {
    await fetched;
    const now = performance.now();
    const short = spend(cost, now, paid);
    if (short) refuse(short, cost, now, paid);
  }

  return {
    spend(cost, paid = 0) {
      if (cost <= 0) return undefined;
      const now = performance.now();
      const short = spend(cost, now, paid);
      if (!short) return undefined;
      const fetched = fetch(short.entry, cost, now, paid);
      return fetched ? again(fetched, cost, paid) : refuse(short, cost, now, paid);
    },
    owe(cost) {
      const now = performance.now();
      for (const { entry } of parts) {
        entry.bucket.owe(cost, now);
        stir(entry, now);
      }
    },
    waitMs() {
      const now = performance.now();
      let longest = 0;
      for (const { entry } of parts) longest = Math.max(longest, entry.bucket.waitMs(1, now));
      return longest;
    },
    headers() {
      const now = performance.now();
      let told = '';
      let tightest = 0;
      let left = Number.POSITIVE_INFINITY;
      let reset = 0;
      for (const [index, { name, entry }] of parts.entries()) {
        const remaining = entry.bucket.remaining(now);
        const seconds = entry.bucket.resetSeconds(now);
        told += `${index === 0 ? '' : ', '}"${name}";r=${remaining};t=${seconds}`;
        if (remaining >= left) continue;
        tightest = entry.limit.requests;
        left = remaining;
        reset = seconds;
      }
      return {
        'RateLimit-Policy': policy,
        RateLimit: told,
        'X-RateLimit-Limit': String(tightest),
        'X-RateLimit-Remaining': String(left),
        // Unix time, in seconds.
        'X-RateLimit-Reset': String(Math.ceil(clock.now().getTime() / 1_000) + reset),
      };
    },
  };
}
