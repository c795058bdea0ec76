/** What an event looks like outside. */
import { type Static, Type } from '@sinclair/typebox';

/** Every type, with what it says. */
export const EVENT_TYPES = {
  'message.queued': 'It was accepted and waits. The messages of a bulk are not announced one by one.',
  'message.sent': 'The provider has taken it, or may have (`outcome_unknown`).',
  'message.delivered': 'It has arrived.',
  'message.failed': 'It will not arrive; `failure` says why.',
  'message.bounced': 'It came back after it was taken.',
  'message.read': 'It was read.',
  'message.complained': 'The recipient has called it spam.',
  'recipient.suppressed': 'An address is not written to any more; `reason` says why, `scope` what it means.',
  'recipient.restored':
    'A suppression was taken away: the person wants it again, or somebody removed it from the list.',
  'message.received': 'Somebody has written. The data is the message, with who wrote it and what came with it.',
  'contact.identified':
    'What came in is from a contact with an `external_id`. The data is the message, like that of `message.received`.',
  'conversation.assigned': 'A conversation was given to somebody, or taken away (`assignee` null).',
  'conversation.updated': 'The status of a conversation has changed.',
  'template.status_changed': 'A provider has approved, rejected, paused or disabled a template.',
  'template.quality_changed': 'A provider judges the quality of a template anew.',
  'template.category_changed': 'A provider has put a template into another category, or is about to.',
  'channel.disconnected': 'A provider account is no longer connected.',
  'channel.restricted': 'A provider has restricted or banned an account, or lifted that.',
  'channel.quality_changed': 'The quality or the sending limit of a number has changed.',
  'channel.name_changed': 'A provider has decided about the name of a sender.',
  'channel.alerted': 'A provider has a warning about an account.',
  'bulk.completed': 'A bulk has come to its end: of each of its messages it is known whether it went out.',
  'endpoint.disabled':
    'A webhook endpoint is no longer called: it answered 410, or nothing but failures for five days. Its events wait.',
  'alert.fired': 'What an alert rule watches has reached its limit.',
  'alert.recovered': 'It is well below the limit again.',
} as const;
export type EventType = keyof typeof EVENT_TYPES;

/** A provider's words, for endpoints that want them as they came; in no feed. */
export const RAW_TYPE = 'provider.request';

const Time = Type.String({ format: 'date-time' });

export const eventSchema = Type.Object(
  {
    id: Type.String({ description: 'The same in the feed, in every delivery and in every repeat of one.' }),
    type: Type.String({ description: 'What became true, such as `message.delivered`.' }),
    created_at: Time,
    timestamp: Type.String({
      format: 'date-time',
      description: 'The same as `created_at`, under the name of the Standard Webhooks.',
    }),
    livemode: Type.Boolean(),
    data: Type.Record(Type.String(), Type.Unknown(), {
      description: 'What the event is about, as it stood at that moment: for `message.*` the message.',
    }),
  },
  { additionalProperties: false, $id: 'Event' },
);
export type Event = Static<typeof eventSchema>;

export const feedQuery = Type.Object(
  {
    after: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'Id of the last event that was seen. Absent: from the oldest that is kept.',
      }),
    ),
    type: Type.Optional(
      Type.String({ maxLength: 500, description: 'Only these types, separated by commas. Absent: all.' }),
    ),
    limit: Type.Integer({ minimum: 1, maximum: 500, default: 100, description: 'Default 100, at most 500.' }),
  },
  { additionalProperties: false },
);

export const feedPage = Type.Object(
  {
    object: Type.Literal('list'),
    data: Type.Array(eventSchema),
    has_more: Type.Boolean({ description: 'Ask again at once. A page may be empty and yet not be the last.' }),
    next_cursor: Type.Union([Type.String(), Type.Null()], {
      description: '`after` of the next call, also when there is nothing more for now.',
    }),
  },
  { additionalProperties: false },
);
