/** Conversations as people work with them: an inbox, a thread in both directions, an answer. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal, Reply } from '../../lib/http.ts';
import { fromWire, fromWireOrBare, notificationIdOf, toWire } from '../../lib/ids.ts';
import { type List, readCursor } from '../../lib/list.ts';
import { invalid, validator } from '../../lib/schema.ts';
import type { Connections } from '../connections/index.ts';
import type { Contacts } from '../contacts/index.ts';
import type { Events, Tell } from '../events/index.ts';
import { hashOf } from '../idempotency/index.ts';
import {
  type Notifications,
  type Origin,
  type Outgoing,
  type SendBody,
  sendBody,
  type Windows,
  windowName,
} from '../notifications/index.ts';
import type { Tenants } from '../tenants/index.ts';
import { createMessageLog, type MessageLog } from './log.ts';
import type {
  ConversationItem,
  ConversationQuery,
  InboundItem,
  OutboundItem,
  PatchConversation,
  ReplyBody,
  ThreadItem,
  ThreadQuery,
} from './schema.ts';
import * as store from './store.ts';
import { updatedEvent } from './take.ts';
import { showConversation, showInbound, windowEnd } from './view.ts';

export interface Conversations {
  /** The one that was written to last comes first. */
  list(principal: Principal, query: ConversationQuery): Promise<List<ConversationItem>>;
  /** All that take an id take a bare UUID too, and throw `not_found`. */
  get(principal: Principal, id: string): Promise<ConversationItem>;
  /** Throws `validation_failed` for an assignee that is nobody here. */
  patch(principal: Principal, id: string, command: PatchConversation): Promise<ConversationItem>;
  /** What came in and what went out, in order. */
  messages(principal: Principal, id: string, query: ThreadQuery): Promise<List<ThreadItem>>;
  /** Answers the person where they have written. Throws what a send throws; `outside_window` when it is too late for free text. */
  reply(origin: Origin, id: string, command: ReplyBody, idempotencyKey: string | undefined): Promise<Reply>;
  /** Both directions in one list. */
  readonly log: MessageLog;
  /** How long free text may answer people, for the rules of a send. */
  readonly windows: Windows;
  /** The data of events about what came in. */
  readonly tell: Tell;
  /** Forgets what is older; 0 keeps everything. */
  purge(days: number): Promise<void>;
}

export interface ConversationsDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly connections: Pick<Connections, 'open'>;
  readonly contacts: Pick<Contacts, 'cards' | 'group'>;
  readonly notifications: Pick<Notifications, 'send' | 'thread'>;
  readonly tenants: Pick<Tenants, 'people'>;
  readonly events: Events;
}

const NOBODY = 'none';
const PURGED_AT_ONCE = 2_000;

export function createConversations(deps: ConversationsDeps): Conversations {
  const { db, registry, connections, contacts, notifications, tenants, events } = deps;
  const sendable = validator(sendBody(registry));

  async function show(
    sql: Sql,
    { tenantId, mode }: Principal,
    rows: readonly store.ConversationRow[],
  ): Promise<ConversationItem[]> {
    const cards = await contacts.cards(
      sql,
      tenantId,
      mode,
      rows.flatMap(({ contactId }) => contactId ?? []),
    );
    const last = new Map(
      (
        await store.readInbound(
          sql,
          tenantId,
          rows.map(({ lastId }) => lastId),
        )
      ).map((one) => [one.id, one]),
    );
    return rows.map((row) =>
      showConversation(row, registry.channel(row.channel), cards.get(row.contactId ?? ''), last.get(row.lastId)),
    );
  }

  async function received(sql: Sql, tenantId: string, rows: readonly store.InboundRow[]): Promise<InboundItem[]> {
    const [first] = rows;
    if (!first) return [];
    const media = await store.mediaOf(
      sql,
      tenantId,
      rows.map(({ id }) => id),
    );
    const cards = await contacts.cards(
      sql,
      tenantId,
      first.mode,
      rows.flatMap(({ contactId }) => contactId ?? []),
    );
    return rows.map((row) => showInbound(row, cards.get(row.contactId ?? ''), media));
  }

  const find = async (sql: Sql, { tenantId, mode }: Principal, id: string, lock: 'for update' | '' = '') =>
    there(await store.findConversation(sql, tenantId, mode, uuid(id), lock));

  /** A mail needs a subject, and an answer has that of what it answers. */
  async function subjectOf(principal: Principal, row: store.ConversationRow): Promise<string> {
    const rows = await db.read(principal.tenantId, (sql) => store.readInbound(sql, principal.tenantId, [row.lastId]));
    const said = rows[0]?.data?.subject;
    const subject = typeof said === 'string' ? said.replace(/[\r\n]+/g, ' ').trim() : '';
    return /^re:/i.test(subject) ? subject : `Re: ${subject}`.trim();
  }

  async function bodyOf(
    principal: Principal,
    row: store.ConversationRow,
    { text, template_id, data, language, subject, content }: ReplyBody,
  ): Promise<SendBody> {
    if ([text, template_id, content].filter((one) => one !== undefined).length !== 1)
      throw invalid([{ path: '', message: 'needs one of text, template_id and content' }]);
    const needed = (registry.channel(row.channel)?.content.required ?? []) as readonly string[];
    const title =
      subject ?? (text !== undefined && needed.includes('subject') ? await subjectOf(principal, row) : undefined);
    return sendable.check({
      recipient: row.recipient,
      notification: {
        channels: [row.channel],
        ...(text === undefined ? {} : { body: text }),
        ...(title === undefined ? {} : { subject: title }),
        ...(template_id === undefined ? {} : { template_id }),
        ...(data === undefined ? {} : { data }),
        ...(language === undefined ? {} : { language }),
        ...(content === undefined ? {} : { content: { [row.channel]: content } }),
      },
    }) as unknown as SendBody;
  }

  return {
    list: (principal, { status, contact_id, assignee, channel, limit, cursor }) =>
      db.read(principal.tenantId, async (sql) => {
        const { tenantId, mode } = principal;
        const before = readCursor('message', cursor);
        const contactIds = contact_id === undefined ? undefined : await contacts.group(sql, principal, contact_id);
        const whose = assignee === NOBODY ? null : assignee;
        const filter = { tenantId, mode, status, contactIds, assignee: whose, channel, before, limit: limit + 1 };
        const rows = await store.listConversations(sql, filter);
        const more = rows.length > limit;
        const shown = rows.slice(0, limit);
        const last = shown.at(-1);
        return {
          object: 'list',
          data: await show(sql, principal, shown),
          has_more: more,
          next_cursor: more && last ? toWire('message', last.lastId) : null,
        };
      }),
    get: (principal, id) =>
      db.read(principal.tenantId, async (sql) => {
        const [item] = await show(sql, principal, [await find(sql, principal, id)]);
        return there(item);
      }),
    async patch(principal, id, { status, assignee, unread_count }) {
      if (assignee?.startsWith('usr_')) {
        const people = await tenants.people(principal.tenantId);
        if (!people.some((one) => toWire('user', one.id) === assignee))
          throw invalid([{ path: 'assignee', message: 'is nobody of this organization' }]);
      }
      return db.transaction(async (trx) => {
        const before = await find(trx, principal, id, 'for update');
        const after = await store.updateConversation(trx, {
          id: before.id,
          status: status ?? before.status,
          assignee: assignee === undefined ? before.assignee : assignee,
          unread: unread_count ?? before.unread,
        });
        const about = { tenantId: after.tenantId, mode: after.mode };
        const wire = toWire('conversation', after.id);
        if (after.assignee !== before.assignee) {
          const data = { conversation_id: wire, assignee: after.assignee, previous_assignee: before.assignee };
          await events.emit(trx, [{ ...about, type: 'conversation.assigned', data }]);
        }
        if (after.status !== before.status)
          await events.emit(trx, [updatedEvent(after, { status: after.status, previous_status: before.status })]);
        const [item] = await show(trx, principal, [after]);
        return there(item);
      });
    },
    messages: (principal, id, { limit, cursor, order }) =>
      db.read(principal.tenantId, async (sql) => {
        const { tenantId } = principal;
        const row = await find(sql, principal, id);
        const from = readCursor('message', cursor);
        const [came, went] = [
          await store.listInbound(sql, { tenantId, conversationId: row.id, from, order, limit: limit + 1 }),
          await notifications.thread(sql, row, { from, order, limit: limit + 1 }),
        ];
        const items = [...(await received(sql, tenantId, came)), ...went.map((one) => showOutgoing(one, row))];
        // Ids of both kinds are in the order of time.
        items.sort((a, b) => (a.id < b.id ? -1 : 1) * (order === 'asc' ? 1 : -1));
        const data = items.slice(0, limit);
        const more = items.length > limit;
        return { object: 'list', data, has_more: more, next_cursor: more ? (data.at(-1)?.id ?? null) : null };
      }),
    async reply(origin, id, command, idempotencyKey) {
      const { principal } = origin;
      const row = await db.read(principal.tenantId, (sql) => find(sql, principal, id));
      const connection = (await connections.open([row.connectionId])).get(row.connectionId);
      if (!connection)
        throw new ApiError(
          'channel_not_connected',
          'The connection of this conversation was removed. Write by another.',
          {
            details: { channel: row.channel },
          },
        );
      const { channel, adapter } = connection;
      const { idempotency_key: _, ...said } = command;
      const [answer] = await notifications.send(origin, [
        {
          body: await bodyOf(principal, row, command),
          idempotencyKey,
          requestHash:
            idempotencyKey === undefined ? '' : hashOf(`POST /api/v1/conversations/${row.id}/messages`, said),
          bytes: JSON.stringify(said).length,
          via: { connectionId: row.connectionId, channel, adapter },
        },
      ]);
      if (!answer || answer instanceof ApiError) throw answer ?? new Error('one command, one answer');
      // Who answers has read, unless a rule did.
      if (principal.actor.kind !== 'operator') await store.markRead(db, row.id);
      return answer;
    },
    log: createMessageLog(deps),
    async windows(tenantId, mode, asked) {
      const opened = await connections.open(asked.map(({ connectionId }) => connectionId));
      const found = await store.lastInbound(db, tenantId, mode, asked);
      return new Map(
        found.flatMap(({ connectionId, address, at, now }) => {
          const endsAt = windowEnd(opened.get(connectionId)?.channel, at);
          return endsAt ? [[windowName(connectionId, address), { endsAt, isOpen: endsAt > now }] as const] : [];
        }),
      );
    },
    async tell(sql, tenantId, rows) {
      const ids = [...new Set(rows.flatMap(({ messageId }) => messageId ?? []))];
      const found = await store.readInbound(sql, tenantId, ids);
      const items = new Map((await received(sql, tenantId, found)).map((item) => [fromWire('message', item.id), item]));
      return rows.map(({ messageId }) => items.get(messageId ?? ''));
    },
    async purge(days) {
      if (days === 0) return;
      while ((await store.purgeInbound(db, days, PURGED_AT_ONCE)) === PURGED_AT_ONCE);
    },
  };
}

function there<T>(row: T | undefined): T {
  if (row === undefined) throw new ApiError('not_found');
  return row;
}
const uuid = (id: string): string => there(fromWireOrBare('conversation', id));

const showOutgoing = ({ message, failure, preview }: Outgoing, row: store.ConversationRow): OutboundItem => ({
  id: toWire('message', message.id),
  object: 'message',
  livemode: message.mode === 'live',
  direction: 'outbound',
  channel: message.channel,
  connection_id: toWire('connection', message.connectionId),
  conversation_id: toWire('conversation', row.id),
  notification_id: toWire('notification', notificationIdOf(message.id)),
  status: message.status,
  failure,
  template_id: message.templateSlug,
  text: preview?.text ?? null,
  preview: preview ?? null,
  created_at: message.createdAt.toISOString(),
  sent_at: message.sentAt?.toISOString() ?? null,
  delivered_at: message.deliveredAt?.toISOString() ?? null,
  read_at: message.readAt?.toISOString() ?? null,
});
