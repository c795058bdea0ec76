/**
 * Bulks into the store. A chunk is one transaction: the rows so far, their messages, events and held ranges, and what was
 * wrong with the others. The release is one more: from it on the bulk is accepted, its key is taken, and workers see it.
 */
import type { Db, Trx } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode, Reply } from '../../lib/http.ts';
import { toWire } from '../../lib/ids.ts';
import type { Doorbell } from '../../lib/queue.ts';
import { type Claim, type Idempotency, nameOf, replay } from '../idempotency/index.ts';
import { releaseBulk } from '../notifications/index.ts';
import type { Assessed, RowFault } from './rows.ts';
import { advance, copyFaults, markReleased, type Progress } from './store.ts';

export interface KeepDeps {
  readonly db: Db;
  readonly idempotency: Idempotency;
  readonly doorbell: Doorbell;
}

/** A bulk that is coming in. */
export interface Receiving {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly createdAt: Date;
  readonly key: string | undefined;
  progress: Progress;
}

/** Somebody else has gone on with it, or it was cancelled. */
export const taken = (): ApiError => new ApiError('idempotency_in_progress', undefined, { retryAfterSeconds: 5 });

export function after(before: Progress, { sheaf, faults, earliest }: Assessed, hash: Buffer | null): Progress {
  const [was, is] = [before.earliest, earliest ?? null];
  return {
    rows: before.rows + sheaf.rows + faults.length,
    accepted: before.accepted + sheaf.rows,
    rejected: before.rejected + faults.length,
    lastId: sheaf.lastId,
    hash,
    earliest: sheaf.rows === 0 ? was : before.accepted === 0 ? is : was && is ? (was < is ? was : is) : null,
  };
}

/** Within a transaction: what came between two states of an upload. */
export async function keepChunk(
  trx: Trx,
  { id, tenantId }: Pick<Receiving, 'id' | 'tenantId'>,
  from: Progress,
  to: Progress,
  { sheaf, faults }: Assessed,
): Promise<void> {
  // The clock of another process may be behind: ids that do not rise would stand in no range.
  if (sheaf.firstId !== undefined && sheaf.firstId <= from.lastId)
    throw new ApiError('unavailable', 'The clocks of this installation differ. Nothing was lost; try again.', {
      retryAfterSeconds: 2,
    });
  if (!(await advance(trx, id, from.rows, to))) throw taken();
  await sheaf.store(trx);
  if (faults.length > 0) await copyFaults(trx, id, tenantId, faults);
}

export type Result =
  | { readonly index: number; readonly notification_id: string }
  | { readonly index: number; readonly error: RowFault };

/** The answer, as it is kept under the key. */
export const acceptedBody = (
  { id, mode, createdAt, progress }: Receiving,
  status: string,
  results?: readonly Result[],
): string =>
  JSON.stringify({
    bulk_id: toWire('bulk', id),
    status,
    accepted: progress.accepted,
    rejected: progress.rejected,
    ...(results ? { results } : {}),
    results_url: resultsUrl(id),
    created_at: createdAt.toISOString(),
    livemode: mode === 'live',
  });

export const resultsUrl = (id: string): string => `/api/v1/notifications/bulk/${toWire('bulk', id)}/results`;

/** What is answered, and stored under the key. */
export function answerOf(bulk: Receiving, channels: number, results?: readonly Result[]): string {
  const { accepted, earliest } = bulk.progress;
  return acceptedBody(bulk, accepted * channels === 0 ? 'completed' : earliest ? 'scheduled' : 'running', results);
}

/** First of all within the transaction of the release: who comes second waits here, and throws away no work. */
export async function claimKey(
  trx: Trx,
  { idempotency }: Pick<KeepDeps, 'idempotency'>,
  { id, tenantId, mode, key }: Receiving,
  hash: string,
  body: string,
): Promise<void> {
  if (key === undefined) return;
  const claim = { tenantId, mode, key, hash, notificationId: id, status: 202, body };
  const { text, values } = idempotency.claim([claim]);
  const won = await trx.query(text, values);
  if (won.length === 0) throw new KeyLost(claim);
}

/** Ranges are few, but a bulk whose people are all told at their own time waits in as many rows as it has messages. */
export const RELEASE = { statementSeconds: 300 };

/** Within a transaction of that patience: from its commit on the bulk is accepted, and workers see it. */
export async function release(trx: Trx, { id, tenantId, progress }: Receiving, channels: number): Promise<void> {
  const messages = progress.accepted * channels;
  if (!(await markReleased(trx, { id, tenantId, rows: progress.rows, messages }))) throw taken();
  await releaseBulk(trx, id);
}

/** Another bulk was first under the key; on its way out of a transaction that must not be committed. */
export class KeyLost extends Error {
  readonly claim: Claim;
  constructor(claim: Claim) {
    super('the key is taken');
    this.claim = claim;
  }
}

/** What to say instead of an error: the first answer. Throws whatever else there is to say. */
export async function firstAnswer({ idempotency }: Pick<KeepDeps, 'idempotency'>, error: unknown): Promise<Reply> {
  // Another process is storing the same key and has not finished within the lock's patience.
  if ((error as { code?: string }).code === '55P03') throw taken();
  if (!(error instanceof KeyLost)) throw error;
  const first = (await idempotency.stored([error.claim])).get(nameOf(error.claim));
  if (!first) throw taken();
  return replay(first, error.claim.hash);
}
