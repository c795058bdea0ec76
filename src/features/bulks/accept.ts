/** A bulk as one JSON request: judged, stored and released in one commit, answered row by row. */
import type { Reply } from '../../lib/http.ts';
import { newId, toWire } from '../../lib/ids.ts';
import type { Validator } from '../../lib/schema.ts';
import { hashOf, keyOf, replay } from '../idempotency/index.ts';
import type { Codes, Origin, Planner } from '../notifications/index.ts';
import {
  after,
  answerOf,
  claimKey,
  firstAnswer,
  type KeepDeps,
  KeyLost,
  keepChunk,
  RELEASE,
  type Receiving,
  type Result,
  release,
} from './keep.ts';
import { type Assessed, assess, giveBack, type Row } from './rows.ts';
import { judgeShared, sharedOf } from './shared.ts';
import { insertBulk } from './store.ts';

export const BULK_ROUTE = 'POST /api/v1/notifications/bulk';

export interface AcceptDeps extends KeepDeps {
  readonly plan: Planner;
  readonly codes: Codes;
  readonly request: Validator<never>;
  readonly row: Validator<never>;
}

/** Throws what concerns the request as a whole; then nothing is stored. */
export async function acceptJson(
  deps: AcceptDeps,
  origin: Origin,
  body: Record<string, unknown>,
  headers: Readonly<Record<string, string>>,
): Promise<Reply> {
  const { recipients, idempotency_key } = deps.request.check(body) as {
    recipients: readonly unknown[];
    idempotency_key?: string;
  };
  const key = keyOf(headers, idempotency_key);
  const hash = key === undefined ? '' : hashOf(BULK_ROUTE, body);
  const { tenantId, mode } = origin.principal;
  const first = key === undefined ? undefined : await deps.idempotency.find({ tenantId, mode, key });
  if (first) return replay(first, hash);
  // The request itself has cost one, and a repeat costs no more than that.
  const cost = recipients.length - 1;
  await origin.principal.meter?.spend(cost, 1);

  const shared = sharedOf(body, origin.at);
  const languages = recipients.some((row) => (row as { language?: unknown } | null)?.language) ? 'some' : 'none';
  await judgeShared(origin, deps.plan, shared, { languages });
  // Made before those of the messages, so that it stands below them all.
  const id = newId();
  const rows = recipients.map((value, index): Row => ({ index, value }));
  const assessed = await assess(deps, origin, shared, rows, { bulkId: id, afterId: id });

  const { channels } = shared.notification;
  const from = { rows: 0, accepted: 0, rejected: 0, lastId: id, hash: null, earliest: null };
  const bulk: Receiving = { id, tenantId, mode, createdAt: origin.at, key, progress: after(from, assessed, null) };
  const answer = answerOf(bulk, channels.length, resultsOf(assessed));
  try {
    await deps.db.transaction(async (trx) => {
      await claimKey(trx, deps, bulk, hash, answer);
      await insertBulk(trx, {
        ...bulk,
        key: null,
        afterId: id,
        name: shared.name ?? null,
        request: { ...shared.notification, schedule: shared.schedule },
        actorId: origin.principal.actor.id,
        ip: origin.ip,
        requestId: origin.requestId,
      });
      await keepChunk(trx, bulk, from, bulk.progress, assessed);
      await release(trx, bulk, channels.length);
    }, RELEASE);
  } catch (error) {
    // Nothing of it is stored, or all of it was already: another process was first under the key.
    await giveBack(deps, assessed.codes);
    if (error instanceof KeyLost) origin.principal.meter?.owe(-cost);
    return firstAnswer(deps, error);
  }
  deps.doorbell.ring('due');
  return { status: 202, body: answer };
}

/** In the order of the rows. */
function resultsOf({ accepted, faults }: Assessed): Result[] {
  const results: Result[] = faults.map(({ row, error }) => ({ index: row, error }));
  for (const [index, id] of accepted) results.push({ index, notification_id: toWire('notification', id) });
  return results.sort((a, b) => a.index - b.index);
}
