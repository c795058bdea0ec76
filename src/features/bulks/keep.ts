/**
 * Bulks into the store. A chunk is one transaction: the rows so far, their messages, events and held ranges, and what was
 * wrong with the others. The release is one more: from it on the bulk is accepted, its key is taken, and workers see it.
 */
import type { Db, Trx } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode, Reply } from '../../lib/http.ts';
import { toWire } from '../../lib/ids.ts';
import type { Doorbell } from '../../lib/queue.ts';
import type { Events } from '../events/index.ts';
import { type Idempotency, nameOf, replay } from '../idempotency/index.ts';
import { pour, releaseBulk } from '../notifications/index.ts';
import type { Assessed, RowFault } from './rows.ts';
import { advance, copyFaults, markReleased, type Progress } from './store.ts';

export interface KeepDeps {
  readonly db: Db;
  readonly events: Events;
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

export function after(before: Progress, { poured, faults, earliest }: Assessed, hash: Buffer | null): Progress {
  const ids = poured.at(-1)?.messages ?? [];
  const [was, is] = [before.earliest, earliest ?? null];
  return {
    rows: before.rows + poured.length + faults.length,
    accepted: before.accepted + poured.length,
    rejected: before.rejected + faults.length,
    lastId: ids.at(-1)?.id ?? before.lastId,
    hash,
    earliest: poured.length === 0 ? was : before.accepted === 0 ? is : was && is ? (was < is ? was : is) : null,
  };
}

/** Within a transaction: what came between two states of an upload. */
export async function keepChunk(
  trx: Trx,
  deps: Pick<KeepDeps, 'events'>,
  { id, tenantId }: Pick<Receiving, 'id' | 'tenantId'>,
  from: Progress,
  to: Progress,
  { poured, faults }: Assessed,
): Promise<void> {
  const [first] = poured[0]?.messages ?? [];
  // The clock of another process may be behind: ids that do not rise would stand in no range.
  if (first && first.id <= from.lastId)
    throw new ApiError('unavailable', 'The clocks of this installation differ. Nothing was lost; try again.', {
      retryAfterSeconds: 2,
    });
  if (!(await advance(trx, id, from.rows, to))) throw taken();
  await pour(trx, deps, poured, { bulkId: id, afterId: from.lastId });
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

/** Within a transaction. The answer to give: its own, or that of whoever came first under the key. */
export async function release(
  trx: Trx,
  { idempotency }: Pick<KeepDeps, 'idempotency'>,
  bulk: Receiving,
  { channels, hash, results }: { channels: number; hash: string; results?: readonly Result[] },
): Promise<Reply> {
  const { id, tenantId, mode, key, progress } = bulk;
  const messages = progress.accepted * channels;
  // Ranges are few, but a bulk whose people are all told at their own time waits in as many rows as it has messages.
  await trx.query(`set local statement_timeout = '300s'`);
  if (!(await markReleased(trx, { id, tenantId, rows: progress.rows, messages }))) throw taken();
  const status = messages === 0 ? 'completed' : progress.earliest ? 'scheduled' : 'running';
  const body = acceptedBody(bulk, status, results);
  if (key !== undefined) {
    const claim = { tenantId, mode, key, hash, notificationId: id, status: 202, body };
    const { text, values } = idempotency.claim([claim]);
    const won = await trx.query(text, values);
    // Thrown, so that nothing of this bulk is released.
    if (won.length === 0) {
      const first = (await idempotency.stored([claim])).get(nameOf(claim));
      throw first ? new Replayed(replay(first, hash)) : taken();
    }
  }
  await releaseBulk(trx, id);
  return { status: 202, body };
}

/** The first answer under the key, on its way out of a transaction that must not be committed. */
export class Replayed extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super('answered before');
    this.reply = reply;
  }
}

/** Another process is storing the same key and has not finished within the lock's patience. */
export const lateKey = (error: unknown): unknown => ((error as { code?: string }).code === '55P03' ? taken() : error);
