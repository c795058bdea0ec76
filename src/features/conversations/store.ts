/** SQL of conversations and of what came in. The tenant and the mode stand in every key. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { ConversationStatus } from './schema.ts';

export interface ConversationRow {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly connectionId: string;
  readonly channel: string;
  readonly address: string;
  readonly recipient: Readonly<Record<string, string>>;
  readonly contactId: string | null;
  readonly status: ConversationStatus;
  readonly assignee: string | null;
  readonly unread: number;
  readonly lastInboundAt: Date | null;
  readonly lastId: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface InboundRow {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly conversationId: string;
  readonly connectionId: string;
  readonly channel: string;
  readonly address: string;
  readonly contactId: string | null;
  readonly providerId: string;
  readonly origin: 'live' | 'echo' | 'history';
  readonly own: boolean;
  readonly kind: string;
  readonly text: string | null;
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly replyTo: string | null;
  readonly replyToId: string | null;
  readonly receivedAt: Date;
}

export interface MediaRow {
  readonly id: string;
  readonly messageId: string;
  readonly mime: string;
  readonly filename: string | null;
  readonly size: number | null;
  readonly status: 'waiting' | 'stored' | 'failed';
}

const columns = (of: string): string =>
  `${of}.id, ${of}.tenant_id as "tenantId", ${of}.mode, ${of}.connection_id as "connectionId", ${of}.channel, ${of}.address, ${of}.recipient,
  ${of}.contact_id as "contactId", ${of}.status, ${of}.assignee, ${of}.unread, ${of}.last_inbound_at as "lastInboundAt", ${of}.last_id as "lastId",
  ${of}.created_at as "createdAt", ${of}.updated_at as "updatedAt"`;
const ROW = columns('c');

const INBOUND = `i.id, i.tenant_id as "tenantId", i.mode, i.conversation_id as "conversationId", i.connection_id as "connectionId", i.channel, c.address,
  c.contact_id as "contactId", i.provider_id as "providerId", i.origin, i.own, i.kind, i.text, i.data, i.reply_to as "replyTo", i.reply_to_id as "replyToId",
  i.received_at as "receivedAt"`;

export interface ConversationFilter {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly status: string | undefined;
  readonly contactIds: readonly string[] | undefined;
  /** Null: nobody. */
  readonly assignee: string | null | undefined;
  readonly channel: string | undefined;
  readonly before: string | undefined;
  readonly limit: number;
}

/** Those that were written to last come first. */
export const listConversations = (
  sql: Sql,
  { tenantId, mode, status, contactIds, assignee, channel, before, limit }: ConversationFilter,
): Promise<ConversationRow[]> => {
  const values: unknown[] = [tenantId, mode, limit];
  const parts = ['c.tenant_id = $1', 'c.mode = $2'];
  const and = (condition: string, value: unknown) => {
    if (value === undefined) return;
    values.push(value);
    parts.push(condition.replace('?', `$${values.length}`));
  };
  and('c.status = ?', status);
  and('c.contact_id = any(?::uuid[])', contactIds);
  and('c.assignee is not distinct from ?', assignee);
  and('c.channel = ?', channel);
  and('c.last_id < ?', before);
  return sql.query(
    `select ${ROW} from conversations c where ${parts.join(' and ')} order by c.last_id desc limit $3`,
    values,
  );
};

export const findConversation = async (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
  lock: 'for update' | '' = '',
): Promise<ConversationRow | undefined> =>
  (
    await sql.query<ConversationRow>(
      `select ${ROW} from conversations c where c.id = $3 and c.tenant_id = $1 and c.mode = $2 ${lock}`,
      [tenantId, mode, id],
    )
  )[0];

export const updateConversation = async (
  trx: Sql,
  { id, status, assignee, unread }: Pick<ConversationRow, 'id' | 'status' | 'assignee' | 'unread'>,
): Promise<ConversationRow> =>
  (
    await trx.query<ConversationRow>(
      `update conversations c set status = $2, assignee = $3, unread = $4, updated_at = clock_now() where c.id = $1 returning ${ROW}`,
      [id, status, assignee, unread],
    )
  )[0] as ConversationRow;

export const markRead = (sql: Sql, id: string): Promise<unknown> =>
  sql.query('update conversations set unread = 0 where id = $1 and unread > 0', [id]);

/** When the person of each address has last written by this connection; none for who never has. */
export const lastInbound = (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  asked: readonly { readonly connectionId: string; readonly address: string }[],
): Promise<{ connectionId: string; address: string; at: Date; now: Date }[]> =>
  sql.query(
    `select c.connection_id as "connectionId", c.address, c.last_inbound_at as at, clock_now() as now
     from unnest($3::uuid[], $4::text[]) as a(connection_id, address)
     join conversations c on c.tenant_id = $1 and c.mode = $2 and c.address = a.address and c.connection_id = a.connection_id
     where c.last_inbound_at is not null`,
    [tenantId, mode, asked.map(({ connectionId }) => connectionId), asked.map(({ address }) => address)],
  );

export const readInbound = (sql: Sql, tenantId: string, ids: readonly string[]): Promise<InboundRow[]> =>
  sql.query(
    `select ${INBOUND} from inbound_messages i join conversations c on c.id = i.conversation_id where i.id = any($2) and i.tenant_id = $1`,
    [tenantId, ids],
  );

/** Of one conversation, from a place on. */
export const listInbound = (
  sql: Sql,
  {
    tenantId,
    conversationId,
    from,
    order,
    limit,
  }: { tenantId: string; conversationId: string; from: string | undefined; order: 'asc' | 'desc'; limit: number },
): Promise<InboundRow[]> =>
  sql.query(
    `select ${INBOUND} from inbound_messages i join conversations c on c.id = i.conversation_id
     where i.conversation_id = $2 and i.tenant_id = $1 and ($3::uuid is null or i.id ${order === 'asc' ? '>' : '<'} $3)
     order by i.id ${order} limit $4`,
    [tenantId, conversationId, from ?? null, limit],
  );

/** The newest of what came in, by its address or all, and how many there are, counted up to `most`. */
export async function inboundLog(
  sql: Sql,
  {
    tenantId,
    mode,
    address,
    limit,
    most,
  }: { tenantId: string; mode: Mode; address: string | undefined; limit: number; most: number },
): Promise<{ readonly total: number; readonly rows: readonly InboundRow[] }> {
  const from = `inbound_messages i join conversations c on c.id = i.conversation_id
     where i.tenant_id = $1 and i.mode = $2 and not i.own and ($3::text is null or i.conversation_id in (
       select id from conversations a where a.tenant_id = $1 and a.mode = $2 and a.address = $3)) order by i.id desc`;
  const values = [tenantId, mode, address ?? null];
  const rows = await sql.query<InboundRow>(`select ${INBOUND} from ${from} limit $4`, [...values, limit]);
  const [count] = await sql.query<{ total: number }>(
    `select count(*)::int as total from (select i.id from ${from} limit $4) counted`,
    [...values, most],
  );
  return { total: count?.total ?? 0, rows };
}

/** What came with these messages, in its order, without the bytes. */
export const mediaOf = (sql: Sql, tenantId: string, messageIds: readonly string[]): Promise<MediaRow[]> =>
  sql.query(
    `select id, message_id as "messageId", mime, filename, size, status from inbound_media
     where message_id = any($2) and tenant_id = $1 order by message_id, position`,
    [tenantId, messageIds],
  );

/** Forgets what came in so many days ago, and conversations in which nothing is left; returns how many messages. */
export async function purgeInbound(sql: Sql, days: number, limit: number): Promise<number> {
  const gone = await sql.query<{ conversation: string }>(
    `delete from inbound_messages where id in (select id from inbound_messages where id < uuid_at(clock_now() - make_interval(days => $1)) order by id limit $2)
     returning conversation_id as conversation`,
    [days, limit],
  );
  await sql.query(
    `delete from conversations c where c.id = any($1) and not exists (select from inbound_messages i where i.conversation_id = c.id)`,
    [[...new Set(gone.map(({ conversation }) => conversation))]],
  );
  await sql.query(`delete from told_notices where told_at < clock_now() - make_interval(days => $1)`, [days]);
  return gone.length;
}
