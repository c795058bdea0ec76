/** SQL of the events table. */
import type { Sql } from '../../lib/db.ts';
import type { NewEvent } from './index.ts';
import { INSERT_EVENTS } from './sql.ts';

export async function insertEvents(sql: Sql, events: readonly (NewEvent & { id: string })[]): Promise<void> {
  await sql.query(
    `${INSERT_EVENTS}
     select id, "tenantId", mode, type, "messageId", data
     from jsonb_to_recordset($1) as e(id uuid, "tenantId" uuid, mode text, type text, "messageId" uuid, data jsonb)`,
    [JSON.stringify(events)],
  );
}
