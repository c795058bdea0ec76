/** SQL of the events table. */
import type { Sql, Trx } from '../../lib/db.ts';
import { newId } from '../../lib/ids.ts';
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

export const copyEvents = (
  trx: Trx,
  born: readonly Pick<NewEvent, 'tenantId' | 'mode' | 'messageId'>[],
): Promise<void> =>
  trx.copy(
    'copy events (id, tenant_id, mode, type, message_id, data) from stdin',
    born.map(({ tenantId, mode, messageId }) => `${newId()}\t${tenantId}\t${mode}\tmessage.queued\t${messageId}\t{}\n`),
  );
