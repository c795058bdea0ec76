import { describe, expect, test } from 'vitest';
import type { AnyChannel } from '../../../src/channel-kit/index.ts';
import { type Ask, judge, type Request, RULES } from '../../../src/features/notifications/policy.ts';
import { ERRORS } from '../../../src/lib/errors.ts';

const channel = (send: 'required' | 'optional') => ({ templatePolicy: { send } }) as unknown as AnyChannel;
const ask = (more: Partial<Ask> = {}): Ask => ({
  id: 'letter',
  channel: channel('optional'),
  connected: true,
  missingFields: [],
  address: 'a',
  addressFault: undefined,
  rawFields: ['body'],
  missingRaw: [],
  source: 'raw',
  content: {},
  language: undefined,
  ...more,
});
const strict = (more: Partial<Ask> = {}): Ask =>
  ask({ id: 'strict', channel: channel('required'), rawFields: [], source: 'template', ...more });
const request = (more: Partial<Request> = {}, notification: object = {}): Request => {
  const asks = more.asks ?? [ask()];
  return {
    asks,
    notification: { channels: asks.map(({ id }) => id), ...notification } as Request['notification'],
    rawGiven: ['body'],
    template: undefined,
    data: { missing: [], unexpected: [], faults: [] },
    ...more,
  };
};
const template = { slug: 'hello', languages: { letter: ['en'], strict: ['en', 'de'] } };
const withTemplate = { template_id: 'hello' };

/** A request for each verdict: the rule, what it refuses, and the field it blames. */
const REFUSED: readonly (readonly [string, string, string | undefined, Request])[] = [
  [
    'known',
    'channel_unknown',
    'notification.channels',
    request({ asks: [ask({ id: 'fax', channel: undefined, source: undefined })] }),
  ],
  [
    'known',
    'channel_unknown',
    'notification.fallback.0.channel',
    request({ asks: [ask(), ask({ id: 'fax', channel: undefined, param: 'notification.fallback.0.channel' })] }),
  ],
  [
    'fallbackFits',
    'validation_failed',
    'notification.fallback.0.channel',
    request({}, { fallback: [{ channel: 'letter', on: 'failed' }] }),
  ],
  [
    'fallbackFits',
    'validation_failed',
    'notification.fallback.0.after_seconds',
    request({}, { fallback: [{ channel: 'other', on: 'not_delivered' }] }),
  ],
  [
    'fallbackFits',
    'validation_failed',
    'notification.fallback.0.after_seconds',
    request({}, { fallback: [{ channel: 'other', on: 'failed', after_seconds: 60 }] }),
  ],
  [
    'fallbackFits',
    'validation_failed',
    'notification.fallback',
    request(
      {},
      {
        channels: Array.from({ length: 15 }, (_, index) => `c${index}`),
        fallback: [{ channel: 'other', on: 'failed' }],
      },
    ),
  ],
  [
    'templateRequired',
    'template_required',
    'notification.template_id',
    request({ asks: [strict({ source: undefined }), ask()] }),
  ],
  [
    'rawNotAllowed',
    'raw_not_allowed',
    'notification.body',
    request({ asks: [strict()], template }, { ...withTemplate, body: 'x' }),
  ],
  [
    'rawNotAllowed',
    'raw_not_allowed',
    'notification.content.strict',
    request({ asks: [strict()], template, rawGiven: [] }, { ...withTemplate, content: { strict: {} } }),
  ],
  [
    'recipientComplete',
    'recipient_field_missing',
    'recipient.street',
    request({ asks: [ask({ missingFields: ['street'], address: undefined })] }),
  ],
  [
    'recipientValid',
    'invalid_recipient',
    'recipient.street',
    request({
      asks: [
        ask({
          address: undefined,
          addressFault: { field: 'street', message: 'This is no street that a letter could be brought to.' },
        }),
      ],
    }),
  ],
  [
    'templateFound',
    'template_not_found',
    'notification.template_id',
    request({ asks: [ask({ source: undefined })], rawGiven: [] }, withTemplate),
  ],
  [
    'templateCovers',
    'template_channel_missing',
    'notification.channels',
    request({ asks: [ask({ id: 'other', source: undefined })], template, rawGiven: [] }, withTemplate),
  ],
  [
    'templateCovers',
    'template_language_missing',
    'notification.language',
    request({ asks: [strict({ source: undefined })], template, rawGiven: [] }, { ...withTemplate, language: 'fr' }),
  ],
  [
    'contentThere',
    'content_required',
    'notification.body',
    request({ asks: [ask({ source: undefined, missingRaw: ['body'] })], rawGiven: [] }),
  ],
  ['nothingUnused', 'content_unused', 'notification.subject', request({ rawGiven: ['body', 'subject'] })],
  ['nothingUnused', 'content_unused', 'notification.content.fax', request({}, { content: { fax: {} } })],
  [
    'variablesMatch',
    'template_variable_mismatch',
    'notification.data',
    request({ data: { missing: ['name'], unexpected: [], faults: [] } }),
  ],
  [
    'variablesMatch',
    'template_variable_mismatch',
    'notification.data',
    request({ data: { missing: [], unexpected: ['nmae'], faults: [] } }),
  ],
  [
    'valuesFit',
    'validation_failed',
    'notification.data.when',
    request({ data: { missing: [], unexpected: [], faults: [{ path: 'data.when', message: 'is no date' }] } }),
  ],
  ['connected', 'channel_not_connected', 'notification.channels', request({ asks: [ask({ connected: false })] })],
];

describe('what may be sent', () => {
  test.each(REFUSED)('%s: %s, blaming %s', (rule, code, param, asked) => {
    const own = RULES[rule]?.(asked) ?? [];
    expect(own.map((refusal) => refusal.code)).toContain(code);
    const refusal = own.find((one) => one.code === code && one.param === param);
    expect(refusal).toBeDefined();
    expect(refusal?.message).toMatch(/^\S.{20,}/s);
    expect(judge(asked)).toContainEqual(refusal);
    expect(ERRORS).toHaveProperty(code);
  });

  test.each(REFUSED)('%s alone refuses it: %s, blaming %s', (rule, _code, _param, asked) => {
    const others = Object.keys(RULES).filter((name) => name !== rule && (RULES[name]?.(asked) ?? []).length > 0);
    expect(others).toEqual([]);
  });

  test('each rule has a request that it refuses', () => {
    expect(Object.keys(RULES).filter((name) => !REFUSED.some(([rule]) => rule === name))).toEqual([]);
  });

  test.each([
    ['raw text', request()],
    ['a template', request({ asks: [strict(), ask({ source: 'template' })], template, rawGiven: [] }, withTemplate)],
    [
      'a template for one channel and raw text for the other',
      request({ asks: [strict(), ask()], template }, { ...withTemplate, body: 'x' }),
    ],
    [
      'content of the channel’s own',
      request({ asks: [ask({ source: 'own' })], rawGiven: [] }, { content: { letter: {} } }),
    ],
  ])('%s passes every rule', (_what, asked) => expect(judge(asked)).toEqual([]));

  test('a request with several faults hears of all', () => {
    const codes = judge(
      request({ asks: [strict({ source: undefined, connected: false, missingFields: ['street'] })], rawGiven: [] }),
    ).map(({ code }) => code);
    expect(codes).toEqual(['template_required', 'recipient_field_missing', 'channel_not_connected']);
  });
});
