/**
 * What an endpoint is told of by itself, and in which words: our envelope, or the shape that bots of WhatsApp gateways read.
 * What a provider has sent is passed on as it came and is not made here. Pure.
 */
import type { Event } from '../events/index.ts';

/** Words of ours, not of a provider. */
export const isOurs = (format: string): boolean => format === 'native' || format === 'messages';

export const isSubscribed = (
  { eventTypes }: { readonly eventTypes: readonly string[] | null },
  type: string,
): boolean => (eventTypes ? eventTypes.includes(type) : type !== 'message.queued');

/** The bytes of a delivery. */
export const bodyOf = (event: Event, sequence: number, format: string): string =>
  JSON.stringify(format === 'messages' ? gatewayShape(event) : envelope(event, sequence));

/** D35; in this order on the wire. */
const envelope = ({ id, type, created_at, timestamp, livemode, data }: Event, sequence: number): object => ({
  ...{ id, type, created_at, timestamp, livemode, sequence, data },
});

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const objectOf = (value: unknown): Json => (isObject(value) ? value : {});

/** `{event, data}`: the event under its name there, and of messages what Meta's own words say of them. */
function gatewayShape({ type, data, created_at }: Event): object {
  if (!type.startsWith('message.')) return { event: type, data };
  const event = type.replace('message.', 'messages.');
  return { event, data: type === 'message.received' ? received(data, created_at) : status(type, data, created_at) };
}

/** Addresses as Meta writes them: digits alone. */
const plain = (address: unknown): unknown =>
  typeof address === 'string' && /^\+\d+$/.test(address) ? address.slice(1) : address;
const seconds = (time: string): string => String(Math.floor(Date.parse(time) / 1_000));

function received(data: Json, at: string): object {
  const content = objectOf(data.content);
  const replyTo = objectOf(data.reply_to).provider_id;
  return {
    from: plain(data.from),
    message_id: data.provider_id ?? data.id,
    timestamp: seconds(at),
    ...contentOf(content, data.media),
    ...(typeof replyTo === 'string' ? { context: { message_id: replyTo } } : {}),
    channel: data.channel,
    conversation_id: data.conversation_id,
  };
}

const REPLIES: Readonly<Record<string, string>> = { button: 'button_reply', list: 'list_reply', form: 'nfm_reply' };
const WITH_MEDIA = new Set(['image', 'video', 'audio', 'document', 'sticker']);

/** `{type, <type>: …}`, as Meta's message object has it. */
function contentOf({ kind, text, data: more }: Json, media: unknown): object {
  const name = String(kind ?? 'unsupported');
  const said = typeof text === 'string' ? text : undefined;
  const reply = REPLIES[name];
  if (reply) {
    const chosen = { ...objectOf(more), ...(reply !== 'nfm_reply' && said !== undefined ? { title: said } : {}) };
    return { type: 'interactive', interactive: { type: reply, [reply]: chosen } };
  }
  if (name === 'text') return { type: 'text', text: { body: said ?? '' } };
  const words = said === undefined ? {} : { [WITH_MEDIA.has(name) ? 'caption' : 'text']: said };
  const [first] = Array.isArray(media) ? (media as Json[]) : [];
  return { type: name, [name]: { ...(first && WITH_MEDIA.has(name) ? first : {}), ...objectOf(more), ...words } };
}

function status(type: string, data: Json, at: string): object {
  const failure = objectOf(data.failure);
  return {
    message_id: data.message_id,
    to: plain(data.address),
    status: type.replace('message.', ''),
    timestamp: seconds(at),
    notification_id: data.notification_id,
    channel: data.channel,
    ...(failure.code === undefined ? {} : { errors: [{ code: failure.code, title: failure.message }] }),
  };
}
