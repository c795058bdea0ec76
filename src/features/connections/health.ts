/** How connections fare: noted on every use, written together a moment later, and again only when it changes or a minute has passed. */
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import type { Log } from '../../lib/log.ts';
import { type Health, recordHealth } from './store.ts';

export interface HealthRecorder {
  note(connectionId: string, ok: boolean, note?: string): void;
  /** Writes one state at once, whatever was known. */
  write(connectionId: string, ok: boolean, note: string): Promise<void>;
  flush(): Promise<void>;
}

const FLUSH_MS = 1_000;
const REPEAT_MS = 60_000;
const NOTE_MAX = 300;

export function createHealth({ db, clock, log }: { db: Db; clock: Clock; log: Log }): HealthRecorder {
  const last = new Map<string, { ok: boolean; at: number }>();
  let waiting = new Map<string, Health>();
  let timer: NodeJS.Timeout | undefined;

  const state = (id: string, ok: boolean, note: string | undefined): Health => ({
    id,
    health: ok ? 'ok' : 'failing',
    note: note?.slice(0, NOTE_MAX) ?? null,
  });
  const remember = (id: string, ok: boolean): void => {
    if (last.size > 10_000) last.clear();
    last.set(id, { ok, at: clock.now().getTime() });
  };

  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const states = [...waiting.values()];
    waiting = new Map();
    if (states.length === 0) return;
    try {
      await recordHealth(db, states);
    } catch (error) {
      log.warn({ err: error, connections: states.length }, 'could not note how connections fare');
    }
  }

  return {
    note(id, ok, note) {
      const known = last.get(id);
      if (known?.ok === ok && Math.abs(clock.now().getTime() - known.at) < REPEAT_MS) return;
      remember(id, ok);
      waiting.set(id, state(id, ok, note));
      timer ??= setTimeout(() => void flush(), FLUSH_MS).unref();
    },
    async write(id, ok, note) {
      remember(id, ok);
      waiting.delete(id);
      await recordHealth(db, [state(id, ok, note)]);
    },
    flush,
  };
}
