/**
 * Facts about messages, written in the transaction that makes them true. An event carries what its moment changed; what never
 * changes stands in the message and is not written again.
 */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { newId } from '../../lib/ids.ts';
import { insertEvents } from './store.ts';

export { bornLine, copyEvents, eventLine, INSERT_EVENTS } from './sql.ts';

export type EventType =
  | 'message.queued'
  | 'message.sent'
  | 'message.delivered'
  | 'message.failed'
  | 'message.bounced'
  | 'message.read'
  | 'message.complained';

export interface NewEvent {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly type: EventType;
  readonly messageId: string;
  /** What is true of the message from this moment on. */
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
        events.map((event) => ({ ...event, id: newId() })),
      );
  },
});
