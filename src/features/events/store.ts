/** SQL of the events table. */
import { copyLine } from '../../lib/copy.ts';
import type { Sql, Trx } from '../../lib/db.ts';
import { newId } from '../../lib/ids.ts';
import type { NewEvent } from './index.ts';

export async function insertEvents(sql: Sql, events: readonly (NewEvent & { id: string })[]): Promise<void> {
  await sql.query(
    `insert into events (id, tenant_id, mode, type, message_id, data)
     select id, "tenantId", mode, type, "messageId", data
     from jsonb_to_recordset($1) as e(id uuid, "tenantId" uuid, mode text, type text, "messageId" uuid, data jsonb)`,
    [JSON.stringify(events)],
  );
}

export const copyEvents = (trx: Trx, events: readonly NewEvent[]): Promise<void> =>
  trx.copy(
    'copy events (id, tenant_id, mode, type, message_id, data) from stdin',
    events.map((event) =>
      copyLine([newId(), event.tenantId, event.mode, event.type, event.messageId, JSON.stringify(event.data)]),
    ),
  );
