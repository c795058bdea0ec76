/**
 * The feed: events in the order in which they became true, without a gap. Nothing is handed out that another transaction, still
 * open, could come to stand before; so whoever asks for what came after the last event he knows has missed none.
 */
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode, Principal } from '../../lib/http.ts';
import { fromWire, timeOf, toWire } from '../../lib/ids.ts';
import { type Event, type EventType, RAW_TYPE } from './schema.ts';
import { type EventRow, FIRST_ID, liftPositions, nowPlace, type Place, readAfter, readEvents } from './store.ts';

/** An event as it is told outside, and where it stands. */
export interface Placed {
  readonly event: Event;
  readonly place: Place;
  /** UUID. */
  readonly id: string;
}

/** The data of events about messages, in their order; `undefined`: the message is no longer kept. */
export type Tell = (sql: Sql, tenantId: string, rows: readonly EventRow[]) => Promise<(object | undefined)[]>;

/** Each row by whoever owns what it is about: by its type, and the rest by `others`. */
export const tellBy =
  (owners: { readonly [T in EventType]?: Tell }, others: Tell): Tell =>
  async (sql, tenantId, rows) => {
    const told = new Map<EventRow, object | undefined>();
    for (const tell of new Set([others, ...Object.values(owners)])) {
      const own = rows.filter(({ type }) => (owners[type as EventType] ?? others) === tell);
      const texts = own.length > 0 ? await tell(sql, tenantId, own) : [];
      for (const [index, row] of own.entries()) told.set(row, texts[index]);
    }
    return rows.map((row) => told.get(row));
  };

export interface FeedPage {
  readonly object: 'list';
  readonly data: readonly Event[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

export interface Feed {
  /** Throws `not_found` for an `after` that is not kept, `validation_failed` for one that is none. */
  list(
    principal: Principal,
    query: { readonly after?: string; readonly type?: string; readonly limit: number },
  ): Promise<FeedPage>;
  /** Throws `not_found`. */
  get(principal: Principal, eventId: string): Promise<Event>;
  /** What comes next of one tenant, the words of providers among it. What is no longer kept is left out; `last` is the place of the last row that was read. */
  read(
    sql: Sql,
    query: { readonly tenantId: string; readonly mode: Mode; readonly after: Place; readonly limit: number },
  ): Promise<{ readonly events: readonly Placed[]; readonly last: Place | undefined }>;
  /** These, as far as they are kept, in their order. */
  of(sql: Sql, tenantId: string, mode: Mode, ids: readonly string[]): Promise<readonly Placed[]>;
  /** The place before everything that becomes true from now on. */
  now(sql: Sql): Promise<Place>;
}

/** Rows that one page looks at, whatever it is looking for. */
const LOOKED_AT = 5_000;
const BEGIN: Place = { position: 0, id: FIRST_ID };

export function createFeed({ db, tell }: { readonly db: Db; readonly tell: Tell }): Feed {
  async function told(sql: Sql, tenantId: string, rows: readonly EventRow[]): Promise<Placed[]> {
    const about = rows.filter(({ messageId }) => messageId !== null);
    const texts = about.length > 0 ? await tell(sql, tenantId, about) : [];
    const data = new Map(about.map(({ id }, index) => [id, texts[index]]));
    return rows.flatMap((row) => {
      const text = row.messageId === null ? row.data : data.get(row.id);
      return text ? [{ event: show(row, text), place: { position: row.position, id: row.id }, id: row.id }] : [];
    });
  }

  async function placeOf(sql: Sql, principal: Principal, after: string | undefined): Promise<Place> {
    if (after === undefined) return BEGIN;
    const id = fromWire('event', after);
    if (!id) throw new ApiError('validation_failed', 'after: is not the id of an event', { param: 'after' });
    const [row] = await readEvents(sql, principal.tenantId, principal.mode, [id]);
    if (!row || row.type === RAW_TYPE)
      throw new ApiError('not_found', 'The event named in `after` is not kept. Leave it out to begin anew.');
    return { position: row.position, id };
  }

  return {
    list: ({ tenantId, mode, ...rest }, { after, type, limit }) =>
      db.read(tenantId, async (sql) => {
        const principal = { tenantId, mode, ...rest };
        const types = type?.split(',').map((one) => one.trim());
        const from = await placeOf(sql, principal, after);
        const looked = types ? LOOKED_AT : limit;
        const rows = await readAfter(sql, { tenantId, mode, after: from, limit: looked, hidden: RAW_TYPE });
        const wanted = types ? rows.filter((row) => types.includes(row.type)) : rows;
        const shown = wanted.slice(0, limit);
        const isCut = wanted.length > limit;
        const last = isCut ? shown.at(-1) : rows.at(-1);
        return {
          object: 'list',
          data: (await told(sql, tenantId, shown)).map(({ event }) => event),
          has_more: isCut || rows.length === looked,
          next_cursor: last ? toWire('event', last.id) : (after ?? null),
        };
      }),
    get: ({ tenantId, mode }, eventId) =>
      db.read(tenantId, async (sql) => {
        const id = fromWire('event', eventId);
        const rows = id ? await readEvents(sql, tenantId, mode, [id]) : [];
        const [placed] = await told(sql, tenantId, rows);
        if (!placed || placed.event.type === RAW_TYPE) throw new ApiError('not_found');
        return placed.event;
      }),
    async read(sql, query) {
      const rows = await readAfter(sql, { ...query, hidden: null });
      const last = rows.at(-1);
      return {
        events: await told(sql, query.tenantId, rows),
        last: last && { position: last.position, id: last.id },
      };
    },
    of: async (sql, tenantId, mode, ids) => told(sql, tenantId, await readEvents(sql, tenantId, mode, ids)),
    now: nowPlace,
  };
}

function show({ id, type, mode }: EventRow, data: object): Event {
  const at = timeOf(id).toISOString();
  return {
    id: toWire('event', id),
    type,
    created_at: at,
    timestamp: at,
    livemode: mode === 'live',
    data: data as Event['data'],
  };
}

export type { EventRow, Place };
export { liftPositions };
