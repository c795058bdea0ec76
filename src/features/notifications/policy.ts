/**
 * What may be sent: a list of small pure rules over one request. Every rule sees the whole request and answers with its
 * refusals; `send` gives the first, `validate` gives all. To add a rule, write a function and put it into `RULES`.
 */
import type { AnyChannel, Content } from '../../channel-kit/index.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { MESSAGES_MAX } from '../../lib/ids.ts';
import type { FieldFault } from '../../lib/schema.ts';
import type { SendNotification } from './schema.ts';

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Where a channel's content comes from. */
export type Source = 'template' | 'raw' | 'own';

/** One requested channel, with all that was found out about it. */
export interface Ask {
  readonly id: string;
  /** Where the request names it; absent: in `channels`. */
  readonly param?: string | undefined;
  readonly channel: AnyChannel | undefined;
  /** A connection can carry it. */
  readonly connected: boolean;
  /** Required recipient fields that were not given. */
  readonly missingFields: readonly string[];
  readonly address: string | undefined;
  readonly addressFault: { readonly field: string; readonly message: string } | undefined;
  /** Raw fields of the request that this channel takes, and those it cannot do without. */
  readonly rawFields: readonly string[];
  readonly missingRaw: readonly string[];
  readonly source: Source | undefined;
  /** When the time was over in which free text could answer this person. */
  readonly windowEnd?: Date | undefined;
  /** What a raw or own source sends, variables still in place. */
  readonly content: Content | undefined;
  readonly language: string | undefined;
}

export interface Request {
  readonly notification: SendNotification;
  readonly asks: readonly Ask[];
  /** Raw fields of the request. */
  readonly rawGiven: readonly string[];
  /** Languages the template has, by channel; `undefined` when no template was asked for or found. */
  readonly template:
    | { readonly slug: string; readonly languages: Readonly<Record<string, readonly string[]>> }
    | undefined;
  readonly data: {
    readonly missing: readonly string[];
    readonly unexpected: readonly string[];
    readonly faults: readonly FieldFault[];
  };
}

type Rule = (request: Request) => readonly Refusal[];
const CHANNELS = 'notification.channels';

const known: Rule = ({ asks }) =>
  asks
    .filter(({ channel }) => !channel)
    .map(({ id, param = CHANNELS }) => ({
      code: 'channel_unknown',
      message: `There is no channel called ${JSON.stringify(id)}. GET /api/v1/channels/capabilities lists the channels.`,
      param,
    }));

/** Each channel once: a second message where the first has not worked would be the same again. */
const fallbackFits: Rule = ({ notification: { channels, fallback = [] } }) => {
  const refuse = (param: string, message: string): Refusal => ({
    code: 'validation_failed',
    message: `${param}: ${message}`,
    param,
    details: { fields: [{ path: param, message }] },
  });
  const used = new Set(channels);
  return [
    ...(channels.length + fallback.length > MESSAGES_MAX
      ? [refuse('notification.fallback', `channels and fallbacks are ${MESSAGES_MAX} at most, together`)]
      : []),
    ...fallback.flatMap(({ channel, on, after_seconds }, index) => {
      const at = `notification.fallback.${index}`;
      const repeated = used.has(channel);
      used.add(channel);
      return [
        ...(repeated ? [refuse(`${at}.channel`, `${channel} is used already; a fallback is another channel`)] : []),
        ...(on === 'not_delivered' && after_seconds === undefined
          ? [refuse(`${at}.after_seconds`, 'not_delivered needs to know after how many seconds (10 to 604800)')]
          : []),
        ...(on === 'failed' && after_seconds !== undefined
          ? [refuse(`${at}.after_seconds`, 'failed starts at once; leave it out, or use not_delivered')]
          : []),
      ];
    }),
  ];
};

const recipientComplete: Rule = ({ asks }) =>
  asks.flatMap(({ id, missingFields }) =>
    missingFields.map((field) => ({
      code: 'recipient_field_missing' as const,
      message: `The channel ${id} needs recipient.${field}. GET /api/v1/channels/capabilities lists what each channel needs.`,
      param: `recipient.${field}`,
    })),
  );

const recipientValid: Rule = ({ asks }) =>
  asks.flatMap(({ addressFault }) =>
    addressFault
      ? [
          {
            code: 'invalid_recipient' as const,
            message: addressFault.message,
            param: `recipient.${addressFault.field}`,
          },
        ]
      : [],
  );

/**
 * N-09, N-17: where the channel demands a template, nothing is sent anywhere without one; but for free text that answers a
 * person in time.
 */
const templateRequired: Rule = ({ asks, notification }) =>
  asks
    .filter(
      ({ channel, source }) => channel?.templatePolicy.send === 'required' && !notification.template_id && !source,
    )
    .map(({ id, windowEnd }) =>
      windowEnd
        ? {
            code: 'outside_window',
            message: `The channel ${id} took free text for this person until ${windowEnd.toISOString()}. Add notification.template_id, or wait until the person writes again. Nothing was sent on any channel.`,
            param: 'notification.template_id',
            details: { channel: id, window_expired_at: windowEnd.toISOString() },
          }
        : {
            code: 'template_required',
            message: `The channel ${id} only sends templates: add notification.template_id, and the template's variables in notification.data. Nothing was sent on any channel.`,
            param: 'notification.template_id',
          },
    );

const rawNotAllowed: Rule = ({ asks, notification, rawGiven }) => {
  if (!notification.template_id || !asks.every(({ channel }) => channel?.templatePolicy.send === 'required')) return [];
  const own = asks.filter(({ id }) => notification.content?.[id]).map(({ id }) => `content.${id}`);
  return [...rawGiven, ...own].map((field) => ({
    code: 'raw_not_allowed',
    message: `${asks.map(({ id }) => id).join(', ')} takes no raw text: leave notification.${field} out, the template says it all.`,
    param: `notification.${field}`,
  }));
};

const templateFound: Rule = ({ notification, template }) =>
  notification.template_id && !template
    ? [
        {
          code: 'template_not_found',
          message: `There is no active template called ${JSON.stringify(notification.template_id)}. Check notification.template_id, or create it under Templates.`,
          param: 'notification.template_id',
        },
      ]
    : [];

/** N-18: with a template, each channel has content in it, or raw fields to fall back on where raw is allowed. */
const templateCovers: Rule = ({ asks, template }) => {
  if (!template) return [];
  return asks.flatMap((ask): Refusal[] => {
    if (!ask.channel || ask.source) return [];
    const languages = template.languages[ask.id];
    if (!languages)
      return [
        {
          code: 'template_channel_missing',
          message: `The template ${template.slug} has no content for ${ask.id}. Add it to the template, or leave the channel out.`,
          param: ask.param ?? CHANNELS,
          details: { channel: ask.id, template_id: template.slug },
        },
      ];
    return [
      {
        code: 'template_language_missing',
        message: `The template ${template.slug} has no content for ${ask.id} in this language; it has ${languages.join(', ')}.`,
        param: 'notification.language',
        details: { channel: ask.id, languages },
      },
    ];
  });
};

const contentThere: Rule = ({ asks, template, notification }) => {
  if (template || notification.template_id) return [];
  return asks
    .filter(({ channel, source }) => channel && channel.templatePolicy.send === 'optional' && !source)
    .map(({ id, missingRaw }) => ({
      code: 'content_required',
      message: `The channel ${id} has nothing to send: add ${missingRaw.map((field) => `notification.${field}`).join(' and ')}, or notification.template_id with notification.data.`,
      param: `notification.${missingRaw[0] ?? 'body'}`,
    }));
};

/** A field that nobody reads is a mistake the sender would want to hear of. */
const nothingUnused: Rule = ({ asks, rawGiven, notification }) => {
  if (asks.some(({ channel }) => !channel)) return [];
  const unused = rawGiven.filter((field) => !asks.some(({ rawFields }) => rawFields.includes(field)));
  const strangers = Object.keys(notification.content ?? {}).filter((id) => !asks.some((ask) => ask.id === id));
  // Where the template rules alone, `rawNotAllowed` has said it better.
  const allRequired = asks.every(({ channel }) => channel?.templatePolicy.send === 'required');
  return [
    ...(allRequired ? [] : unused).map(
      (field): Refusal => ({
        code: 'content_unused',
        message: `None of the channels ${asks.map(({ id }) => id).join(', ')} uses notification.${field}. Leave it out.`,
        param: `notification.${field}`,
      }),
    ),
    ...strangers.map(
      (id): Refusal => ({
        code: 'content_unused',
        message: `notification.content.${id} is given, but ${id} is not among notification.channels.`,
        param: `notification.content.${id}`,
      }),
    ),
  ];
};

/** N-29: names must match before anything is queued. */
const variablesMatch: Rule = ({ data, notification }) => {
  if (data.missing.length === 0 && data.unexpected.length === 0) return [];
  const parts = [
    ...(data.missing.length > 0 ? [`missing: ${data.missing.join(', ')}`] : []),
    ...(data.unexpected.length > 0
      ? [`not in the ${notification.template_id ? 'template' : 'text'}: ${data.unexpected.join(', ')}`]
      : []),
  ];
  return [
    {
      code: 'template_variable_mismatch',
      message: `notification.data and the variables differ (${parts.join('; ')}). Align the names and send again.`,
      param: 'notification.data',
      details: { missing: data.missing, unexpected: data.unexpected },
    },
  ];
};

/** Values of the wrong kind: a list where a text is printed, a date that is none. */
const valuesFit: Rule = ({ data: { faults } }) =>
  faults.length > 0
    ? [
        {
          code: 'validation_failed',
          message: `notification.${faults[0]?.path}: ${faults[0]?.message}`,
          param: `notification.${faults[0]?.path}`,
          details: { fields: faults.map(({ path, message }) => ({ path: `notification.${path}`, message })) },
        },
      ]
    : [];

const connected: Rule = ({ asks }) =>
  asks
    .filter(({ channel, connected: there }) => channel && !there)
    .map(({ id, param = CHANNELS }) => ({
      code: 'channel_not_connected',
      message: `The channel ${id} is not connected for live sends. Connect it under Channels in the portal (/portal/channels), or use a test key.`,
      param,
      details: { channel: id, page: '/portal/channels' },
    }));

/** In the order in which a person would want to hear of them. */
export const RULES: Readonly<Record<string, Rule>> = {
  known,
  fallbackFits,
  templateRequired,
  rawNotAllowed,
  recipientComplete,
  recipientValid,
  templateFound,
  templateCovers,
  contentThere,
  nothingUnused,
  variablesMatch,
  valuesFit,
  connected,
};

const ORDER = Object.values(RULES);
export const judge = (request: Request): readonly Refusal[] => ORDER.flatMap((rule) => rule(request));

/** The first refusal. */
export function refusalOf(request: Request): Refusal | undefined {
  for (const rule of ORDER) {
    const [refusal] = rule(request);
    if (refusal) return refusal;
  }
  return undefined;
}
