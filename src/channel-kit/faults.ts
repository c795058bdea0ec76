/**
 * Why a provider did not take a message: a small closed vocabulary, and the one place that turns an answer into it.
 *
 * The public text never names a provider; the provider's own code and words travel beside it for operators.
 */
import type { Adapter, Credentials, HttpResponse } from './contract.ts';
import { storable } from './untrusted.ts';

export type FaultKind =
  | 'credentials_invalid'
  | 'recipient_invalid'
  | 'recipient_opted_out'
  | 'content_invalid'
  | 'template_rejected'
  | 'outside_window'
  | 'provider_rejected'
  | 'rate_limited'
  | 'provider_unavailable'
  | 'outcome_unknown'
  | 'response_unexpected';

/** Who must act. Platform and provider faults are logged as errors, the others are everyday life. */
export type FaultOwner = 'tenant' | 'recipient' | 'provider' | 'platform';

export interface FaultMeaning {
  /** A later attempt may succeed, and this one is known not to have been accepted. */
  readonly retryable: boolean;
  readonly owner: FaultOwner;
  /** What happened, for the tenant. */
  readonly message: string;
  /** What to do about it. */
  readonly fix: string;
}

export const FAULTS: Readonly<Record<FaultKind, FaultMeaning>> = {
  credentials_invalid: {
    retryable: false,
    owner: 'tenant',
    message: "The channel's connection was refused: its credentials are wrong, expired or lack a permission.",
    fix: 'Open Channels in the portal, renew the credentials and press Test; then send again.',
  },
  recipient_invalid: {
    retryable: false,
    owner: 'recipient',
    message: 'This address cannot be reached on this channel.',
    fix: 'Check the address, or use another channel for this person.',
  },
  recipient_opted_out: {
    retryable: false,
    owner: 'recipient',
    message: 'The person has asked not to be written to on this channel.',
    fix: 'Respect it. Only the person can take it back, by opting in again.',
  },
  content_invalid: {
    retryable: false,
    owner: 'tenant',
    message: 'The finished message was not acceptable: too long, empty, or not in the form the channel takes.',
    fix: 'Look at the rendered message, shorten or correct the text or the data, and send again.',
  },
  template_rejected: {
    retryable: false,
    owner: 'tenant',
    message: 'The template is not approved, paused, or does not fit its variables.',
    fix: 'Compare the template with the approved one (name, language, number of variables), then send again.',
  },
  outside_window: {
    retryable: false,
    owner: 'tenant',
    message: 'Free text is only allowed within 24 hours of the last message from this person.',
    fix: 'Send an approved template instead.',
  },
  provider_rejected: {
    retryable: false,
    owner: 'provider',
    message: 'The message was refused.',
    fix: 'See the details of the attempt; if the reason is not yours, try another channel.',
  },
  rate_limited: {
    retryable: true,
    owner: 'provider',
    message: 'Too many messages for now.',
    fix: 'Nothing to do: it is sent again by itself. If it lasts, lower the pace of the connection.',
  },
  provider_unavailable: {
    retryable: true,
    owner: 'provider',
    message: 'The provider could not be reached or answered that it is out of order.',
    fix: 'Nothing to do: it is sent again by itself. After the last attempt, retry the notification.',
  },
  outcome_unknown: {
    retryable: false,
    owner: 'provider',
    message: 'The message left, but no answer came back: it may or may not have arrived.',
    fix: 'It is settled by a receipt if one comes. Send again only if a second copy does no harm.',
  },
  response_unexpected: {
    retryable: false,
    owner: 'platform',
    message: 'The provider answered in a way that could not be understood.',
    fix: 'Show the operator this message id; the raw answer is kept with the attempt.',
  },
};

export interface Fault {
  readonly kind: FaultKind;
  /** The provider's own code and text. Operators, and the owner of the connection, see them. */
  readonly providerCode?: string;
  readonly providerMessage?: string;
  /** Seconds the provider asked us to wait. */
  readonly retryAfterSeconds?: number;
}

/** The one thing an adapter throws on purpose. */
export class DeliveryError extends Error {
  readonly fault: Fault;
  constructor(kind: FaultKind, details: Omit<Fault, 'kind'> = {}) {
    super(details.providerMessage ?? kind);
    this.name = 'DeliveryError';
    this.fault = { ...details, kind };
  }
}

/** A recipient that cannot be turned into an address. The message says the fix. */
export class AddressError extends Error {
  readonly field: string;
  constructor(field: string, message: string) {
    super(message);
    this.name = 'AddressError';
    this.field = field;
  }
}

/** Template content that cannot be sent as written. `path` is a JSON pointer within the content. */
export class ContentError extends Error {
  readonly path: string;
  constructor(path: string, message: string) {
    super(message);
    this.name = 'ContentError';
    this.path = path;
  }
}

const PROVIDER_TEXT_MAX = 1_000;

/**
 * The only classifier: the provider's own code first, the HTTP status as fallback.
 * 408, 425 and 5xx mean "not taken, try later", except a gateway's own 502 and 504; a success status that led here could not be read, so its outcome is unknown.
 * With the connection's credentials given, its secrets are blotted out of the provider's words.
 */
export function classify(
  adapter: Pick<Adapter, 'faults' | 'faultCode' | 'credentials'>,
  response: HttpResponse,
  credentials: Credentials = {},
): DeliveryError {
  const providerCode = adapter.faultCode?.(response);
  const details = {
    providerCode: redact(providerCode ?? String(response.status), adapter, credentials),
    providerMessage: storable(redact(response.text, adapter, credentials), PROVIDER_TEXT_MAX),
    ...retryAfter(response),
  };
  const known = providerCode === undefined ? undefined : adapter.faults[providerCode];
  return new DeliveryError(known ?? byStatus(response.status, providerCode !== undefined), details);
}

/** Text that a provider wrote, without the secrets it may have repeated: as they are, escaped, or within a header of Basic. */
export function redact(text: string, adapter: Pick<Adapter, 'credentials'>, credentials: Credentials): string {
  let clean = text;
  const secrets = adapter.credentials.flatMap(({ name, secret }) => {
    const value = credentials[name];
    return secret && typeof value === 'string' && value.length >= SECRET_MIN ? [value] : [];
  });
  for (const value of secrets)
    for (const form of new Set([value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)]))
      clean = clean.replaceAll(form, '[redacted]');
  return clean.replace(ENCODED, (run) => {
    const plain = Buffer.from(run, 'base64');
    return secrets.some((value) => plain.includes(value)) ? '[redacted]' : run;
  });
}

/** What may be base64 of something. */
const ENCODED = /[A-Za-z0-9+/_-]{8,}={0,2}/g;
/** Shorter secrets would blot out ordinary words. */
const SECRET_MIN = 4;

function byStatus(status: number, spoken: boolean): FaultKind {
  if (status >= 200 && status < 300) return 'outcome_unknown';
  // A gateway that lost its upstream cannot know whether the request arrived; the provider's own words could.
  if ((status === 502 || status === 504) && !spoken) return 'outcome_unknown';
  if (status === 401 || status === 403) return 'credentials_invalid';
  if (status === 429) return 'rate_limited';
  if (status === 408 || status === 425 || status >= 500) return 'provider_unavailable';
  if (status >= 400) return 'provider_rejected';
  return 'response_unexpected';
}

/** `Retry-After` as seconds or as an HTTP date (RFC 9110 §10.2.3), at most one day. */
function retryAfter(response: HttpResponse): { retryAfterSeconds?: number } {
  const value = response.headers['retry-after'];
  if (!value) return {};
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? { retryAfterSeconds: Math.min(Math.max(Math.ceil(seconds), 0), 86_400) } : {};
}
