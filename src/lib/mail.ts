/**
 * The installation's own mail, over the operator's server (SYSTEM_SMTP_URL). In comes a letter, out goes a message; nobody
 * waits for it. What the server refuses for the moment (a greylist, a restart) is tried again a few times from memory; what
 * is lost with the process can be asked for again, because no letter is the only copy of anything. The log says why a
 * letter did not leave, never to whom or with what link.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Handlebars from 'handlebars';
import { createTransport, type SMTPTransportOptions } from 'nodemailer';
import { isLoopback, projectRoot, senderOf } from './config.ts';
import type { Log } from './log.ts';

export interface Letter {
  readonly to: string;
  /** A pair of files in `templates/mail`: `<name>.txt.hbs`, whose first line is the subject, and `<name>.html.hbs`. */
  readonly name: string;
  readonly words: Readonly<Record<string, string | number>>;
}

export interface Mail {
  /** Returns at once, and never throws for what happens later. */
  post(letter: Letter): void;
  /** Throws what the server answers to a greeting and a sign-in. */
  check(): Promise<string>;
  /** Waits for what is under way, for at most 5 s, and drops what waits for another try. */
  close(): Promise<void>;
}

export interface MailOptions {
  readonly url: string;
  readonly log: Log;
  /** Before each further try. Default: 5 s, 1 min, 6 min. */
  readonly delaysMs?: readonly number[];
}

/** Letters in memory; one more is dropped, with a line in the log. */
const WAITING_MAX = 500;
const AT_ONCE = 2;
const CLOSING_MS = 5_000;

interface Waiting {
  readonly letter: Letter;
  readonly tries: number;
}

export function createMail({ url, log, delaysMs = [5_000, 60_000, 360_000] }: MailOptions): Mail {
  const from = senderOf(url) ?? '';
  const transport = createTransport(serverOf(url));
  const words = readWords();
  const line: Waiting[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const underWay = new Set<Promise<void>>();
  let closed = false;

  async function send({ letter, tries }: Waiting): Promise<void> {
    const began = performance.now();
    const about = { letter: letter.name, try: tries + 1 };
    try {
      const { subject, text, html } = words(letter);
      await transport.sendMail({
        // An envelope of our own: nothing in an address may change who gets it.
        envelope: { from, to: [letter.to] },
        from: { name: 'Carillon', address: from },
        to: { name: '', address: letter.to },
        subject,
        text,
        html,
        headers: { 'Auto-Submitted': 'auto-generated' },
        xMailer: false as const,
      });
      log.info({ ...about, ms: Math.round(performance.now() - began) }, 'system mail sent');
    } catch (error) {
      const { code, responseCode } = error as { code?: string; responseCode?: number };
      const delay = isPassing(code, responseCode) && !closed ? delaysMs[tries] : undefined;
      // The server's own words are left out: they may repeat the address, or the password.
      log.warn({ ...about, code, responseCode, next_try_ms: delay }, 'system mail not sent');
      if (delay !== undefined) later({ letter, tries: tries + 1 }, delay);
    }
  }

  function later(waiting: Waiting, delay: number): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      enter(waiting);
    }, delay).unref();
    timers.add(timer);
  }

  function enter(waiting: Waiting): void {
    line.push(waiting);
    pump();
  }

  function pump(): void {
    while (underWay.size < AT_ONCE) {
      const next = line.shift();
      if (!next) return;
      const work = send(next).finally(() => {
        underWay.delete(work);
        pump();
      });
      underWay.add(work);
    }
  }

  return {
    post(letter) {
      if (!closed && line.length + timers.size < WAITING_MAX) enter({ letter, tries: 0 });
      else log.warn({ letter: letter.name }, 'system mail dropped: too much is waiting');
    },
    async check() {
      await transport.verify();
      return `${new URL(url).hostname} answers; sender ${from}`;
    },
    async close() {
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      let patience: NodeJS.Timeout | undefined;
      const enough = new Promise((resolve) => {
        patience = setTimeout(resolve, CLOSING_MS);
      });
      const done = (async () => {
        while (underWay.size > 0) await Promise.all(underWay);
      })();
      await Promise.race([done, enough]);
      clearTimeout(patience);
      transport.close();
    },
  };
}

/** The server could say something else in a while: 4xx, or no word at all. Not a refused password or certificate. */
const isPassing = (code: string | undefined, responseCode: number | undefined): boolean =>
  code !== 'EAUTH' && code !== 'ETLS' && (responseCode === undefined ? code !== undefined : responseCode < 500);

/** The operator's own server: any address is allowed, private ones too. */
function serverOf(given: string): SMTPTransportOptions {
  const url = new URL(given);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const secure = url.protocol === 'smtps:';
  const user = decodeURIComponent(url.username);
  const own = isLoopback(host);
  const plain = url.searchParams.get('tls') === 'none';
  return {
    host,
    port: Number(url.port || (secure ? 465 : 587)),
    secure,
    ignoreTLS: plain,
    // A password must not go out in the clear because somebody on the way took STARTTLS away.
    requireTLS: !secure && !plain && !own && user !== '',
    // Mail servers of the same machine often sign their own certificate, and nobody is in between.
    ...(own ? { tls: { rejectUnauthorized: false } } : {}),
    ...(user ? { auth: { user, pass: decodeURIComponent(url.password) } } : {}),
    connectionTimeout: 5_000,
    greetingTimeout: 5_000,
    socketTimeout: 10_000,
    dnsTimeout: 5_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** Reads the letters once; a word that a letter needs and does not get is a fault, not a gap. */
function readWords(folder: string = join(projectRoot, 'templates', 'mail')) {
  const engine = Handlebars.create();
  const read = (ending: string, noEscape: boolean) =>
    new Map(
      readdirSync(folder)
        .filter((file) => file.endsWith(ending))
        .map((file) => [
          file.slice(0, -ending.length),
          engine.compile<Record<string, unknown>>(readFileSync(join(folder, file), 'utf8'), { noEscape, strict: true }),
        ]),
    );
  const texts = read('.txt.hbs', true);
  const pages = read('.html.hbs', false);
  return ({ name, words }: Letter): { subject: string; text: string; html: string } => {
    const [text, page, frame] = [texts.get(name), pages.get(name), pages.get('frame')];
    if (!text || !page || !frame) throw new Error(`no letter ${name} in templates/mail`);
    const [subject = '', , ...lines] = text(words).split('\n');
    const html = frame({ subject, content: new Handlebars.SafeString(page(words)) });
    return { subject, text: lines.join('\n'), html };
  };
}
