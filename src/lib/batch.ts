/**
 * Group commit without a timer: what arrives while a flush is under way leaves together in the next one. An idle batcher
 * flushes at once, so one caller pays no delay and sixty-four share a commit.
 *
 * If a batch of several fails, its members are tried one by one, so that a poisoned row fails alone.
 */
export interface BatchOptions<I, O> {
  /** Returns one result per item, in order. */
  readonly flush: (items: readonly I[]) => Promise<readonly O[]>;
  /** Default 500. */
  readonly maxItems?: number;
  /** Bytes of an item, about. Without it every item weighs nothing. */
  readonly weigh?: (item: I) => number;
  /** Bytes of one flush; an item that is heavier leaves alone. Default 8 MB. */
  readonly maxFlightBytes?: number;
  /** Flushes under way at once. Default 1. */
  readonly flights?: number;
  /** Items that leave at once; fewer wait a moment for company. Default 1: nobody waits. */
  readonly enough?: number;
  /** Milliseconds of that moment. Default 5. */
  readonly lingerMs?: number;
  /** Waiting items beyond which `add` is refused. Default 10,000. */
  readonly maxWaiting?: number;
  /** Bytes of waiting items beyond which `add` is refused. Default 64 MB. */
  readonly maxWaitingBytes?: number;
  /** What to throw then. */
  readonly full: () => Error;
  /** A fault of the whole store rather than of one row: the members are not tried again one by one. */
  readonly isOutage?: (error: unknown) => boolean;
}

export interface Batcher<I, O> {
  add(item: I): Promise<O>;
  /** Resolves when nothing is waiting or under way. */
  idle(): Promise<void>;
}

interface Waiting<I, O> {
  readonly item: I;
  readonly bytes: number;
  readonly resolve: (result: O) => void;
  readonly reject: (error: unknown) => void;
}

const MB = 1_048_576;

export function createBatcher<I, O>({
  flush,
  maxItems = 500,
  weigh = () => 0,
  maxFlightBytes = 8 * MB,
  flights = 1,
  enough = 1,
  lingerMs = 5,
  maxWaiting = 10_000,
  maxWaitingBytes = 64 * MB,
  full,
  isOutage = () => false,
}: BatchOptions<I, O>): Batcher<I, O> {
  let waiting: Waiting<I, O>[] = [];
  let waitingBytes = 0;
  let flying = 0;
  let idleWaiters: (() => void)[] = [];
  let timer: NodeJS.Timeout | undefined;
  let isPatient = true;

  /**
   * Whoever waits leaves before anybody is told: the store has work while the answers are written. A pool hands out its
   * connection in the next tick, and so a tick is waited.
   */
  async function fly(batch: readonly Waiting<I, O>[]): Promise<void> {
    let results: readonly O[];
    try {
      results = await flush(batch.map(({ item }) => item));
    } catch (error) {
      if (batch.length > 1 && !isOutage(error)) return alone(batch);
      landed();
      for (const { reject } of batch) reject(error);
      return;
    }
    landed();
    process.nextTick(() => {
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as O);
    });
  }

  /** One by one, still as one flight. */
  async function alone(batch: readonly Waiting<I, O>[]): Promise<void> {
    for (const { item, resolve, reject } of batch) await flush([item]).then(([result]) => resolve(result as O), reject);
    landed();
  }

  function landed(): void {
    flying--;
    depart();
    if (flying > 0 || waiting.length > 0) return;
    for (const wake of idleWaiters) wake();
    idleWaiters = [];
  }

  /** The next to leave: as many as fit, and always one. */
  function load(): readonly Waiting<I, O>[] {
    let bytes = waiting[0]?.bytes ?? 0;
    let count = 1;
    for (; count < Math.min(maxItems, waiting.length); count++) {
      bytes += waiting[count]?.bytes ?? 0;
      if (bytes > maxFlightBytes) break;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    for (const member of batch) waitingBytes -= member.bytes;
    return batch;
  }

  function depart(): void {
    if (waiting.length < enough && isPatient) {
      if (waiting.length > 0) timer ??= setTimeout(overdue, lingerMs);
      return;
    }
    while (flying < flights && waiting.length > 0 && (waiting.length >= enough || !isPatient)) {
      const batch = load();
      flying++;
      clearTimeout(timer);
      timer = undefined;
      isPatient = true;
      void fly(batch);
    }
  }

  /** Who has waited for long enough leaves with the next flight, however few they are. */
  function overdue(): void {
    timer = undefined;
    isPatient = false;
    depart();
  }

  return {
    add: (item) =>
      new Promise<O>((resolve, reject) => {
        const bytes = weigh(item);
        // An item too heavy for the whole room still passes when the room is empty: it could never come otherwise.
        if (waiting.length >= maxWaiting || (waiting.length > 0 && waitingBytes + bytes > maxWaitingBytes))
          return reject(full());
        waiting.push({ item, bytes, resolve, reject });
        waitingBytes += bytes;
        // After the current turn, so that requests parsed in the same turn share the flush.
        if (flying < flights) queueMicrotask(depart);
      }),
    idle: () =>
      flying === 0 && waiting.length === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve)),
  };
}
