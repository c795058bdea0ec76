/** Calls through Twilio: what is said, in which request, and what becomes of the call. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { voice } from '../../channels/voice/index.ts';
import { twilioVoice } from '../../channels/voice/twilio.ts';
import { say } from '../../channels/voice/twiml.ts';
import { arrived, closing, faultOf, type Sending, using } from '../support/adapters.ts';
import { behave } from '../support/providers/fake.ts';
import { startTwilio } from '../support/providers/twilio.ts';

const { keep, closeAll } = closing();
afterEach(closeAll);

const TO = '+14155550123';
const CALLBACK = 'https://hooks.test/hooks/twilio_voice/con_1?ref=msg_TEST';

async function start() {
  const fake = keep(await startTwilio());
  const adapter = keep(using(twilioVoice, fake.credentials));
  const send = (content: object = { body: 'Hello' }, more: Partial<Sending> = {}) =>
    adapter.send({ address: TO, content, ...more }, { callbackUrl: CALLBACK });
  return { fake, send, check: adapter.check };
}

describe('the request', () => {
  it('carries the words to say and asks for the first and the last status', async () => {
    const { fake, send } = await start();
    const { providerId } = await send({ body: 'Hello', voice: 'Polly.Joanna', language: 'en-GB', loop: 2 });
    expect(fake.requests[0]?.path).toBe(`/2010-04-01/Accounts/${fake.credentials.account_sid}/Calls.json`);
    expect(fake.requests[0]?.form()).toEqual({
      To: [TO],
      From: ['+15005550006'],
      Twiml: [
        '<?xml version="1.0" encoding="UTF-8"?><Response><Say voice="Polly.Joanna" language="en-GB" loop="2">Hello</Say></Response>',
      ],
      StatusCallback: [CALLBACK],
      StatusCallbackEvent: ['initiated', 'completed'],
      StatusCallbackMethod: ['POST'],
    });
    expect(providerId).toMatch(/^CA\d{32}$/);
  });

  it.each([
    ['pt-BR', ' language="pt-BR"'],
    ['pt', ''],
  ])('for a message in %s the language attribute is "%s"', async (language, attribute) => {
    const { fake, send } = await start();
    await send({ body: 'Olá' }, { language });
    expect(fake.requests[0]?.form().Twiml?.[0]).toContain(`<Say${attribute}>Olá</Say>`);
  });

  it('a text can never become a command, whatever it holds', () => {
    const one = /^<\?xml version="1\.0" encoding="UTF-8"\?><Response><Say>[^<>]*<\/Say><\/Response>$/;
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const twiml = say({ text });
        expect(twiml).toMatch(one);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no place for them
        expect(twiml).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/);
      }),
    );
    expect(say({ text: '</Say><Dial>+1900</Dial>' })).toContain('&lt;/Say&gt;&lt;Dial&gt;');
    expect(say({ text: 'x', voice: '"><Hangup/>' })).toContain('voice="&quot;&gt;&lt;Hangup/&gt;"');
  });

  it('a text that grows too long by escaping is refused before anything is sent', async () => {
    const { fake, send } = await start();
    expect((await faultOf(send({ body: '&'.repeat(1_000) }))).kind).toBe('content_invalid');
    expect(fake.requests).toEqual([]);
  });
});

describe('the answer', () => {
  it.each([
    [21211, 'recipient_invalid'],
    [13224, 'recipient_invalid'],
    [21215, 'provider_rejected'],
    [21210, 'credentials_invalid'],
    [12100, 'content_invalid'],
  ])('%i is %s', async (code, kind) => {
    const { fake, send } = await start();
    fake.script(TO, behave.refuse(code));
    expect((await faultOf(send())).kind).toBe(kind);
  });
});

describe('a status', () => {
  const parsed = async (status: string, code?: string) => {
    const { fake, send } = await start();
    const { providerId = '' } = await send();
    const request = arrived(
      fake.callback(providerId, status, { at: new Date('2026-08-01T10:00:00Z'), ...(code ? { code } : {}) }),
    );
    expect(twilioVoice.webhook?.verify(request, fake.credentials)).toBe(true);
    return { providerId, events: twilioVoice.webhook?.parse(request) };
  };

  it.each([
    ['initiated', 'sent'],
    ['completed', 'delivered'],
  ])('%s is the receipt %s, with our reference and the time', async (status, receipt) => {
    const { providerId, events } = await parsed(status);
    const at = new Date('2026-08-01T10:00:00Z');
    expect(events).toEqual([
      { type: 'receipt', key: `${providerId}:${status}`, providerId, reference: 'msg_TEST', receipt, at },
    ]);
  });

  it.each([
    ['busy', undefined, 'provider_unavailable'],
    ['no-answer', undefined, 'provider_unavailable'],
    ['failed', undefined, 'provider_rejected'],
    ['failed', '404', 'recipient_invalid'],
    ['failed', '503', 'provider_rejected'],
    ['canceled', undefined, 'provider_rejected'],
  ])('%s with SIP answer %s is a failure: %s', async (status, code, kind) => {
    expect((await parsed(status, code)).events).toMatchObject([{ receipt: 'failed', fault: { kind } }]);
  });
});

describe('the rest', () => {
  it('a test of the connection names the account and calls nobody', async () => {
    const { fake, check } = await start();
    expect(await check()).toBe('Acme, active');
    expect(fake.messages).toEqual([]);
  });

  it('the preview is what is spoken, by whom and in which language', () => {
    expect(voice.preview({ body: 'Hi', voice: 'Polly.Amy', language: 'en-GB' })).toEqual({
      kind: 'speech',
      text: 'Hi',
      voice: 'Polly.Amy',
      language: 'en-GB',
    });
  });
});
