/**
 * Whether a connection's provider can be called now: in come the answers to its calls, out comes how many more may begin.
 * After failures in a row, or among the last calls, nothing begins; then one message is the probe, and what follows grows by
 * one with each good answer until the connection has its limit again. A provider that asks for a pause gets it. Pure but for
 * the clock it is given, and known to this process alone: another learns by itself, and a restart forgets.
 */
import type { FaultKind } from '../../channel-kit/index.ts';

export interface BreakerTiming {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** Pauses before the first probe, the second, …; the last one stays. */
  readonly probeMs: readonly number[];
  /** The same where the credentials were refused: each probe costs a message. */
  readonly deniedMs: readonly number[];
  /** Random in [0, 1), for jitter. */
  readonly random: () => number;
}

/** What a call says of the provider. Whoever refuses a recipient or a text is alive. */
export type Answer =
  | { readonly says: 'alive' }
  | { readonly says: 'failed' | 'denied'; readonly fault: FaultKind; readonly note: string | undefined }
  /** Credentials were refused in words that may concern this one message: the second in a row says it of all. */
  | { readonly says: 'perhaps denied'; readonly fault: FaultKind; readonly note: string | undefined }
  | { readonly says: 'pause'; readonly ms: number; readonly note: string | undefined };

export interface Unwell {
  readonly status: 'failing' | 'resting';
  readonly fault: FaultKind;
  readonly note: string | undefined;
  /** When it is tried again, by the clock of this breaker; absent: nothing holds it back yet. */
  readonly until?: number;
}

export interface Breaker {
  /** How many more calls may begin beside those under way; no bound of its own while it is closed. */
  room(inFlight: number): number;
  /** A call begins; what is returned belongs to its `end`. */
  begin(): number;
  /** The call is over; without an answer the provider was not asked. `limit`: calls at once when all is well. */
  end(begun: number, answer: Answer | undefined, limit: number): void;
  /** Somebody has mended the connection: it is probed at once. */
  retry(): void;
  /** What is wrong, as far as the last answers tell. */
  unwell(): Unwell | undefined;
  /** Since when nothing, or less than usual, may begin; `undefined` while it is closed. */
  openSince(): number | undefined;
  /** Before this moment nothing begins. */
  until(): number;
}

export const BREAKER: BreakerTiming = {
  failures: 5,
  probeMs: [1_000, 2_000, 5_000, 10_000, 30_000],
  // The first comes soon: some providers say of one message what sounds as if it were true of all.
  deniedMs: [5_000, 60_000, 120_000, 300_000, 600_000],
  random: Math.random,
};

/**
 * The longest pause on the word of one answer, which may have meant one recipient; the next that asks for one, from the probe
 * that follows, means the connection and is taken at its word.
 */
const FIRST_PAUSE_MS = 60_000;
/** Half of so many calls, however they lie, open it as well. */
const WINDOW = 20;
const MASK = (1 << WINDOW) - 1;

export function createBreaker(timing: BreakerTiming, now: () => number): Breaker {
  let epoch = 0;
  /** What may be under way at once of this epoch's calls. */
  let allowed = Number.POSITIVE_INFINITY;
  let underWay = 0;
  let until = Number.NEGATIVE_INFINITY;
  let since: number | undefined;
  /** Probes that failed, one after the other. */
  let level = 0;
  let inRow = 0;
  let [calls, failed] = [0, 0];
  let denied = false;
  let cause: Unwell | undefined;

  function hold(ms: number, why: Unwell): void {
    epoch++;
    underWay = 0;
    allowed = 1;
    since = now();
    until = since + ms;
    cause = { ...why, until };
  }
  function open({ fault, note, isDenied }: Pick<Unwell, 'fault' | 'note'> & { isDenied: boolean }, next: number): void {
    level = denied === isDenied ? next : 0;
    denied = isDenied;
    const pauses = denied ? timing.deniedMs : timing.probeMs;
    const pause = pauses[Math.min(level, pauses.length - 1)] ?? 0;
    hold(pause * (1 + 0.2 * timing.random()), { status: 'failing', fault, note });
  }
  function close(): void {
    allowed = Number.POSITIVE_INFINITY;
    since = undefined;
    level = calls = failed = 0;
  }
  function count(good: boolean): void {
    calls = Math.min(WINDOW, calls + 1);
    failed = ((failed << 1) | (good ? 0 : 1)) & MASK;
    inRow = good ? 0 : inRow + 1;
  }
  const isClosed = (): boolean => since === undefined;
  const tooMany = (): boolean =>
    inRow >= timing.failures || (calls === WINDOW && ones(failed) * 2 >= WINDOW && inRow > 0);

  function alive(limit: number): void {
    count(true);
    cause = undefined;
    if (!isClosed() && ++allowed > limit) close();
  }

  return {
    room(inFlight) {
      if (isClosed())
        // Twice in a row may be the beginning: no more are risked at once than it would take to open.
        return inRow < 2 ? Number.POSITIVE_INFINITY : Math.max(0, timing.failures - inRow - inFlight);
      return now() < until ? 0 : Math.max(0, allowed - underWay);
    },
    begin() {
      underWay++;
      return epoch;
    },
    end(begun, answer, limit) {
      // Calls from before it opened end into what is known by now.
      const current = begun === epoch;
      if (current) underWay--;
      if (!answer) return;
      if (answer.says === 'pause') {
        const ms = current && cause?.status === 'resting' ? answer.ms : Math.min(answer.ms, FIRST_PAUSE_MS);
        if (now() + ms > until) hold(ms, { status: 'resting', fault: 'rate_limited', note: answer.note });
        return;
      }
      if (!current) return;
      if (answer.says === 'alive') return alive(limit);
      count(false);
      const { fault, note } = answer;
      const isDenied = answer.says === 'denied' || (answer.says === 'perhaps denied' && inRow >= 2);
      const why = { fault, note, isDenied };
      if (isClosed()) {
        cause = { status: 'failing', fault, note };
        if (isDenied || tooMany()) open(why, 0);
      } else if (allowed === 1) open(why, level + 1);
      else if (isDenied || inRow >= 2) open(why, level);
      else allowed >>= 1;
    },
    retry() {
      if (isClosed()) return;
      until = now();
      level = 0;
      if (cause) cause = { ...cause, until };
    },
    unwell: () => cause,
    openSince: () => since,
    until: () => until,
  };
}

function ones(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count++;
  return count;
}
