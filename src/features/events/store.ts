/** SQL of the events table. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { INSERT_EVENTS } from './sql.ts';

export interface EventRow {
  readonly id: string;
  readonly mode: Mode;
  readonly type: string;
  readonly messageId: string | null;
  /** What its moment changed, or all there is to tell. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly position: number;
}

/** A place in the feed; what follows it is new. */
export interface Place {
  readonly position: number;
  readonly id: string;
}

export async function insertEvents(
  sql: Sql,
  events: readonly {
    readonly id: string;
    readonly tenantId: string;
    readonly mode: Mode;
    readonly type: string;
    readonly messageId?: string | undefined;
    readonly data: object;
  }[],
): Promise<void> {
  await sql.query(
    `${INSERT_EVENTS}
     select id, "tenantId", mode, type, "messageId", data
     from jsonb_to_recordset($1) as e(id uuid, "tenantId" uuid, mode text, type text, "messageId" uuid, data jsonb)`,
    [JSON.stringify(events)],
  );
}

const ROW = `id, mode, type, message_id as "messageId", data, position`;

/**
 * What comes after a place, in the order in which it became true, up to the oldest transaction that is still open: nothing can
 * come to stand before a row that was read.
 */
export const readAfter = (
  sql: Sql,
  {
    tenantId,
    mode,
    after,
    limit,
    hidden,
  }: { tenantId: string; mode: Mode; after: Place; limit: number; hidden: string | null },
): Promise<EventRow[]> =>
  sql.query(
    `select ${ROW} from events
     where tenant_id = $1 and position is not null and (position, id) > ($3, $4)
       and position < (select event_horizon()) and mode = $2 and type is distinct from $6
     order by position, id limit $5`,
    [tenantId, mode, after.position, after.id, limit, hidden],
  );

/** Of the rows with these ids that have a place. */
export const readEvents = (sql: Sql, tenantId: string, mode: Mode, ids: readonly string[]): Promise<EventRow[]> =>
  sql.query(
    `select ${ROW} from events where id = any($3) and tenant_id = $1 and mode = $2 and position is not null order by position, id`,
    [tenantId, mode, ids],
  );

/** The place before anything that becomes true from now on. */
export const nowPlace = async (sql: Sql): Promise<Place> => {
  const [row] = await sql.query<{ position: number }>('select event_horizon() as position');
  return { position: row?.position ?? 0, id: FIRST_ID };
};

/** Before every other. */
export const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Of a store that was loaded from a dump, whose transactions are numbered from the beginning again: what becomes true from now on
 * comes after all that it brought along. Reads all events once.
 */
export async function liftPositions(sql: Sql): Promise<void> {
  const [row] = await sql.query<{ offset: string | null }>(
    `select greatest(0, max(position) + 1 - pg_current_xact_id()::text::bigint)::text as "offset" from events`,
  );
  const offset = BigInt(row?.offset ?? 0);
  if (offset > 0n)
    await sql.query(
      `create or replace function event_position(transaction xid8) returns bigint language sql immutable strict as 'select transaction::text::bigint + ${offset}'`,
    );
}
