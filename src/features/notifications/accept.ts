/**
 * The door of the pipeline: commands in, answers out, everything in between once per batch. A single send is a batch of one.
 *
 * plan → judge → persist → go. The answer exists only after one commit has stored the messages, their due rows, their events
 * and the idempotency keys, in one round trip. What this process has room for is stored as taken by it and goes at once;
 * for the rest the doorbell is rung, which is best effort: the sweeper finds what it misses.
 */
import { type Batcher, createBatcher } from '../../lib/batch.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError, fromStore, isOutage } from '../../lib/errors.ts';
import type { Reply } from '../../lib/http.ts';
import { newId, notificationIdOf, toWire } from '../../lib/ids.ts';
import type { Doorbell } from '../../lib/queue.ts';
import { type Claim, type Idempotency, nameOf, replay } from '../idempotency/index.ts';
import type { Birth, Cradle } from './cradle.ts';
import type { Plan, Planner } from './plan.ts';
import { type Refusal, refusalOf } from './policy.ts';
import { insertMessages, type MessageRow } from './store.ts';
import type { NewMessage, Origin, SendCommand } from './types.ts';

export interface Accept {
  /** One answer per command, in order; a refusal is an ApiError in its place. */
  (origin: Origin, commands: readonly SendCommand[]): Promise<readonly (Reply | ApiError)[]>;
  /** Resolves when nothing is being committed. */
  idle(): Promise<void>;
}

interface Parcel {
  readonly messages: readonly NewMessage[];
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
  /** The worker of this process, and how to tell it that something waits. */
  readonly dispatcher: { readonly cradle: Cradle; wake(): void };
}

export function createAccept({ plan, ...deps }: AcceptDeps): Accept {
  const committer: Batcher<Parcel, Reply | ApiError> = createBatcher({
    flush: (parcels) => persist(deps, parcels),
    full: () =>
      new ApiError('unavailable', 'Too much is waiting to be stored. Nothing was accepted; try again.', {
        retryAfterSeconds: 1,
      }),
    // A key that another process is just storing concerns its own request alone.
    isOutage: (error) => !isLockTimeout(error) && isOutage(error),
    // The data is stored once per message; counting its characters costs less than writing them.
    weigh: ({ messages, size }) => messages.length * size,
  });

  const accept = async (origin: Origin, commands: readonly SendCommand[]): Promise<readonly (Reply | ApiError)[]> => {
    const plans = await plan(origin, commands);
    return Promise.all(
      plans.map((planned, index) => {
        const refusal = refusalOf(planned.request);
        return refusal
          ? refuse(refusal)
          : committer.add(parcel(planned, commands[index] as SendCommand)).catch(lateKey);
      }),
    );
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
  return { messages, key: idempotencyKey, hash: requestHash, body, size: bytes };
}

/** Written by hand: every part of it is ours, and this is done for each message. */
function acceptedBody(notificationId: string, messages: readonly NewMessage[]): string {
  const [first] = messages as readonly [NewMessage];
  const channels = messages.map(
    ({ channel, id }) =>
      `{"channel":${JSON.stringify(channel)},"message_id":"${toWire('message', id)}","status":"queued"}`,
  );
  return `{"notification_id":"${toWire('notification', notificationId)}","status":"queued","channels":[${channels.join(',')}],"created_at":"${first.createdAt.toISOString()}","livemode":${first.mode === 'live'}}`;
}

async function persist(
  { db, idempotency, doorbell, dispatcher: { cradle, wake } }: Omit<AcceptDeps, 'plan'>,
  parcels: readonly Parcel[],
): Promise<readonly (Reply | ApiError)[]> {
  const began = performance.now();
  const claims: Claim[] = [];
  const births = new Map<Parcel, Birth[]>();
  const rows: MessageRow[] = [];
  for (const one of parcels) {
    if (one.key !== undefined) claims.push(claimOf(one));
    for (const message of one.messages) {
      const place = message.sendAt ? undefined : cradle.reserve(message.connectionId, message.lane);
      rows.push(rowOf(message, place !== undefined));
      if (place) births.set(one, [...(births.get(one) ?? []), { message, place }]);
    }
  }
  const storing = insertMessages(rows, cradle.owner, cradle.leaseSeconds);
  let won: ReadonlySet<string>;
  try {
    const answers = await db.batch(claims.length > 0 ? [idempotency.claim(claims), storing] : [storing]);
    won = new Set(
      claims.length > 0 ? answers[0]?.map(({ notification_id }: { notification_id: string }) => notification_id) : [],
    );
  } catch (error) {
    cradle.abandon([...births.values()].flat());
    throw error;
  }
  const isStored = (one: Parcel): boolean => one.key === undefined || won.has(notificationOf(one));
  const born: Birth[] = [];
  let waiting = false;
  for (const one of parcels) {
    const places = births.get(one) ?? [];
    if (isStored(one)) {
      born.push(...places);
      waiting ||= places.length < one.messages.length;
    } else for (const { place } of places) place.cancel();
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

function repeated(first: Claim | undefined, hash: string): Reply | ApiError {
  if (!first) return new ApiError('idempotency_in_progress', undefined, { retryAfterSeconds: 1 });
  try {
    return replay(first, hash);
  } catch (error) {
    return error as ApiError;
  }
}

const notificationOf = ({ messages }: Parcel): string => notificationIdOf((messages[0] as NewMessage).id);

function rowOf(message: NewMessage, born: boolean): MessageRow {
  const row: Record<string, unknown> = { notificationId: notificationIdOf(message.id), eventId: newId(), born };
  for (const [field, value] of Object.entries(message)) if (value !== null) row[field] = value;
  return row as unknown as MessageRow;
}

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
