/**
 * Rate limits: buckets in memory, leased from the store in the background, all that have something to settle in one trip. What
 * may go is never made to wait: but the very first request of a tenant in a process, which waits for its key anyhow, and one
 * that would be refused although other processes have left something in the store, for a tenth of a second at most.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Vault } from '../../lib/crypto.ts';
import type { Db } from '../../lib/db.ts';
import type { Meter, Mode } from '../../lib/http.ts';
import { newId } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import { type Ask, Bucket, type Limit } from './bucket.ts';
import { createMeter } from './meter.ts';
import { createRecipientCap, type RecipientCap } from './recipients.ts';
import { type BucketAnswer, type BucketAsk, greet, leave, lend, openBuckets, purgeBuckets } from './store.ts';

/** A limit, whose it is, and what it is called outside. */
export interface Part {
  readonly name: string;
  /** UUID of a tenant or a key. */
  readonly subject: string;
  readonly mode: Mode;
  readonly limit: Limit;
}

export interface Limits {
  /** All parts apply. The buckets of one subject are shared, and take on the limit that was named last. */
  meter(parts: readonly Part[]): Meter;
  /** Resolves when the store has said what is left, or could not; at once when it has before. */
  warm(): Promise<void> | undefined;
  readonly recipients: Pick<RecipientCap, 'take' | 'giveBack'>;
  /** This process serves requests: from now on the others share with it. */
  join(): void;
  /** Forgets what is full. */
  purge(): Promise<void>;
  /** Gives back what is held. */
  close(): Promise<void>;
}

export interface LimitsDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly vault: Pick<Vault, 'derive'>;
}

/** A bucket and what the store has to know of it. */
export interface Entry {
  readonly subject: string;
  readonly mode: Mode;
  readonly bucket: Bucket;
  limit: Limit;
  usedAt: number;
  /** Asking before this is of no use. */
  notBefore: number;
  talkedAt: number;
}

const TICK_MS = 1_000;
/** Others count a process as long as it was heard of within 15 s. */
const GREET_MS = 5_000;
/** Between two talks about a bucket that is low. */
const SPACE_MS = { min: 20, short: 50, max: 1_000 };
/** How long an answer may take before everybody goes on without it. */
const PATIENCE_MS = 500;
/** What a request may wait before it is refused. */
const FETCH_MS = 100;
const FORGET_MS = 60_000;

export function createLimits({ db, clock, log, vault }: LimitsDeps): Limits {
  const recipients = createRecipientCap(db, vault.derive('otp-sends'));
  const process = newId();
  const entries = new Map<string, Entry>();
  const low = new Set<Entry>();
  let members = 1;
  let joined = false;
  let reachable = true;
  let greetedAt = Number.NEGATIVE_INFINITY;
  let flight: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const timerOn = (): void => {
    timer ??= setInterval(tick, TICK_MS).unref();
  };

  function entryOf({ subject, mode, limit }: Part): Entry {
    const name = nameOf({ subject, mode });
    const now = performance.now();
    let entry = entries.get(name);
    if (!entry) {
      entry = { subject, mode, limit, bucket: new Bucket(limit, now), usedAt: now, notBefore: 0, talkedAt: 0 };
      entries.set(name, entry);
    }
    entry.usedAt = now;
    if (entry.limit.requests !== limit.requests || entry.limit.seconds !== limit.seconds) {
      entry.limit = limit;
      entry.bucket.change(limit, now);
      low.add(entry);
    }
    if (!entry.bucket.isKnown) low.add(entry);
    timerOn();
    return entry;
  }

  function tick(): void {
    const now = performance.now();
    for (const [name, entry] of entries) {
      if (entry.bucket.isStirred) low.add(entry);
      else if (now - entry.usedAt > FORGET_MS) entries.delete(name);
    }
    if (low.size > 0 || (joined && now - greetedAt > GREET_MS)) talk();
  }

  /** One talk at a time; what is low meanwhile is for the next. */
  function talk(): Promise<void> {
    flight ??= settle().finally(() => {
      flight = undefined;
    });
    return flight;
  }

  async function settle(): Promise<void> {
    const now = performance.now();
    const asked = [...low].map((entry) => ({ entry, ask: entry.bucket.ask(members, now) }));
    low.clear();
    const goOn = () => {
      for (const { entry } of asked) entry.bucket.alone(performance.now());
    };
    const waiting = setInterval(goOn, PATIENCE_MS).unref();
    try {
      const answers = await exchange(asked);
      greetedAt = now;
      for (const { entry, ask } of asked) take(entry, ask, answers.get(nameOf(entry)));
      if (!reachable) log.info('rate limits are shared with the other processes again');
      reachable = true;
    } catch (error) {
      goOn();
      for (const { entry } of asked) entry.notBefore = performance.now() + SPACE_MS.max;
      if (reachable) log.warn({ err: error }, 'rate limits cannot be shared; each process goes on by itself');
      reachable = false;
    } finally {
      clearInterval(waiting);
    }
  }

  /** Counts the processes, too. */
  async function exchange(
    asked: readonly { readonly entry: Entry; readonly ask: Ask }[],
  ): Promise<ReadonlyMap<string, Answer>> {
    const asks = asked.map(({ entry: { subject, mode, limit }, ask }): BucketAsk => {
      const { requests, seconds } = limit;
      return { subject, mode, requests, seconds, held: ask.held, want: ask.want, lot: ask.least };
    });
    const legs = [greet(process)];
    if (asked.some(({ entry }) => !entry.bucket.isKnown)) legs.push(openBuckets(asks));
    if (asks.length > 0) legs.push(lend(asks, process));
    const rows = await db.batch<[[{ members: number }], ...Answer[][]]>(legs);
    members = rows[0][0].members;
    return new Map(asks.length > 0 ? (rows.at(-1) as Answer[]).map((answer) => [nameOf(answer), answer]) : []);
  }

  function take(entry: Entry, ask: Ask, answer: Answer | undefined): void {
    const now = performance.now();
    // Swept away as full in this very moment: it is there again the next time.
    entry.bucket.answer(
      ask,
      { granted: answer?.granted ?? 0, left: answer?.left ?? entry.limit.requests, members },
      now,
    );
    entry.talkedAt = now;
    const { stepMs } = entry.bucket;
    const enough = answer === undefined || answer.granted >= ask.want;
    entry.notBefore = now + (enough ? SPACE_MS.min : Math.min(Math.max(stepMs, SPACE_MS.short), SPACE_MS.max));
  }

  /** After something was spent, or was not to be had. */
  function stir(entry: Entry, now: number): void {
    entry.usedAt = now;
    if (!entry.bucket.isLow || flight || now < entry.notBefore) return;
    low.add(entry);
    void talk();
  }

  /** Who would be refused although the store may have more waits for one talk, and not for long. */
  function fetch(entry: Entry, cost: number, now: number, paid: number): Promise<void> | undefined {
    if (!reachable || !entry.bucket.need(cost, now, paid)) return undefined;
    low.add(entry);
    const spaced = entry.talkedAt + SPACE_MS.min - now;
    const talked = (flight ?? (spaced > 0 ? new Promise((resolve) => setTimeout(resolve, spaced)) : undefined))?.then(
      talk,
    );
    return Promise.race([talked ?? talk(), new Promise<void>((resolve) => setTimeout(resolve, FETCH_MS).unref())]);
  }

  return {
    meter: (parts) =>
      createMeter(
        clock,
        parts.map((part) => ({ ...part, entry: entryOf(part) })),
        { stir, fetch },
      ),
    warm: () => ([...low].some(({ bucket }) => !bucket.isKnown) ? (flight ?? Promise.resolve()).then(talk) : undefined),
    join() {
      joined = true;
      timerOn();
      void talk();
    },
    recipients,
    async purge() {
      await purgeBuckets(db);
      await recipients.purge();
    },
    async close() {
      clearInterval(timer);
      timer = undefined;
      if (!Number.isFinite(greetedAt)) return;
      await flight;
      for (const entry of entries.values()) if (entry.bucket.isStirred) low.add(entry);
      if (reachable && low.size > 0) await talk();
      await leave(db, process).catch(() => undefined);
    },
  };
}

type Answer = BucketAnswer;
const nameOf = ({ subject, mode }: { readonly subject: string; readonly mode: Mode }): string => `${subject} ${mode}`;
