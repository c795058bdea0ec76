/** How connections fare: noted on every use, written together a moment later, and again only when it changes or a minute has passed. */
import { FAULTS, type FaultKind, type FaultOwner } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import type { Log } from '../../lib/log.ts';
import type { Standing } from './door.ts';
import type { ConnectionItem } from './schema.ts';
import { type ConnectionRow, type Health, recordHealth } from './store.ts';

export interface HealthRecorder {
  note(connectionId: string, standing: Standing): void;
  /** Writes one state at once, whatever was known. */
  write(connectionId: string, standing: Standing, note: string): Promise<void>;
  flush(): Promise<void>;
}

const FLUSH_MS = 1_000;
const REPEAT_MS = 60_000;
const NOTE_MAX = 300;

export function createHealth({ db, clock, log }: { db: Db; clock: Clock; log: Log }): HealthRecorder {
  const last = new Map<string, { standing: Standing; at: number }>();
  let waiting = new Map<string, Health>();
  let timer: NodeJS.Timeout | undefined;

  const state = (id: string, standing: Standing, note?: string): Health => ({
    id,
    health: standing.status,
    fault: standing.fault ?? null,
    note: (note ?? standing.note)?.slice(0, NOTE_MAX) ?? null,
    until: standing.waitMs === undefined ? null : new Date(clock.now().getTime() + standing.waitMs),
  });
  const remember = (id: string, standing: Standing): void => {
    if (last.size > 10_000) last.clear();
    last.set(id, { standing, at: clock.now().getTime() });
  };
  /** A pause that is the same pause, told a moment later, is no news. */
  const isKnown = (id: string, standing: Standing): boolean => {
    const known = last.get(id);
    if (known?.standing.status !== standing.status || known.standing.fault !== standing.fault) return false;
    const passed = clock.now().getTime() - known.at;
    const same = (known.standing.waitMs ?? 0) - passed - (standing.waitMs ?? 0);
    return (standing.waitMs === undefined || Math.abs(same) < FLUSH_MS) && Math.abs(passed) < REPEAT_MS;
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
    note(id, standing) {
      if (isKnown(id, standing)) return;
      remember(id, standing);
      waiting.set(id, state(id, standing, standing.note === undefined ? undefined : impersonal(standing.note)));
      timer ??= setTimeout(() => void flush(), FLUSH_MS).unref();
    },
    async write(id, standing, note) {
      remember(id, standing);
      waiting.delete(id);
      await recordHealth(db, [state(id, standing, note)]);
    },
    flush,
  };
}

/** Words about a message, kept beside its connection: whom it was for has no place there. */
export const impersonal = (note: string): string =>
  note
    .replace(/[^\s<>"'(),;:]{1,64}@[^\s<>"'(),;:]{1,255}/g, '[address]')
    .replace(/\+?(?:\d[\s().-]{0,2}){6,14}\d/g, '[number]');

/** What is wrong with a connection, and what its owner can do: not of one message, of all of them. */
const CAUSES: Partial<Record<FaultKind, { readonly message: string; readonly fix: string }>> = {
  credentials_invalid: {
    message: 'The provider refuses the credentials of this connection: they are wrong, expired or lack a permission.',
    fix: 'Renew the credentials, save them and press Test. What waits then goes out by itself.',
  },
  provider_unavailable: {
    message: 'The provider cannot be reached, or answers that it is out of order.',
    fix: 'Nothing to do: it is tried again by itself, one message first. If it lasts, look at the provider’s status page.',
  },
  outcome_unknown: {
    message: 'The provider takes messages and does not answer.',
    fix: 'Nothing to do: it is tried again by itself, one message first. If it lasts, look at the provider’s status page.',
  },
  rate_limited: {
    message: 'The provider has asked for a pause: too many messages came in too short a time.',
    fix: 'Nothing to do: sending goes on when the pause is over. If it happens often, lower the limits of the connection.',
  },
};

/** As it is shown: `probing` when the pause is over and the next message will tell. */
export function showHealth(row: ConnectionRow, waiting: number, now: Date): ConnectionItem['health'] {
  const unwell = row.health === 'failing' || row.health === 'resting';
  const kind = unwell && row.health_fault !== null ? (row.health_fault as FaultKind) : undefined;
  const until = unwell ? row.health_until : null;
  return {
    status: until !== null && until <= now ? 'probing' : row.health,
    note: row.health_note,
    at: row.health_at?.toISOString() ?? null,
    since: row.health_since?.toISOString() ?? null,
    until: until !== null && until > now ? until.toISOString() : null,
    cause: kind === undefined ? null : causeOf(kind),
    waiting,
  };
}

function causeOf(kind: FaultKind): { code: string; owner: FaultOwner; message: string; fix: string } {
  const { owner, message, fix } = FAULTS[kind];
  return { code: kind, owner, ...(CAUSES[kind] ?? { message, fix }) };
}
