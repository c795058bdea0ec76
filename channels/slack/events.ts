/**
 * What people do in Slack: they write, change, take back, press a button. What apps do, ours first of all, is not news.
 *
 * A person in the app's own conversation is answered there, by member ID, so that both directions are one conversation; in a
 * room the room is answered. Source: Slack Events API, interactivity payloads and files, read 2026-08.
 */
import {
  at,
  type ChannelEvent,
  formOf,
  type Identity,
  type InboundContent,
  type InboundMedia,
  type InboundMessage,
  listAt,
  parseJson,
  type RawRequest,
  textAt,
  unixDate,
} from '../../src/channel-kit/index.ts';
import { readable } from './markup.ts';

/** Subtypes under which people write; all others are the workspace's own notes, or apps. */
const WRITTEN = [undefined, 'file_share', 'thread_broadcast', 'me_message'];
const REMOVED = ['app_uninstalled', 'tokens_revoked'];

export function parse(request: RawRequest): readonly ChannelEvent[] {
  const form = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  const payload = parseJson(form ? (formOf(request.body).payload ?? '') : request.body);
  if (textAt(payload, 'type') === 'block_actions') return actionsOf(payload);
  if (textAt(payload, 'type') !== 'event_callback') return [ignored(textAt(payload, 'type'))];
  const event = at(payload, 'event');
  const type = textAt(event, 'type');
  if (type === 'message' || type === 'app_mention') return [messageOf(payload, event)];
  if (type !== undefined && REMOVED.includes(type)) return [removal(payload, type)];
  return [ignored(type)];
}

const ignored = (what: string | undefined): ChannelEvent => ({
  type: 'ignored',
  reason: what ? `event ${what.slice(0, 100)}` : 'not an event',
});

const isApp = (message: unknown) => at(message, 'bot_id') !== undefined;

function messageOf(payload: unknown, event: unknown): ChannelEvent {
  const subtype = textAt(event, 'subtype');
  const before = at(event, 'previous_message');
  if (subtype === 'message_changed') {
    const message = at(event, 'message');
    // A link that unfolds is a change too, and nobody's.
    if (isApp(message) || textAt(message, 'text') === textAt(before, 'text')) return ignored(subtype);
    return told(payload, event, message, { ...said(message), kind: 'edit' }, textAt(message, 'ts'));
  }
  if (subtype === 'message_deleted')
    return isApp(before)
      ? ignored(subtype)
      : told(payload, event, before, { kind: 'revoke' }, textAt(event, 'deleted_ts') ?? textAt(before, 'ts'));
  if (!WRITTEN.includes(subtype) || isApp(event)) return ignored(subtype ?? 'message of an app');
  return told(payload, event, event, said(event));
}

/** `about`: the message that this one changes or takes back. */
function told(
  payload: unknown,
  event: unknown,
  message: unknown,
  content: InboundContent,
  about?: string,
): ChannelEvent {
  const [channel, user, team] = [textAt(event, 'channel'), textAt(message, 'user'), textAt(payload, 'team_id')];
  const [stamp, thread] = [textAt(event, 'ts') ?? textAt(event, 'event_ts'), textAt(message, 'thread_ts')];
  if (!channel || !user || !stamp) return ignored('message of nobody known');
  const eventId = textAt(payload, 'event_id');
  const moment = unixDate(stamp);
  const answers = about ?? (thread !== textAt(message, 'ts') ? thread : undefined);
  return {
    type: 'message',
    // A mention is told twice, as a mention and as a message; both are the one message that stands in the room.
    key: about && eventId ? eventId : `${channel}:${stamp}`,
    providerId: `${channel}:${stamp}`,
    ...(moment ? { at: moment } : {}),
    person: person(user, team, channel, textAt(event, 'channel_type')),
    content: { ...content, data: { channel, ...(thread ? { thread_ts: thread } : {}), ...content.data } },
    ...(answers ? { replyTo: `${channel}:${answers}` } : {}),
  };
}

function person(user: string, team: string | undefined, channel: string, kind?: string): InboundMessage['person'] {
  const direct = kind === 'im' || channel.startsWith('D');
  const identity: Identity = { kind: 'slack_user', value: user, ...(team ? { scope: team } : {}) };
  return { recipient: direct ? { slack_user_id: user } : { slack_channel_id: channel }, identities: [identity] };
}

function said(message: unknown): InboundContent {
  const text = readable(textAt(message, 'text') ?? '');
  const media = listAt(message, 'files').flatMap(fileOf);
  return {
    kind: media[0] ? kindOf(media[0].mime) : 'text',
    ...(text ? { text } : {}),
    ...(media.length > 0 ? { media } : {}),
  };
}

/** What lies at Slack. A file of another service is a link in the text. */
function fileOf(file: unknown): readonly InboundMedia[] {
  const url = textAt(file, 'url_private_download') ?? textAt(file, 'url_private');
  const [providerId, filename] = [textAt(file, 'id'), textAt(file, 'name')];
  if (!url || at(file, 'is_external') === true) return [];
  return [
    {
      mime: textAt(file, 'mimetype') ?? 'application/octet-stream',
      url,
      ...(providerId ? { providerId } : {}),
      ...(filename ? { filename } : {}),
    },
  ];
}

const kindOf = (mime: string): InboundContent['kind'] =>
  (['image', 'video', 'audio'] as const).find((family) => mime.startsWith(`${family}/`)) ?? 'document';

/** Each element that was used is a message of its own, in answer to the one it stands in. */
function actionsOf(payload: unknown): readonly ChannelEvent[] {
  const channel = textAt(payload, 'channel', 'id') ?? textAt(payload, 'container', 'channel_id');
  const [user, name] = [textAt(payload, 'user', 'id'), textAt(payload, 'user', 'name')];
  const team = textAt(payload, 'team', 'id') ?? textAt(payload, 'user', 'team_id');
  const message = textAt(payload, 'message', 'ts') ?? textAt(payload, 'container', 'message_ts');
  const thread = textAt(payload, 'message', 'thread_ts');
  const actions = listAt(payload, 'actions').map((action): ChannelEvent => {
    const [id, stamp] = [textAt(action, 'action_id'), textAt(action, 'action_ts')];
    if (!channel || !user || !id || !stamp) return ignored('action of nobody known');
    const option = at(action, 'selected_option');
    const value = textAt(option, 'value') ?? textAt(action, 'value');
    const title = textAt(option, 'text', 'text') ?? textAt(action, 'text', 'text');
    const moment = unixDate(stamp);
    const who = person(user, team, channel);
    return {
      type: 'message',
      key: `${channel}:${id}:${user}:${stamp}`,
      providerId: `${channel}:${id}:${stamp}`,
      ...(moment ? { at: moment } : {}),
      person: name ? { ...who, name } : who,
      content: {
        kind: option === undefined ? 'button' : 'list',
        ...(title ? { text: title } : {}),
        data: {
          action_id: id,
          ...(value === undefined ? {} : { value }),
          channel,
          ...(thread ? { thread_ts: thread } : {}),
        },
      },
      ...(message ? { replyTo: `${channel}:${message}` } : {}),
    };
  });
  return actions.length > 0 ? actions : [ignored('block_actions')];
}

function removal(payload: unknown, reason: string): ChannelEvent {
  const [team, stamp] = [textAt(payload, 'team_id'), textAt(payload, 'event_time')];
  const moment = unixDate(stamp);
  return {
    type: 'notice',
    key: textAt(payload, 'event_id') ?? `${reason}:${team ?? ''}:${stamp ?? ''}`,
    ...(moment ? { at: moment } : {}),
    event: 'channel.disconnected',
    data: { reason, ...(team ? { team_id: team } : {}) },
  };
}
