/**
 * Keeps watch over a store that may fall silent: one that takes what it is sent and answers nothing breaks no connection and
 * raises no error. Who has waited for two seconds makes us ask on a connection of its own; without an answer there, the store
 * counts as silent: everything that waits fails at once, and so does what comes, until it answers again. A slow statement on
 * a store that answers is left alone.
 */

/** Something that waits for the store. */
export interface Waiting {
  /** Monotonic milliseconds. */
  readonly since: number;
  /** Milliseconds after which its connection is dead although the store lives. */
  readonly lostMs: number;
  /** Gives up the wait, which then fails by itself. */
  readonly cut: () => void;
}

export interface Vigil {
  /** While it stands here it is watched. Throws `StoreSilent` while the store is known to be silent. `lostMs` for what may take longer than usual. */
  begin(cut: () => void, lostMs?: number): Waiting;
  end(waiting: Waiting): void;
  close(): void;
}

/** The store says nothing. An outage like any other. */
export class StoreSilent extends Error {
  readonly code = 'ETIMEDOUT';
  constructor() {
    super('the store does not answer');
    this.name = 'StoreSilent';
  }
}

export interface VigilOptions {
  /** Resolves when the store answers. It may take as long as it likes: nobody waits for it longer than `patienceMs`. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** Told of each change. */
  readonly onChange: (isSilent: boolean) => void;
  /** After which it is asked, and after which an asked store is silent. Default 2,000. */
  readonly patienceMs?: number;
  /** After which a single connection is dead although the store lives. Default 20,000. */
  readonly lostMs?: number;
}

const TICK_MS = 250;

export function createVigil({ probe, onChange, patienceMs = 2_000, lostMs: usualMs = 20_000 }: VigilOptions): Vigil {
  const waits = new Set<Waiting>();
  let isSilent = false;
  let asking = false;
  let asked = 0;
  let timer: NodeJS.Timeout | undefined;
  let last = 0;
  let closed = false;

  async function ask(): Promise<void> {
    asking = true;
    const answers = await answersWithin(patienceMs, probe);
    asking = false;
    asked = performance.now();
    if (closed) return;
    if (answers === isSilent) {
      isSilent = !answers;
      onChange(isSilent);
    }
    if (isSilent) cutAll(() => true);
  }

  function cutAll(which: (waiting: Waiting) => boolean): void {
    for (const waiting of [...waits])
      if (which(waiting)) {
        waits.delete(waiting);
        waiting.cut();
      }
  }

  function tick(): void {
    const now = performance.now();
    // A process that stood still has not read what may have come meanwhile.
    const stoodStill = now - last > 4 * TICK_MS;
    last = now;
    if (stoodStill) return;
    if (!asking && now - asked > patienceMs / 2) {
      let oldest = now;
      for (const { since } of waits) if (since < oldest) oldest = since;
      if (isSilent || now - oldest > patienceMs) void ask();
    }
    cutAll(({ since, lostMs }) => now - since > lostMs);
    if (waits.size === 0 && !isSilent) {
      clearInterval(timer);
      timer = undefined;
    }
  }

  return {
    begin(cut, lostMs = usualMs) {
      if (isSilent) throw new StoreSilent();
      const waiting = { since: performance.now(), lostMs, cut };
      waits.add(waiting);
      if (timer === undefined && !closed) {
        last = waiting.since;
        timer = setInterval(tick, TICK_MS).unref();
      }
      return waiting;
    },
    end: (waiting) => void waits.delete(waiting),
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

async function answersWithin(ms: number, probe: VigilOptions['probe']): Promise<boolean> {
  const given = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    // One turn more: an answer that is there already is read first.
    timer = setTimeout(() => setImmediate(() => resolve(false)), ms);
  });
  try {
    return await Promise.race([
      late,
      probe(given.signal).then(
        () => true,
        // Refused is an answer: pools and statements hear of it themselves.
        () => !given.signal.aborted,
      ),
    ]);
  } finally {
    clearTimeout(timer);
    given.abort();
  }
}
