/**
 * Facts, written in the transaction that makes them true, and the feed in which they can be read in that order. An event carries
 * what its moment changed; what never changes stands in what it is about and is not written again: whoever owns that tells it.
 */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { newId } from '../../lib/ids.ts';
import type { EventType, RAW_TYPE } from './schema.ts';
import { insertEvents } from './store.ts';

export { eventRoutes } from './routes.ts';
export { EVENT_TYPES, type Event, type EventType, eventSchema, RAW_TYPE } from './schema.ts';
export {
  createFeed,
  type EventRow,
  type Feed,
  liftPositions,
  type Place,
  type Placed,
  type Tell,
  tellBy,
} from './service.ts';
export { bornInBulkLine, bornLine, copyEvents, copyUnplacedEvents, eventLine, INSERT_EVENTS } from './sql.ts';

export interface NewEvent {
  /** A UUID that the change remembers it by. Default: a new one. */
  readonly id?: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly type: EventType | typeof RAW_TYPE;
  /** Absent for what is not about a message. */
  readonly messageId?: string;
  /** What is true from this moment on; of what is not about a message, all there is to tell. */
  readonly data: object;
}

export interface Events {
  /** Call it with the transaction of the change. */
  emit(trx: Sql, events: readonly NewEvent[]): Promise<void>;
}

export const createEvents = (): Events => ({
  async emit(trx, events) {
    if (events.length > 0)
      await insertEvents(
        trx,
        events.map((event) => ({ ...event, id: event.id ?? newId() })),
      );
  },
});
