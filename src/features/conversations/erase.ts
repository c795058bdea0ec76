/** A person taken out of what came in: who is known by one of these addresses goes, with all that they wrote and brought. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';

/** Returns how many messages went. What was told of them to endpoints is emptied along with them. */
export async function erasePeople(
  trx: Sql,
  tenantId: string,
  mode: Mode | string,
  addresses: readonly string[],
): Promise<number> {
  const values = [tenantId, mode, [...addresses, ...addresses.map((address) => address.toLowerCase())]];
  const contacts = (
    await trx.query<{ id: string }>(
      `select coalesce(c.merged_into, c.id) as id from contact_identities i join contacts c on c.id = i.contact_id
       where i.tenant_id = $1 and i.mode = $2 and i.value = any($3)
       union select coalesce(merged_into, id) from contacts where tenant_id = $1 and mode = $2 and (phone = any($3) or lower(email) = any($3))`,
      values,
    )
  ).map(({ id }) => id);
  const conversations = (
    await trx.query<{ id: string }>(
      `select id from conversations where tenant_id = $1 and mode = $2 and address = any($3)
       union select v.id from contacts c join conversations v on v.contact_id = c.id where c.id = any($4) or c.merged_into = any($4)`,
      [tenantId, mode, addresses, contacts],
    )
  ).map(({ id }) => id);
  const events = await trx.query<{ id: string }>(
    `update deliveries d set body = '{"erased":true}' from endpoints e
     where e.tenant_id = $1 and d.endpoint_id = e.id
       and d.event_id = any(array(select event_id from inbound_messages where conversation_id = any($2) and event_id is not null))
     returning d.id`,
    [tenantId, conversations],
  );
  await trx.query(`update delivery_attempts set answer = null where delivery_id = any($1) and answer is not null`, [
    events.map(({ id }) => id),
  ]);
  await trx.query(
    `update inbound_requests set body = '', headers = '{}', url = split_part(url, '?', 1), error = null
     where applied_at is not null and id = any(array(select inbound_id from inbound_messages where conversation_id = any($1)))`,
    [conversations],
  );
  const gone = await trx.query(`delete from inbound_messages where conversation_id = any($1) returning 1`, [
    conversations,
  ]);
  await trx.query(`delete from conversations where id = any($1)`, [conversations]);
  await trx.query(`delete from contacts where id = any($1) or merged_into = any($1)`, [contacts]);
  return gone.length;
}
