/** SQL of the moment at which messages come in: a statement for each table and batch, however many messages there are. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { ConversationStatus } from './schema.ts';

export interface Place {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly connectionId: string;
  readonly channel: string;
  readonly address: string;
  readonly recipient: Readonly<Record<string, string>>;
  readonly contactId: string;
  readonly lastId: string;
}

export interface Held {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly connectionId: string;
  readonly address: string;
  readonly status: ConversationStatus;
  readonly contactId: string | null;
}

/** Made where there is none yet, and held in the order of their ids, so that two batches never wait for each other in a circle. */
export async function holdConversations(trx: Sql, places: readonly Place[]): Promise<Held[]> {
  const record = `jsonb_to_recordset($1) as p(id uuid, "tenantId" uuid, mode text, "connectionId" uuid, channel text, address text, recipient jsonb,
    "contactId" uuid, "lastId" uuid)`;
  const values = [JSON.stringify(places)];
  await trx.query(
    `insert into conversations (id, tenant_id, mode, connection_id, channel, address, recipient, contact_id, last_id)
     select id, "tenantId", mode, "connectionId", channel, address, recipient, "contactId", "lastId" from ${record}
     order by address, "connectionId" on conflict (tenant_id, mode, address, connection_id) do nothing`,
    values,
  );
  return trx.query<Held>(
    `select c.id, c.tenant_id as "tenantId", c.mode, c.connection_id as "connectionId", c.address, c.status, c.contact_id as "contactId"
     from ${record} join conversations c on c.tenant_id = p."tenantId" and c.mode = p.mode and c.address = p.address and c.connection_id = p."connectionId"
     order by c.id for update of c`,
    values,
  );
}

export interface NewInbound {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly conversationId: string;
  readonly connectionId: string;
  readonly channel: string;
  readonly key: string;
  readonly inboundId: string;
  readonly providerId: string;
  readonly origin: 'live' | 'echo' | 'history';
  readonly own: boolean;
  readonly kind: string;
  readonly text: string | null;
  readonly data: object | null;
  readonly replyTo: string | null;
  readonly eventId: string | null;
}

/** Ids of those that were not known by their key. */
export const insertInbound = async (trx: Sql, messages: readonly NewInbound[]): Promise<ReadonlySet<string>> =>
  new Set(
    (
      await trx.query<{ id: string }>(
        `insert into inbound_messages (id, tenant_id, mode, conversation_id, connection_id, channel, key, inbound_id, provider_id, origin, own, kind, text,
           data, reply_to, reply_to_id, event_id)
         select i.id, "tenantId", mode, "conversationId", "connectionId", channel, key, "inboundId", "providerId", origin, own, kind, text, data, "replyTo",
           p.message_id, "eventId"
         from jsonb_to_recordset($1) as i(id uuid, "tenantId" uuid, mode text, "conversationId" uuid, "connectionId" uuid, channel text, key text,
           "inboundId" uuid, "providerId" text, origin text, own boolean, kind text, text text, data jsonb, "replyTo" text, "eventId" uuid)
         left join provider_refs p on p.connection_id = i."connectionId" and p.provider_id = i."replyTo"
         order by i.key on conflict do nothing returning id`,
        [JSON.stringify(messages)],
      )
    ).map(({ id }) => id),
  );

export interface Moved {
  readonly id: string;
  readonly lastId: string;
  readonly contactId: string;
  /** Of the newest that the person wrote just now. */
  readonly inboundAt: string | null;
  readonly unread: number;
  readonly status: ConversationStatus;
}

export const moveConversations = (trx: Sql, moved: readonly Moved[]): Promise<unknown> =>
  trx.query(
    `update conversations c set last_id = greatest(c.last_id, m."lastId"), contact_id = m."contactId", unread = c.unread + m.unread, status = m.status,
       last_inbound_at = greatest(c.last_inbound_at, m."inboundAt"), updated_at = clock_now()
     from jsonb_to_recordset($1) as m(id uuid, "lastId" uuid, "contactId" uuid, "inboundAt" timestamptz, unread int, status text) where c.id = m.id`,
    [JSON.stringify(moved)],
  );

export interface NewMedia {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly messageId: string;
  readonly connectionId: string;
  readonly position: number;
  readonly mime: string;
  readonly filename: string | null;
  readonly providerId: string | null;
  readonly url: string | null;
  readonly sha256: string | null;
  readonly bytes: Buffer | null;
  /** Why it will never be there. */
  readonly fault: string | null;
}

/** The bytes that came along travel as one piece. */
export const insertMedia = (trx: Sql, media: readonly NewMedia[]): Promise<unknown> => {
  let start = 1;
  const rows = media.map(({ bytes, ...row }) => {
    const from = start;
    start += bytes?.length ?? 0;
    return { ...row, from, length: bytes?.length ?? null };
  });
  return trx.query(
    `insert into inbound_media (id, tenant_id, mode, message_id, connection_id, position, mime, filename, provider_id, url, sha256, bytes, size, status, fault)
     select id, "tenantId", mode, "messageId", "connectionId", position, mime, filename, "providerId", url, sha256,
       case when length is not null then substring($2::bytea from "from" for length) end, length,
       case when length is not null then 'stored' when fault is not null then 'failed' else 'waiting' end, fault
     from jsonb_to_recordset($1) as m(id uuid, "tenantId" uuid, mode text, "messageId" uuid, "connectionId" uuid, position int, mime text, filename text,
       "providerId" text, url text, sha256 text, "from" int, length int, fault text)`,
    [JSON.stringify(rows), Buffer.concat(media.flatMap(({ bytes }) => bytes ?? []))],
  );
};

/** Of these keys, those that nobody has told on yet. */
export const newNotices = async (
  trx: Sql,
  notices: readonly { readonly connectionId: string; readonly key: string }[],
): Promise<ReadonlySet<string>> =>
  new Set(
    (
      await trx.query<{ name: string }>(
        `insert into told_notices (connection_id, key) select distinct * from unnest($1::uuid[], $2::text[]) as n(connection_id, key)
         order by 1, 2 on conflict do nothing returning connection_id || ' ' || key as name`,
        [notices.map(({ connectionId }) => connectionId), notices.map(({ key }) => key)],
      )
    ).map(({ name }) => name),
  );
