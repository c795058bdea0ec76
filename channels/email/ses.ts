/**
 * Amazon SES, whose events come through a topic of Amazon SNS.
 *
 * A genuine post is signed by Amazon, for the one topic that the connection names: anybody can have a topic of their own
 * there. The certificate lies in the topic's region and nowhere else. A new subscription is confirmed by visiting the address
 * it brings, at that same host. Source: SNS message signatures, SES event publishing and notifications, read 2026-08.
 */
import {
  at,
  type ChannelEvent,
  type Credentials,
  dateOf,
  type Fault,
  listAt,
  parseJson,
  type RawRequest,
  type Receipt,
  signedBy,
  textAt,
  type VerifyContext,
} from '../../src/channel-kit/index.ts';
import { aboutOf, VARIABLE } from './correlation.ts';
import { bouncedForGood, refusedLater } from './smtp-faults.ts';

export const TOPIC = '^arn:aws[a-z-]*:sns:[a-z0-9-]{5,30}:\\d{12}:[A-Za-z0-9_-]{1,256}(\\.fifo)?$';
const CERTIFICATE = /^\/SimpleNotificationService-[0-9a-f]{8,64}\.pem$/;

/** What is signed, in this order; a subject only when there is one. */
const NOTIFICATION = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'];
const SUBSCRIPTION = ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'];
const SIGNED: Readonly<Record<string, readonly string[]>> = {
  Notification: NOTIFICATION,
  SubscriptionConfirmation: SUBSCRIPTION,
  UnsubscribeConfirmation: SUBSCRIPTION,
};
const ALGORITHMS: Readonly<Record<string, 'sha1' | 'sha256'>> = { 1: 'sha1', 2: 'sha256' };

export async function verify(request: RawRequest, credentials: Credentials, context?: VerifyContext): Promise<boolean> {
  const post = parseJson(request.body);
  const topic = credentials.sns_topic_arn;
  if (!context || !topic || textAt(post, 'TopicArn') !== topic) return false;
  const certificate = addressThere(textAt(post, 'SigningCertURL'), credentials);
  const version = textAt(post, 'SignatureVersion') ?? '';
  const algorithm = Object.hasOwn(ALGORITHMS, version) ? ALGORITHMS[version] : undefined;
  const [text, signature] = [canonical(post), textAt(post, 'Signature')];
  if (!certificate || !CERTIFICATE.test(certificate.pathname) || !algorithm || !text || !signature) return false;
  return signedBy(await context.document(certificate.href), algorithm, text, signature);
}

function canonical(post: unknown): string | undefined {
  const type = textAt(post, 'Type') ?? '';
  const names = Object.hasOwn(SIGNED, type) ? (SIGNED[type] ?? []) : [];
  const lines = names
    .filter((name) => name !== 'Subject' || at(post, name) !== undefined)
    .map((name) => [name, at(post, name)] as const);
  if (lines.length === 0 || lines.some(([, value]) => typeof value !== 'string')) return undefined;
  return lines.map(([name, value]) => `${name}\n${value}\n`).join('');
}

/** An address at the host of the topic's region, `undefined` for any other. */
function addressThere(given: string | undefined, { sns_topic_arn, sns_url }: Credentials): URL | undefined {
  if (!given || !URL.canParse(given)) return undefined;
  const region = String(sns_topic_arn).split(':')[3] ?? '';
  const usual = `https://sns.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
  const url = new URL(given);
  return url.origin === new URL(sns_url ? String(sns_url) : usual).origin && !url.username ? url : undefined;
}

export function confirm(request: RawRequest, credentials: Credentials): string | undefined {
  const post = parseJson(request.body);
  if (textAt(post, 'Type') !== 'SubscriptionConfirmation') return undefined;
  return addressThere(textAt(post, 'SubscribeURL'), credentials)?.href;
}

export const isPost = (payload: unknown): boolean => textAt(payload, 'TopicArn') !== undefined;

export function eventsOf(payload: unknown): readonly ChannelEvent[] {
  const type = textAt(payload, 'Type') ?? 'none';
  if (type !== 'Notification') return [{ type: 'ignored', reason: `a post of the type ${type.slice(0, 100)}` }];
  const told = parseJson(textAt(payload, 'Message') ?? '');
  const what = textAt(told, 'eventType') ?? textAt(told, 'notificationType') ?? 'none';
  const about = aboutOf(messageIdOf(told), textAt(told, 'mail', 'tags', VARIABLE, 0));
  const word = Object.hasOwn(WORDS, what) ? WORDS[what]?.(told) : undefined;
  if (!word || !about) return [{ type: 'ignored', reason: `event ${what.slice(0, 100)}` }];
  const { receipt, fault, details } = word;
  const moment = dateOf(textAt(details, 'timestamp') ?? textAt(told, 'mail', 'timestamp'));
  const which = textAt(details, 'feedbackId') ?? textAt(details, 'timestamp') ?? '';
  return [
    {
      type: 'receipt',
      key: `${textAt(told, 'mail', 'messageId') ?? about.providerId}:${what}:${which}`,
      ...about,
      receipt,
      ...(moment ? { at: moment } : {}),
      ...(fault ? { fault } : {}),
    },
  ];
}

/** The Message-ID we gave it; the service's own id is of no use to us. */
function messageIdOf(told: unknown): string | undefined {
  const header = listAt(told, 'mail', 'headers').find((one) => textAt(one, 'name')?.toLowerCase() === 'message-id');
  return textAt(header, 'value') ?? textAt(told, 'mail', 'commonHeaders', 'messageId');
}

type Word = { readonly receipt: Receipt; readonly details: unknown; readonly fault?: Fault };

/** A delay is not the end: the service goes on trying by itself. */
const WORDS: Readonly<Record<string, (told: unknown) => Word | undefined>> = {
  Send: (told) => ({ receipt: 'sent', details: at(told, 'send') }),
  Delivery: (told) => ({ receipt: 'delivered', details: at(told, 'delivery') }),
  Open: (told) => ({ receipt: 'read', details: at(told, 'open') }),
  Complaint: (told) => ({ receipt: 'complained', details: at(told, 'complaint') }),
  Reject: (told) => ({
    receipt: 'failed',
    details: at(told, 'reject'),
    fault: { kind: 'content_invalid', providerCode: 'Reject', ...said(textAt(told, 'reject', 'reason')) },
  }),
  Bounce: (told) => {
    const bounce = at(told, 'bounce');
    const fault = bounceFault(bounce);
    return fault && { receipt: 'bounced', details: bounce, fault };
  },
};

/** Reasons that may pass, and those that lie in the message; all others are the service's last word without a reason. */
const TRANSIENT: Readonly<Record<string, Fault['kind']>> = {
  MailboxFull: 'provider_unavailable',
  MessageTooLarge: 'content_invalid',
  ContentRejected: 'content_invalid',
  AttachmentRejected: 'content_invalid',
};

function bounceFault(bounce: unknown): Fault | undefined {
  const recipient = at(bounce, 'bouncedRecipients', 0);
  const [status, words] = [textAt(recipient, 'status'), textAt(recipient, 'diagnosticCode')];
  const [type, subtype = ''] = [textAt(bounce, 'bounceType'), textAt(bounce, 'bounceSubType')];
  if (type === 'Permanent') return bouncedForGood(status, words);
  const kind = Object.hasOwn(TRANSIENT, subtype) ? TRANSIENT[subtype] : undefined;
  if (kind) return { ...refusedLater(status, words), kind };
  // An automatic answer is reported as a bounce too; it has reached the person and names no server that refused it.
  if (textAt(recipient, 'action') !== 'failed' && !words) return undefined;
  return { ...refusedLater(status, words), kind: 'provider_rejected' };
}

const said = (words: string | undefined) => (words ? { providerMessage: words.slice(0, 1_000) } : {});
