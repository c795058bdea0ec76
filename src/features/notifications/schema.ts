/** Wire shapes of notifications. The recipient and the channels' own content come from the registry, so a new channel needs no line here. */
import { type TObject, type TSchema, Type } from '@sinclair/typebox';
import type { Registry } from '../../channel-kit/index.ts';
import { MESSAGES_MAX } from '../../lib/ids.ts';
import { type FallbackBody, FallbackSteps, FallbackView } from './fallback-schema.ts';

const Text = (max: number, description: string) =>
  Type.String({ minLength: 1, maxLength: max, pattern: '\\S', description });

export const STATUSES = ['queued', 'sent', 'delivered', 'failed'] as const;
const StatusName = Type.Union(STATUSES.map((status) => Type.Literal(status)));
const Time = Type.String({ format: 'date-time' });

/** Times that a test may not wait for are data, not code. */
export const TTL_SECONDS = { min: 30, max: 30 * 86_400, default: 86_400, otp: 300 } as const;
const SEND_AHEAD_DAYS = 365;

export const Attachment = Type.Object(
  {
    filename: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: '^[^\\u0000-\\u001f/\\\\]+$',
      description: 'a name without path or control characters',
    }),
    content_type: Type.String({
      maxLength: 100,
      pattern: '^[\\w.+-]+/[\\w.+-]+$',
      description: 'a MIME type such as application/pdf',
    }),
    content: Type.String({ minLength: 1, pattern: '^[A-Za-z0-9+/]+={0,2}$', description: 'the file, base64' }),
  },
  { additionalProperties: false },
);

export interface SendBody {
  recipient: Record<string, string>;
  notification: SendNotification;
  idempotency_key?: string;
}
export interface SendNotification extends RawFields {
  channels: string[];
  template_id?: string;
  data?: Record<string, unknown>;
  language?: string;
  category?: 'transactional' | 'marketing' | 'otp';
  priority?: 'high' | 'normal' | 'low';
  send_at?: string;
  ttl_seconds?: number;
  fallback?: FallbackBody[];
  on_unknown?: 'wait' | 'resend';
  content?: Record<string, Record<string, unknown>>;
}
export interface RawFields {
  subject?: string;
  body?: string;
  html?: string;
  from?: string;
  attachments?: { filename: string; content_type: string; content: string }[];
}
/** Raw fields of a notification; a channel takes those that its content schema names. */
export const RAW_FIELDS = ['subject', 'body', 'html', 'from', 'attachments'] as const;

/** The body of `POST …/send` and `…/validate`. */
export function sendBody(registry: Registry): TObject {
  const recipient = Object.fromEntries(
    registry.channels
      .flatMap(({ recipient }) => recipient)
      .map((field) => [
        field.name,
        Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 320,
            title: field.label,
            ...(field.help ? { description: field.help } : {}),
            ...(field.example ? { examples: [field.example] } : {}),
          }),
        ),
      ]),
  );
  return Type.Object(
    {
      recipient: Type.Object(recipient, {
        additionalProperties: false,
        description: 'Addresses of one person; each channel takes the field it needs.',
      }),
      notification: Type.Object(
        {
          channels: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
            minItems: 1,
            maxItems: MESSAGES_MAX,
            uniqueItems: true,
            description: 'Sent on all of them at once.',
          }),
          template_id: Type.Optional(
            Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$', description: 'the readable name of a template' }),
          ),
          subject: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 998,
              pattern: '^(?=.*\\S)[^\\r\\n]*$',
              description: 'one line of text',
            }),
          ),
          body: Type.Optional(Text(100_000, 'plain text')),
          html: Type.Optional(Text(500_000, 'HTML of the message')),
          from: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 320,
              pattern: '^[^\\r\\n]+$',
              description: 'sender, where the connection allows to choose it',
            }),
          ),
          attachments: Type.Optional(Type.Array(Attachment, { minItems: 1, maxItems: 20 })),
          data: Type.Optional(
            Type.Record(Type.String({ maxLength: 128 }), Type.Unknown(), {
              description: 'Values of the variables. Names are kept as they are.',
            }),
          ),
          language: Type.Optional(
            Type.String({
              pattern: '^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$',
              description: 'a language tag such as en or pt_BR',
            }),
          ),
          category: Type.Optional(
            Type.Union([Type.Literal('transactional'), Type.Literal('marketing'), Type.Literal('otp')], {
              description: 'Default: the category of the template, else transactional.',
            }),
          ),
          priority: Type.Optional(
            Type.Union([Type.Literal('high'), Type.Literal('normal'), Type.Literal('low')], {
              description: 'Default: high for otp, else normal.',
            }),
          ),
          send_at: Type.Optional(
            Type.String({
              format: 'date-time',
              description: `Not before this time; at most ${SEND_AHEAD_DAYS} days ahead.`,
            }),
          ),
          ttl_seconds: Type.Optional(
            Type.Integer({
              minimum: TTL_SECONDS.min,
              maximum: TTL_SECONDS.max,
              description: `No attempt begins later than this after it was due. Default ${TTL_SECONDS.default}, for otp ${TTL_SECONDS.otp}.`,
            }),
          ),
          fallback: FallbackSteps,
          on_unknown: Type.Optional(
            Type.Union([Type.Literal('wait'), Type.Literal('resend')], {
              description:
                'When a provider gave no answer: wait for a receipt (default), or send again at the risk of a second copy.',
            }),
          ),
          content: Type.Optional(
            Type.Object(Object.fromEntries(registry.channels.map(({ id, content }) => [id, Type.Optional(content)])), {
              additionalProperties: false,
              description: "A channel's own content, where the plain fields do not say enough.",
            }),
          ),
        },
        { additionalProperties: false },
      ),
      // Judged where the header's is, so that both get one answer.
      idempotency_key: Type.Optional(
        Type.String({ description: '1 to 255 printable ASCII characters, such as a UUID.' }),
      ),
    },
    { additionalProperties: false },
  );
}
export const sendAheadMs = SEND_AHEAD_DAYS * 86_400_000;

const Failure = Type.Object(
  {
    code: Type.String(),
    message: Type.String(),
    fix: Type.String({ description: 'What to do about it.' }),
    retryable: Type.Boolean(),
    at: Time,
    provider_code: Type.Optional(
      Type.String({ description: "The provider's own code; shown to the owner of the connection." }),
    ),
    provider_message: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

export const Attempt = Type.Object(
  {
    number: Type.Integer(),
    started_at: Time,
    duration_ms: Type.Optional(Type.Integer()),
    outcome: Type.Union(
      ['in_progress', 'accepted', 'refused', 'refused_later', 'not_sent', 'unknown'].map((word) => Type.Literal(word)),
    ),
    failure: Type.Optional(Type.Omit(Failure, ['at'])),
    retry_at: Type.Optional(Time),
  },
  { additionalProperties: false },
);

export const TimelineEntry = Type.Object(
  { at: Time, type: Type.String(), text: Type.String(), detail: Type.Optional(Type.String()) },
  { additionalProperties: false },
);

/** A message as events and answers show it. */
const messageFields = {
  channel: Type.String(),
  message_id: Type.String(),
  status: StatusName,
  address: Type.Union([Type.String(), Type.Null()], { description: 'null: the person was erased.' }),
  template_id: Type.Optional(Type.String()),
  template_version: Type.Optional(Type.Integer()),
  language: Type.Optional(Type.String()),
  failure: Type.Optional(Failure),
  outcome_unknown: Type.Optional(
    Type.Boolean({ description: 'It left, but no answer came; a receipt may still settle it.' }),
  ),
  quarantined: Type.Optional(
    Type.Boolean({
      description: 'The store came out of a backup while this was open: it waits until the operator lets it go.',
    }),
  ),
  unreceipted: Type.Optional(Type.Boolean({ description: 'Handed over; this channel will tell no more.' })),
  attempts_made: Type.Integer(),
  next_attempt_at: Type.Optional(Time),
  send_at: Type.Optional(Type.String({ format: 'date-time', description: 'Not before this time.' })),
  sent_at: Type.Optional(Time),
  delivered_at: Type.Optional(Time),
  failed_at: Type.Optional(Time),
  read_at: Type.Optional(Time),
  complained_at: Type.Optional(Time),
};

const summaryFields = { notification_id: Type.String(), status: StatusName };
const closing = { created_at: Time, livemode: Type.Boolean() };

export const Accepted = Type.Object(
  {
    ...summaryFields,
    channels: Type.Array(
      Type.Object(
        { channel: Type.String(), message_id: Type.String(), status: StatusName },
        { additionalProperties: false },
      ),
    ),
    ...closing,
  },
  { additionalProperties: false, $id: 'AcceptedNotification' },
);
export const NotificationSummary = Type.Object(
  {
    ...summaryFields,
    channels: Type.Array(Type.Object(messageFields, { additionalProperties: false })),
    fallback: FallbackView,
    ...closing,
  },
  { additionalProperties: false, $id: 'NotificationSummary' },
);
export const Notification = Type.Object(
  {
    ...summaryFields,
    channels: Type.Array(
      Type.Object(
        { ...messageFields, attempts: Type.Array(Attempt), timeline: Type.Array(TimelineEntry) },
        { additionalProperties: false },
      ),
    ),
    fallback: FallbackView,
    timeline: Type.Optional(
      Type.Array(
        Type.Composite([TimelineEntry, Type.Object({ channel: Type.String() })], { additionalProperties: false }),
        { description: 'With a fallback: what happened on all channels, as one story.' },
      ),
    ),
    recipient: Type.Record(Type.String(), Type.String()),
    data: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    ...closing,
    retry_of: Type.Optional(Type.String()),
    request_id: Type.Optional(Type.String()),
  },
  { additionalProperties: false, $id: 'Notification' },
);

export const page = (item: TSchema) =>
  Type.Object(
    {
      object: Type.Literal('list'),
      data: Type.Array(item),
      has_more: Type.Boolean(),
      next_cursor: Type.Union([Type.String(), Type.Null()]),
    },
    { additionalProperties: false },
  );

export const ListQuery = Type.Object(
  {
    channel: Type.Optional(Type.String({ maxLength: 64 })),
    recipient: Type.Optional(Type.String({ maxLength: 320, description: 'An address, exactly.' })),
    status: Type.Optional(StatusName),
    template_id: Type.Optional(Type.String({ maxLength: 64 })),
    from: Type.Optional(Type.String({ format: 'date-time' })),
    to: Type.Optional(Type.String({ format: 'date-time' })),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    cursor: Type.Optional(Type.String({ maxLength: 64 })),
  },
  { additionalProperties: false },
);

const Finding = Type.Object(
  {
    code: Type.String(),
    message: Type.String(),
    param: Type.Optional(Type.String()),
    details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { additionalProperties: false },
);
const Finished = Type.Object(
  {
    channel: Type.String(),
    address: Type.String(),
    content: Type.Unknown({ description: 'The finished message.' }),
  },
  { additionalProperties: false },
);
export const Validation = Type.Object(
  {
    valid: Type.Boolean(),
    findings: Type.Array(Finding, {
      description: 'Every refusal that send would give, and what rendering would find.',
    }),
    channels: Type.Array(Finished),
    fallback: Type.Optional(Type.Array(Finished)),
  },
  { additionalProperties: false },
);

export const Capability = Type.Object(
  {
    channel: Type.String(),
    label: Type.String(),
    enabled: Type.Boolean({ description: 'Whether a key of this mode can send on it now.' }),
    template_required: Type.Boolean(),
    raw_allowed: Type.Boolean(),
    required_recipient_fields: Type.Array(Type.String()),
    recipient_fields: Type.Array(Type.Unknown()),
    content_fields: Type.Array(Type.String()),
    content_schema: Type.Unknown({
      description: 'JSON Schema of what is sent; template content is this with {{variables}} inside.',
    }),
    limits: Type.Object({
      max_chars: Type.Integer(),
      media: Type.Array(Type.String()),
      retries_after_seconds: Type.Array(Type.Integer()),
    }),
    delivery_receipts: Type.Array(Type.String()),
    inbound: Type.Boolean(),
    template_policy: Type.Unknown(),
    opt_out: Type.Object({
      words: Type.Union([Type.String(), Type.Null()], {
        description:
          'What somebody gives up who answers STOP: `all` or `marketing`. Null: such a word means nothing here.',
      }),
      link: Type.Boolean({ description: 'Marketing carries an address at which one click ends it.' }),
    }),
    sandbox: Type.Array(
      Type.Object({
        to: Type.Record(Type.String(), Type.String()),
        note: Type.String(),
        steps: Type.Array(Type.Unknown()),
      }),
    ),
    notes: Type.String(),
  },
  { additionalProperties: false },
);

const Count = Type.Integer();
export const BulkLimits = Type.Object(
  {
    json: Type.Object({ rows: Count, bytes: Count }),
    stream: Type.Object({
      rows: Count,
      bytes: Count,
      row_bytes: Type.Integer({ description: 'Of one line or record.' }),
      columns: Type.Integer({ description: 'Of a CSV.' }),
    }),
  },
  { description: 'What one bulk takes: as JSON, and as NDJSON or CSV.' },
);
