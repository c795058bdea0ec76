/** What was delivered, how, and sending it again. */
import type { Db } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import { type List, listPage, readCursor } from '../../lib/list.ts';
import { headersOf, isSuccess } from './call.ts';
import * as store from './log-store.ts';
import type {
  DeliveryItem,
  DeliveryQuery,
  DeliveryView,
  LogQuery,
  LogReply,
  ReplayBody,
  ReplayResult,
} from './schema.ts';
import { findEndpoint } from './store.ts';

export interface DeliveryLog {
  /** Newest first. */
  list(principal: Principal, query: DeliveryQuery): Promise<List<DeliveryItem>>;
  /** Throws `not_found`. */
  get(principal: Principal, deliveryId: string): Promise<DeliveryView>;
  /** The same event to the same endpoint once more, however the first ended. Throws `not_found`, `conflict` for what still waits. */
  replay(principal: Principal, deliveryId: string): Promise<DeliveryItem>;
  /** Many of them, oldest first. Throws `not_found`, `validation_failed`. */
  replayAll(principal: Principal, endpointId: string, body: ReplayBody): Promise<ReplayResult>;
  /** Attempts as a page of analytics. */
  attempts(principal: Principal, query: LogQuery): Promise<LogReply>;
}

const BATCH = 2_000;
/** Deliveries that one call sends again. */
const MOST = 100_000;

export function createDeliveryLog({ db }: { readonly db: Db }): DeliveryLog {
  return {
    async list({ tenantId, mode }, { limit, cursor, endpoint_id, status, event_type }) {
      const before = readCursor('delivery', cursor);
      const endpointId = endpoint_id === undefined ? null : fromWire('endpoint', endpoint_id);
      if (endpointId === undefined)
        throw new ApiError('validation_failed', 'endpoint_id: is not the id of a webhook', { param: 'endpoint_id' });
      const rows = await db.read(tenantId, (sql) =>
        store.listDeliveries(sql, {
          tenantId,
          mode,
          endpointId,
          status: status ?? null,
          type: event_type ?? null,
          limit: limit + 1,
          before,
        }),
      );
      return listPage(rows, limit, show);
    },
    get: ({ tenantId, mode }, deliveryId) =>
      db.read(tenantId, async (sql) => {
        const row = there(await store.findDelivery(sql, tenantId, mode, uuid('delivery', deliveryId)));
        const attempts = await store.listAttempts(sql, tenantId, row.id);
        return {
          ...show(row),
          headers: headersOf(row),
          body: row.body,
          attempts: attempts.map((attempt) => ({
            number: attempt.number,
            started_at: attempt.startedAt.toISOString(),
            duration_ms: attempt.durationMs,
            status_code: attempt.statusCode,
            fault: attempt.fault,
            answer: attempt.answer,
          })),
        };
      }),
    replay: ({ tenantId, mode }, deliveryId) =>
      db.transaction(async (trx) => {
        const row = there(await store.findDelivery(trx, tenantId, mode, uuid('delivery', deliveryId)));
        there(await findEndpoint(trx, tenantId, mode, row.endpointId));
        if (row.status === 'waiting')
          throw new ApiError('conflict', 'This delivery is still on its way: it is tried again by itself.');
        const [made] = await store.replayOne(trx, row.replayOf ?? row.id, newId());
        return show(there(made));
      }),
    async replayAll({ tenantId, mode }, endpointId, { since, until, status = 'failed' }) {
      const { id } = there(await findEndpoint(db, tenantId, mode, uuid('endpoint', endpointId)));
      const range = {
        endpointId: id,
        since: since === undefined ? null : new Date(since),
        until: until === undefined ? null : new Date(until),
        failedOnly: status === 'failed',
      };
      if (range.since && range.until && range.since >= range.until)
        throw new ApiError('validation_failed', 'until: must be later than since', { param: 'until' });
      let after: string | null = null;
      for (let deliveries = 0; ; ) {
        const roots: string[] = await db.transaction(async (trx) => {
          // Two of these at once: the second sees what the first has made.
          await findEndpoint(trx, tenantId, mode, id, 'for update');
          const found = await store.replayable(trx, range, after, BATCH);
          if (found.length > 0)
            await store.replayMany(
              trx,
              found.map((root) => ({ root, id: newId() })),
            );
          return found;
        });
        deliveries += roots.length;
        after = roots.at(-1) ?? after;
        const isFull = roots.length === BATCH;
        if (isFull && deliveries < MOST) continue;
        const [next] = isFull ? await store.replayable(db, range, after, 1) : [];
        const row = next === undefined ? undefined : await store.findDelivery(db, tenantId, mode, next);
        return {
          object: 'webhook_replay',
          deliveries,
          has_more: row !== undefined,
          next_since: row?.createdAt.toISOString() ?? null,
        };
      }
    },
    attempts: ({ tenantId, mode }, { is_success, limit, offset }) =>
      db.read(tenantId, async (sql) => {
        const success = is_success === undefined ? null : is_success === 'true';
        const { total, rows } = await store.listLog(sql, { tenantId, mode, success, limit, offset });
        const logs = rows.map((row) => ({
          url: row.url,
          status_code: row.statusCode,
          duration_ms: row.durationMs,
          is_success: isSuccess(row.statusCode),
          error: row.fault,
          response: row.answer,
          event: row.type,
          attempt: row.attempt,
          delivery_id: toWire('delivery', row.deliveryId),
          created_at: row.startedAt.toISOString(),
        }));
        return { status: 200, message: 'OK', data: { total, limit, offset, logs } };
      }),
  };
}

function there<T>(row: T | undefined): T {
  if (row === undefined) throw new ApiError('not_found');
  return row;
}

const uuid = (kind: 'endpoint' | 'delivery', id: string): string => there(fromWire(kind, id));

const show = (row: store.DeliveryRow): DeliveryItem => ({
  id: toWire('delivery', row.id),
  object: 'webhook_delivery',
  livemode: row.mode === 'live',
  endpoint_id: toWire('endpoint', row.endpointId),
  event_id: toWire('event', row.eventId),
  event_type: row.type,
  format: row.format,
  sequence: row.sequence,
  status: row.status,
  tries: row.tries,
  next_attempt_at: row.status === 'waiting' ? row.runAt.toISOString() : null,
  replay_of: row.replayOf && toWire('delivery', row.replayOf),
  created_at: row.createdAt.toISOString(),
  ended_at: row.endedAt?.toISOString() ?? null,
});
