/**
 * Makes deliveries of events: one endpoint after the other is moved on in the feed, in a transaction that holds it, so that
 * each event is told once and the numbers have no gap. One that is paused or disabled stays where it is, and its events stay
 * in the feed. The body is written here, once: every try sends the same bytes.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { newId, toWire } from '../../lib/ids.ts';
import type { Event, Feed } from '../events/index.ts';
import { insertDeliveries } from './deliveries-store.ts';
import { behind, moveCursor, silent, takeEndpoint } from './store.ts';

export interface FanOutDeps {
  readonly db: Db;
  readonly feed: Pick<Feed, 'read' | 'now'>;
  readonly clock: Clock;
  readonly window: number;
}

/** Events that are read in one go. */
const READ = 200;
/** Endpoints that one call looks after. */
const AT_ONCE = 100;

const isWanted = (types: readonly string[] | null, type: string): boolean =>
  types ? types.includes(type) : type !== 'message.queued';

/** D35; in this order on the wire. */
export const bodyOf = ({ id, type, created_at, timestamp, livemode, data }: Event, sequence: number): string =>
  JSON.stringify({ id, type, created_at, timestamp, livemode, sequence, data });

/** An event that is no part of the feed: of the endpoint itself. */
export const ownEvent = (id: string, type: string, mode: Mode, clock: Clock, message: string): Event => {
  const at = clock.now().toISOString();
  return {
    id: toWire('event', id),
    type,
    created_at: at,
    timestamp: at,
    livemode: mode === 'live',
    data: { message },
  };
};

/** Returns how many endpoints were moved on. */
export async function fanOut({ db, feed, clock, window }: FanOutDeps): Promise<number> {
  let moved = 0;
  for (const id of await behind(db, window, AT_ONCE))
    if (await moveOn({ db, feed }, id, Math.min(READ, window))) moved++;
  for (const id of await silent(db, AT_ONCE)) if (await beat(db, clock, id)) moved++;
  return moved;
}

const beat = (db: Db, clock: Clock, id: string): Promise<boolean> =>
  db.transaction(async (trx) => {
    const endpoint = await takeEndpoint(trx, id);
    if (!endpoint) return false;
    const [eventId, type, sequence] = [newId(), 'endpoint.heartbeat', endpoint.sequence + 1];
    const event = ownEvent(eventId, type, endpoint.mode, clock, 'Nothing has happened. It is not part of the feed.');
    const body = bodyOf(event, sequence);
    const drainedTo = await insertDeliveries(trx, endpoint, [{ id: newId(), eventId, type, sequence, body }]);
    const { position, eventId: after } = endpoint;
    await moveCursor(trx, { ...endpoint, sequence, drainedTo }, { position, id: after });
    return true;
  });

const moveOn = ({ db, feed }: Pick<FanOutDeps, 'db' | 'feed'>, id: string, limit: number): Promise<boolean> =>
  db.transaction(async (trx) => {
    const endpoint = await takeEndpoint(trx, id);
    if (!endpoint) return false;
    const { tenantId, mode, eventTypes, position, eventId, drainPerSecond } = endpoint;
    // Asked for first: everything before it is in what is read next.
    const now = await feed.now(trx);
    const { events, last } = await feed.read(trx, {
      tenantId,
      mode,
      after: { position, id: eventId },
      limit,
    });
    let { sequence } = endpoint;
    const deliveries = events
      .filter(({ event }) => isWanted(eventTypes, event.type))
      .map((placed) => ({
        id: newId(),
        eventId: placed.id,
        type: placed.event.type,
        sequence: ++sequence,
        body: bodyOf(placed.event, sequence),
      }));
    const drainedTo = deliveries.length > 0 ? await insertDeliveries(trx, endpoint, deliveries) : endpoint.drainedTo;
    const isBehind = events.length === limit;
    await moveCursor(
      trx,
      { id, sequence, drainPerSecond: isBehind ? drainPerSecond : null, drainedTo },
      // Of the other mode there may be a million: what was looked through is not looked through again.
      last ?? now,
    );
    return true;
  });
