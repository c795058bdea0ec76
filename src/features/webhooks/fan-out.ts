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
import { type ChooseDeps, choose } from './choose.ts';
import { behind, moveCursor, silent, takeEndpoint } from './cursors-store.ts';
import { insertDeliveries } from './deliveries-store.ts';
import { bodyOf, isOurs } from './words.ts';

export interface FanOutDeps extends ChooseDeps {
  readonly db: Db;
  readonly feed: Pick<Feed, 'read' | 'now'>;
  readonly clock: Clock;
  readonly window: number;
}

/** Events that are read in one go; what providers have sent may be large. */
const READ = 200;
const READ_RAW = 20;
/** Endpoints that one call looks after. */
const AT_ONCE = 100;

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
export async function fanOut({ db, clock, window, ...deps }: FanOutDeps): Promise<number> {
  let moved = 0;
  for (const id of await behind(db, window, AT_ONCE)) if (await moveOn({ db, ...deps }, id, window)) moved++;
  for (const id of await silent(db, AT_ONCE)) if (await beat(db, clock, id)) moved++;
  return moved;
}

const beat = (db: Db, clock: Clock, id: string): Promise<boolean> =>
  db.transaction(async (trx) => {
    const endpoint = await takeEndpoint(trx, id);
    if (!endpoint) return false;
    const [eventId, type, sequence] = [newId(), 'endpoint.heartbeat', endpoint.sequence + 1];
    const event = ownEvent(eventId, type, endpoint.mode, clock, 'Nothing has happened. It is not part of the feed.');
    const body = bodyOf(event, sequence, endpoint.format);
    const drainedTo = await insertDeliveries(trx, endpoint, [{ id: newId(), eventId, type, sequence, body }]);
    const { position, eventId: after } = endpoint;
    await moveCursor(trx, { ...endpoint, sequence, drainedTo }, { position, id: after });
    return true;
  });

const moveOn = (
  { db, feed, ...deps }: Omit<FanOutDeps, 'clock' | 'window'>,
  id: string,
  window: number,
): Promise<boolean> =>
  db.transaction(async (trx) => {
    const endpoint = await takeEndpoint(trx, id);
    if (!endpoint) return false;
    const { tenantId, mode, position, eventId, drainPerSecond } = endpoint;
    const limit = Math.min(isOurs(endpoint.format) ? READ : READ_RAW, window);
    // Asked for first: everything before it is in what is read next.
    const now = await feed.now(trx);
    const { events, last } = await feed.read(trx, {
      tenantId,
      mode,
      after: { position, id: eventId },
      limit,
    });
    const { chosen, upTo } = await choose(trx, deps, endpoint, events);
    const deliveries = chosen.map(({ body, ...one }, index) => {
      const sequence = endpoint.sequence + index + 1;
      return { ...one, id: newId(), sequence, body: body(sequence) };
    });
    const sequence = endpoint.sequence + deliveries.length;
    const drainedTo = deliveries.length > 0 ? await insertDeliveries(trx, endpoint, deliveries) : endpoint.drainedTo;
    const isBehind = upTo !== undefined || events.length === limit;
    await moveCursor(
      trx,
      { id, sequence, drainPerSecond: isBehind ? drainPerSecond : null, drainedTo },
      // Of the other mode there may be a million: what was looked through is not looked through again.
      upTo ?? last ?? now,
    );
    return true;
  });
