/** What every channel and adapter must keep, asked of each in the list. A new one is held to all of this without a test of its own. */
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { channels } from '../../channels/index.ts';
import {
  type Credentials,
  createRegistry,
  DeliveryError,
  FAULTS,
  type FaultKind,
  type Field,
} from '../../src/channel-kit/index.ts';
import { closing, faultOf, type Sending, using } from '../support/adapters.ts';
import { behave, type Fake, type Json } from '../support/providers/fake.ts';
import { startMeta } from '../support/providers/meta.ts';
import { startSlack } from '../support/providers/slack.ts';
import { startTwilio } from '../support/providers/twilio.ts';

const { keep, closeAll } = closing();
afterEach(closeAll);

/** One acceptable message per channel. */
const SAMPLES: Readonly<Record<string, { to: Record<string, string>; content: Json }>> = {
  whatsapp: { to: { phone: '+14155550123' }, content: { type: 'text', text: { body: 'Hello' } } },
  email: { to: { email: 'ada@example.com' }, content: { subject: 'Hello', body: 'Text' } },
  sms: { to: { phone: '+14155550123' }, content: { body: 'Hello' } },
  slack: { to: { slack_user_id: 'U024BE7LH' }, content: { body: 'Hello' } },
  voice: { to: { phone: '+14155550123' }, content: { body: 'Hello' } },
};
/** A stand-in for the provider of each adapter that speaks HTTP. */
const STAND_INS: Readonly<Record<string, () => Promise<Fake & { readonly credentials: Credentials }>>> = {
  meta_cloud: () => startMeta({}),
  twilio_sms: () => startTwilio(),
  twilio_voice: () => startTwilio(),
  slack_web: () => startSlack(),
};

const pairs = channels.flatMap((channel) => channel.adapters.map((adapter) => ({ channel, adapter })));
const named = <T extends { id: string }>(things: readonly T[]) => things.map((thing) => [thing.id, thing] as const);
const overHttp = pairs.filter(({ adapter }) => STAND_INS[adapter.id]).map((pair) => [pair.adapter.id, pair] as const);

const ajv = addFormats.default(new Ajv({ strict: true, allErrors: true, strictTypes: true }));
ajv.addVocabulary(['x-literal']);

describe('the list', () => {
  it('is in the order people read it, with ids that are unique', () => {
    expect(channels.map(({ id }) => id)).toEqual(['whatsapp', 'email', 'sms', 'slack', 'voice']);
    const registry = createRegistry(channels);
    expect(pairs.every(({ adapter }) => registry.adapter(adapter.id)?.adapter === adapter)).toBe(true);
  });

  it('every adapter that speaks HTTP is tried against a stand-in, and every channel has a sample', () => {
    const untried = pairs.filter(({ adapter }) => !adapter.connect && !STAND_INS[adapter.id]);
    expect(untried.map(({ adapter }) => adapter.id)).toEqual([]);
    expect(channels.filter(({ id }) => !SAMPLES[id]).map(({ id }) => id)).toEqual([]);
  });
});

describe.each(named(channels))('the channel %s', (_, channel) => {
  const sample = SAMPLES[channel.id] as { to: Record<string, string>; content: Json };

  it('has facts that survive JSON, since they are served as they are', () => {
    const facts = Object.fromEntries(
      Object.entries(channel).filter(([name, value]) => typeof value !== 'function' && name !== 'adapters'),
    );
    expect(notJson(facts)).toEqual([]);
  });

  it('has a content schema that compiles strictly, takes its sample and refuses unknown fields', () => {
    const validate = ajv.compile(channel.content);
    expect(validate(sample.content), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...sample.content, surprise: 1 })).toBe(false);
    expect(validate({})).toBe(false);
  });

  it('refuses text that is empty, only spaces, or longer than it says', () => {
    const validate = ajv.compile(channel.content);
    const field = ['body', 'html', 'text'].find((name) => channel.content.properties[name]?.type === 'string');
    if (!field) return;
    for (const text of ['', '  \n ', 'x'.repeat(channel.capabilities.maxChars + 1)])
      expect(validate({ ...sample.content, [field]: text })).toBe(false);
  });

  it('has patterns that stay quick on long strings of any one sign', () => {
    for (const pattern of patternsOf(channel.content)) {
      const started = performance.now();
      for (const sign of ['a', 'A', '0', ' ', '@', '<', '{', '/', '=', '.', '"', '\\'])
        for (const end of ['', '\n', '@', '\u0000']) new RegExp(pattern, 'u').test(sign.repeat(50_000) + end);
      expect(performance.now() - started, pattern).toBeLessThan(1_000);
    }
  });

  it('has recipient fields that can be drawn and whose examples are right', () => {
    expect(channel.recipient.length).toBeGreaterThan(0);
    for (const field of channel.recipient) checkField(field);
    const examples = Object.fromEntries(channel.recipient.map(({ name, example }) => [name, example ?? '']));
    expect(channel.address(examples, {})).toBeTruthy();
  });

  it('writes an address the same way twice', () => {
    const address = channel.address(sample.to, {});
    const [only] = Object.keys(sample.to);
    expect(channel.address({ [only as string]: address }, {})).toBe(address);
  });

  it('refuses a recipient without its field, and any garbage, with words and the field to blame', () => {
    const fields = channel.recipient.map(({ name }) => name);
    const refused = (to: Record<string, string>) => {
      try {
        channel.address(to, {});
      } catch (error) {
        expect(error).toMatchObject({ name: 'AddressError', field: expect.toBeOneOf(fields) });
        return true;
      }
      return false;
    };
    expect(refused({})).toBe(true);
    fc.assert(
      fc.property(fc.string(), (text) => {
        refused(Object.fromEntries(fields.map((name) => [name, `${text}\u0000`])));
      }),
    );
  });

  it('draws any valid content, and its own sample', () => {
    expect(channel.preview(sample.content)).toMatchObject({ kind: expect.any(String), text: expect.any(String) });
    expect(JSON.parse(JSON.stringify(channel.preview(sample.content)))).toEqual(channel.preview(sample.content));
  });

  it('waits longer before each retry', () => {
    const { delaysSeconds } = channel.retry;
    expect(delaysSeconds.length).toBeGreaterThan(0);
    expect([...delaysSeconds].sort((a, b) => a - b)).toEqual(delaysSeconds);
    expect(delaysSeconds.every((seconds) => Number.isInteger(seconds) && seconds > 0)).toBe(true);
  });

  it('has a sandbox whose recipients are real addresses and whose outcomes this channel can have', () => {
    const addresses = channel.sandbox.map(({ to }) => channel.address(to, {}));
    expect(new Set(addresses).size).toBe(channel.sandbox.length);
    for (const { to, steps, note } of channel.sandbox) {
      // Matched against the recipient as it comes in canonical form, so it must stand here in that form.
      expect(Object.values(to)).toContain(channel.address(to, {}));
      expect([steps.length > 0, note.length > 0]).toEqual([true, true]);
      for (const step of steps) {
        if ('refuse' in step) expect(FAULTS[step.refuse]).toBeDefined();
        else {
          expect(channel.capabilities.receipts).toContain(step.receipt);
          const failure = step.receipt === 'failed' || step.receipt === 'bounced';
          expect([failure, step.fault !== undefined]).toEqual([failure, failure]);
        }
      }
      const refusals = steps.filter((step) => 'refuse' in step).length;
      expect(refusals, note).toBeLessThanOrEqual(channel.retry.delaysSeconds.length + 1);
    }
  });

  it('shows delivered, slow, flaky, lost and refused in its sandbox', () => {
    const cases = channel.sandbox.map(({ steps }) => JSON.stringify(steps));
    for (const sign of [
      '"delivered"}',
      '"afterMs":5000',
      '"refuse":"provider_unavailable"',
      'outcome_unknown',
      'recipient_invalid',
    ])
      expect(
        cases.some((steps) => steps.includes(sign)),
        sign,
      ).toBe(true);
  });
});

describe.each(pairs.map((pair) => [pair.adapter.id, pair] as const))('the adapter %s', (_, { channel, adapter }) => {
  it('has credentials that can be drawn, and an id that can stand in an address', () => {
    expect(adapter.id).toMatch(/^[a-z][a-z0-9_]*$/);
    for (const field of adapter.credentials) checkField(field);
    expect(adapter.credentials.some(({ secret }) => secret)).toBe(true);
    if (adapter.account) expect(adapter.credentials.map(({ name }) => name)).toContain(adapter.account);
  });

  it('gives no receipt that its channel does not know, and keeps a sane pace', () => {
    for (const receipt of adapter.receipts) expect(channel.capabilities.receipts).toContain(receipt);
    expect(adapter.perSecond).toBeGreaterThan(0);
    expect(adapter.concurrency).toBeGreaterThan(0);
  });

  it('has a table of faults in the shared vocabulary', () => {
    for (const [code, kind] of Object.entries(adapter.faults)) expect(FAULTS[kind as FaultKind], code).toBeDefined();
  });

  it('has a guide that leads to each thing it asks for', () => {
    expect(adapter.guide).toMatch(/^(\d\.|[A-Z])/);
    expect(adapter.guide).toMatch(/\*\*Test\*\*/);
    for (const { secret, required, label } of adapter.credentials)
      if (secret && required) expect(adapter.guide.toLowerCase()).toContain(label.toLowerCase());
  });

  it('has facts that survive JSON', () => {
    const { id, label, credentials, receipts, dedupes, perSecond, concurrency, faults, guide } = adapter;
    expect(notJson({ id, label, credentials, receipts, dedupes, perSecond, concurrency, faults, guide })).toEqual([]);
  });
});

describe.each(overHttp)('what %s says of an answer', (_, { channel, adapter }) => {
  const start = async (timeoutMs?: number) => {
    const fake = keep(await (STAND_INS[adapter.id] as () => Promise<Fake & { credentials: Credentials }>)());
    const account = keep(using(adapter, fake.credentials, timeoutMs));
    const { to, content } = SAMPLES[channel.id] as { to: Record<string, string>; content: Json };
    const message: Sending = { to, address: channel.address(to, {}), content };
    return { fake, message, send: () => account.send(message), check: account.check };
  };

  it('a success carries the id the provider gave', async () => {
    const { fake, send } = await start();
    expect((await send()).providerId).toBe(fake.messages[0]?.id);
  });

  it.each([
    ['429 with Retry-After', behave.tooMany(7), { kind: 'rate_limited', retryAfterSeconds: 7 }],
    ['500', behave.unavailable(500), { kind: 'provider_unavailable' }],
    ['503', behave.unavailable(503), { kind: 'provider_unavailable' }],
    ["a gateway's own 502", behave.html502(), { kind: 'outcome_unknown' }],
    ['401', behave.answer(401, '{}'), { kind: 'credentials_invalid' }],
    ['403 in HTML', behave.answer(403, '<html>', 'text/html'), { kind: 'credentials_invalid' }],
    ['a redirect', behave.answer(302, ''), { kind: 'response_unexpected' }],
    ['an empty success', behave.answer(200, ''), { kind: 'outcome_unknown' }],
    ['a success in HTML', behave.answer(200, '<html>', 'text/html'), { kind: 'outcome_unknown' }],
    ['an answer cut in the middle', behave.malformed(), { kind: 'outcome_unknown' }],
    ['no answer', behave.hang(), { kind: 'outcome_unknown' }],
    ['a connection that breaks', behave.resetBefore(), { kind: 'outcome_unknown' }],
    ['a connection that breaks after acceptance', behave.resetAfter(), { kind: 'outcome_unknown' }],
  ])('%s', async (_name, behaviour, fault) => {
    const { fake, send } = await start(150);
    fake.always('*', behaviour);
    expect(await faultOf(send())).toMatchObject(fault);
  });

  it('nobody listening is not sent, try later', async () => {
    const { fake, send } = await start();
    await fake.close();
    expect((await faultOf(send())).kind).toBe('provider_unavailable');
  });

  it('one send is one request, whatever the answer', async () => {
    const { fake, send } = await start();
    fake.script('*', behave.unavailable(), behave.tooMany(1));
    for (let i = 0; i < 3; i += 1) await send().catch(() => undefined);
    expect(fake.requests).toHaveLength(3);
  });

  it('wrong credentials are a fault of the connection, on a send and on a test', async () => {
    const { fake, message } = await start();
    const secret = adapter.credentials.find((field: Field) => field.secret)?.name ?? '';
    const account = keep(using(adapter, { ...fake.credentials, [secret]: 'xoxb-wrong-wrong-wrong' }));
    expect((await faultOf(account.send(message))).kind).toBe('credentials_invalid');
    expect((await faultOf(account.check())).kind).toBe('credentials_invalid');
  });

  it.each([200, 400, 401, 500])('secrets repeated in an answer of %i appear in no error', async (status) => {
    const { fake, send } = await start();
    const secrets = adapter.credentials
      .filter((field: Field) => field.secret)
      .map(({ name }: Field) => String(fake.credentials[name]));
    const echo = JSON.stringify({ ok: false, error: { message: secrets, code: secrets[0] } });
    // As a header of Basic has it, whatever stands before it.
    const basic = secrets.flatMap((secret) =>
      ['', 'a:', 'ab:'].map((user) => Buffer.from(user + secret).toString('base64')),
    );
    const words = [...secrets.map(encodeURIComponent), ...basic];
    fake.always('*', behave.answer(status, `${echo} ${words.join(' ')}`));
    const error = (await send().catch((reason: unknown) => reason)) as DeliveryError;
    expect(error).toBeInstanceOf(DeliveryError);
    const said = JSON.stringify(error.fault) + error.message + String(error.stack);
    for (const secret of [...secrets, ...basic]) expect(said).not.toContain(secret);
  });
});

/** Places where a value would be lost or changed by JSON. */
function notJson(value: unknown, path = ''): string[] {
  if (value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value)) return [];
  if (typeof value !== 'object') return [`${path}: ${typeof value}`];
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return [`${path}: not plain`];
  return Object.entries(value).flatMap(([key, one]) => notJson(one, `${path}/${key}`));
}

/** Every `pattern` of a schema, however deep. */
function patternsOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]) =>
    key === 'pattern' && typeof value === 'string' ? [value] : patternsOf(value),
  );
}

function checkField({ name, label, pattern, example, options, default: fallback, type, required }: Field): void {
  expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
  expect(label).toMatch(/^[A-Z]/);
  if (pattern) expect(() => new RegExp(pattern)).not.toThrow();
  if (pattern && example) expect(example).toMatch(new RegExp(`^(?:${pattern})$`));
  if (type === 'choice') expect(options).toContain(fallback);
  if (required) expect(fallback).toBeUndefined();
}
