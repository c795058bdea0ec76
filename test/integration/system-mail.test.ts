/** Letters of the installation against a real SMTP server: tried again, given up, and never in anybody's way. */
import { Writable } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { createLog } from '../../src/lib/log.ts';
import { createMail, type Mail } from '../../src/lib/mail.ts';
import { until } from '../support/product.ts';
import { drop, hang, refuse, type SmtpFake, startSmtp } from '../support/providers/smtp.ts';

const SECRET = 'fake-smtp-password-6666';
const LINK = 'https://bells.example.com/portal/confirm?token=TOKEN-OF-THE-LINK';
let smtp: SmtpFake;
let mail: Mail;
let lines: string[];
afterEach(async () => {
  await mail?.close();
  await smtp?.close();
});

async function open(change: (url: string) => string = (url) => url) {
  smtp = await startSmtp();
  lines = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const url = change(`smtp://mailer:${SECRET}@127.0.0.1:${smtp.port}?from=bells@example.com`);
  mail = createMail({ url, log: createLog('debug', destination), delaysMs: [30, 30] });
}
const post = (to: string) => mail.post({ to, name: 'confirm', words: { site: 'bells.example.com', link: LINK } });
const logged = (words: string) => until(() => lines.some((line) => line.includes(words)), { what: words });

it('a letter that is refused for the moment, or whose connection breaks, leaves with a later try', async () => {
  await open();
  smtp.script('b@example.com', drop('rcpt'), refuse('451 4.7.1 Greylisted'));
  post('grey@example.com');
  post('b@example.com');
  await until(() => smtp.mails.length === 2);
  expect(smtp.attempts.filter((to) => to === 'b@example.com')).toHaveLength(3);
});

it('a letter that is refused for good is not tried again, and the log tells neither address nor link nor password', async () => {
  await open((url) => url.replace(SECRET, 'wrong-password'));
  post('ada@example.com');
  await logged('EAUTH');
  await mail.close();
  await smtp.close();
  await open();
  post('unknown@example.com');
  await logged('"responseCode":550');
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(smtp.attempts).toEqual(['unknown@example.com']);
  expect(lines.join('')).not.toMatch(/unknown@|TOKEN-OF-THE-LINK|password-6666/);
});

it('tries end, and a server that is away holds nobody up', async () => {
  await open();
  smtp.script('c@example.com', ...Array(9).fill(refuse('451 4.3.0 later')));
  post('c@example.com');
  await until(() => lines.filter((line) => line.includes('not sent')).length === 3);
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(smtp.attempts).toHaveLength(3);
  await smtp.close();
  const began = performance.now();
  post('d@example.com');
  expect(performance.now() - began).toBeLessThan(50);
  await until(() => lines.some((line) => /"code":"E(SOCKET|CONN)/.test(line)));
  await expect(mail.check()).rejects.toThrow();
});

it('stopping waits for a letter under way, but not for a server that hangs', async () => {
  await open();
  post('e@example.com');
  await mail.close();
  expect(smtp.mails).toHaveLength(1);
  await smtp.close();
  await open();
  smtp.script('f@example.com', hang('rcpt'));
  post('f@example.com');
  await until(() => smtp.attempts.length === 1);
  const began = performance.now();
  await mail.close();
  expect(performance.now() - began).toBeLessThan(7_000);
  expect(() => post('g@example.com')).not.toThrow();
});

it('the doctor hears whether the server answers', async () => {
  await open();
  expect(await mail.check()).toBe('127.0.0.1 answers; sender bells@example.com');
});
