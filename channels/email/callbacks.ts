/**
 * What comes back from mail, by whichever way this connection has chosen: the events of a service that carries it, or whole
 * mails from a server that takes bounces and answers. A connection listens to one of them; without a choice, to none.
 */
import {
  type ChannelEvent,
  type Credentials,
  type Field,
  parseJson,
  type RawRequest,
  type Receipt,
  sameBytes,
  type Webhook,
} from '../../src/channel-kit/index.ts';
import { VARIABLE } from './correlation.ts';
import * as mailgun from './mailgun.ts';
import * as mime from './mime.ts';
import * as postmark from './postmark.ts';
import * as ses from './ses.ts';

interface Way {
  readonly receipts: readonly Receipt[];
  /** Without this setting nothing can be checked, and everything is refused. */
  readonly needs: string;
  readonly verify: Webhook['verify'];
  /** The header in which this service takes our reference, to hand it back with each event. */
  header?(reference: string): Readonly<Record<string, string>>;
}

const WAYS: Readonly<Record<string, Way>> = {
  ses: {
    receipts: ['sent', 'delivered', 'read', 'failed', 'bounced', 'complained'],
    needs: 'sns_topic_arn',
    verify: ses.verify,
    header: (reference) => ({ 'X-SES-MESSAGE-TAGS': `${VARIABLE}=${reference}` }),
  },
  mailgun: {
    receipts: ['sent', 'delivered', 'read', 'failed', 'bounced', 'complained'],
    needs: 'mailgun_signing_key',
    verify: mailgun.verify,
    header: (reference) => ({ 'X-Mailgun-Variables': JSON.stringify({ [VARIABLE]: reference }) }),
  },
  postmark: {
    receipts: ['delivered', 'read', 'bounced', 'complained'],
    needs: 'callback_secret',
    verify: knowsPassword,
    header: (reference) => ({ [`X-PM-Metadata-${VARIABLE}`]: reference }),
  },
  mime: { receipts: ['delivered', 'bounced', 'complained'], needs: 'callback_secret', verify: knowsPassword },
};

export const callbackFields: readonly Field[] = [
  {
    name: 'callbacks',
    label: 'What comes back',
    type: 'choice',
    options: ['none', ...Object.keys(WAYS)],
    default: 'none',
    help: 'Events of Amazon SES, Mailgun or Postmark, or whole mails (mime) from a server that takes bounces and answers.',
  },
  {
    name: 'sns_topic_arn',
    label: 'SNS topic ARN',
    pattern: ses.TOPIC,
    example: 'arn:aws:sns:eu-west-1:123456789012:mail-events',
    help: 'For ses: the topic its events go to. Posts of other topics are refused.',
  },
  {
    name: 'sns_url',
    label: 'SNS address',
    type: 'url',
    help: 'For ses, only where the topic is not reached at the usual address of its region.',
  },
  {
    name: 'mailgun_signing_key',
    label: 'Mailgun signing key',
    secret: true,
    help: 'For mailgun: the HTTP webhook signing key.',
  },
  {
    name: 'callback_secret',
    label: 'Callback password',
    secret: true,
    pattern: '^[\\x21-\\x7e]{16,200}$',
    help: 'For postmark and mime: 16 signs or more, given as the password of Basic or as a Bearer token.',
  },
];

const wayOf = ({ callbacks = 'none' }: Credentials): Way | undefined =>
  Object.hasOwn(WAYS, String(callbacks)) ? WAYS[String(callbacks)] : undefined;

export const receiptsOf = (credentials: Credentials): readonly Receipt[] => wayOf(credentials)?.receipts ?? [];

export const referenceHeader = (credentials: Credentials, reference: string): Readonly<Record<string, string>> =>
  wayOf(credentials)?.header?.(reference) ?? {};

/** The setting that its choice needs and has not. */
export function missingSetting(credentials: Credentials): string | undefined {
  const needs = wayOf(credentials)?.needs;
  return needs && !credentials[needs] ? needs : undefined;
}

function knowsPassword({ headers }: RawRequest, { callback_secret: secret }: Credentials): boolean {
  const [scheme = '', given = ''] = (headers.authorization ?? '').split(' ');
  if (!secret) return false;
  if (scheme.toLowerCase() === 'bearer') return sameBytes(given, String(secret));
  const password = scheme.toLowerCase() === 'basic' ? Buffer.from(given, 'base64').toString().split(':') : [];
  return sameBytes(password.slice(1).join(':'), String(secret));
}

/** What was posted shows whose it is; the signature has been looked at before. */
function parse(request: RawRequest): readonly ChannelEvent[] | Promise<readonly ChannelEvent[]> {
  const payload = parseJson(request.body);
  const service = [ses, mailgun, postmark].find(({ isPost }) => isPost(payload));
  return service ? service.eventsOf(payload) : mime.eventsOf(request);
}

export const webhook: Webhook = {
  verify: (request, credentials, context) => wayOf(credentials)?.verify(request, credentials, context) ?? false,
  confirm: (request, credentials) => (wayOf(credentials) === WAYS.ses ? ses.confirm(request, credentials) : undefined),
  parse,
};
