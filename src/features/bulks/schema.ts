/** Wire shapes of bulks. What a notification may say comes from notifications, what a recipient is from the registry. */
import { type TObject, type TSchema, Type } from '@sinclair/typebox';
import type { Registry } from '../../channel-kit/index.ts';
import { BULK_LIMITS, sendBody } from '../notifications/index.ts';

const Time = Type.String({ format: 'date-time' });
const Clock = Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$', description: 'a time of day such as 21:00' });
const LocalTime = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}T([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d)?$',
  description: 'a local time such as 2026-12-01T09:00, without an offset',
});
const Zone = Type.String({ minLength: 1, maxLength: 64, description: 'an IANA time zone such as Europe/Berlin' });
const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S', description: 'for people, in lists' });

const Schedule = Type.Object(
  {
    at: Type.Optional(LocalTime),
    time_zone: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: '"recipient" (default): each in the time zone of its row; or one IANA time zone for all',
      }),
    ),
    quiet_hours: Type.Optional(
      Type.Object(
        { from: Clock, to: Clock },
        {
          additionalProperties: false,
          description: 'In the time zone of the recipient: who falls into them waits for their end.',
        },
      ),
    ),
  },
  { additionalProperties: false },
);

export interface ScheduleBody {
  at?: string;
  time_zone?: string;
  quiet_hours?: { from: string; to: string };
}

export interface Shapes {
  /** The whole JSON request, for the documentation. */
  readonly body: TObject;
  /** The part that all rows share, judged. */
  readonly shared: TObject;
  /** The same with the list of rows, which are judged one by one. */
  readonly request: TObject;
  readonly row: TObject;
}

export function shapes(registry: Registry): Shapes {
  const { recipient, notification } = sendBody(registry).properties as Record<'recipient' | 'notification', TObject>;
  // A file for each of a million people is not what this is for.
  const { attachments: _, priority, ...fields } = notification.properties;
  const said = { ...fields, priority: Type.Optional({ ...priority, description: 'Default low.' } as TSchema) };
  const flat = Object.fromEntries(Object.entries(said).map(([name, field]) => [name, Type.Optional(field)]));
  const shared = {
    ...flat,
    notification: Type.Optional(
      Type.Object(said, { additionalProperties: false, description: 'The same fields, nested as in send.' }),
    ),
    name: Type.Optional(Name),
    schedule: Type.Optional(Schedule),
    idempotency_key: Type.Optional(
      Type.String({ description: '1 to 255 printable ASCII characters, such as a UUID.' }),
    ),
  };
  const row = Type.Object(
    {
      ...recipient.properties,
      data: Type.Optional(
        Type.Record(Type.String({ maxLength: 128 }), Type.Unknown(), {
          description: 'Values of the variables for this person; they go before those of the whole bulk.',
        }),
      ),
      language: Type.Optional(fields.language as TSchema),
      time_zone: Type.Optional(Zone),
    },
    { additionalProperties: false },
  );
  const rows = { minItems: 1, maxItems: BULK_LIMITS.json.rows };
  const closed = { additionalProperties: false };
  return {
    row,
    shared: Type.Object(shared, closed),
    request: Type.Object({ ...shared, recipients: Type.Array(Type.Unknown(), rows) }, closed),
    body: Type.Object({ ...shared, recipients: Type.Array(row, rows) }, closed),
  };
}

/** The shared part beside a CSV. */
export const UploadQuery = Type.Object(
  {
    channels: Type.Optional(Type.String({ maxLength: 500, description: 'CSV: channels, with commas between them.' })),
    template_id: Type.Optional(Type.String({ maxLength: 64 })),
    subject: Type.Optional(Type.String({ maxLength: 998 })),
    body: Type.Optional(Type.String({ maxLength: 8_000 })),
    html: Type.Optional(Type.String({ maxLength: 8_000 })),
    from: Type.Optional(Type.String({ maxLength: 320 })),
    language: Type.Optional(Type.String({ maxLength: 64 })),
    category: Type.Optional(Type.String({ maxLength: 20 })),
    priority: Type.Optional(Type.String({ maxLength: 20 })),
    on_unknown: Type.Optional(Type.String({ maxLength: 20 })),
    ttl_seconds: Type.Optional(Type.Integer()),
    name: Type.Optional(Type.String({ maxLength: 200 })),
    send_at: Type.Optional(Type.String({ maxLength: 64 })),
    schedule_at: Type.Optional(Type.String({ maxLength: 32, description: '`schedule.at`' })),
    schedule_time_zone: Type.Optional(Type.String({ maxLength: 64, description: '`schedule.time_zone`' })),
    quiet_from: Type.Optional(Type.String({ maxLength: 5, description: '`schedule.quiet_hours.from`' })),
    quiet_to: Type.Optional(Type.String({ maxLength: 5, description: '`schedule.quiet_hours.to`' })),
  },
  { additionalProperties: false, description: 'The shared part of a CSV; JSON and NDJSON carry it in the body.' },
);

const STATUSES = ['receiving', 'interrupted', 'scheduled', 'running', 'paused', 'cancelled', 'completed'] as const;
export type BulkStatus = (typeof STATUSES)[number];
const Status = Type.Union(STATUSES.map((status) => Type.Literal(status)));

const RowError = Type.Object(
  {
    code: Type.String(),
    message: Type.String(),
    param: Type.Optional(Type.String({ description: 'The field of the row.' })),
    details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { additionalProperties: false },
);

export const BulkAccepted = Type.Object(
  {
    bulk_id: Type.String(),
    status: Status,
    accepted: Type.Integer({ description: 'Rows that are sent, or will be.' }),
    rejected: Type.Integer(),
    results: Type.Optional(
      Type.Array(
        Type.Object(
          {
            index: Type.Integer({ description: 'Of the row, counted from 0.' }),
            notification_id: Type.Optional(Type.String()),
            error: Type.Optional(RowError),
          },
          { additionalProperties: false },
        ),
        { description: 'One for each row, in order. A stream has them at results_url alone.' },
      ),
    ),
    results_url: Type.String(),
    created_at: Time,
    livemode: Type.Boolean(),
  },
  { additionalProperties: false, $id: 'AcceptedBulk' },
);

export const Bulk = Type.Object(
  {
    bulk_id: Type.String(),
    name: Type.Optional(Type.String()),
    status: Status,
    accepted: Type.Integer({ description: 'Rows.' }),
    rejected: Type.Integer({ description: 'Rows.' }),
    counts: Type.Object(
      { queued: Type.Integer(), sent: Type.Integer(), delivered: Type.Integer(), failed: Type.Integer() },
      { additionalProperties: false, description: 'Messages by status; a row has one for each channel.' },
    ),
    rate_per_second: Type.Number({ description: 'Messages handed over or failed, over the last 60 seconds.' }),
    estimated_finish_at: Type.Optional(Time),
    created_at: Time,
    send_at: Type.Optional(Time),
    released_at: Type.Optional(Time),
    finished_at: Type.Optional(Time),
    results_url: Type.String(),
    livemode: Type.Boolean(),
  },
  { additionalProperties: false, $id: 'Bulk' },
);

export const ResultsQuery = Type.Object(
  {
    format: Type.Optional(
      Type.Union([Type.Literal('ndjson'), Type.Literal('csv')], {
        description: 'Default: as Accept says, else ndjson.',
      }),
    ),
  },
  { additionalProperties: false },
);
