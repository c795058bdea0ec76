/** The part of a bulk that all its rows share: read from a body or a query, judged once, before anything is stored. */
import type { Static } from '@sinclair/typebox';
import { ApiError } from '../../lib/errors.ts';
import {
  isZone,
  judge,
  localTime,
  type Origin,
  type Planner,
  type Refusal,
  type SendNotification,
  sendAheadMs,
} from '../notifications/index.ts';
import type { ScheduleBody, UploadQuery } from './schema.ts';

export interface Shared {
  readonly notification: SendNotification;
  readonly name: string | undefined;
  readonly schedule: ScheduleBody;
  /** The fields stood in `notification`, so faults name them there. */
  readonly nested: boolean;
}

interface Said extends Partial<SendNotification> {
  notification?: SendNotification;
  name?: string;
  schedule?: ScheduleBody;
  idempotency_key?: string;
  recipients?: readonly unknown[];
}

/** Throws `validation_failed`. `body` has passed its schema. `goesOn`: an upload whose time may have come meanwhile. */
export function sharedOf(body: object, now: Date, goesOn = false): Shared {
  const { notification: inner, name, schedule = {}, idempotency_key: _, recipients: __, ...flat } = body as Said;
  const [stray] = Object.keys(flat);
  if (inner && stray) throw invalid(stray, 'stands beside notification: put all fields into it, or none.');
  const said = inner ?? flat;
  if (!said.channels) throw invalid('channels', 'is required');
  const notification = { ...said, channels: said.channels, priority: said.priority ?? 'low' } as SendNotification;
  if (goesOn && notification.send_at && new Date(notification.send_at) < now) delete notification.send_at;
  judgeSchedule(schedule, notification, now, goesOn);
  return { notification, name, schedule, nested: inner !== undefined };
}

const invalid = (param: string, message: string): ApiError =>
  new ApiError('validation_failed', `${param}: ${message}`, { param, details: { fields: [{ path: param, message }] } });

const DAY_MS = 86_400_000;

function judgeSchedule(
  { at, time_zone: zone }: ScheduleBody,
  { send_at }: SendNotification,
  now: Date,
  goesOn: boolean,
): void {
  if (at && send_at) throw invalid('schedule.at', 'send_at says another time. Send one of the two.');
  if (zone && !at) throw invalid('schedule.time_zone', 'is of no use without schedule.at');
  if (zone && zone !== 'recipient' && !isZone(zone))
    throw invalid('schedule.time_zone', 'is neither "recipient" nor an IANA time zone such as Europe/Berlin');
  if (!at) return;
  const time = localTime(at, zone && zone !== 'recipient' ? zone : 'UTC');
  if (!time) throw invalid('schedule.at', 'is not a day and time of the calendar');
  // Where it is each recipient's own time, it has passed for all only when it has passed in the last zone.
  const latest = time.getTime() + (zone && zone !== 'recipient' ? 60_000 : DAY_MS / 2);
  if (latest < now.getTime() && !goesOn)
    throw invalid('schedule.at', 'lies in the past. Leave it out to send at once.');
  if (time.getTime() > now.getTime() + sendAheadMs - DAY_MS)
    throw invalid('schedule.at', 'lies more than a year ahead');
}

/** The shared part of a CSV, as a body would say it. */
export function bodyOf(query: Static<typeof UploadQuery>): object {
  const { channels, schedule_at: at, schedule_time_zone: time_zone, quiet_from: from, quiet_to: to, ...rest } = query;
  const quiet = from !== undefined || to !== undefined ? { quiet_hours: { from, to } } : {};
  const schedule = { ...(at ? { at } : {}), ...(time_zone ? { time_zone } : {}), ...quiet };
  return {
    ...rest,
    ...(channels === undefined ? {} : { channels: channels.split(',').map((channel) => channel.trim()) }),
    ...(Object.keys(schedule).length > 0 ? { schedule } : {}),
  };
}

/** What is known of the rows before the first one was read. */
export interface Ahead {
  /** Names that every row brings a value for. */
  readonly variables?: readonly string[];
  readonly languages: 'none' | 'some' | 'unknown';
}

const OF_ROWS = new Set([
  'recipient_field_missing',
  'invalid_recipient',
  'template_variable_mismatch',
  'validation_failed',
]);

/** Throws the first refusal that no row could be without. */
export async function judgeShared(origin: Origin, plan: Planner, shared: Shared, ahead: Ahead): Promise<void> {
  const { notification, nested } = shared;
  const data = { ...Object.fromEntries((ahead.variables ?? []).map((name) => [name, ''])), ...notification.data };
  const body = { recipient: {}, notification: { ...notification, data } };
  const say = (text: string): string => (nested ? text : text.replaceAll('notification.', ''));
  const [planned] = await plan(origin, [{ body, idempotencyKey: undefined, requestHash: '', bytes: 0 }]).catch(
    (error) => {
      throw error instanceof ApiError && error.status === 422 ? refuse(error, say) : error;
    },
  );
  if (!planned) throw new Error('one command, one plan');
  const ofRows = (code: string): boolean =>
    OF_ROWS.has(code) || (code === 'template_language_missing' && !notification.language && ahead.languages !== 'none');
  const refusal =
    judge(planned.request).find(({ code }) => !ofRows(code)) ?? strangers(planned.request.data.unexpected, ahead);
  if (refusal) throw refuse(refusal, say);
}

/** Whatever a row adds, these names stay unknown to the template. */
const strangers = (unexpected: readonly string[], { variables }: Ahead): Refusal | undefined =>
  unexpected.length > 0
    ? {
        code: 'template_variable_mismatch',
        message: `The template has no variables ${unexpected.join(', ')}. ${
          unexpected.some((name) => variables?.includes(name))
            ? 'Remove these columns'
            : 'Leave them out of notification.data'
        }, or correct their names.`,
        param: 'notification.data',
        details: { missing: [], unexpected },
      }
    : undefined;

const refuse = ({ code, message, param, details }: Refusal | ApiError, say: (text: string) => string): ApiError =>
  new ApiError(code, say(message), {
    ...(param === undefined ? {} : { param: say(param) }),
    ...(details ? { details } : {}),
  });
