/**
 * E-mail through any SMTP server, over sockets that the core has dialled and judged.
 *
 * `250` after the final dot is the last thing SMTP itself tells: the message is `sent`; more is known where the connection
 * says how it comes back. A connection lost before that dot means
 * it was not taken; one lost after it means that nobody knows, and a repeat would carry the same Message-ID.
 * The pool keeps sessions only. It repeats a message by itself in one case: the server had closed an idle session, and
 * not a byte of the message had left. Source: RFC 5321 §4.2.5, RFC 3463, nodemailer 10.
 */
import { createTransport, type SMTPPoolOptions, type Transporter } from 'nodemailer';
import { type Adapter, type Credentials, DeliveryError, type Net, redact } from '../../src/channel-kit/index.ts';
import { callbackFields, missingSetting, receiptsOf, referenceHeader, webhook } from './callbacks.ts';
import { guide } from './guide.ts';
import type { EmailContent } from './index.ts';
import { type Mailbox, mailbox } from './mailbox.ts';
import { faults, type SmtpError, verdict } from './smtp-faults.ts';

const CONNECTIONS = 5;

interface Client {
  readonly transport: Transporter;
  close(): void;
}

export const smtp: Adapter<EmailContent, Client> = {
  id: 'smtp',
  label: 'SMTP',
  guide,
  credentials: [
    { name: 'host', label: 'Server', type: 'host', required: true, example: 'smtp.example.com' },
    { name: 'port', label: 'Port', type: 'number', default: 587, min: 1, max: 65_535 },
    {
      name: 'security',
      label: 'Encryption',
      type: 'choice',
      options: ['starttls', 'tls', 'opportunistic', 'none'],
      default: 'starttls',
      help: 'starttls for port 587, tls for 465. opportunistic encrypts if the server can, without checking who it is.',
    },
    { name: 'username', label: 'User name', help: 'Empty for a server that asks for none.' },
    { name: 'password', label: 'Password', secret: true },
    { name: 'from_address', label: 'Sender address', type: 'email', required: true, example: 'hello@example.com' },
    { name: 'from_name', label: 'Sender name', pattern: '^[^\\r\\n]{1,100}$', example: 'Acme' },
    { name: 'reply_to', label: 'Reply address', type: 'email' },
    {
      name: 'ca',
      label: 'Trusted certificate',
      help: 'Only for a server of your own whose certificate no public authority has signed: the PEM text.',
    },
    ...callbackFields,
  ],
  receipts: ['sent', 'delivered', 'read', 'failed', 'bounced', 'complained'],
  receiptsOf,
  dedupes: false,
  perSecond: 20,
  concurrency: CONNECTIONS,
  faults,

  connect,

  async send({ reference, address, content, unsubscribeUrl }, { client, credentials, signal }) {
    const from = sender(content.from, credentials);
    const replyTo = content.reply_to ?? text(credentials.reply_to);
    let handedOver = false;
    const message = {
      // An envelope of our own: nothing in the headers may change who gets it.
      envelope: { from: from.address, to: [address] },
      from: { name: from.name ?? '', address: from.address },
      to: { name: '', address },
      ...(replyTo ? { replyTo: named(replyTo, 'reply_to') } : {}),
      subject: content.subject,
      ...(content.body === undefined ? {} : { text: content.body }),
      ...(content.html === undefined ? {} : { html: content.html }),
      attachments: (content.attachments ?? []).map((file) => ({
        filename: file.filename,
        contentType: file.content_type,
        content: Buffer.from(file.content, 'base64'),
      })),
      // The same over all attempts, so that a mailbox that got two copies can show one.
      messageId: `<${reference}@${from.address.split('@')[1]}>`,
      headers: {
        'Auto-Submitted': 'auto-generated',
        ...unsubscribe(unsubscribeUrl),
        ...prepared(referenceHeader(credentials, reference)),
      },
      // Where bounces are read, the server is asked to name the message in them, if it knows how.
      ...(credentials.callbacks === 'mime'
        ? { dsn: { id: reference, return: 'headers', notify: ['failure'], recipient: address } }
        : {}),
      xMailer: false as const,
      signal,
      [HANDED_OVER]: () => {
        handedOver = true;
      },
    };
    try {
      const info = await client.transport.sendMail(message);
      return { providerId: info.messageId, note: redact(String(info.response), smtp, credentials).slice(0, 200) };
    } catch (error) {
      throw asDeliveryError(error, handedOver, credentials);
    }
  },

  async check({ client, credentials }) {
    const missing = missingSetting(credentials);
    if (missing)
      throw new DeliveryError('credentials_invalid', {
        providerMessage: `what comes back by ${credentials.callbacks} cannot be checked without ${missing}`,
      });
    try {
      await client.transport.verify();
    } catch (error) {
      throw asDeliveryError(error, false, credentials);
    }
    return `${credentials.host} answers${credentials.username ? ` and knows ${credentials.username}` : ''}`;
  },

  webhook,
};

/** As they are: services read these signs, not an encoding of them. */
const prepared = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, { prepared: true, value }]));

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);

/** One click is promised only where the mailbox's provider may rely on it. Source: RFC 2369, RFC 8058. */
const unsubscribe = (url: string | undefined): Readonly<Record<string, string>> =>
  url === undefined
    ? {}
    : {
        'List-Unsubscribe': `<${url}>`,
        ...(url.startsWith('https:') ? { 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' } : {}),
      };

/** Where a message tells us that its last byte was read by the connection; the dot that ends it follows at once. */
const HANDED_OVER = 'carillonHandedOver';

function connect(credentials: Credentials, net: Net): Client {
  const { host, port, username, password } = credentials;
  const options: SMTPPoolOptions & { pool: true } = {
    pool: true,
    maxConnections: CONNECTIONS,
    maxRequeues: 1,
    host: String(host),
    port: Number(port),
    ...encryption(credentials),
    ...(username ? { auth: { user: String(username), pass: String(password ?? '') } } : {}),
    connectionTimeout: 15_000,
    greetingTimeout: 15_000,
    socketTimeout: 60_000,
    disableFileAccess: true,
    disableUrlAccess: true,
    // nodemailer itself never dials: the address was resolved, judged and connected by the core.
    getSocket: (_options, done) => {
      net.dial(String(host), Number(port)).then(
        (connection) => done(null, { connection }),
        (error: Error) => done(error, undefined),
      );
    },
  };
  const transport = createTransport(options);
  transport.use('stream', (mail, done) => {
    const told = (mail.data as unknown as Record<string, () => void>)[HANDED_OVER];
    if (told) mail.message.processFunc((stream) => stream.once('end', told));
    done();
  });
  // An idle session that breaks has no message to tell it to; the next send opens another.
  transport.on('error', () => undefined);
  return { transport, close: () => transport.close() };
}

function encryption({ security, ca }: Credentials) {
  const trust = text(ca) ? { ca: pem(String(ca)) } : {};
  if (security === 'tls') return { secure: true, tls: trust };
  if (security === 'none') return { secure: false, ignoreTLS: true };
  if (security === 'opportunistic')
    return { secure: false, opportunisticTLS: true, tls: { ...trust, rejectUnauthorized: false } };
  return { secure: false, requireTLS: true, tls: trust };
}

/** A form field loses the line breaks that the format needs. */
const pem = (given: string) =>
  given.replace(
    /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g,
    (_, body: string) =>
      `-----BEGIN CERTIFICATE-----\n${(body.replace(/\s/g, '').match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`,
  );

function sender(override: string | undefined, { from_address, from_name }: Credentials): Mailbox {
  if (override) return named(override, 'from');
  const name = text(from_name);
  return { ...named(String(from_address), 'from_address'), ...(name ? { name } : {}) };
}

function named(given: string, field: string): { name: string; address: string } {
  const parsed = mailbox(given);
  if (!parsed) throw new DeliveryError('content_invalid', { providerMessage: `${field} is not one e-mail address` });
  return { name: parsed.name ?? '', address: parsed.address };
}

function asDeliveryError(error: unknown, handedOver: boolean, credentials: Credentials): DeliveryError {
  // The core's own word on a connection that it could not make, or would not.
  if (error instanceof DeliveryError) return error;
  const { kind, ...details } = verdict(error as SmtpError, handedOver);
  const clean = redact(details.providerMessage ?? '', smtp, credentials).slice(0, 1_000);
  return new DeliveryError(kind, { ...details, providerMessage: clean });
}
