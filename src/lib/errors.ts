/**
 * Every refusal at our door, in one table: code → type, status, meaning. The reference page, the OpenAPI document and the
 * tests read this table; a code that is not here cannot be thrown. Text for the caller always says the fix.
 */

export type ErrorType =
  | 'authentication_error'
  | 'permission_error'
  | 'invalid_request_error'
  | 'policy_error'
  | 'not_found_error'
  | 'conflict_error'
  | 'rate_limit_error'
  | 'unavailable_error'
  | 'internal_error';

interface Entry {
  readonly status: number;
  readonly type: ErrorType;
  /** What it means and what to do, for the reference page. */
  readonly meaning: string;
}

const entry = (status: number, type: ErrorType, meaning: string): Entry => ({ status, type, meaning });

export const ERRORS = {
  unauthorized: entry(
    401,
    'authentication_error',
    'The API key is missing, wrong, revoked or expired. Send an active key in the X-API-Key header.',
  ),
  bad_signature: entry(
    401,
    'authentication_error',
    'The signature of this callback does not match. Check the secret of the connection and that nothing rewrites the request on its way.',
  ),
  conflicting_credentials: entry(
    400,
    'invalid_request_error',
    'Two different API keys came with one request. Send one, in X-API-Key or as a Bearer token.',
  ),
  insufficient_scope: entry(
    403,
    'permission_error',
    'The key is valid but lacks the scope this call needs. Use a key with that scope, or create one in the portal.',
  ),
  ip_not_allowed: entry(
    403,
    'permission_error',
    'The key is valid but may not be used from this address. Add the address to allowed_ips of the key.',
  ),
  csrf: entry(
    403,
    'permission_error',
    'The form did not come from this portal, or its page was too old. Reload the page and send it again.',
  ),
  sign_up_closed: entry(
    403,
    'permission_error',
    'New accounts are not open to everybody on this installation. Ask its operator for one.',
  ),
  address_unconfirmed: entry(
    403,
    'permission_error',
    'Live keys are made by people whose e-mail address is confirmed. Open the link in the mail that came after signing up; the portal sends it again.',
  ),
  not_found: entry(
    404,
    'not_found_error',
    'There is no such thing, or it is not yours, or it belongs to the other mode (live or test).',
  ),
  method_not_allowed: entry(
    405,
    'invalid_request_error',
    'This address does not take that method; the Allow header names those it takes.',
  ),
  conflict: entry(
    409,
    'conflict_error',
    'The thing exists already, or its state does not allow this. The message says which.',
  ),
  idempotency_in_progress: entry(
    409,
    'conflict_error',
    'The first request with this idempotency key is still being worked on. Wait as Retry-After says and repeat.',
  ),
  malformed_json: entry(
    400,
    'invalid_request_error',
    'The body is not a JSON object. Check the syntax and the encoding (UTF-8 without a byte order mark).',
  ),
  too_deep: entry(400, 'invalid_request_error', 'The JSON is nested deeper than 32 levels. Flatten it.'),
  too_many_properties: entry(
    400,
    'invalid_request_error',
    'The JSON has more than 1,000 properties or 20,000 values. Send less.',
  ),
  body_too_large: entry(
    413,
    'invalid_request_error',
    'The body is larger than this address takes. Send less, or split it.',
  ),
  upload_interrupted: entry(
    408,
    'invalid_request_error',
    'The upload broke off before its end. Nothing of it was sent. Repeat it whole with the same idempotency key: what has arrived is not stored twice.',
  ),
  too_many_rows: entry(
    413,
    'invalid_request_error',
    'A bulk has more rows than one request takes. GET /api/v1/channels/capabilities states the limits; send the rest as another bulk.',
  ),
  uri_too_long: entry(414, 'invalid_request_error', 'The address is longer than 8 KB. Shorten the query.'),
  unsupported_media_type: entry(
    415,
    'invalid_request_error',
    'The body must be application/json. Set the Content-Type header.',
  ),
  unsupported_content_encoding: entry(
    415,
    'invalid_request_error',
    'Compressed bodies are not taken. Send the body as it is.',
  ),
  expectation_failed: entry(
    417,
    'invalid_request_error',
    'The Expect header asks for something other than 100-continue. Leave it out.',
  ),
  malformed_row: entry(
    422,
    'invalid_request_error',
    'A row of a bulk cannot be read: not a JSON object, not UTF-8, a quote that is not closed, too many cells, or longer than a row may be. The message says which.',
  ),
  csv_header_invalid: entry(
    422,
    'invalid_request_error',
    'The first line of a CSV must name the columns: the recipient fields the channels need, language, time_zone, and the variables. The message says what is wrong with it.',
  ),
  idempotency_key_invalid: entry(
    400,
    'invalid_request_error',
    'An idempotency key is 1 to 255 printable ASCII characters. Use a UUID.',
  ),
  idempotency_key_conflict: entry(
    400,
    'invalid_request_error',
    'The header and the body carry different idempotency keys. Send one.',
  ),
  idempotency_key_reused: entry(
    422,
    'policy_error',
    'This idempotency key was used for another request. Use a new key for a new request.',
  ),
  validation_failed: entry(
    422,
    'invalid_request_error',
    'The body was read but is not allowed. details.fields names each fault by its path.',
  ),
  invalid_recipient: entry(
    422,
    'invalid_request_error',
    'A recipient field is not a valid address. The message says what it must look like.',
  ),
  recipient_field_missing: entry(
    422,
    'policy_error',
    'A requested channel needs a recipient field that is missing. GET /api/v1/channels/capabilities lists the fields.',
  ),
  channel_unknown: entry(
    422,
    'policy_error',
    'There is no such channel. GET /api/v1/channels/capabilities lists the channels.',
  ),
  channel_not_connected: entry(
    422,
    'policy_error',
    'This channel has no connection for live sends. Add one under Channels in the portal, or use a test key.',
  ),
  template_required: entry(
    422,
    'policy_error',
    'This channel only sends templates. Send template_id, and the template variables in data.',
  ),
  outside_window: entry(
    422,
    'policy_error',
    'This channel takes free text only for some hours after the person has written, and they are over. Send template_id, or wait until the person writes again; details.window_expired_at says when they ended.',
  ),
  raw_not_allowed: entry(
    422,
    'policy_error',
    'This channel does not take raw text beside a template. Leave subject and body out.',
  ),
  content_required: entry(
    422,
    'policy_error',
    'A channel has nothing to send. Send template_id with data, or the raw fields that the channel takes (body, and subject for e-mail).',
  ),
  content_unused: entry(
    422,
    'policy_error',
    'A raw field is used by none of the requested channels. Leave it out, or add a channel that uses it.',
  ),
  template_not_found: entry(
    422,
    'policy_error',
    'There is no active template of this name. Check template_id, or create the template.',
  ),
  template_channel_missing: entry(
    422,
    'policy_error',
    'The template has no content for a requested channel. Add it to the template, or leave the channel out.',
  ),
  template_language_missing: entry(
    422,
    'policy_error',
    'The template has no content in this language, and no default language applies. Add it, or ask for another.',
  ),
  template_variable_mismatch: entry(
    422,
    'policy_error',
    'The keys of data and the variables of the template differ. details lists what is missing and what is unexpected.',
  ),
  template_invalid: entry(
    422,
    'invalid_request_error',
    'The template cannot be saved as written. details.fields says where and why.',
  ),
  template_too_expensive: entry(
    422,
    'invalid_request_error',
    'The template could cost too much to render: too long, too deeply nested, or loops within loops.',
  ),
  url_not_allowed: entry(
    422,
    'invalid_request_error',
    'This address is not public, or its scheme or port is not allowed. A private server of your own works once the operator lists its host:port in EGRESS_ALLOW.',
  ),
  live_mode_required: entry(
    422,
    'policy_error',
    'Connections belong to live mode: the sandbox brings its own for every channel. Use a live key.',
  ),
  connection_failed: entry(422, 'policy_error', 'The provider refused the connection test. The message says why.'),
  bulk_state: entry(
    409,
    'conflict_error',
    'The state of this bulk does not allow that: only a running bulk is paused, only a paused one resumed, and none is changed once it is completed or cancelled.',
  ),
  not_cancellable: entry(
    409,
    'conflict_error',
    'Only what is still queued can be cancelled; this has already been handed over or is final.',
  ),
  not_retryable: entry(
    409,
    'conflict_error',
    'Only a notification whose every message has definitely failed can be retried.',
  ),
  rate_limited: entry(
    429,
    'rate_limit_error',
    'Too many requests. Wait as Retry-After says. Nothing was done, and an idempotency key stays free.',
  ),
  recipient_rate_limited: entry(
    429,
    'rate_limit_error',
    'This address has been sent as many one-time codes within an hour as it may get. Nothing was sent, and an idempotency key stays free. Wait as Retry-After says; if your users need more, the operator can allow it.',
  ),
  internal_error: entry(
    500,
    'internal_error',
    'A fault of ours. It is logged under the request id; nothing was half done. Try again, then tell the operator the id.',
  ),
  unavailable: entry(
    503,
    'unavailable_error',
    'The store cannot be reached. Nothing was accepted. Wait as Retry-After says and repeat with the same idempotency key.',
  ),
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorOptions {
  /** The field it is about, as a dotted path: `recipient.phone`. */
  readonly param?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** Sent as `Retry-After`. */
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** For the log only; never shown. */
  readonly cause?: unknown;
}

/** A refusal with a public text. Without one, the catalogue's meaning is the text. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly type: ErrorType;
  readonly param: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly headers: Readonly<Record<string, string>>;
  constructor(code: ErrorCode, message?: string, options: ErrorOptions = {}) {
    super(message ?? ERRORS[code].meaning, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ApiError';
    this.code = code;
    this.status = ERRORS[code].status;
    this.type = ERRORS[code].type;
    this.param = options.param;
    this.details = options.details;
    this.headers = {
      ...(options.retryAfterSeconds === undefined ? {} : { 'Retry-After': String(options.retryAfterSeconds) }),
      ...options.headers,
    };
  }
}

/** The one error body of `/api/v1`. */
export interface ErrorBody {
  error: {
    type: ErrorType;
    code: ErrorCode;
    message: string;
    param?: string;
    details?: Readonly<Record<string, unknown>>;
    request_id: string;
    doc_url: string;
  };
}

export const errorBody = (error: ApiError, requestId: string, baseUrl: string): ErrorBody => ({
  error: {
    type: error.type,
    code: error.code,
    message: error.message,
    ...(error.param === undefined ? {} : { param: error.param }),
    ...(error.details === undefined ? {} : { details: error.details }),
    request_id: requestId,
    doc_url: `${baseUrl}/docs/errors#${error.code}`,
  },
});

/** PostgreSQL error classes (SQLSTATE) that have an answer of their own; anything else stays a bug. */
export function fromStore(error: unknown): ApiError | undefined {
  const state = (error as { code?: unknown } | null)?.code;
  if (state === '22P05' || state === '22021')
    return new ApiError('validation_failed', 'A text holds a character that cannot be stored (U+0000). Remove it.', {
      cause: error,
    });
  if (state === '22P02')
    return new ApiError(
      'validation_failed',
      'A value does not have the form of its field. Check ids, numbers and dates.',
      {
        cause: error,
      },
    );
  if (state === '23505')
    return new ApiError(
      'conflict',
      'This exists already, or came twice at the same time. Look for it, then try again.',
      {
        cause: error,
      },
    );
  return isOutage(error) ? new ApiError('unavailable', undefined, { retryAfterSeconds: 2, cause: error }) : undefined;
}

/** The store as a whole is at fault, as opposed to one row: out of reach, out of room, shutting down, or in collision. */
export function isOutage(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string') return /^(08|40|53|57|55P03)/.test(code) || NO_SERVER.has(code);
  return (
    error instanceof Error &&
    /timeout exceeded when trying to connect|Connection terminated|not queryable/.test(error.message)
  );
}
const NO_SERVER = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE', 'EAI_AGAIN']);
