/** SMS through Twilio: the request it makes, what the answers and the later statuses mean, what a text costs. */
import { afterEach, describe, expect, it } from 'vitest';
import { sms } from '../../channels/sms/index.ts';
import { segments } from '../../channels/sms/segments.ts';
import { twilioSms } from '../../channels/sms/twilio.ts';
import { arrived, closing, faultOf, fetching, readBy, using } from '../support/adapters.ts';
import { response } from '../support/http.ts';
import { behave } from '../support/providers/fake.ts';
import { startTwilio, type TwilioOptions } from '../support/providers/twilio.ts';

const { keep, closeAll } = closing();
afterEach(closeAll);

const TO = '+14155550123';
const CALLBACK = 'http://hooks.test/hooks/twilio_sms/con_1?ref=msg_TEST';

async function start(options: TwilioOptions = {}) {
  const fake = keep(await startTwilio(options));
  const adapter = keep(using(twilioSms, fake.credentials));
  const send = (body = 'Your code is 549921', address = TO) =>
    adapter.send({ address, content: { body } }, { callbackUrl: CALLBACK });
  return { fake, send, check: adapter.check };
}

describe('the request', () => {
  it('is one signed-in form post that names where receipts go', async () => {
    const { fake, send } = await start();
    const { providerId, note } = await send('Grüße & <tags> 100% 🎉');
    const [request] = fake.requests;
    expect(request?.method).toBe('POST');
    expect(request?.path).toBe(`/2010-04-01/Accounts/${fake.credentials.account_sid}/Messages.json`);
    expect(request?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(request?.form()).toEqual({
      To: [TO],
      From: ['+15005550006'],
      Body: ['Grüße & <tags> 100% 🎉'],
      StatusCallback: [CALLBACK],
    });
    expect(providerId).toMatch(/^SM\d{32}$/);
    expect(note).toBe('1 part');
  });

  it('names a messaging service instead of a number when the sender is one', async () => {
    const from = `MG${'0'.repeat(32)}`;
    const { fake, send } = await start({ from });
    await send();
    expect(fake.requests[0]?.form()).toMatchObject({ MessagingServiceSid: [from] });
    expect(fake.requests[0]?.form().From).toBeUndefined();
  });

  it.each(['+14155550100', '12345', 'Acme Shop', `MG${'a'.repeat(32)}`])('%s may be a sender', (from) => {
    const { pattern } = twilioSms.credentials.find((field) => field.name === 'from') ?? {};
    expect(from).toMatch(new RegExp(pattern ?? '$^'));
  });

  it.each(['', '123456789', 'A name that is too long', 'Acme\r\nX'])('%j may not be a sender', (from) => {
    const { pattern } = twilioSms.credentials.find((field) => field.name === 'from') ?? {};
    expect(from).not.toMatch(new RegExp(pattern ?? '$^'));
  });
});

describe('the answer', () => {
  it.each([
    ['+15005550001', 'recipient_invalid', '21211'],
    ['+15005550002', 'provider_rejected', '21612'],
    ['+15005550003', 'provider_rejected', '21408'],
    ['+15005550004', 'recipient_opted_out', '21610'],
    ['+15005550009', 'recipient_invalid', '21614'],
  ])('to %s is %s (%s), and the sandbox says the same of that number', async (to, kind, providerCode) => {
    const { send } = await start();
    expect(await faultOf(send('hi', to))).toMatchObject({ kind, providerCode });
    expect(sms.sandbox.find((c) => c.to.phone === to)?.steps[0]).toEqual({ refuse: kind });
  });

  it.each([
    [21611, 'rate_limited'],
    [21606, 'credentials_invalid'],
    [21617, 'content_invalid'],
    [21608, 'provider_rejected'],
    [29999, 'provider_rejected'],
  ])('%i is %s', async (code, kind) => {
    const { fake, send } = await start();
    fake.script(TO, behave.refuse(code));
    expect(await faultOf(send())).toMatchObject({ kind, providerCode: String(code) });
  });

  it('a text that is too long is refused by the provider as well as by the schema', async () => {
    const { send } = await start();
    expect((await faultOf(send('x'.repeat(1_601)))).kind).toBe('content_invalid');
    expect(sms.content.properties.body?.maxLength).toBe(1_600);
  });
});

describe('a status', () => {
  it.each([
    ['queued', 'sent'],
    ['sent', 'sent'],
    ['delivered', 'delivered'],
    ['read', 'delivered'],
  ])('%s is the receipt %s, with our reference from the address', async (status, receipt) => {
    const { fake, send } = await start();
    const { providerId = '' } = await send();
    const request = arrived(fake.callback(providerId, status));
    expect(twilioSms.webhook?.verify(request, fake.credentials)).toBe(true);
    expect(twilioSms.webhook?.parse(request)).toEqual([
      { type: 'receipt', key: `${providerId}:${status}`, providerId, reference: 'msg_TEST', receipt },
    ]);
  });

  it.each([
    ['undelivered', '30003', 'provider_unavailable'],
    ['undelivered', '30001', 'provider_unavailable'],
    ['undelivered', '30008', 'provider_unavailable'],
    ['undelivered', '30005', 'recipient_invalid'],
    ['undelivered', '30006', 'recipient_invalid'],
    ['undelivered', '30007', 'provider_rejected'],
    ['failed', '30034', 'credentials_invalid'],
    ['failed', '30022', 'rate_limited'],
    ['failed', '21610', 'recipient_opted_out'],
    ['failed', '39999', 'provider_rejected'],
  ])('%s with %s is a failure: %s', async (status, code, kind) => {
    const { fake, send } = await start();
    const { providerId = '' } = await send();
    const [event] = await readBy(twilioSms, arrived(fake.callback(providerId, status, { code })));
    expect(event).toMatchObject({ receipt: 'failed', fault: { kind, providerCode: code } });
  });

  it('of a kind nobody knows is kept and does nothing', async () => {
    const { fake, send } = await start();
    const { providerId = '' } = await send();
    expect(twilioSms.webhook?.parse(arrived(fake.callback(providerId, 'partially_delivered')))).toEqual([
      { type: 'ignored', reason: 'status partially_delivered' },
    ]);
  });

  it('has one key however often it comes', async () => {
    const { fake, send } = await start();
    const { providerId = '' } = await send();
    const posts = ['delivered', 'delivered', 'sent'].map((status) => arrived(fake.callback(providerId, status)));
    const events = await readBy(twilioSms, ...posts);
    expect(new Set(events.map((event) => (event.type === 'receipt' ? event.key : ''))).size).toBe(2);
  });

  it.each([
    ['https://hooks.test/h?ref=1', 'https://hooks.test:443/h?ref=1'],
    ['https://hooks.test:443/h?ref=1', 'https://hooks.test/h?ref=1'],
    ['http://hooks.test/h?ref=1', 'http://hooks.test:80/h?ref=1'],
    ['https://hooks.test:8443/h?ref=1', 'https://hooks.test:8443/h?ref=1'],
  ])('signed for %s is genuine at %s', async (signedFor, seenAt) => {
    const { fake } = await start();
    const message = { providerId: 'SM1', reference: 'msg_1', address: TO, url: signedFor, at: new Date() };
    const request = twilioSms.webhook?.emulate?.('delivered', message, fake.credentials);
    if (!request) throw new Error('emulate is there');
    expect(twilioSms.webhook?.verify({ ...request, url: seenAt }, fake.credentials)).toBe(true);
    expect(twilioSms.webhook?.verify({ ...request, url: `${seenAt}1` }, fake.credentials)).toBe(false);
  });

  it('of another account is refused even when its signature is right', async () => {
    const { fake, send } = await start();
    const { providerId = '' } = await send();
    const other = { ...fake.credentials, account_sid: `AC${'1'.repeat(32)}` };
    expect(twilioSms.webhook?.verify(arrived(fake.callback(providerId, 'sent')), other)).toBe(false);
  });
});

describe('what people send', () => {
  const url = 'https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1';
  const credentials = { account_sid: 'AC1', auth_token: 'secret', base_url: 'https://api.twilio.com' };

  it('is answered with nothing to send back', () => {
    expect(twilioSms.webhook?.reply).toEqual({
      type: 'text/xml',
      body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
    });
  });

  it('lies where the provider points to, and the password stays with the provider', async () => {
    const location = 'https://mms.twiliocdn.example/ME1?signature=x';
    const { media, asked } = fetching(twilioSms, credentials, () => response(307, '', { location }));
    await media({ mime: 'image/jpeg', url });
    expect(asked).toEqual([{ url, basic: ['AC1', 'secret'] }, { url: location }]);
  });

  it('is never looked for at an address of somebody else', async () => {
    const { media, asked } = fetching(twilioSms, credentials);
    for (const other of ['https://evil.example/ME1', 'https://api.twilio.com.evil.example/ME1', undefined])
      expect((await faultOf(media({ mime: 'x', ...(other ? { url: other } : {}) }))).kind).toBe('content_invalid');
    expect(asked).toEqual([]);
  });

  it('that is gone is a fault of its own', async () => {
    const { media } = fetching(twilioSms, credentials, () => response(404, { code: 20404 }));
    expect((await faultOf(media({ mime: 'x', url }))).providerCode).toBe('20404');
  });
});

describe('the cost of a text', () => {
  it.each([
    ['a'.repeat(160), 1, 'GSM-7'],
    ['a'.repeat(161), 2, 'GSM-7'],
    ['a'.repeat(306), 2, 'GSM-7'],
    ['a'.repeat(307), 3, 'GSM-7'],
    ['€'.repeat(80), 1, 'GSM-7'],
    ['€'.repeat(81), 2, 'GSM-7'],
    ['漢'.repeat(70), 1, 'UCS-2'],
    ['漢'.repeat(71), 2, 'UCS-2'],
    ['漢'.repeat(134), 2, 'UCS-2'],
    ['🎉'.repeat(35), 1, 'UCS-2'],
    ['🎉'.repeat(36), 2, 'UCS-2'],
    ['It’s', 1, 'UCS-2'],
  ])('%.10s… takes %i parts in %s', (text, parts, encoding) => {
    expect(segments(text)).toEqual({ segments: parts, encoding });
    expect(sms.preview({ body: text })).toEqual({ kind: 'bubble', text, segments: parts, encoding });
  });
});

describe('test of a connection', () => {
  it('names the account and sends nothing', async () => {
    const { fake, check } = await start();
    expect(await check()).toBe('Acme, active');
    expect(fake.messages).toEqual([]);
  });
});
