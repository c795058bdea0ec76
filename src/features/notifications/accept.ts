/**
 * The door of the pipeline: commands in, answers out, everything in between once per batch. A single send is a batch of one.
 *
 * plan → judge → persist → go. The answer exists only after one commit has stored the messages, their due rows, their events
 * and the idempotency keys, in one round trip. What this process has room for is stored as taken by it and goes at once;
 * for the rest the doorbell is rung, which is best effort: the sweeper finds what it misses.
 */
import { type Batcher, createBatcher } from '../../lib/batch.ts';
import { isoOf } from '../../lib/clock.ts';
import type { Db, Leg } from '../../lib/db.ts';
import { ApiError, fromStore, isOutage } from '../../lib/errors.ts';
import type { Reply } from '../../lib/http.ts';
import { notificationIdOf, toWire } from '../../lib/ids.ts';
import type { Doorbell } from '../../lib/queue.ts';
import { type Claim, type Idempotency, isTaken, nameOf, replay } from '../idempotency/index.ts';
import { type Codes, isCode, refuseBarred } from './codes.ts';
import type { Birth, Cradle, Place } from './cradle.ts';
import { firstDeadlines } from './fallback-store.ts';
import type { Plan, Planner } from './plan.ts';
import { type Refusal, refusalOf } from './policy.ts';
import { type Entry, enterMessages, entryLine } from './store.ts';
import type { Track } from './track.ts';
import type { NewMessage, Origin, SendCommand } from './types.ts';

export interface Accept {
  /** One answer per command, in order; a refusal is an ApiError in its place. */
  (origin: Origin, commands: readonly SendCommand[]): Promise<readonly (Reply | ApiError)[]>;
  /** Resolves when nothing is being committed. */
  idle(): Promise<void>;
}

interface Parcel {
  readonly messages: readonly NewMessage[];
  /** As they are stored. */
  readonly lines: readonly string[];
  readonly key: string | undefined;
  readonly hash: string;
  readonly body: string;
  /** Bytes of one message, about. */
  readonly size: number;
}

export interface AcceptDeps {
  readonly db: Db;
  readonly idempotency: Idempotency;
  readonly doorbell: Doorbell;
  readonly plan: Planner;
  readonly codes: Codes;
  /** The worker of this process, and how to tell it that something waits. */
  readonly dispatcher: { readonly cradle: Cradle; wake(): void };
  /** Absent while nobody collects traces. */
  readonly track?: Track | undefined;
}

/** Of each message of each parcel, in order. */
type Places = readonly (readonly (Place | undefined)[])[];
type Store = (parcels: readonly Parcel[], places: Places) => Promise<(one: Parcel) => boolean>;

export function createAccept({ plan, codes, track, ...deps }: AcceptDeps): Accept {
  const store = createStoring(deps);
  const committer: Batcher<Parcel, Reply | ApiError> = createBatcher({
    flush: (parcels) => persist(deps, store, parcels),
    full: () =>
      new ApiError('unavailable', 'Too much is waiting to be stored. Nothing was accepted; try again.', {
        retryAfterSeconds: 1,
      }),
    // A key that another process is just storing concerns its own request alone.
    isOutage: (error) => !isLockTimeout(error) && isOutage(error),
    // The data is stored once per message; counting its characters costs less than writing them.
    weigh: ({ messages, size }) => messages.length * size,
  });

  const answerTo = async (origin: Origin, planned: Plan, command: SendCommand): Promise<Reply | ApiError> => {
    const refusal = refusalOf(planned.request);
    if (refusal) return refuse(refusal);
    try {
      const one = parcel(planned, command);
      const answer = await (isCode(planned) ? addCode(planned, one) : committer.add(one));
      // An answer of earlier, to a key that came again, is another text.
      if (track && 'body' in answer && answer.body === one.body) track.accepted(origin, planned.messages);
      return answer;
    } catch (error) {
      return lateKey(error);
    }
  };
  /** A code is counted before it is stored, and a repeat is not one more. */
  const addCode = async (planned: Plan, one: Parcel): Promise<Reply | ApiError> => {
    const { tenantId, mode } = planned.messages[0] as NewMessage;
    const [barred] = (await codes.bar(tenantId, [planned])) ?? [];
    if (barred) {
      const first = one.key === undefined ? undefined : await deps.idempotency.find({ tenantId, mode, key: one.key });
      return first ? repeated(first, one.hash) : refuseBarred(barred);
    }
    let isStored = false;
    try {
      const answer = await committer.add(one);
      isStored = !(answer instanceof ApiError) && !answer.headers;
      return answer;
    } finally {
      if (!isStored) void codes.giveBack([planned]).catch(() => undefined);
    }
  };
  const accept = async (origin: Origin, commands: readonly SendCommand[]): Promise<readonly (Reply | ApiError)[]> => {
    const plans = await plan(origin, commands);
    return Promise.all(plans.map((planned, index) => answerTo(origin, planned, commands[index] as SendCommand)));
  };
  return Object.assign(accept, { idle: () => committer.idle() });
}

export const refuse = ({ code, message, param, details }: Refusal): ApiError =>
  new ApiError(code, message, { ...(param ? { param } : {}), ...(details ? { details } : {}) });

/** A refusal takes its place among the answers; what is nobody's refusal is a bug and is thrown. */
function lateKey(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  // Another process is storing the same key and has not finished within the lock's patience.
  if (isLockTimeout(error)) return new ApiError('idempotency_in_progress', undefined, { retryAfterSeconds: 1 });
  const refusal = fromStore(error);
  if (refusal) return refusal;
  throw error;
}

const isLockTimeout = (error: unknown): boolean => (error as { code?: string }).code === '55P03';

function parcel({ messages, notificationId }: Plan, { idempotencyKey, requestHash, bytes }: SendCommand): Parcel {
  const body = acceptedBody(notificationId, messages);
  return { messages, lines: messages.map(entryLine), key: idempotencyKey, hash: requestHash, body, size: bytes };
}

/** Written by hand: every part of it is ours, and this is done for each message. */
function acceptedBody(notificationId: string, messages: readonly NewMessage[]): string {
  const [first] = messages as readonly [NewMessage];
  let channels = '';
  for (const { channel, id } of messages)
    channels += `${channels === '' ? '' : ','}{"channel":${JSON.stringify(channel)},"message_id":"${toWire('message', id)}","status":"queued"}`;
  return `{"notification_id":"${toWire('notification', notificationId)}","status":"queued","channels":[${channels}],"created_at":"${isoOf(first.createdAt)}","livemode":${first.mode === 'live'}}`;
}

async function persist(
  deps: Omit<AcceptDeps, 'plan' | 'codes'>,
  store: Store,
  parcels: readonly Parcel[],
): Promise<readonly (Reply | ApiError)[]> {
  const { idempotency, doorbell } = deps;
  const { cradle, wake } = deps.dispatcher;
  const began = performance.now();
  const places = parcels.map(({ messages }) =>
    messages.map((message) => (message.sendAt ? undefined : cradle.reserve(message.connectionId, message.lane))),
  );
  const births = (index: number): Birth[] =>
    (places[index] ?? []).flatMap((place, at) =>
      place ? [{ message: (parcels[index] as Parcel).messages[at] as NewMessage, place }] : [],
    );
  let isStored: (one: Parcel) => boolean;
  try {
    // @crash K1: nothing is stored yet
    isStored = await store(parcels, places);
  } catch (error) {
    cradle.abandon(parcels.flatMap((_, index) => births(index)));
    throw error;
  }
  // @crash K2: stored, and nobody has been told
  const born: Birth[] = [];
  let waiting = false;
  for (const [index, one] of parcels.entries()) {
    const own = births(index);
    if (isStored(one)) {
      born.push(...own);
      waiting ||= own.length < one.messages.length;
    } else for (const { place } of own) place.cancel();
  }
  if (born.length > 0) cradle.born(born, began);
  if (waiting) {
    wake();
    doorbell.ring('due');
  }
  const lost = parcels.filter((one) => !isStored(one)).map(claimOf);
  // What is stored is stored: that a first answer cannot be looked up now concerns the repeats alone.
  const first = lost.length > 0 ? await idempotency.stored(lost).catch(() => undefined) : undefined;
  return parcels.map((one) =>
    isStored(one) ? { status: 202, body: one.body } : repeated(first?.get(nameOf(claimOf(one))), one.hash),
  );
}

/** Where keys were repeated a moment ago, more repeats are on their way. */
const CAUTIOUS_MS = 100;

/**
 * Tells which have been stored. Keys are new, as a rule: then everything is one trip. Where one of them is known, they are
 * claimed first, and what belongs to the winners is stored.
 */
function createStoring({ db, idempotency, dispatcher: { cradle } }: Omit<AcceptDeps, 'plan' | 'codes'>): Store {
  let cautiousUntil = 0;
  const everyone = () => true;
  const legsOf = (
    parcels: readonly Parcel[],
    places: Places,
    won?: ReadonlyMap<string, string | null>,
  ): readonly Leg[] => {
    const entries: Entry[] = [];
    const timed: string[] = [];
    for (const [index, one] of parcels.entries()) {
      const freed = one.key === undefined ? null : won?.get(notificationOf(one));
      if (won && freed === undefined) continue;
      for (const [at, message] of one.messages.entries()) {
        const line = freed && message.retryOf === null ? entryLine({ ...message, retryOf: freed }) : one.lines[at];
        entries.push({ message, line: line as string, born: places[index]?.[at] !== undefined });
        // What falls back on time needs a due row that tells when.
        if (message.fallback?.steps[0]?.on === 'not_delivered') timed.push(message.id);
      }
    }
    if (entries.length === 0) return [];
    return [
      ...enterMessages(entries, cradle.owner, cradle.leaseSeconds),
      ...(timed.length > 0 ? [firstDeadlines(timed)] : []),
    ];
  };

  return async (parcels, places) => {
    const claims = parcels.filter(({ key }) => key !== undefined).map(claimOf);
    if (claims.length === 0 || performance.now() > cautiousUntil)
      try {
        await db.batch([...(claims.length > 0 ? [idempotency.claimNew(claims)] : []), ...legsOf(parcels, places)]);
        return everyone;
      } catch (error) {
        if (!isTaken(error)) throw error;
        cautiousUntil = performance.now() + CAUTIOUS_MS;
      }
    return db.transaction(async (trx) => {
      const [rows = []] = await trx.batch<[{ notification_id: string; retry_of: string | null }[]]>([
        idempotency.claim(claims),
      ]);
      const won = new Map(rows.map(({ notification_id, retry_of }) => [notification_id, retry_of]));
      const legs = legsOf(parcels, places, won);
      if (legs.length > 0) await trx.batch(legs);
      return (one) => one.key === undefined || won.has(notificationOf(one));
    });
  };
}

function repeated(first: Claim | undefined, hash: string): Reply | ApiError {
  if (!first) return new ApiError('idempotency_in_progress', undefined, { retryAfterSeconds: 1 });
  try {
    return replay(first, hash);
  } catch (error) {
    return error as ApiError;
  }
}

const notificationOf = ({ messages }: Parcel): string => notificationIdOf((messages[0] as NewMessage).id);

function claimOf(parcel: Parcel): Claim {
  const [first] = parcel.messages as readonly [NewMessage];
  return {
    tenantId: first.tenantId,
    mode: first.mode,
    key: parcel.key as string,
    hash: parcel.hash,
    notificationId: notificationIdOf(first.id),
    status: 202,
    body: parcel.body,
  };
}
