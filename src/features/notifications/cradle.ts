/**
 * What is accepted in a process that also delivers, while there is room, is born into the worker's hands: stored as taken,
 * with its first attempt open, and on its way as soon as it is stored. It is never claimed and never read back.
 */
import type { Db } from '../../lib/db.ts';
import type { Answer } from './breaker.ts';
import { type Claimed, returnBorn } from './claim.ts';
import type { GiveBack } from './give-back.ts';
import type { Turn } from './pace.ts';
import { type PrepareDeps, type Prepared, prepare } from './prepare.ts';
import type { Message, NewMessage } from './types.ts';

export interface Place {
  /** The message came to nothing. */
  cancel(): void;
  /** Its call is over. */
  leave(answer?: Answer): Turn;
}

export interface Birth {
  readonly message: NewMessage;
  readonly place: Place;
}

export interface Cradle {
  /** The id of this worker on its leases. */
  readonly owner: string;
  readonly leaseSeconds: number;
  /** A place for a message that may go at once; `undefined`: it has to wait its turn. */
  reserve(connectionId: string, lane: number): Place | undefined;
  /** Stored since `began` (monotonic), each in its place: they go. */
  born(births: readonly Birth[], began: number): void;
  /** Storing them failed, and nobody can tell whether it was done all the same: what was stored waits its turn. */
  abandon(births: readonly Birth[]): void;
}

export interface CradleDeps extends PrepareDeps, Pick<Cradle, 'owner' | 'leaseSeconds' | 'reserve'> {
  readonly db: Db;
  /** Monotonic milliseconds after which no byte of a message may leave that was taken at `began`. */
  deadlineOf(began: number): number;
  run(claimed: Claimed, work: Prepared['work'], place: Place): void;
  readonly givingBack: GiveBack;
}

export function createCradle(deps: CradleDeps): Cradle {
  const { db, owner, leaseSeconds, log, clock, run, givingBack, deadlineOf } = deps;

  function abandon(births: readonly Birth[]): void {
    for (const { place } of births) place.cancel();
    const ids = births.map(({ message }) => message.id);
    if (ids.length > 0) givingBack.add(ids.length, () => returnBorn(db, owner, ids));
  }

  async function deliver(births: readonly Birth[], began: number): Promise<void> {
    const now = clock.now();
    let prepared: readonly Prepared[];
    try {
      prepared = await prepare(
        deps,
        births.map(({ message }) => ({ claimed: claimOf(message, now), message: { ...message, ...NEWBORN } })),
        deadlineOf(began),
      );
    } catch (err) {
      log.warn({ err }, 'could not prepare what was just accepted; it waits its turn');
      return abandon(births);
    }
    for (const [index, { claimed, work }] of prepared.entries()) run(claimed, work, (births[index] as Birth).place);
  }

  return {
    owner,
    leaseSeconds,
    reserve: deps.reserve,
    abandon,
    born: (births, began) => void deliver(births, began),
  };
}

const claimOf = ({ id, tenantId, connectionId }: NewMessage, now: Date): Claimed => ({
  id,
  tenantId,
  connectionId,
  dueId: id,
  fence: 1,
  number: 1,
  openSince: null,
  deadline: false,
  now,
});

/** The state a message is stored with. */
const NEWBORN = {
  status: 'queued',
  outcome: null,
  failureCode: null,
  attempts: 0,
  outcomeUnknown: false,
  nextAttemptAt: null,
  sentAt: null,
  deliveredAt: null,
  failedAt: null,
  readAt: null,
  complainedAt: null,
  quietHours: null,
} as const satisfies Partial<Message>;
