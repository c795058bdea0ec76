/**
 * How much each connection can take now, in this process: free places, a token bucket of its calls per second, and what its
 * breaker lets through. A share of places and bucket is kept for what is urgent, so that a campaign never fills the line.
 * Where the breaker is open there is no room: nothing is claimed, no attempt is spent, and messages wait.
 */
import { type Answer, BREAKER, type Breaker, type BreakerTiming, createBreaker, type Unwell } from './breaker.ts';
import type { Room } from './claim.ts';

export interface Limits {
  /** Calls under way at once. */
  readonly concurrency: number;
  /** Calls per second. */
  readonly perSecond: number;
  /** Of the provider; absent where answers tell of none, because nobody real was asked. */
  readonly adapter?: string;
}

/** A connection that gets less than its limits, or nothing. */
export interface Open {
  readonly connectionId: string;
  readonly adapter: string;
  /** Monotonic milliseconds. */
  readonly since: number;
  /** Nothing at all may begin. */
  readonly held: boolean;
  /** Because the provider has asked for it. */
  readonly asked: boolean;
}

/** What one answer has changed. */
export type Turn = 'opened' | 'closed' | undefined;

export interface Pace {
  /** What a connection allows; the first call makes the connection known. */
  learn(connectionId: string, limits: Limits): void;
  rooms(): readonly Room[];
  /** How many messages of this priority the connection can take; 0 for one that is not known. */
  room(connectionId: string, urgent: boolean): number;
  /** One call has begun; the function it returns, called once or more, ends it. The first call counts, and says what came of it. */
  begin(connectionId: string): (answer?: Answer) => Turn;
  /** What is wrong with a connection and, in milliseconds, how long it is left alone; `undefined`: all is well. */
  unwell(connectionId: string): (Unwell & { readonly waitMs?: number }) | undefined;
  open(): readonly Open[];
  /** Its owner has done something about it. */
  retry(connectionId: string): void;
  /** As if it had never been met. */
  forget(connectionId: string): void;
  /** Whether enough of the connection's places are free that looking for more work pays. */
  worthALook(connectionId: string): boolean;
  /** Milliseconds until a connection that is held back by its pace or its breaker alone has room again. */
  nextRoomMs(): number | undefined;
}

interface Line {
  concurrency: number;
  perSecond: number;
  inFlight: number;
  tokens: number;
  filledAt: number;
  usedAt: number;
  adapter: string | undefined;
  readonly breaker: Breaker;
}

const FORGET_MS = 600_000;
/** One in sixteen places, and one at least where there are two, waits for urgent messages. */
const reserved = (size: number): number => (size < 2 ? 0 : Math.max(1, Math.floor(size / 16)));

export function createPace(timing: BreakerTiming = BREAKER, now: () => number = () => performance.now()): Pace {
  const lines = new Map<string, Line>();
  const lineOf = (id: string): Line => {
    const known = lines.get(id);
    if (known) return known;
    const line: Line = {
      concurrency: 20,
      perSecond: 1_000,
      inFlight: 0,
      tokens: 1_000,
      filledAt: now(),
      usedAt: now(),
      adapter: undefined,
      breaker: createBreaker(timing, now),
    };
    lines.set(id, line);
    return line;
  };
  /** A bucket holds a second, and one call at least. */
  const sizeOf = ({ perSecond }: Line): number => Math.max(1, perSecond);
  const fill = (line: Line): number => {
    const at = now();
    line.tokens = Math.min(sizeOf(line), line.tokens + ((at - line.filledAt) * line.perSecond) / 1_000);
    line.filledAt = at;
    return line.tokens;
  };
  const roomOf = (line: Line, urgent: boolean): number => {
    const tokens = fill(line) - (urgent ? 0 : reserved(sizeOf(line)));
    const places = line.concurrency - line.inFlight - (urgent ? 0 : reserved(line.concurrency));
    return Math.max(0, Math.floor(Math.min(tokens, places, line.breaker.room(line.inFlight))));
  };
  const isQuiet = ({ inFlight, usedAt, breaker }: Line): boolean =>
    inFlight === 0 && now() - Math.max(usedAt, breaker.until()) > FORGET_MS;
  return {
    learn(id, { concurrency, perSecond, adapter }) {
      const line = lineOf(id);
      line.adapter = adapter;
      line.concurrency = concurrency;
      if (line.perSecond === perSecond) return;
      line.perSecond = perSecond;
      line.tokens = Math.min(line.tokens, sizeOf(line));
    },
    rooms: () => {
      // A connection that was quiet for a while is as good as new.
      for (const [id, line] of lines) if (isQuiet(line)) lines.delete(id);
      return [...lines].map(([connectionId, line]) => ({
        connectionId,
        room: roomOf(line, true),
        common: roomOf(line, false),
      }));
    },
    room: (id, urgent) => {
      const line = lines.get(id);
      return line ? roomOf(line, urgent) : 0;
    },
    worthALook: (id) => {
      const line = lineOf(id);
      if (line.breaker.room(line.inFlight) === 0) return false;
      return roomOf(line, false) >= Math.max(1, line.concurrency >> 4) || line.inFlight === 0;
    },
    begin(id) {
      const line = lineOf(id);
      fill(line);
      line.usedAt = now();
      line.tokens--;
      line.inFlight++;
      const begun = line.breaker.begin();
      let over = false;
      return (answer) => {
        if (over) return undefined;
        over = true;
        line.inFlight--;
        const wasOpen = line.breaker.openSince() !== undefined;
        line.breaker.end(begun, line.adapter === undefined ? undefined : answer, line.concurrency);
        const isOpen = line.breaker.openSince() !== undefined;
        return wasOpen === isOpen ? undefined : isOpen ? 'opened' : 'closed';
      };
    },
    unwell(id) {
      const unwell = lines.get(id)?.breaker.unwell();
      return unwell?.until === undefined ? unwell : { ...unwell, waitMs: Math.max(0, unwell.until - now()) };
    },
    open: () =>
      [...lines].flatMap(([connectionId, { adapter, breaker }]) => {
        const since = breaker.openSince();
        return since === undefined || adapter === undefined
          ? []
          : [
              {
                connectionId,
                adapter,
                since,
                held: now() < breaker.until(),
                asked: breaker.unwell()?.status === 'resting',
              },
            ];
      }),
    retry: (id) => lines.get(id)?.breaker.retry(),
    forget: (id) => void lines.delete(id),
    nextRoomMs() {
      const at = now();
      const waits = [...lines.values()].flatMap((line) => {
        const held = line.breaker.until() - at;
        const short = 1 + reserved(sizeOf(line)) - fill(line);
        if (line.inFlight >= line.concurrency || (held <= 0 && short <= 0)) return [];
        return [Math.max(held, (short * 1_000) / line.perSecond)];
      });
      return waits.length > 0 ? Math.max(5, Math.ceil(Math.min(...waits))) : undefined;
    },
  };
}
