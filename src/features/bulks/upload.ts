/**
 * A bulk as a stream: cut into rows as it comes, judged and stored by the thousand, released by one commit at its end. One
 * chunk is being stored while the next is read, and no more than that is taken from the client. What breaks off is gone on
 * with when the same bytes come again under the same key.
 */
import type { BodyStream } from '../../lib/body.ts';
import { ApiError, type ErrorCode } from '../../lib/errors.ts';
import type { Meter, Reply } from '../../lib/http.ts';
import { newId } from '../../lib/ids.ts';
import { replay, type Stored } from '../idempotency/index.ts';
import { BULK_LIMITS, type Plan } from '../notifications/index.ts';
import { createCutter, type Piece } from './cut.ts';
import { type Head, isCsv, readHead, type Source, seedOf, type UploadDeps } from './head.ts';
import {
  after,
  answerOf,
  claimKey,
  firstAnswer,
  KeyLost,
  keepChunk,
  RELEASE,
  type Receiving,
  release,
  taken,
} from './keep.ts';
import { isBlank } from './read.ts';
import { type Assessed, assess, giveBack, type Row } from './rows.ts';
import type { Shared } from './shared.ts';
import { advance, findReceiving, giveUp, insertBulk, letGo, type Progress, takeOver } from './store.ts';

const LIMITS = BULK_LIMITS.stream;
/** Rows, and about so many bytes in memory, of one commit; and how long one may be waited for. */
const CHUNK = { rows: 5_000, bytes: 8 * 1_048_576, ms: 15_000 };
/** So many one-time codes of an upload that fails are free again at once, the others after their hour. */
const CODES_KEPT = 20_000;
/** How long a stream stands still for a rate limit; what would take longer is cut off, to be gone on with. */
const STAND_STILL_MS = 10_000;

/** Throws what concerns the request as a whole. */
export const upload = (deps: UploadDeps, source: Source, stream: BodyStream): Promise<Reply> =>
  through(deps, source, stream, (head, digest) => open(deps, source, head, digest));

/** Cuts a stream into rows for the session that its head opens. */
export async function through<T>(
  deps: UploadDeps,
  source: Source,
  stream: BodyStream,
  begin: (head: Head, digest: () => Buffer) => Promise<Session<T>>,
): Promise<T> {
  const cutter = createCutter(seedOf(source), isCsv(source));
  let session: Session<T> | undefined;
  const cut = async (): Promise<void> => {
    for (let piece = cutter.next(); piece; piece = cutter.next()) {
      if (!piece.fault && isBlank(piece.bytes)) continue;
      if (!session) session = await begin(readHead(deps, source, cutter, piece), () => cutter.digest());
      else if (session.add(piece)) await session.flush();
    }
    await session?.breathe();
  };
  try {
    for await (const block of blocks(stream.pieces(LIMITS.bytes))) {
      cutter.push(block);
      await cut();
    }
    cutter.finish();
    await cut();
    if (!session) throw noRows();
    return await session.end();
  } catch (error) {
    await session?.abandon(error);
    throw error;
  }
}

export const noRows = (): ApiError =>
  new ApiError('validation_failed', 'There is no row. After the first line comes one line for each recipient.');

export interface Session<T> {
  /** True: it is time to flush. */
  add(piece: Piece): boolean;
  flush(): Promise<void>;
  /** Keeps the hold on an upload that comes slowly. */
  breathe(): Promise<void>;
  end(): Promise<T>;
  abandon(error: unknown): Promise<void>;
}

async function open(deps: UploadDeps, source: Source, head: Head, digest: () => Buffer): Promise<Session<Reply>> {
  const { tenantId, mode } = source.origin.principal;
  const { key } = head;
  const first = key === undefined ? undefined : await deps.idempotency.find({ tenantId, mode, key });
  if (first) return replaying(first, digest);
  const prior = key === undefined ? undefined : await findReceiving(deps.db, tenantId, mode, key);
  if (prior?.receivedNow) throw taken();
  const shared = await head.judge(prior !== undefined && prior.rows > 0);
  const request = { ...shared.notification, schedule: shared.schedule };
  if (prior) {
    const row = await takeOver(deps.db, prior.id, request);
    if (!row) throw taken();
    const { id, createdAt, rows, accepted, rejected, lastId, rowsHash: hash, sendAt: earliest } = row;
    const progress = { rows, accepted, rejected, lastId, hash, earliest };
    return receiving(deps, source, head, shared, { id, tenantId, mode, createdAt, key, progress }, digest);
  }
  const { at: createdAt, ip, requestId, principal } = source.origin;
  const id = newId();
  const made = await insertBulk(deps.db, {
    id,
    tenantId,
    mode,
    name: shared.name ?? null,
    request,
    key: key ?? null,
    actorId: principal.actor.id,
    ip,
    requestId,
    createdAt,
    afterId: id,
  });
  if (!made) throw taken();
  const progress = { rows: 0, accepted: 0, rejected: 0, lastId: id, hash: null, earliest: null };
  return receiving(deps, source, head, shared, { id, tenantId, mode, createdAt, key, progress }, digest);
}

/** A repeat: only its bytes are looked at. */
const replaying = (first: Stored, digest: () => Buffer): Session<Reply> => ({
  add: () => false,
  flush: async () => undefined,
  breathe: async () => undefined,
  end: async () => replay(first, digest().toString('hex')),
  abandon: async () => undefined,
});

/** Nothing that comes later could make a bulk of this. */
const HOPELESS: ReadonlySet<ErrorCode> = new Set(['too_many_rows', 'body_too_large', 'validation_failed']);
const otherBytes = (): ApiError => new ApiError('idempotency_key_reused', undefined, { param: 'idempotency_key' });

function receiving(
  deps: UploadDeps,
  { origin }: Source,
  head: Head,
  shared: Shared,
  bulk: Receiving,
  digest: () => Buffer,
): Session<Reply> {
  const { db, doorbell } = deps;
  const { meter } = origin.principal;
  const known = bulk.progress;
  const weightOfShared = JSON.stringify(shared.notification).length;
  let index = 0;
  let batch: Row[] = [];
  let weight = 0;
  let flight: Promise<unknown> = Promise.resolve();
  let keptAt = performance.now();
  /** Of this upload's rows, as long as it is not a bulk yet. */
  const codes: Plan[] = [];

  const keep = async (rows: readonly Row[], hash: Buffer): Promise<void> => {
    await inTime(meter);
    const from = bulk.progress;
    const assessed = await assess(deps, origin, shared, rows, { bulkId: bulk.id, afterId: from.lastId });
    const to = after(from, assessed, hash);
    await flight;
    bulk.progress = to;
    keptAt = performance.now();
    flight = keepIt(from, to, assessed);
    // Afterwards, so that whoever goes on with a stream gets on by a chunk each time.
    meter?.owe(rows.length);
    // Whoever waits for it next hears of it.
    flight.catch(() => undefined);
  };
  const keepIt = async (from: Progress, to: Progress, assessed: Assessed): Promise<void> => {
    try {
      await db.transaction((trx) => keepChunk(trx, bulk, from, to, assessed));
      codes.push(...assessed.codes.slice(0, Math.max(0, CODES_KEPT - codes.length)));
    } catch (error) {
      await giveBack(deps, assessed.codes);
      throw error;
    }
  };
  /** Nothing of it will ever be sent. */
  const giveUpAll = async (): Promise<void> => {
    await giveBack(deps, codes);
    await giveUp(db, bulk.id);
  };
  const flush = async (): Promise<void> => {
    const rows = batch;
    batch = [];
    weight = 0;
    if (rows.length > 0) await keep(rows, digest());
  };

  return {
    add(piece) {
      if (index < known.rows) {
        index++;
        if (index === known.rows && !(known.hash && digest().equals(known.hash))) throw otherBytes();
        return false;
      }
      if (index >= LIMITS.rows)
        throw new ApiError(
          'too_many_rows',
          `There are more than the ${LIMITS.rows.toLocaleString('en')} rows that a bulk may have. Nothing of it was sent.`,
        );
      batch.push(head.read(index++, piece));
      weight += piece.bytes.length * 4 + weightOfShared;
      return batch.length >= CHUNK.rows || weight >= CHUNK.bytes;
    },
    flush,
    async breathe() {
      if (performance.now() - keptAt < CHUNK.ms) return;
      await flush();
      await flight;
      keptAt = performance.now();
      const { progress } = bulk;
      if (!(await advance(db, bulk.id, progress.rows, progress))) throw taken();
    },
    async end() {
      if (index < known.rows) throw otherBytes();
      if (index === 0) throw noRows();
      await flush();
      await flight;
      const hash = digest().toString('hex');
      const { channels } = shared.notification;
      const answer = answerOf(bulk, channels.length);
      try {
        await db.transaction(async (trx) => {
          await claimKey(trx, deps, bulk, hash, answer);
          await release(trx, bulk, channels.length);
        }, RELEASE);
      } catch (error) {
        // Whoever was first under the key was not an upload; this one is of no use any more.
        if (error instanceof KeyLost) await giveUpAll();
        return firstAnswer(deps, error);
      }
      doorbell.ring('due');
      return { status: 202, body: answer };
    },
    async abandon(error) {
      await flight.catch(() => undefined);
      const code = error instanceof ApiError ? error.code : undefined;
      // Whoever goes on with it holds it now.
      if (code === 'idempotency_in_progress') return;
      const hopeless = code !== undefined && HOPELESS.has(code);
      // The store may be what failed; then the hold runs out by itself.
      await (hopeless ? giveUpAll() : letGo(db, bulk.id)).catch(() => undefined);
    },
  };
}

/** A stream is read no faster than its sender's limit lets it. Throws `rate_limited` when it would stand still for long. */
async function inTime(meter: Meter | undefined): Promise<void> {
  const began = performance.now();
  for (let wait = meter?.waitMs() ?? 0; wait > 0; wait = meter?.waitMs() ?? 0) {
    if (performance.now() - began + wait > STAND_STILL_MS)
      throw new ApiError(
        'rate_limited',
        'The rows so far have used up the rate limit. Nothing is sent yet. Wait as Retry-After says, then repeat the upload under the same idempotency key: what has arrived is not stored or counted twice.',
        { retryAfterSeconds: Math.max(1, Math.ceil(wait / 1_000)) },
      );
    await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(wait, 20), 1_000)));
  }
}

const BLOCK = { bytes: 65_536, ms: 2_000 };

/** A client that sends byte by byte must not make us look at each row as often. The head is judged as soon as it is there. */
async function* blocks(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  let yieldedAt = Number.NEGATIVE_INFINITY;
  for await (const piece of pieces) {
    held.push(piece);
    size += piece.length;
    if (size < BLOCK.bytes && performance.now() - yieldedAt < BLOCK.ms) continue;
    yield held.length === 1 ? piece : Buffer.concat(held);
    held = [];
    size = 0;
    yieldedAt = performance.now();
  }
  if (size > 0) yield Buffer.concat(held);
}
