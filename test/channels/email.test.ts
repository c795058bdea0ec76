/** E-mail: which addresses are one, what a server receives, and what its answers mean. */
import PostalMime from 'postal-mime';
import { afterEach, describe, expect, it } from 'vitest';
import { email } from '../../channels/email/index.ts';
import { mailbox, plainAddress } from '../../channels/email/mailbox.ts';
import { smtp } from '../../channels/email/smtp.ts';
import { verdict } from '../../channels/email/smtp-faults.ts';
import type { Credentials, Outbound } from '../../src/channel-kit/index.ts';
import { faultOf } from '../support/adapters.ts';
import { contextFor, createHttp, net } from '../support/http.ts';
import type { Json } from '../support/providers/fake.ts';
import { accept, drop, hang, refuse, type SmtpOptions, slow, startSmtp } from '../support/providers/smtp.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const mail = (address: string, content: Partial<Outbound['content']> = {}): Outbound<Json> => ({
  reference: 'msg_01JABCDEF',
  to: { email: address },
  address,
  content: { subject: 'Order 42', body: 'It has shipped.', ...content },
});

async function start(options: SmtpOptions = {}, credentials: Credentials = {}) {
  const fake = await startSmtp(options);
  cleanups.push(() => fake.close());
  return { fake, ...open({ ...fake.credentials, ...credentials }) };
}

function open(credentials: Credentials) {
  const http = createHttp();
  const client = smtp.connect?.(contextFor(smtp, credentials, { http }).credentials, net);
  if (!client) throw new Error('smtp keeps a pool');
  cleanups.push(() => client.close());
  const context = (signal?: AbortSignal) =>
    contextFor(smtp, credentials, { http, client, ...(signal ? { signal } : {}) });
  return {
    send: (message: Outbound<Json>, signal?: AbortSignal) => smtp.send(message, context(signal)),
    check: () => smtp.check(context()),
  };
}

describe('an e-mail address', () => {
  it.each([
    ['Ada@Example.COM', 'ada@example.com'],
    ['first.last+tag@sub.example.co', 'first.last+tag@sub.example.co'],
    ['ada@bücher.example', 'ada@xn--bcher-kva.example'],
    ['pay@раураl.com', 'pay@xn--l-7sba6dbr.com'],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
  ])('takes %s and writes it as %s', (given, canonical) => {
    expect(email.address({ email: given }, {})).toBe(canonical);
  });

  it.each([
    'a@b.example,c@d.example',
    'a@b.example c@d.example',
    'Ada <ada@example.com>',
    '"a@evil.example"@example.com',
    '"quoted"@example.com',
    'ada@example.com\r\nBcc: x@y.example',
    'ada@example.com\n',
    'ada@',
    '@example.com',
    'ada',
    'ada@localhost',
    'ada@127.0.0.1',
    'ada@[127.0.0.1]',
    'ada@example..com',
    'ada@-example.com',
    'a..b@example.com',
    '.a@example.com',
    'ada(comment)@example.com',
    'ada@exam ple.com',
    'ada@example.com/path',
    'ada@exam%70le.com',
    'ädä@example.com',
    `${'a'.repeat(65)}@example.com`,
    `a@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(60)}.${'f'.repeat(20)}.com`,
    '',
  ])('refuses %j with the fix in the message', (given) => {
    expect(plainAddress(given)).toBeUndefined();
    expect(() => email.address({ email: given }, {})).toThrow(/one bare address/);
  });

  it.each([
    ['a@b.example', { address: 'a@b.example' }],
    ['Ada Lovelace <a@b.example>', { name: 'Ada Lovelace', address: 'a@b.example' }],
    ['"Lovelace, Ada" <a@b.example>', { name: 'Lovelace, Ada', address: 'a@b.example' }],
    ['<a@b.example>', { address: 'a@b.example' }],
    ['Ada <a@b.example>\r\nBcc: c@d.example', undefined],
    ['Ada <a@b.example>, Eve <c@d.example>', undefined],
    ['Ada', undefined],
  ])('reads the sender %j', (given, parsed) => {
    expect(mailbox(given)).toEqual(parsed);
  });
});

describe('what the server receives', () => {
  it('text, HTML and files arrive as sent, with our own envelope and a Message-ID made of our reference', async () => {
    const { fake, send } = await start();
    const content = {
      subject: 'Grüße 🎉',
      body: 'Plain – text\n.\nwith a lonely dot',
      html: '<p>Rich &amp; bold</p>',
      reply_to: 'Support <help@acme.example>',
      attachments: [
        { filename: 'räch nung.txt', content_type: 'text/plain', content: Buffer.from('hello').toString('base64') },
      ],
    };
    const accepted = await send(mail('ada@example.com', content));
    expect(accepted.providerId).toBe('<msg_01JABCDEF@acme.example>');
    expect(accepted.note).toContain('queued as');
    const [got] = fake.mails;
    expect(got).toMatchObject({ from: 'hello@acme.example', to: ['ada@example.com'], user: 'mailer' });
    const parsed = await PostalMime.parse(got?.raw ?? '');
    expect(parsed.subject).toBe('Grüße 🎉');
    expect(parsed.from).toMatchObject({ name: 'Acme', address: 'hello@acme.example' });
    expect(parsed.to?.[0]?.address).toBe('ada@example.com');
    expect(parsed.replyTo?.[0]).toMatchObject({ name: 'Support', address: 'help@acme.example' });
    expect(parsed.messageId).toBe('<msg_01JABCDEF@acme.example>');
    expect(parsed.text?.trim()).toBe('Plain – text\n.\nwith a lonely dot');
    expect(parsed.html?.trim()).toBe('<p>Rich &amp; bold</p>');
    expect(parsed.attachments[0]).toMatchObject({ filename: 'räch nung.txt', mimeType: 'text/plain' });
    expect(Buffer.from(parsed.attachments[0]?.content as ArrayBuffer).toString()).toBe('hello');
    expect(parsed.headers.find((h) => h.key === 'auto-submitted')?.value).toBe('auto-generated');
    expect(parsed.headers.some((h) => h.key === 'x-mailer')).toBe(false);
  });

  it('the Message-ID is the same over all attempts', async () => {
    const { fake, send } = await start();
    fake.script('ada@example.com', refuse('451 4.3.0 try later', 'data'), accept());
    await faultOf(send(mail('ada@example.com')));
    const accepted = await send(mail('ada@example.com'));
    expect(accepted.providerId).toBe('<msg_01JABCDEF@acme.example>');
  });

  it('a sender given with the message replaces the one of the connection, in envelope and header', async () => {
    const { fake, send } = await start();
    const { providerId } = await send(mail('ada@example.com', { from: '"Billing, Acme" <billing@acme.test>' }));
    expect(providerId).toBe('<msg_01JABCDEF@acme.test>');
    expect(fake.mails[0]?.from).toBe('billing@acme.test');
    expect((await PostalMime.parse(fake.mails[0]?.raw ?? '')).from?.name).toBe('Billing, Acme');
  });

  it('a line break in a sender never reaches a header', async () => {
    const { fake, send } = await start();
    const fault = await faultOf(send(mail('ada@example.com', { from: 'A <a@b.example>\r\nBcc: evil@x.example' })));
    expect(fault.kind).toBe('content_invalid');
    expect(fake.attempts).toEqual([]);
  });

  it('content that looks like a path or an address is sent as the text it is', async () => {
    const { fake, send } = await start();
    await send(mail('ada@example.com', { body: '/etc/passwd', html: 'http://127.0.0.1:9/secret' }));
    const parsed = await PostalMime.parse(fake.mails[0]?.raw ?? '');
    expect([parsed.text?.trim(), parsed.html?.trim()]).toEqual(['/etc/passwd', 'http://127.0.0.1:9/secret']);
  });

  it('messages share sessions', async () => {
    const { fake, send } = await start();
    for (let i = 0; i < 4; i += 1) await send(mail(`p${i}@example.com`));
    expect(fake.connections.opened).toBe(1);
  });

  it('a session that the server closed while it was idle costs no attempt', async () => {
    const { fake, send } = await start();
    await send(mail('ada@example.com'));
    fake.dropSessions();
    await send(mail('ada@example.com'));
    expect(fake.mails).toHaveLength(2);
  });
});

describe('encryption', () => {
  it.each(['starttls', 'tls'] as const)('%s is used when asked for', async (security) => {
    const { fake, send } = await start({ security });
    await send(mail('ada@example.com'));
    expect(fake.mails[0]?.secure).toBe(true);
  });

  it('a certificate authority pasted into one line is understood', async () => {
    const { certificate } = await import('../support/providers/certificate.ts');
    const { fake, send } = await start({ security: 'tls' }, { ca: certificate.replace(/\n/g, ' ') });
    await send(mail('ada@example.com'));
    expect(fake.mails).toHaveLength(1);
  });

  it.each([
    'starttls',
    'tls',
  ] as const)('%s with a certificate nobody vouches for is a fault of the connection', async (security) => {
    const { fake, send } = await start({ security }, { ca: '' });
    expect((await faultOf(send(mail('ada@example.com')))).kind).toBe('credentials_invalid');
    expect(fake.attempts).toEqual([]);
  });

  it('starttls never falls back to plain text', async () => {
    const { fake, send } = await start({ security: 'none' }, { security: 'starttls' });
    expect((await faultOf(send(mail('ada@example.com')))).kind).toBe('credentials_invalid');
    expect(fake.mails).toEqual([]);
  });

  it.each(['starttls', 'none'] as const)('opportunistic takes what a server with %s has', async (security) => {
    const { fake, send } = await start({ security }, { security: 'opportunistic', ca: '' });
    await send(mail('ada@example.com'));
    expect(fake.mails[0]?.secure).toBe(security === 'starttls');
  });
});

describe('what an answer means', () => {
  it.each([
    ['unknown@example.com', 'recipient_invalid', '5.1.1'],
    ['full@example.com', 'provider_unavailable', '5.2.2'],
    ['grey@example.com', 'provider_unavailable', '4.7.1'],
  ])('%s is refused as %s (%s)', async (address, kind, code) => {
    const { fake, send } = await start();
    expect(await faultOf(send(mail(address)))).toMatchObject({ kind, providerCode: code });
    expect(fake.mails).toEqual([]);
  });

  it('a greylisted recipient is accepted the second time', async () => {
    const { fake, send } = await start();
    await faultOf(send(mail('grey@example.com')));
    await send(mail('grey@example.com'));
    expect(fake.mails).toHaveLength(1);
  });

  it.each([
    ['550 5.7.1 Message blocked by policy', 'data', 'provider_rejected'],
    ['552 5.3.4 Message too big', 'data', 'content_invalid'],
    ['451 4.3.0 Queue file write error', 'data', 'provider_unavailable'],
    ['550 no such user', 'rcpt', 'recipient_invalid'],
    ['554 5.7.1 Relay access denied', 'rcpt', 'provider_rejected'],
    ['530 5.7.0 Authentication required', 'rcpt', 'provider_rejected'],
    ['421 4.7.0 Too many connections', 'rcpt', 'provider_unavailable'],
  ] as const)('%s at %s is %s', async (reply, at, kind) => {
    const { fake, send } = await start();
    fake.script('ada@example.com', refuse(reply, at));
    expect((await faultOf(send(mail('ada@example.com')))).kind).toBe(kind);
  });

  it('a refused message does not spoil the session for the next one', async () => {
    const { fake, send } = await start();
    await faultOf(send(mail('unknown@example.com')));
    await send(mail('ada@example.com'));
    expect(fake.mails).toHaveLength(1);
  });

  it('a wrong password is a fault of the connection, and the password the server repeats is blotted out', async () => {
    const { send, check } = await start({}, { password: 'wrong-password-777' });
    for (const fault of [await faultOf(send(mail('ada@example.com'))), await faultOf(check())]) {
      expect(fault).toMatchObject({ kind: 'credentials_invalid', providerCode: '5.7.8' });
      expect(JSON.stringify(fault)).not.toContain('wrong-password-777');
      expect(fault.providerMessage).toContain('[redacted]');
    }
  });

  it('nobody listening means not sent, try later', async () => {
    const fake = await startSmtp();
    await fake.close();
    expect((await faultOf(open(fake.credentials).send(mail('ada@example.com')))).kind).toBe('provider_unavailable');
  });

  it.each(['rcpt', 'message'] as const)('a connection lost at %s means not sent, try later', async (at) => {
    const { fake, send } = await start();
    fake.script('ada@example.com', drop(at));
    // More than the sockets' buffers hold, so that the end of it cannot have left.
    const big = { body: 'x'.repeat(12_000_000) };
    expect((await faultOf(send(mail('ada@example.com', big)))).kind).toBe('provider_unavailable');
    expect(fake.mails).toEqual([]);
    expect(fake.attempts).toHaveLength(1);
  });

  it('a connection lost after the final dot means that nobody knows, and nothing is sent again', async () => {
    const { fake, send } = await start();
    fake.script('ada@example.com', drop('dot'));
    expect((await faultOf(send(mail('ada@example.com')))).kind).toBe('outcome_unknown');
    expect(fake.mails).toHaveLength(1);
  });

  it('the same on a session that was used before', async () => {
    const { fake, send } = await start();
    await send(mail('ada@example.com'));
    fake.script('ada@example.com', drop('dot'));
    expect((await faultOf(send(mail('ada@example.com')))).kind).toBe('outcome_unknown');
    expect(fake.mails).toHaveLength(2);
  });

  it.each([
    ['rcpt', 'provider_unavailable'],
    ['dot', 'outcome_unknown'],
  ] as const)('when the core gives up while the server is silent at %s, it is %s', async (at, kind) => {
    const { fake, send } = await start();
    fake.script('ada@example.com', hang(at));
    expect((await faultOf(send(mail('ada@example.com'), AbortSignal.timeout(200)))).kind).toBe(kind);
  });

  it('a slow server is waited for', async () => {
    const { fake, send } = await start();
    fake.script('ada@example.com', slow(150));
    await send(mail('ada@example.com'));
    expect(fake.mails).toHaveLength(1);
  });

  it('a message larger than the server takes is a fault of the content', async () => {
    const { fake, send } = await start({ size: 2_000 });
    expect((await faultOf(send(mail('ada@example.com', { body: 'x'.repeat(5_000) })))).kind).toBe('content_invalid');
    expect(fake.mails).toEqual([]);
  });

  it.each([
    ['535 5.7.8 no', { code: 'EAUTH', responseCode: 535 }, 'credentials_invalid'],
    ['454 4.7.0 later', { code: 'EAUTH', responseCode: 454 }, 'provider_unavailable'],
    ['550 5.1.8 bad sender', { code: 'EENVELOPE', responseCode: 550, command: 'MAIL FROM' }, 'content_invalid'],
    ['550 5.2.1 mailbox disabled', { code: 'EENVELOPE', responseCode: 550, command: 'RCPT TO' }, 'recipient_invalid'],
    ['550 blocked', { code: 'EENVELOPE', responseCode: 550, command: 'MAIL FROM' }, 'provider_rejected'],
    ['452 4.2.2 over quota', { code: 'EENVELOPE', responseCode: 452, command: 'RCPT TO' }, 'provider_unavailable'],
  ] as const)('the reply %s is judged by its enhanced code', (response, error, kind) => {
    expect(verdict({ message: response, response, ...error }, false).kind).toBe(kind);
  });
});

describe('test of a connection', () => {
  it('signs in and sends nothing', async () => {
    const { fake, check } = await start();
    expect(await check()).toBe('localhost answers and knows mailer');
    expect(fake.attempts).toEqual([]);
  });
});

describe('content', () => {
  it('a value cannot start a header line', () => {
    expect(email.escape?.('Hi\r\nBcc: x@y.example', ['subject'])).toBe('Hi Bcc: x@y.example');
    expect(email.escape?.('two\nlines', ['body'])).toBe('two\nlines');
  });

  it('the preview is the mail, with the size of its files', () => {
    const content = {
      subject: 'S',
      html: '<b>x</b>',
      attachments: [
        { filename: 'a.txt', content_type: 'text/plain', content: Buffer.from('hello').toString('base64') },
      ],
    };
    expect(email.preview(content)).toEqual({
      kind: 'mail',
      subject: 'S',
      text: '',
      html: '<b>x</b>',
      attachments: [{ filename: 'a.txt', bytes: 5 }],
    });
  });
});
