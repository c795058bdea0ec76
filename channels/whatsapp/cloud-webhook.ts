/**
 * Meta's callbacks: the subscription challenge, the signature, and statuses as receipts.
 *
 * One body carries up to a thousand statuses of any number of accounts; duplicates and wrong order are normal, so a
 * receipt is known by message id and status. Source: Cloud API webhooks, read 2026-08.
 */
import {
  at,
  type ChannelEvent,
  type Fault,
  hmac,
  listAt,
  parseJson,
  type RawRequest,
  type Receipt,
  sameBytes,
  textAt,
  unixDate,
  type Webhook,
} from '../../src/channel-kit/index.ts';
import { exampleCodes, faults } from './cloud-faults.ts';

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

/** `played` is what a voice note gets instead of `read`. */
const RECEIPTS: Readonly<Record<string, Receipt>> = {
  sent: 'sent',
  delivered: 'delivered',
  read: 'read',
  played: 'read',
  failed: 'failed',
};

function parse(request: RawRequest): readonly ChannelEvent[] {
  const payload = parseJson(request.body);
  if (payload === undefined) return [{ type: 'ignored', reason: 'not JSON' }];
  const changes = listAt(payload, 'entry').flatMap((entry) => listAt(entry, 'changes'));
  const events = changes.flatMap((change): ChannelEvent[] => {
    const value = at(change, 'value');
    const statuses = at(change, 'field') === 'messages' ? listAt(value, 'statuses') : [];
    if (statuses.length === 0) return [{ type: 'ignored', reason: `field ${textAt(change, 'field') ?? 'unknown'}` }];
    return statuses.map((status) => receiptOf(status, textAt(value, 'metadata', 'phone_number_id')));
  });
  return events.length > 0 ? events : [{ type: 'ignored', reason: 'no changes' }];
}

function receiptOf(status: unknown, account: string | undefined): ChannelEvent {
  const providerId = textAt(status, 'id');
  const word = textAt(status, 'status') ?? 'none';
  const receipt = Object.hasOwn(RECEIPTS, word) ? RECEIPTS[word] : undefined;
  if (!providerId || !receipt) return { type: 'ignored', reason: `status ${word}` };
  const reference = textAt(status, 'biz_opaque_callback_data');
  const moment = unixDate(textAt(status, 'timestamp'));
  return {
    type: 'receipt',
    key: `${providerId}:${word}`,
    providerId,
    ...(reference ? { reference } : {}),
    ...(account ? { account } : {}),
    receipt,
    ...(moment ? { at: moment } : {}),
    ...(receipt === 'failed' ? { fault: faultOf(at(status, 'errors', 0)) } : {}),
  };
}

function faultOf(error: unknown): Fault {
  const code = textAt(error, 'code');
  const kind = (code !== undefined && Object.hasOwn(faults, code) ? faults[code] : undefined) ?? 'provider_rejected';
  const said = [textAt(error, 'title') ?? textAt(error, 'message'), textAt(error, 'error_data', 'details')].filter(
    Boolean,
  );
  return {
    kind,
    ...(code ? { providerCode: code } : {}),
    ...(said.length > 0 ? { providerMessage: said.join(': ').slice(0, 1_000) } : {}),
  };
}

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

export const webhook: Webhook = { handshake, verify, parse, emulate };
