/**
 * What Twilio's messages and calls have in common: the account, the signed form posts, the error codes.
 *
 * Source: Twilio REST API 2010-04-01, request validation and error dictionary, read 2026-08. Twilio splits its codes ever
 * finer, so an unknown one falls back to the HTTP status on a send and to `provider_rejected` in a callback.
 */
import {
  type ChannelEvent,
  type CheckContext,
  type Credentials,
  dateOf,
  type Fault,
  type FaultKind,
  type Field,
  formOf,
  type HttpResponse,
  hmac,
  type RawRequest,
  type Receipt,
  sameBytes,
  sha256Hex,
  textAt,
} from '../src/channel-kit/index.ts';

const SIGNATURE = 'x-twilio-signature';

export const accountFields: readonly Field[] = [
  {
    name: 'account_sid',
    label: 'Account SID',
    required: true,
    pattern: '^AC[0-9a-fA-F]{32}$',
    example: 'AC0123456789abcdef0123456789abcdef',
  },
  {
    name: 'auth_token',
    label: 'Auth token',
    required: true,
    secret: true,
    help: 'It also proves that callbacks are genuine.',
  },
];
export const baseUrlField: Field = {
  name: 'base_url',
  label: 'API address',
  type: 'url',
  default: 'https://api.twilio.com',
};

export const faults: Readonly<Record<string, FaultKind>> = {
  // On the request.
  20003: 'credentials_invalid',
  20404: 'credentials_invalid',
  20429: 'rate_limited',
  14107: 'rate_limited',
  21210: 'credentials_invalid',
  21212: 'credentials_invalid',
  21606: 'credentials_invalid',
  21659: 'credentials_invalid',
  21703: 'credentials_invalid',
  21705: 'credentials_invalid',
  21211: 'recipient_invalid',
  13224: 'recipient_invalid',
  21614: 'recipient_invalid',
  21610: 'recipient_opted_out',
  21611: 'rate_limited',
  21602: 'content_invalid',
  21617: 'content_invalid',
  12100: 'content_invalid',
  // The country is not switched on, the trial account may not, there is no route: true for this number, not for the next.
  21215: 'provider_rejected',
  21219: 'provider_rejected',
  21408: 'provider_rejected',
  21608: 'provider_rejected',
  21612: 'provider_rejected',
  // In a later status.
  30001: 'provider_unavailable',
  30002: 'credentials_invalid',
  30003: 'provider_unavailable',
  30004: 'provider_rejected',
  30005: 'recipient_invalid',
  30006: 'recipient_invalid',
  30007: 'provider_rejected',
  30008: 'provider_unavailable',
  30010: 'provider_rejected',
  30022: 'rate_limited',
  30023: 'rate_limited',
  30032: 'credentials_invalid',
  30034: 'credentials_invalid',
  30036: 'provider_rejected',
};

export const faultCode = (response: HttpResponse): string | undefined => textAt(response.json(), 'code');

export const account = ({ base_url, account_sid }: Credentials) => `${base_url}/2010-04-01/Accounts/${account_sid}`;
export const basic = ({ account_sid, auth_token }: Credentials) => [String(account_sid), String(auth_token)] as const;

export async function checkAccount({ credentials, http, fault }: CheckContext): Promise<string> {
  const response = await http({ url: `${account(credentials)}.json`, basic: basic(credentials) });
  const body = response.json();
  const status = textAt(body, 'status');
  if (response.status !== 200 || !status) throw fault(response);
  return `${textAt(body, 'friendly_name') ?? 'Account'}, ${status}`;
}

/**
 * Form posts sign the address and their sorted fields; JSON posts sign the address, which then carries the body's digest.
 * A proxy may have added or dropped the default port, so both spellings are tried.
 */
export function verify(request: RawRequest, { auth_token, account_sid }: Credentials): boolean {
  const given = request.headers[SIGNATURE];
  if (!auth_token || given === undefined) return false;
  let signed = '';
  if (request.query.bodySHA256 === undefined) {
    if (formOf(request.body).AccountSid !== account_sid) return false;
    signed = sortedFields(request.body);
  } else if (!sameBytes(request.query.bodySHA256, sha256Hex(request.body))) return false;
  const expected = spellings(request.url).map((url) => signature(String(auth_token), url + signed));
  // Every spelling is compared, so that time does not tell which one it was.
  return expected.map((one) => sameBytes(given, one)).includes(true);
}

const signature = (token: string, text: string) => hmac('sha1', token, text).toString('base64');

/** Names in byte order; of a repeated name, its different values in byte order. */
function sortedFields(body: Buffer): string {
  const values = new Map<string, Set<string>>();
  for (const [name, value] of new URLSearchParams(body.toString()))
    values.set(name, (values.get(name) ?? new Set()).add(value));
  return [...values.keys()]
    .sort()
    .flatMap((name) => [...(values.get(name) ?? [])].sort().map((value) => name + value))
    .join('');
}

function spellings(url: string): string[] {
  const [, scheme, host, port, rest] = /^(https?):\/\/([^/?#]*?)(:\d+)?([/?#].*)?$/.exec(url) ?? [];
  const usual = scheme === 'https' ? ':443' : ':80';
  if (!scheme || (port && port !== usual)) return [url];
  return [`${scheme}://${host}${rest ?? ''}`, `${scheme}://${host}${usual}${rest ?? ''}`];
}

/** A status post as this provider signs it. */
export function signedPost(
  url: string,
  fields: Readonly<Record<string, string>>,
  credentials: Credentials,
): RawRequest {
  const body = Buffer.from(new URLSearchParams(fields).toString());
  return {
    method: 'POST',
    url,
    query: Object.fromEntries(new URL(url).searchParams),
    headers: {
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
      [SIGNATURE]: signature(String(credentials.auth_token), url + sortedFields(body)),
    },
    body,
  };
}

/** One status post as one event. `ref` in the callback address is our own reference, which settles a lost answer. */
export function statusEvent(
  request: RawRequest,
  names: { readonly id: string; readonly status: string; readonly code: string },
  receipts: Readonly<Record<string, Receipt>>,
  faultFor: (code: string | undefined, status: string) => FaultKind,
): readonly ChannelEvent[] {
  const form = formOf(request.body);
  const providerId = form[names.id];
  const status = form[names.status] ?? 'none';
  const receipt = Object.hasOwn(receipts, status) ? receipts[status] : undefined;
  if (!providerId || !receipt) return [{ type: 'ignored', reason: `status ${status}` }];
  const reference = request.query.ref;
  const at = dateOf(form.Timestamp);
  const code = form[names.code] || undefined;
  const fault: Fault = { kind: faultFor(code, status), providerCode: code ?? status };
  return [
    {
      type: 'receipt',
      key: `${providerId}:${status}`,
      providerId,
      ...(reference ? { reference } : {}),
      receipt,
      ...(at ? { at } : {}),
      ...(receipt === 'failed' ? { fault } : {}),
    },
  ];
}
