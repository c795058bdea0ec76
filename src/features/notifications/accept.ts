/**
 * The door of the pipeline: commands in, answers out, everything in between once per batch. A single send is a batch of one.
 *
 * plan → judge → persist → ring. The answer exists only after one commit has stored the messages, their due rows, their
 * events and the idempotency keys. The doorbell after it is best effort: the sweeper finds what it misses.
 */
import { type Batcher, createBatcher } from '../../lib/batch.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError, fromStore, isOutage } from '../../lib/errors.ts';
import type { Reply } from '../../lib/http.ts';
import { notificationIdOf, toWire } from '../../lib/ids.ts';
import type { Doorbell } from '../../lib/queue.ts';
import type { Events } from '../events/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import { replay } from '../idempotency/index.ts';
import type { Plan, Planner } from './plan.ts';
import { judge, type Refusal } from './policy.ts';
import { insertMessages } from './store.ts';
import type { NewMessage, Origin, SendCommand } from './types.ts';
import { newMessageView } from './view.ts';

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
  readonly events: Events;
  readonly idempotency: Idempotency;
  readonly doorbell: Doorbell;
  readonly plan: Planner;
}

export function createAccept({ db, events, idempotency, doorbell, plan }: AcceptDeps): Accept {
  const committer: Batcher<Parcel, Reply | ApiError> = createBatcher({
    flush: (parcels) => persist({ db, events, idempotency }, parcels),
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
    const answers = await Promise.all(
      plans.map((planned, index) => {
        const [refusal] = judge(planned.request);
        return refusal
          ? refuse(refusal)
          : committer.add(parcel(planned, commands[index] as SendCommand)).catch(lateKey);
      }),
    );
    if (answers.some((answer) => !(answer instanceof ApiError))) doorbell.ring('due');
    return answers;
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
  const [first] = messages;
  const body = JSON.stringify({
    notification_id: toWire('notification', notificationId),
    status: 'queued',
    channels: messages.map(({ channel, id }) => ({ channel, message_id: toWire('message', id), status: 'queued' })),
    created_at: first?.createdAt.toISOString(),
    livemode: first?.mode === 'live',
  });
  return { messages, key: idempotencyKey, hash: requestHash, body, size: bytes };
}

async function persist(
  { db, events, idempotency }: Pick<AcceptDeps, 'db' | 'events' | 'idempotency'>,
  parcels: readonly Parcel[],
): Promise<readonly (Reply | ApiError)[]> {
  return db.transaction(async (trx) => {
    const keyed = parcels.filter(({ key }) => key !== undefined);
    const verdicts = new Map(
      keyed.length === 0
        ? []
        : (await idempotency.claim(trx, keyed.map(claimOf))).map((verdict, index) => [keyed[index], verdict] as const),
    );
    const fresh: NewMessage[] = [];
    const answers = parcels.map((one): Reply | ApiError => {
      const verdict = verdicts.get(one);
      if (verdict && !verdict.won) {
        try {
          return replay(verdict.stored, one.hash);
        } catch (error) {
          return error as ApiError;
        }
      }
      const retryOf = verdict?.won ? verdict.retryOf : undefined;
      fresh.push(...(retryOf ? one.messages.map((message) => ({ ...message, retryOf })) : one.messages));
      return { status: 202, body: one.body };
    });
    if (fresh.length > 0) {
      await insertMessages(trx, fresh);
      await events.emit(
        trx,
        fresh.map((message) => ({
          tenantId: message.tenantId,
          mode: message.mode,
          type: 'message.queued' as const,
          messageId: message.id,
          data: newMessageView(message),
        })),
      );
    }
    return answers;
  });
}

function claimOf({ messages, key, hash, body }: Parcel) {
  const [first] = messages as readonly [NewMessage];
  return {
    tenantId: first.tenantId,
    mode: first.mode,
    key: key as string,
    hash,
    notificationId: notificationIdOf(first.id),
    status: 202,
    body,
  };
}
