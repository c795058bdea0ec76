/**
 * News that belongs to no message: what people want, how templates fare, what becomes of the account and its number.
 *
 * Here the provider writes ids as numbers and languages with a hyphen, elsewhere ids as text and an underscore; we always
 * write the latter. Such news has no id of its own, so it is known by its time and its content.
 * Source: Cloud API webhook fields, read 2026-08.
 */
import {
  at,
  type ChannelEvent,
  listAt,
  type NoticeEvent,
  sha256Hex,
  textAt,
  unixDate,
} from '../../src/channel-kit/index.ts';
import { type Change, numberOf, personOf, plain } from './cloud-reading.ts';

type News = Pick<NoticeEvent, 'event' | 'data'>;
type Data = Readonly<Record<string, string | number | boolean | null>>;

const FIELDS: Readonly<Record<string, (value: unknown) => News>> = {
  message_template_status_update: (value) => ({
    event: 'template.status_changed',
    data: {
      ...templateOf(value),
      ...renamed(value, { event: 'status', reason: 'reason', message_template_category: 'category' }),
      ...renamed(at(value, 'other_info'), { title: 'title', description: 'description' }),
      ...renamed(at(value, 'disable_info'), { disable_date: 'disable_date' }),
      ...renamed(at(value, 'rejection_info'), { reason: 'rejection_reason', recommendation: 'recommendation' }),
    },
  }),
  message_template_quality_update: (value) => ({
    event: 'template.quality_changed',
    data: {
      ...templateOf(value),
      ...renamed(value, { previous_quality_score: 'previous_quality', new_quality_score: 'quality' }),
    },
  }),
  template_category_update: (value) => ({
    event: 'template.category_changed',
    data: {
      ...templateOf(value),
      ...renamed(value, {
        previous_category: 'previous_category',
        new_category: 'category',
        correct_category: 'correct_category',
        category_update_timestamp: 'changes_at',
      }),
    },
  }),
  account_update: (value) => {
    const event = textAt(value, 'event') ?? 'unknown';
    const data = {
      ...plain(value, 'event', 'phone_number', 'country'),
      ...plain(at(value, 'waba_info'), 'waba_id', 'owner_business_id'),
      ...plain(at(value, 'ban_info'), 'waba_ban_state', 'waba_ban_date'),
      ...plain(at(value, 'violation_info'), 'violation_type'),
    };
    return { event: Object.hasOwn(ACCOUNT, event) ? (ACCOUNT[event] ?? 'channel.alerted') : 'channel.alerted', data };
  },
  account_review_update: (value) => ({ event: 'channel.alerted', data: plain(value, 'decision') }),
  account_alerts: (value) => ({
    event: 'channel.alerted',
    data: {
      ...plain(value, 'entity_type', 'entity_id', ...ALERT),
      ...plain(at(value, 'alert_info'), ...ALERT),
    },
  }),
  business_capability_update: (value) => ({
    event: 'channel.alerted',
    data: plain(
      value,
      'max_daily_conversation_per_phone',
      'max_daily_conversations_per_business',
      'max_phone_numbers_per_business',
      'max_phone_numbers_per_waba',
    ),
  }),
  phone_number_quality_update: (value) => ({
    event: 'channel.quality_changed',
    data: {
      ...plain(value, 'display_phone_number'),
      ...renamed(value, { event: 'change', old_limit: 'previous_limit', current_limit: 'limit' }),
    },
  }),
  phone_number_name_update: (value) => ({
    event: 'channel.name_changed',
    data: {
      ...plain(value, 'display_phone_number', 'decision', 'requested_verified_name', 'rejection_reason'),
    },
  }),
  security: (value) => ({
    event: 'channel.alerted',
    data: plain(value, 'display_phone_number', 'event', 'requester'),
  }),
};

const ALERT = ['alert_severity', 'alert_status', 'alert_type', 'alert_description'] as const;

/** What an account's news means; all other news of it is an alert. */
const ACCOUNT: Readonly<Record<string, NoticeEvent['event']>> = {
  PARTNER_REMOVED: 'channel.disconnected',
  PARTNER_APP_UNINSTALLED: 'channel.disconnected',
  ACCOUNT_OFFBOARDED: 'channel.disconnected',
  ACCOUNT_DELETED: 'channel.disconnected',
  ACCOUNT_VIOLATION: 'channel.restricted',
  ACCOUNT_RESTRICTION: 'channel.restricted',
  DISABLED_UPDATE: 'channel.restricted',
};

/** `undefined`: this field carries no news that anybody here waits for. */
export function newsOf(change: Change): readonly ChannelEvent[] | undefined {
  const { field, value } = change;
  if (field === 'user_preferences') return listAt(value, 'user_preferences').map((one) => preferenceOf(one, change));
  const read = Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined;
  return read && [notice(read(value), change, value)];
}

/** The number itself cannot work, for a reason that belongs to no message. */
export const accountErrors = (change: Change): readonly ChannelEvent[] =>
  listAt(change.value, 'errors').map((error) => {
    const details = textAt(error, 'error_data', 'details');
    const data = { ...plain(error, 'code', 'title', 'message'), ...(details ? { details } : {}) };
    return notice({ event: 'channel.alerted', data }, change, error);
  });

function notice({ event, data }: News, change: Change, about: unknown): ChannelEvent {
  const { waba, time, field } = change;
  const account = numberOf(change);
  const moment = unixDate(time);
  const told: Data = { ...(waba ? { waba_id: waba } : {}), ...data };
  return {
    type: 'notice',
    key: `${field}:${sha256Hex(JSON.stringify([waba, account, time, about]) ?? '')}`,
    ...(account ? { account } : {}),
    ...(moment ? { at: moment } : {}),
    event,
    data: told,
  };
}

function preferenceOf(told: unknown, change: Change): ChannelEvent {
  const person = personOf(textAt(told, 'wa_id'), textAt(told, 'user_id'), change);
  const value = textAt(told, 'value');
  if (!person || (value !== 'stop' && value !== 'resume'))
    return { type: 'ignored', reason: `preference ${value ?? 'none'}` };
  const account = numberOf(change);
  const stamp = textAt(told, 'timestamp');
  const moment = unixDate(stamp);
  const who = Object.values(person.recipient)[0];
  return {
    type: 'preference',
    key: `preference:${who}:${textAt(told, 'category') ?? ''}:${value}:${stamp ?? ''}`,
    ...(account ? { account } : {}),
    ...(moment ? { at: moment } : {}),
    recipient: person.recipient,
    category: 'marketing',
    value,
  };
}

const templateOf = (value: unknown): Data => {
  const [id, name] = [textAt(value, 'message_template_id'), textAt(value, 'message_template_name')];
  const language = textAt(value, 'message_template_language')?.replace('-', '_');
  return {
    ...(id ? { provider_template_id: id } : {}),
    ...(name ? { name } : {}),
    ...(language ? { language } : {}),
  };
};

/** Members under our names for them; a `null` of theirs is said too. */
const renamed = (value: unknown, names: Readonly<Record<string, string>>): Data =>
  Object.fromEntries(
    Object.entries(names).flatMap(([theirs, ours]): [string, string | number | boolean | null][] => {
      const found = at(value, theirs) === null ? null : plain(value, theirs)[theirs];
      return found === undefined ? [] : [[ours, found]];
    }),
  );
