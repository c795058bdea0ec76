/** What comes back from mail: whom a connection listens to, what it refuses, and what it puts into its mails so that they are known again. */
import { afterEach, describe, expect, it } from 'vitest';
import { textOf } from '../../channels/email/html-text.ts';
import { smtp } from '../../channels/email/smtp.ts';
import { type Credentials, DeliveryError, type RawRequest, receiptsOf } from '../../src/channel-kit/index.ts';
import { arrived, closing, faultOf, readBy } from '../support/adapters.ts';
import { contextFor, createHttp, net } from '../support/http.ts';
import { startSmtp } from '../support/providers/smtp.ts';
import { CERTIFICATE_PATH, type SnsOptions, snsCertificate, snsPost, TOPIC } from '../support/providers/sns.ts';
import { report } from './fixtures/mail.ts';
import { mailgunPost, mimePost } from './fixtures/signed.ts';

const { keep, closeAll } = closing();
afterEach(closeAll);

const URL_HERE = 'https://hooks.test/hooks/smtp/con_1';
const AT = new Date('2026-08-01T10:00:00Z');
const AMAZON = 'https://sns.eu-west-1.amazonaws.com';
const ses: Credentials = { callbacks: 'ses', sns_topic_arn: TOPIC };
const webhook = smtp.webhook;
if (!webhook) throw new Error('mail has a door');

describe('a post of Amazon', () => {
  const asked: string[] = [];
  const context = {
    document: async (url: string) => {
      asked.push(url);
      return url.endsWith(CERTIFICATE_PATH) ? snsCertificate : 'nothing of the kind';
    },
  };
  const judged = async (options: SnsOptions = {}, credentials = ses, origin = AMAZON) => {
    asked.length = 0;
    return webhook.verify(arrived(snsPost(URL_HERE, origin, '{}', options), AT), credentials, context);
  };

  it('is genuine by either of its signatures, with a subject or without', async () => {
    for (const options of [
      {},
      { version: '1' },
      { subject: 'Amazon SES' },
      { type: 'SubscriptionConfirmation' },
    ] as const)
      expect(await judged(options)).toBe(true);
    expect(new Set(asked)).toEqual(new Set([AMAZON + CERTIFICATE_PATH]));
  });

  it('of a topic that is not ours is refused before anything is fetched, though Amazon has signed it', async () => {
    expect(await judged({ topic: `${TOPIC}-of-somebody` })).toBe(false);
    expect(await judged({}, { callbacks: 'ses' })).toBe(false);
    expect(asked).toEqual([]);
  });

  it.each([
    `https://sns.eu-west-1.amazonaws.com.evil.example${CERTIFICATE_PATH}`,
    `https://evil.example${CERTIFICATE_PATH}`,
    `https://sns.us-east-1.amazonaws.com${CERTIFICATE_PATH}`,
    `http://sns.eu-west-1.amazonaws.com${CERTIFICATE_PATH}`,
    `https://sns.eu-west-1.amazonaws.com@evil.example${CERTIFICATE_PATH}`,
    `https://sns.eu-west-1.amazonaws.com/other/${CERTIFICATE_PATH}`,
    'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-x.pem',
    'not an address',
  ])('whose certificate lies at %s is refused, and nothing is fetched', async (certificateUrl) => {
    expect(await judged({ certificateUrl })).toBe(false);
    expect(asked).toEqual([]);
  });

  it('that announces a subscription is answered by one visit, at the same host only', async () => {
    const visit = (options: SnsOptions, credentials = ses) =>
      webhook.confirm?.(arrived(snsPost(URL_HERE, AMAZON, '{}', options), AT), credentials);
    expect(visit({ type: 'SubscriptionConfirmation' })).toMatch(
      /^https:\/\/sns\.eu-west-1\.amazonaws\.com\/\?Action=Confirm/,
    );
    expect(
      visit({ type: 'SubscriptionConfirmation', subscribeUrl: 'https://evil.example/?Action=ConfirmSubscription' }),
    ).toBeUndefined();
    expect(visit({ type: 'Notification' })).toBeUndefined();
    expect(visit({ type: 'SubscriptionConfirmation' }, { callbacks: 'mime' })).toBeUndefined();
  });

  it('whose certificate cannot be had just now is neither genuine nor forged', async () => {
    const document = async () => Promise.reject(new DeliveryError('provider_unavailable'));
    const request = arrived(snsPost(URL_HERE, AMAZON, '{}'), AT);
    expect((await faultOf(Promise.resolve(webhook.verify(request, ses, { document })))).kind).toBe(
      'provider_unavailable',
    );
  });
});

describe('a post of Mailgun', () => {
  const credentials: Credentials = { callbacks: 'mailgun', mailgun_signing_key: 'fake-mailgun-signing-key-7777' };

  it('is refused when it is older, or newer, than a quarter of an hour', async () => {
    const request = arrived(mailgunPost({ url: URL_HERE, credentials, at: AT }, { event: 'delivered' }));
    const after = (seconds: number): RawRequest => ({ ...request, at: new Date(AT.getTime() + seconds * 1_000) });
    const judged = await Promise.all([0, 900, -900, 901, -901].map((s) => webhook.verify(after(s), credentials)));
    expect(judged).toEqual([true, true, true, false, false]);
    const { at: _, ...timeless } = request;
    expect(await webhook.verify(timeless, credentials)).toBe(false);
  });
});

describe('a whole mail', () => {
  const credentials: Credentials = { callbacks: 'mime', callback_secret: 'a-long-password:with-colon' };
  const given = (authorization: string) =>
    webhook.verify(
      {
        ...arrived(mimePost({ url: URL_HERE, credentials, at: AT }, report('Action: failed'))),
        headers: { authorization },
      },
      credentials,
    );
  const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;

  it('is taken from who knows the password, as Bearer or as Basic under any name', async () => {
    for (const header of [
      `Bearer ${credentials.callback_secret}`,
      `bearer ${credentials.callback_secret}`,
      basic(`mta:${credentials.callback_secret}`),
      basic(`:${credentials.callback_secret}`),
    ])
      expect(await given(header), header).toBe(true);
  });

  it('is refused from anybody else', async () => {
    for (const header of [
      '',
      'Bearer',
      'Bearer ',
      basic(String(credentials.callback_secret)),
      basic('mta:a-long-password'),
      `Digest ${credentials.callback_secret}`,
    ])
      expect(await given(header), header).toBe(false);
  });

  it('a connection listens in the one way it has chosen, and in none without a choice', async () => {
    const everything = { ...credentials, sns_topic_arn: TOPIC, mailgun_signing_key: 'k'.repeat(20) };
    const mail = arrived(mimePost({ url: URL_HERE, credentials, at: AT }, report('Action: failed')));
    const taken = await Promise.all(
      ['none', 'ses', 'mailgun', 'postmark', 'mime', 'toString'].map((callbacks) =>
        webhook.verify(mail, { ...everything, callbacks }),
      ),
    );
    expect(taken).toEqual([false, false, false, true, true, false]);
    expect(await webhook.verify(mail, {})).toBe(false);
  });

  it('that nests without end is left, and one without a sender too', async () => {
    const deep = Array.from(
      { length: 100 },
      (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\n\n--b${i}\n`,
    ).join('');
    const read = (text: string) => readBy(smtp, arrived(mimePost({ url: URL_HERE, credentials, at: AT }, text)));
    expect(await read(deep)).toEqual([{ type: 'ignored', reason: 'not a mail' }]);
    expect(await read('Subject: Hi\n\nHello')).toEqual([
      { type: 'ignored', reason: 'a mail of nobody who can be answered' },
    ]);
    expect(await read('From: a@b.c@d.e\n\nHello')).toMatchObject([{ type: 'ignored' }]);
  });

  it('of HTML is read in one pass, however it is broken', () => {
    expect(textOf('<p>1 &lt; 2</p><script>alert(1)</script><p>&#x;&unknown;</p>')).toBe('1 < 2\n\n&#x;&unknown;');
    const started = performance.now();
    for (const sign of ['<', '<style', '<!--', '&#1', '\n', '<p']) textOf(sign.repeat(500_000));
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

describe('a connection', () => {
  it('gives the receipts of the way it has chosen; without one a message is final when it is sent', () => {
    const of = (callbacks: string) => receiptsOf(smtp, { callbacks });
    expect([of('none'), of('mime'), of('postmark')]).toEqual([
      [],
      ['delivered', 'bounced', 'complained'],
      ['delivered', 'read', 'bounced', 'complained'],
    ]);
    expect([...of('ses')].sort()).toEqual([...smtp.receipts].sort());
    expect(receiptsOf(smtp, {})).toEqual([]);
  });

  async function sent(credentials: Credentials) {
    const fake = keep(await startSmtp());
    const http = createHttp();
    const given = contextFor(smtp, { ...fake.credentials, ...credentials }, { http }).credentials;
    const client = smtp.connect?.(given, net);
    if (!client) throw new Error('smtp keeps a pool');
    keep(client);
    const context = contextFor(smtp, given, { http, client });
    const message = {
      reference: 'msg_01JABC',
      to: {},
      address: 'ada@example.com',
      content: { subject: 'Hi', body: 'Hello' },
    };
    return { fake, context, send: () => smtp.send(message, context) };
  }

  it.each([
    ['ses', 'X-SES-MESSAGE-TAGS: reference=msg_01JABC'],
    ['mailgun', 'X-Mailgun-Variables: {"reference":"msg_01JABC"}'],
    ['postmark', 'X-PM-Metadata-reference: msg_01JABC'],
  ])('of %s sends our reference along, to have it back with each event', async (callbacks, header) => {
    const { fake, send } = await sent({ callbacks });
    await send();
    expect(fake.mails[0]?.raw.toString().toLowerCase()).toContain(header.toLowerCase());
    expect(fake.mails[0]?.raw.toString()).toContain('Auto-Submitted: auto-generated');
  });

  it('that reads bounces asks for them under our reference; no other asks', async () => {
    const one = await sent({ callbacks: 'mime' });
    await one.send();
    expect(one.fake.mails[0]?.dsn).toEqual({ envid: 'msg_01JABC', notify: ['FAILURE'] });
    const other = await sent({});
    await other.send();
    expect(other.fake.mails[0]?.dsn).toEqual({ envid: undefined, notify: undefined });
  });

  it('whose choice lacks what it is checked by does not pass its test', async () => {
    const { context } = await sent({ callbacks: 'mailgun' });
    expect(await faultOf(smtp.check(context))).toMatchObject({
      kind: 'credentials_invalid',
      providerMessage: expect.stringContaining('mailgun_signing_key'),
    });
  });
});
