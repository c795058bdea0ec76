/**
 * An SMTP server that a test can quarrel with: sign-in, STARTTLS or TLS, refusals by recipient, broken sessions.
 *
 * fake.script('ada@example.com', refuse('451 4.7.1 Greylisted'), accept())   the next two mails to her
 * Without a script: unknown@… is refused with 550 5.1.1, full@… with 552 5.2.2, grey@… the first time with 451 4.7.1.
 */
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { certificate, key } from './certificate.ts';

export type MailBehaviour =
  | { readonly do: 'accept' }
  | { readonly do: 'refuse'; readonly reply: string; readonly at: 'rcpt' | 'data' }
  /** The connection breaks at RCPT, in the middle of the message, or after its final dot. */
  | { readonly do: 'drop'; readonly at: 'rcpt' | 'message' | 'dot' }
  /** No answer to RCPT, or to the final dot. */
  | { readonly do: 'hang'; readonly at: 'rcpt' | 'dot' }
  | { readonly do: 'slow'; readonly ms: number };

export const accept = (): MailBehaviour => ({ do: 'accept' });
export const refuse = (reply: string, at: 'rcpt' | 'data' = 'rcpt'): MailBehaviour => ({ do: 'refuse', reply, at });
export const drop = (at: 'rcpt' | 'message' | 'dot'): MailBehaviour => ({ do: 'drop', at });
export const hang = (at: 'rcpt' | 'dot'): MailBehaviour => ({ do: 'hang', at });
export const slow = (ms: number): MailBehaviour => ({ do: 'slow', ms });

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** The message as it came, dots unstuffed. */
  readonly raw: Buffer;
  readonly secure: boolean;
  readonly user: string | undefined;
  /** What the sender asked to be reported, as it asked for it. */
  readonly dsn: { readonly envid?: string | undefined; readonly notify?: readonly string[] | undefined };
}

export interface SmtpOptions {
  readonly username?: string;
  readonly password?: string;
  /** `starttls` offers it, `tls` speaks nothing else, `none` (default) does not know it. */
  readonly security?: 'none' | 'starttls' | 'tls';
  /** Largest message in bytes. */
  readonly size?: number;
}

export interface SmtpFake {
  readonly host: string;
  readonly port: number;
  /** For a connection to this fake. */
  readonly credentials: Readonly<Record<string, string | number>>;
  /** Every accepted message, in order. */
  readonly mails: ReceivedMail[];
  /** Every RCPT, accepted or not. */
  readonly attempts: string[];
  readonly connections: { opened: number };
  script(to: string, ...behaviours: readonly MailBehaviour[]): void;
  /** Closes every session that is open now; new ones are welcome. */
  dropSessions(): void;
  close(): Promise<void>;
}

export async function startSmtp(options: SmtpOptions = {}): Promise<SmtpFake> {
  const { username = 'mailer', password = 'fake-smtp-password-6666', security = 'none', size } = options;
  const mails: ReceivedMail[] = [];
  const attempts: string[] = [];
  const connections = { opened: 0 };
  const scripts = new Map<string, MailBehaviour[]>();
  const grey = new Set<string>();
  const chosen = new WeakMap<SMTPServerSession, MailBehaviour>();

  function usual(to: string): MailBehaviour {
    if (to.startsWith('unknown@')) return refuse(`550 5.1.1 <${to}>: Recipient address rejected: User unknown`);
    if (to.startsWith('full@')) return refuse('552 5.2.2 Mailbox full');
    if (!to.startsWith('grey@') || grey.has(to)) return accept();
    grey.add(to);
    return refuse('451 4.7.1 Greylisted, try again later');
  }

  const server = new SMTPServer({
    key,
    cert: certificate,
    secure: security === 'tls',
    hideSTARTTLS: security !== 'starttls',
    allowInsecureAuth: true,
    authMethods: ['PLAIN', 'LOGIN'],
    // Replies carry the enhanced codes a test wrote, and no others.
    hideENHANCEDSTATUSCODES: true,
    hideDSN: false,
    disableReverseLookup: true,
    ...(size ? { size, rejectOversized: true } : {}),
    onConnect(_session, done) {
      connections.opened += 1;
      done();
    },
    onAuth(auth, _session, done) {
      if (auth.username === username && auth.password === password) return done(null, { user: username });
      return done(asError(`535 5.7.8 Authentication failed for ${auth.username} with ${auth.password}`));
    },
    onRcptTo({ address }, session, done) {
      attempts.push(address);
      const behaviour = scripts.get(address)?.shift() ?? scripts.get('*')?.shift() ?? usual(address);
      chosen.set(session, behaviour);
      if (behaviour.do === 'refuse' && behaviour.at === 'rcpt') return done(asError(behaviour.reply));
      if (behaviour.do === 'drop' && behaviour.at === 'rcpt') return cut(session);
      if (behaviour.do === 'hang' && behaviour.at === 'rcpt') return;
      return done();
    },
    onData(stream, session, done) {
      const behaviour = chosen.get(session) ?? accept();
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        if (behaviour.do === 'drop' && behaviour.at === 'message') cut(session);
      });
      stream.on('end', () => {
        if (behaviour.do === 'refuse') return done(asError(behaviour.reply));
        if (stream.sizeExceeded) return done();
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(({ address }) => address),
          raw: Buffer.concat(chunks),
          secure: session.secure,
          user: session.user as string | undefined,
          dsn: { envid: session.envelope.dsn?.envid ?? undefined, notify: rcptTo[0]?.dsn?.notify },
        });
        if (behaviour.do === 'drop') return cut(session);
        if (behaviour.do === 'hang') return;
        const queued = () => done(null, `2.0.0 Ok: queued as ${String(mails.length).padStart(6, 'F')}`);
        if (behaviour.do === 'slow') setTimeout(queued, behaviour.ms);
        else queued();
      });
    },
  });
  server.on('error', () => undefined);

  function cut(session: SMTPServerSession): void {
    for (const connection of server.connections) if (connection.session.id === session.id) connection._socket.destroy();
  }

  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const port = (server.server.address() as AddressInfo).port;
  return {
    host: 'localhost',
    port,
    credentials: {
      host: 'localhost',
      port,
      security,
      username,
      password,
      from_address: 'hello@acme.example',
      from_name: 'Acme',
      ...(security === 'none' ? {} : { ca: certificate }),
    },
    mails,
    attempts,
    connections,
    script: (to, ...behaviours) => void scripts.set(to, [...(scripts.get(to) ?? []), ...behaviours]),
    dropSessions: () => {
      for (const connection of server.connections) connection._socket.destroy();
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const connection of server.connections) connection._socket.destroy();
      }),
  };
}

/** `550 5.1.1 text` as the error the server library answers with. */
function asError(reply: string): Error {
  return Object.assign(new Error(reply.slice(4)), { responseCode: Number(reply.slice(0, 3)) });
}
