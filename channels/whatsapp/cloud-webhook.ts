/**
 * Meta's callbacks: the subscription challenge, the signature, and what stands in the body.
 *
 * One body carries up to a thousand statuses, messages and news of any number of accounts.
 * Source: Cloud API webhooks and media, read 2026-08.
 */
import {
  type ChannelEvent,
  DeliveryError,
  hmac,
  parseJson,
  type RawRequest,
  sameBytes,
  textAt,
  type Webhook,
} from '../../src/channel-kit/index.ts';
import { exampleCodes } from './cloud-faults.ts';
import { messagesOf } from './cloud-messages.ts';
import { accountErrors, newsOf } from './cloud-news.ts';
import { type Change, changesOf } from './cloud-reading.ts';
import { statusesOf } from './cloud-statuses.ts';

const SIGNATURE = 'x-hub-signature-256';

const handshake: Webhook['handshake'] = ({ method, query }, { verify_token }) => {
  if (method !== 'GET' || query['hub.mode'] !== 'subscribe') return undefined;
  const challenge = query['hub.challenge'];
  const known = Boolean(verify_token) && sameBytes(query['hub.verify_token'], String(verify_token));
  return challenge !== undefined && known ? challenge : false;
};

const sign = (secret: string, body: Buffer) => `sha256=${hmac('sha256', secret, body).toString('hex')}`;

function verify(request: RawRequest, { app_secret }: Readonly<Record<string, unknown>>): boolean {
  return Boolean(app_secret) && sameBytes(request.headers[SIGNATURE], sign(String(app_secret), request.body));
}

function parse(request: RawRequest): readonly ChannelEvent[] {
  const payload = parseJson(request.body);
  if (payload === undefined) return [{ type: 'ignored', reason: 'not JSON' }];
  const events = changesOf(payload).flatMap(eventsOf);
  return events.length > 0 ? events : [{ type: 'ignored', reason: 'no changes' }];
}

const MESSAGES = ['messages', 'smb_message_echoes', 'history'];

function eventsOf(change: Change): readonly ChannelEvent[] {
  const events = MESSAGES.includes(change.field)
    ? [...statusesOf(change), ...messagesOf(change), ...accountErrors(change)]
    : newsOf(change);
  return events && events.length > 0 ? events : [{ type: 'ignored', reason: `field ${change.field.slice(0, 100)}` }];
}

/** First the address of the file, which lives five minutes, then the file; both only for those who have the token. */
const media: Webhook['media'] = async ({ providerId }, { credentials, http, download, fault }) => {
  const { base_url, phone_number_id, access_token } = credentials;
  if (!providerId || !/^\d{1,40}$/.test(providerId))
    throw new DeliveryError('content_invalid', { providerMessage: 'the provider named no file' });
  const bearer = String(access_token);
  const response = await http({ url: `${base_url}/${providerId}?phone_number_id=${phone_number_id}`, bearer });
  const url = textAt(response.json(), 'url');
  if (response.status !== 200 || !url) throw fault(response);
  const { mime, bytes } = await download({ url, bearer });
  return { mime: textAt(response.json(), 'mime_type') ?? mime, bytes };
};

const emulate: Webhook['emulate'] = (
  receipt,
  { providerId, reference, address, fault, url, at: moment },
  credentials,
) => {
  const [code, title] = exampleCodes[fault ?? 'provider_rejected'] ?? [131049, 'Not delivered'];
  const failed = receipt === 'failed' || receipt === 'bounced';
  const status = {
    id: providerId,
    status: failed ? 'failed' : receipt,
    timestamp: String(Math.floor(moment.getTime() / 1_000)),
    recipient_id: address.replace(/^\+/, ''),
    biz_opaque_callback_data: reference,
    ...(failed ? { errors: [{ code, title, message: title, error_data: { details: title } }] } : {}),
  };
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '15550000000', phone_number_id: String(credentials.phone_number_id) },
    statuses: [status],
  };
  const payload = {
    object: 'whatsapp_business_account',
    entry: [{ id: String(credentials.waba_id ?? '0'), changes: [{ field: 'messages', value }] }],
  };
  // The provider escapes everything beyond ASCII, which is why the signature must be checked over the raw bytes.
  const text = JSON.stringify(payload).replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const body = Buffer.from(text);
  const headers = { 'content-type': 'application/json', [SIGNATURE]: sign(String(credentials.app_secret), body) };
  return { method: 'POST', url, query: Object.fromEntries(new URL(url).searchParams), headers, body, at: moment };
};

export const webhook: Webhook = { handshake, verify, parse, media, emulate };
