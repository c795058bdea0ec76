/**
 * What a message says, in the words all channels share. What is of no known type is kept as unsupported, with what it called
 * itself. Source: Cloud API webhooks, message types, read 2026-08.
 */
import { at, type InboundContent, listAt, parseJson, textAt } from '../../src/channel-kit/index.ts';
import { plain } from './cloud-reading.ts';

/** `replyTo` is what it changes, takes back or reacts to. */
export type Said = InboundContent & { readonly replyTo?: string };

const READERS: Readonly<Record<string, (message: unknown) => Said>> = {
  text: (message) => ({ kind: 'text', ...text(textAt(message, 'text', 'body')) }),
  image: (message) => media('image', message),
  video: (message) => media('video', message),
  audio: (message) => media('audio', message),
  document: (message) => media('document', message),
  sticker: (message) => media('sticker', message),
  location(message) {
    const data = plain(at(message, 'location'), 'latitude', 'longitude', 'name', 'address', 'url');
    return { kind: 'location', ...text([data.name, data.address].filter(Boolean).join(', ')), data };
  },
  contacts(message) {
    const contacts = listAt(message, 'contacts');
    const names = contacts.map((one) => textAt(one, 'name', 'formatted_name')).filter(Boolean);
    return { kind: 'contacts', ...text(names.join(', ')), data: { contacts } };
  },
  reaction(message) {
    const emoji = textAt(message, 'reaction', 'emoji') || undefined;
    return {
      kind: 'reaction',
      ...text(emoji),
      data: { emoji: emoji ?? null },
      ...replyTo(textAt(message, 'reaction', 'message_id')),
    };
  },
  button(message) {
    const title = textAt(message, 'button', 'text');
    return { kind: 'button', ...text(title), data: choice(textAt(message, 'button', 'payload'), title) };
  },
  interactive,
  order(message) {
    const order = at(message, 'order');
    return {
      kind: 'order',
      ...text(textAt(order, 'text')),
      data: { ...plain(order, 'catalog_id'), product_items: listAt(order, 'product_items') },
    };
  },
  system(message) {
    const system = at(message, 'system');
    const data = plain(system, 'type', 'wa_id', 'new_wa_id', 'user_id', 'identity', 'customer');
    return { kind: 'system', ...text(textAt(system, 'body')), data };
  },
  request_welcome: () => ({ kind: 'system', data: { type: 'request_welcome' } }),
  edit(message) {
    const inner = at(message, 'edit', 'message');
    const type = textAt(inner, 'type') ?? 'unknown';
    // An edit holds anything but another one, however deep a stranger may nest them.
    const said = type === 'edit' ? unsupported(inner, type) : contentOf(inner, type);
    return { ...said, kind: 'edit', ...replyTo(textAt(message, 'edit', 'original_message_id')) };
  },
  revoke: (message) => ({ kind: 'revoke', ...replyTo(textAt(message, 'revoke', 'original_message_id')) }),
};

export function contentOf(message: unknown, type: string): Said {
  const reader = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  return reader?.(message) ?? unsupported(message, type);
}

function interactive(message: unknown): Said {
  const what = at(message, 'interactive');
  const type = textAt(what, 'type') ?? 'unknown';
  const chosen = at(what, type);
  const title = textAt(chosen, 'title');
  if (type === 'button_reply') return { kind: 'button', ...text(title), data: choice(textAt(chosen, 'id'), title) };
  if (type === 'list_reply')
    return {
      kind: 'list',
      ...text(title),
      data: { ...choice(textAt(chosen, 'id'), title), ...plain(chosen, 'description') },
    };
  if (type === 'nfm_reply')
    return {
      kind: 'form',
      ...text(textAt(chosen, 'body')),
      data: { ...plain(chosen, 'name'), response: parseJson(textAt(chosen, 'response_json') ?? '') ?? null },
    };
  return unsupported(message, `interactive ${type}`);
}

function media(kind: 'image' | 'video' | 'audio' | 'document' | 'sticker', message: unknown): Said {
  const it = at(message, kind);
  const [providerId, filename, sha256] = [textAt(it, 'id'), textAt(it, 'filename'), textAt(it, 'sha256')];
  const data = plain(it, 'voice', 'animated');
  return {
    kind,
    ...text(textAt(it, 'caption')),
    ...(Object.keys(data).length > 0 ? { data } : {}),
    ...(providerId
      ? {
          media: [
            {
              mime: textAt(it, 'mime_type') ?? 'application/octet-stream',
              providerId,
              ...(filename ? { filename } : {}),
              ...(sha256 ? { sha256 } : {}),
            },
          ],
        }
      : {}),
  };
}

function unsupported(message: unknown, type: string): Said {
  const error = at(message, 'errors', 0);
  const [code, title] = [textAt(error, 'code'), textAt(error, 'title')];
  return { kind: 'unsupported', data: { type, ...(code ? { code } : {}), ...(title ? { title } : {}) } };
}

const text = (said: string | undefined) => (said ? { text: said } : {});
const replyTo = (id: string | undefined) => (id ? { replyTo: id } : {});
const choice = (id: string | undefined, title: string | undefined) => ({
  ...(id === undefined ? {} : { id }),
  ...(title === undefined ? {} : { title }),
});
