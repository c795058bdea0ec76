/**
 * What people write to a number at Twilio: text, pictures, and the words with which they leave and come back, which Twilio
 * itself acts on when its advanced opt-out is on. Source: Twilio incoming messages and media, read 2026-08.
 */
import {
  type ChannelEvent,
  DeliveryError,
  formOf,
  type InboundContent,
  type InboundMedia,
  type InboundMessage,
  type RawRequest,
  type Webhook,
} from '../../src/channel-kit/index.ts';
import { basic } from '../twilio.ts';

/** Twilio sends ten pieces at most. */
const MEDIA_MAX = 10;

/** A status names itself in a field that no message has. */
export function isInbound({ body }: RawRequest): boolean {
  const form = formOf(body);
  return form.MessageStatus === undefined && (form.SmsStatus === 'received' || form.Body !== undefined);
}

export function messageOf({ body }: RawRequest): ChannelEvent {
  const form = formOf(body);
  const { MessageSid: providerId, From: phone } = form;
  // Short codes and names cannot be answered, and accounts of other apps come as `whatsapp:+…`.
  if (!providerId || !phone || !/^\+[1-9]\d{6,14}$/.test(phone))
    return { type: 'ignored', reason: 'a sender without a number' };
  const word = wordOf(form.OptOutType);
  return {
    type: 'message',
    key: providerId,
    providerId,
    person: { recipient: { phone }, identities: [{ kind: 'phone', value: phone }] },
    content: contentOf(form),
    ...(word ? { word } : {}),
  };
}

const wordOf = (told: string | undefined): InboundMessage['word'] =>
  (['stop', 'start', 'help'] as const).find((word) => word === told?.toLowerCase());

function contentOf(form: Readonly<Record<string, string>>): InboundContent {
  const count = Math.min(Math.max(Number(form.NumMedia) || 0, 0), MEDIA_MAX);
  const media = Array.from({ length: count }, (_, i) => ({
    mime: form[`MediaContentType${i}`],
    url: form[`MediaUrl${i}`],
  }))
    .filter((one): one is { mime: string; url: string } => Boolean(one.url))
    .map(({ mime = 'application/octet-stream', url }): InboundMedia => ({ mime, url }));
  return {
    kind: media[0] ? kindOf(media[0].mime) : 'text',
    ...(form.Body ? { text: form.Body } : {}),
    ...(form.To ? { data: { to: form.To } } : {}),
    ...(media.length > 0 ? { media } : {}),
  };
}

const kindOf = (mime: string): InboundContent['kind'] =>
  (['image', 'video', 'audio'] as const).find((family) => mime.startsWith(`${family}/`)) ?? 'document';

/** The file lies elsewhere, at an address that Twilio gives to those who sign in; the password stays with Twilio. */
export const media: Webhook['media'] = async ({ url }, { credentials, http, download, fault }) => {
  if (!url?.startsWith(`${credentials.base_url}/`))
    throw new DeliveryError('content_invalid', { providerMessage: 'the file lies at an address of somebody else' });
  const response = await http({ url, basic: basic(credentials) });
  const { location } = response.headers;
  if (response.status >= 300 && response.status < 400 && location) return download({ url: location });
  if (response.status !== 200) throw fault(response);
  return download({ url, basic: basic(credentials) });
};
