/** Conversations and what came in, as answers and events show them. Pure. */
import type { AnyChannel } from '../../channel-kit/index.ts';
import { timeOf, toWire } from '../../lib/ids.ts';
import type { ContactCard } from '../contacts/index.ts';
import type { ConversationItem, InboundItem } from './schema.ts';
import type { ConversationRow, InboundRow, MediaRow } from './store.ts';

/** Until when free text may answer a person who wrote last at this time; `undefined`: the channel has no such rule. */
export const windowEnd = (channel: AnyChannel | undefined, lastInboundAt: Date): Date | undefined => {
  const reply = channel?.templatePolicy.reply;
  return typeof reply === 'object'
    ? new Date(lastInboundAt.getTime() + reply.hoursAfterInbound * 3_600_000)
    : undefined;
};

export const showConversation = (
  row: ConversationRow,
  channel: AnyChannel | undefined,
  contact: ContactCard | undefined,
  last: InboundRow | undefined,
): ConversationItem => ({
  id: toWire('conversation', row.id),
  object: 'conversation',
  livemode: row.mode === 'live',
  channel: row.channel,
  connection_id: toWire('connection', row.connectionId),
  address: row.address,
  contact: contact ?? null,
  status: row.status,
  assignee: row.assignee,
  unread_count: row.unread,
  last_inbound_at: row.lastInboundAt?.toISOString() ?? null,
  window_expires_at: (row.lastInboundAt && windowEnd(channel, row.lastInboundAt)?.toISOString()) ?? null,
  last_message: last ? { kind: last.kind, text: last.text, created_at: timeOf(last.id).toISOString() } : null,
  created_at: row.createdAt.toISOString(),
  updated_at: row.updatedAt.toISOString(),
});

export const showInbound = (
  row: InboundRow,
  contact: ContactCard | undefined,
  media: readonly MediaRow[],
): InboundItem => ({
  id: toWire('message', row.id),
  object: 'message',
  livemode: row.mode === 'live',
  direction: row.own ? 'outbound' : 'inbound',
  channel: row.channel,
  connection_id: toWire('connection', row.connectionId),
  conversation_id: toWire('conversation', row.conversationId),
  contact: contact ?? null,
  from: row.address,
  origin: row.origin,
  content: { kind: row.kind, text: row.text, data: row.data as Record<string, unknown> | null },
  media: media
    .filter(({ messageId }) => messageId === row.id)
    .map(({ id, mime, filename, size, status }) => ({
      id: toWire('media', id),
      mime,
      filename,
      size,
      status,
      url: `/api/v1/media/${toWire('media', id)}`,
    })),
  reply_to:
    row.replyTo === null
      ? null
      : { provider_id: row.replyTo, message_id: row.replyToId && toWire('message', row.replyToId) },
  provider_id: row.providerId,
  created_at: timeOf(row.id).toISOString(),
  received_at: row.receivedAt.toISOString(),
});
