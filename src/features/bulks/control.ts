/** Pause, resume, cancel; and what is tidied up afterwards. What a worker has begun with is always finished. */
import type { Clock } from '../../lib/clock.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire } from '../../lib/ids.ts';
import type { Doorbell } from '../../lib/queue.ts';
import type { Events } from '../events/index.ts';
import { cancelHeld, dropHeld, holdBulk, holdUnbegun, releaseBulk } from '../notifications/index.ts';
import {
  type BulkRow,
  deleteBulk,
  findAbandoned,
  findCancelling,
  finish,
  giveUp,
  insertTally,
  lockBulk,
  setStatus,
  sumTallies,
  takeEnded,
} from './store.ts';
import { bulkView } from './view.ts';

export interface Control {
  pause(principal: Principal, bulkId: string): Promise<void>;
  resume(principal: Principal, bulkId: string): Promise<void>;
  cancel(principal: Principal, bulkId: string): Promise<void>;
  /** Cancels some messages of cancelled bulks; returns how many, 0 when there is nothing to do for now. */
  cancelSome(): Promise<number>;
  /** Tells of bulks that have come to their end, each once; returns how many. */
  tellEnded(): Promise<number>;
  /** Removes uploads that nobody has gone on with for a day; returns how many. */
  purge(): Promise<number>;
}

export interface ControlDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly events: Events;
  readonly doorbell: Doorbell;
}

const CANCEL_BATCH = 1_000;
/** Of one round; one whose last messages are with a worker must not keep others waiting. */
const CANCEL_BULKS = 100;
/** Told of in one transaction. */
const ENDED = 50;
const ABANDONED_HOURS = 24;

export function createControl({ db, clock, events, doorbell }: ControlDeps): Control {
  const change = (principal: Principal, bulkId: string, work: (trx: Sql, bulk: BulkRow) => Promise<unknown>) => {
    const id = fromWire('bulk', bulkId);
    if (!id) throw new ApiError('not_found');
    return db.transaction(
      async (trx) => {
        const bulk = await lockBulk(trx, principal.tenantId, principal.mode, id);
        if (!bulk) throw new ApiError('not_found');
        await work(trx, bulk);
      },
      { statementSeconds: 300 },
    );
  };
  const over = async (trx: Sql, { id }: BulkRow): Promise<boolean> =>
    ((await sumTallies(trx, [id]))[0]?.queued ?? 0) === 0;

  return {
    pause: (principal, bulkId) =>
      change(principal, bulkId, async (trx, bulk) => {
        if (bulk.status === 'paused') return;
        if (bulk.status !== 'running' || (await over(trx, bulk))) throw new ApiError('bulk_state');
        await setStatus(trx, bulk.id, 'paused');
        await holdBulk(trx, bulk.id);
      }),
    async resume(principal, bulkId) {
      await change(principal, bulkId, async (trx, bulk) => {
        if (bulk.status === 'running' && !(await over(trx, bulk))) return;
        if (bulk.status !== 'paused') throw new ApiError('bulk_state');
        await setStatus(trx, bulk.id, 'running');
        await releaseBulk(trx, bulk.id);
      });
      doorbell.ring('due');
    },
    cancel: (principal, bulkId) =>
      change(principal, bulkId, async (trx, bulk) => {
        if (bulk.status === 'cancelled') return;
        const received = bulk.status === 'receiving';
        if (!received && (await over(trx, bulk))) throw new ApiError('bulk_state');
        const messages = bulk.accepted * bulk.channels.length;
        if (received && messages > 0) await insertTally(trx, bulk.id, bulk.tenantId, messages);
        await setStatus(trx, bulk.id, 'cancelled');
        await holdUnbegun(trx, bulk.id);
      }),
    async cancelSome() {
      let cancelled = 0;
      for (const { id } of await findCancelling(db, CANCEL_BULKS))
        cancelled += await db.transaction(async (trx) => {
          const { messages, left } = await cancelHeld(trx, { events }, id, clock.now(), CANCEL_BATCH);
          if (!left) await finish(trx, id);
          return messages;
        });
      return cancelled;
    },
    tellEnded: () =>
      db.transaction(async (trx) => {
        const ended = await takeEnded(trx, ENDED);
        const sums = await sumTallies(
          trx,
          ended.map(({ id }) => id),
        );
        await events.emit(
          trx,
          ended.map((bulk) => {
            const sum = sums.find(({ bulkId }) => bulkId === bulk.id);
            const data = bulkView(bulk, sum, sum?.now ?? clock.now(), undefined);
            return { tenantId: bulk.tenantId, mode: bulk.mode, type: 'bulk.completed', data };
          }),
        );
        return ended.length;
      }),
    async purge() {
      let purged = 0;
      for (;;) {
        const found = await db.transaction(async (trx) => {
          const bulk = await findAbandoned(trx, ABANDONED_HOURS);
          // Whoever comes back now finds nothing to go on with: some of it may be gone.
          if (bulk) await giveUp(trx, bulk.id);
          if (bulk && (await dropHeld(trx, bulk.id, bulk.tenantId, CANCEL_BATCH)) === 0) {
            await deleteBulk(trx, bulk);
            purged++;
          }
          return bulk !== undefined;
        });
        if (!found) return purged;
      }
    },
  };
}
