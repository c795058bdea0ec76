/**
 * What people wrote, what our side wrote on a telephone of its own, and what both wrote before the number was connected.
 *
 * A message is known by its id, whichever way it comes. Of a history, media come later as messages of their own in the same
 * field: they are as old as the rest of it. Source: Cloud API webhooks and coexistence, read 2026-08.
 */
import {
  at,
  type ChannelEvent,
  type InboundContent,
  type InboundMessage,
  listAt,
  textAt,
  unixDate,
} from '../../src/channel-kit/index.ts';
import { contentOf } from './cloud-content.ts';
import { type Change, numberOf, personOf, plain } from './cloud-reading.ts';

type Origin = NonNullable<InboundMessage['origin']>;

export function messagesOf(change: Change): readonly ChannelEvent[] {
  const { field, value } = change;
  if (field === 'smb_message_echoes')
    return listAt(value, 'message_echoes').map((message) => messageOf(message, change, 'echo', true));
  const messages = listAt(value, 'messages');
  if (field !== 'history') return messages.map((message) => messageOf(message, change, 'live', false));
  const threads = listAt(value, 'history').flatMap((chunk) => listAt(chunk, 'threads'));
  return [
    ...threads.flatMap((thread) =>
      listAt(thread, 'messages').map((message) =>
        messageOf(message, change, 'history', isOwn(message, change), textAt(thread, 'id')),
      ),
    ),
    ...messages.map((message) => messageOf(message, change, 'history', isOwn(message, change))),
    ...listAt(value, 'history').flatMap((chunk) =>
      listAt(chunk, 'errors').map((): ChannelEvent => ({ type: 'ignored', reason: 'the history is not shared' })),
    ),
  ];
}

/** Written from the business's own number. */
function isOwn(message: unknown, { value }: Change): boolean {
  if (at(message, 'history_context', 'from_me') === true) return true;
  const own = textAt(value, 'metadata', 'display_phone_number')?.replace(/\D/g, '');
  return own !== undefined && textAt(message, 'from')?.replace(/\D/g, '') === own;
}

function messageOf(message: unknown, change: Change, origin: Origin, own: boolean, thread?: string): ChannelEvent {
  const providerId = textAt(message, 'id');
  const type = textAt(message, 'type') ?? 'unknown';
  const person = own
    ? personOf(textAt(message, 'to') ?? thread, textAt(message, 'to_user_id'), change)
    : personOf(textAt(message, 'from') ?? thread, textAt(message, 'from_user_id'), change);
  if (!providerId || !person) return { type: 'ignored', reason: `${type} of nobody known` };
  if (type === 'media_placeholder') return { type: 'ignored', reason: 'its media come later' };
  const account = numberOf(change);
  const moment = unixDate(textAt(message, 'timestamp'));
  const { replyTo = textAt(message, 'context', 'id'), ...content } = contentOf(message, type);
  return {
    type: 'message',
    key: providerId,
    providerId,
    ...(account ? { account } : {}),
    ...(moment ? { at: moment } : {}),
    ...(origin === 'live' ? {} : { origin }),
    ...(own ? { own } : {}),
    person,
    content: withCircumstances(content, message),
    ...(replyTo ? { replyTo } : {}),
  };
}

/** Where it came from: an advertisement, a product, another chat, a group. */
function withCircumstances(content: InboundContent, message: unknown): InboundContent {
  const referral = at(message, 'referral');
  const product = at(message, 'context', 'referred_product');
  const data = {
    ...content.data,
    ...plain(at(message, 'context'), 'forwarded', 'frequently_forwarded'),
    ...plain(message, 'group_id'),
    ...(typeof referral === 'object' && referral !== null ? { referral } : {}),
    ...(typeof product === 'object' && product !== null ? { referred_product: product } : {}),
  };
  return Object.keys(data).length > 0 ? { ...content, data } : content;
}
