/** What conditions of routing rules hold for, and that no pattern of a stranger keeps anybody waiting. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compileRule,
  type Facts,
  factsOf,
  LOOKED_AT,
  RULE_MOST,
  targetsOf,
} from '../../src/features/webhooks/rules.ts';
import type { Conditions } from '../../src/features/webhooks/rules-schema.ts';
import type { FieldFault } from '../../src/lib/schema.ts';

const rule = (conditions: Conditions, more: object = {}, faults: FieldFault[] = []) =>
  compileRule({ conditions, targets: [], enabled: true, stop: false, ...more }, faults);
const holds = (conditions: Conditions, facts: Partial<Facts>): boolean =>
  rule(conditions).matches({ event_type: 'message.received', ...facts });

describe('a condition holds', () => {
  it.each<[string, Conditions, Partial<Facts>, boolean]>([
    ['always, where there is none', { all: [] }, {}, true],
    ['for its type of event', { all: [{ event_type: ['message.received'] }] }, {}, true],
    ['for all of a kind', { all: [{ event_type: ['message.*'] }] }, {}, true],
    ['for no other type', { all: [{ event_type: ['bulk.*', 'message.read'] }] }, {}, false],
    ['for its channel', { all: [{ channel: ['b', 'a'] }] }, { channel: 'a' }, true],
    ['for no event without what it asks for', { all: [{ channel: ['a'] }] }, {}, false],
    ['for its kind of message', { all: [{ message_type: ['image'] }] }, { message_type: 'image' }, true],
    ['for a choice under its one name', { all: [{ message_type: ['interactive'] }] }, { message_type: 'list' }, true],
    ['for how a number begins', { all: [{ sender: ['+62 812'] }] }, { sender: '+6281234567' }, true],
    ['with or without the plus', { all: [{ sender: ['62812'] }] }, { sender: '+6281234567' }, true],
    ['for no number that goes on otherwise', { all: [{ sender: ['+62813'] }] }, { sender: '+6281234567' }, false],
    ['for how an address ends', { all: [{ sender: ['@Shop.example'] }] }, { sender: 'ada@shop.example' }, true],
    ['for a word', { all: [{ keyword: ['Harga'] }] }, { text: 'Berapa HARGA?' }, true],
    ['for a whole word only', { all: [{ keyword: ['harga'] }] }, { text: 'berharga, hargai, 2harga_' }, false],
    ['for one further on', { all: [{ keyword: ['harga'] }] }, { text: 'hargai harga' }, true],
    ['for several words', { all: [{ keyword: ['order status'] }] }, { text: 'My order status, please' }, true],
    ['for a word with an accent', { all: [{ keyword: ['été'] }] }, { text: 'L’E\u0301TE\u0301 arrive' }, true],
    ['for no part of a word with an accent', { all: [{ keyword: ['t'] }] }, { text: 'été' }, false],
    ['where no space is put between words', { all: [{ keyword: ['价格'] }] }, { text: '请问价格多少' }, true],
    ['for a sign', { all: [{ keyword: ['👍'] }] }, { text: 'ok👍👍' }, true],
    ['for a pattern', { all: [{ regex: ['^order #\\d+'] }] }, { text: 'order #42 is late' }, true],
    ['for a pattern in upper case only when asked', { all: [{ regex: ['^ORDER'] }] }, { text: 'order' }, false],
    ['for a pattern in any case', { all: [{ regex: ['(?i)^ORDER'] }] }, { text: 'order' }, true],
    ['for one of several', { any: [{ channel: ['a'] }, { keyword: ['x'] }] }, { text: 'x' }, true],
    ['for all of several', { all: [{ channel: ['a'] }, { keyword: ['x'] }] }, { text: 'x' }, false],
    [
      'one level down',
      { all: [{ channel: ['a'] }, { any: [{ keyword: ['x'] }, { message_type: ['image'] }] }] },
      { channel: 'a', message_type: 'image' },
      true,
    ],
    [
      'not when that level does not',
      { all: [{ channel: ['a'] }, { any: [{ keyword: ['x'] }, { message_type: ['image'] }] }] },
      { channel: 'a', message_type: 'text' },
      false,
    ],
  ])('%s', (_, conditions, facts, expected) => {
    expect(holds(conditions, facts)).toBe(expected);
  });

  it('or says where it stands, what it was compared with, and why not', () => {
    const conditions: Conditions = { all: [{ channel: ['a'] }, { any: [{ keyword: ['x'] }] }] };
    expect(rule(conditions).explain({ event_type: 'message.received', channel: 'a' })).toEqual([
      { path: 'all.0', condition: { channel: ['a'] }, found: 'a', matches: true },
      { path: 'all.1.any.0', condition: { keyword: ['x'] }, found: null, matches: false },
    ]);
  });
});

describe('rules', () => {
  const breathe = () => undefined;
  it('are asked in their order; each adds its targets, until one stops; those that are off are passed over', async () => {
    const rules = [
      rule({ all: [] }, { targets: ['off'], enabled: false, stop: true }),
      rule({ all: [] }, { targets: ['a'] }),
      rule({ all: [{ keyword: ['x'] }] }, { targets: ['b', 'a'], stop: true }),
      rule({ all: [] }, { targets: ['c'] }),
    ];
    const to = async (...texts: string[]) =>
      [
        ...(await targetsOf(
          rules,
          texts.map((text) => ({ event_type: 'message.received', text })),
          breathe,
        )),
      ].sort();
    expect(await to('x')).toEqual(['a', 'b']);
    expect(await to('y')).toEqual(['a', 'c']);
    // A request with several things in it goes where any of them goes.
    expect(await to('x', 'y')).toEqual(['a', 'b', 'c']);
  });

  it('find in a message that came in who has written what', () => {
    const data = { channel: 'a', from: '+4915', content: { kind: 'text', text: 'Hi', data: {} }, conversation_id: 'x' };
    expect(factsOf({ type: 'message.received', data })).toEqual({
      ...{ event_type: 'message.received', channel: 'a', message_type: 'text', sender: '+4915', text: 'Hi' },
    });
    expect(factsOf({ type: 'bulk.completed', data: { status: 'completed' } })).toEqual({
      event_type: 'bulk.completed',
    });
  });
});

describe('a pattern', () => {
  const judged = (...regex: string[]) => {
    const faults: FieldFault[] = [];
    const { cost } = rule({ all: [{ regex }] }, {}, faults);
    return { cost, faults };
  };
  it.each([
    '(',
    '(?=a)',
    '(a)\\1',
    '[[',
    'a**',
    '(?<x',
    'a{2,1}',
    '(x{1000}){1000}',
    '((x{100}){100}){100}',
    `(?:${'y'.repeat(180)}){1000}`,
  ])('%s is refused with its place and a reason', (regex) => {
    expect(judged('ok', regex).faults).toEqual([
      { path: 'all.0.regex', message: expect.stringMatching(/RE2|too large/) },
    ]);
  });
  it('has a size that is bounded, and is counted', () => {
    expect(judged('x{1,500}').faults).toHaveLength(1);
    expect(judged(`x{${RULE_MOST - 10}}`)).toMatchObject({ faults: [], cost: expect.any(Number) });
    expect(judged('a', 'b').cost).toBeGreaterThan(judged('a').cost);
  });
  it('that would be large is refused before it is compiled, however many there are', () => {
    const many = Array.from({ length: 2_000 }, (_, n) => `(?:${String(n).repeat(40)}){1000}`);
    const began = performance.now();
    expect(judged(...many).faults).toHaveLength(1);
    for (const one of many) judged(one);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
  it('that cannot be read any more matches nothing, and breaks nothing', () => {
    expect(holds({ any: [{ regex: ['('] }] }, { text: '(' })).toBe(false);
  });
  it('of a hostile tenant takes a time that grows with the text alone, of which a bounded part is looked at', () => {
    const text = `${'a'.repeat(65_536)}!`;
    const tests = ['(a+)+$', '(a|aa)+$', '(a*)*b', '([a-z]+)*\\d', '(.*)*x$', '(a?){40}a{40}$', '(.{1,7}.{1,7}){5}$'];
    for (const regex of tests) {
      const one = rule({ all: [{ regex: [regex] }] });
      one.matches({ event_type: 'x', text });
      const began = performance.now();
      one.matches({ event_type: 'x', text });
      expect([regex, performance.now() - began < 500]).toEqual([regex, true]);
    }
    expect(holds({ all: [{ regex: ['!'] }] }, { text })).toBe(false);
    expect(holds({ all: [{ keyword: ['end'] }] }, { text: `${' '.repeat(LOOKED_AT)}end` })).toBe(false);
  });
  it('and whatever else a stranger writes as one never throws', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 200 }), (regex, text) => {
        rule({ all: [{ regex: [regex] }, { keyword: [regex] }, { sender: [regex] }] }).explain({
          ...{ event_type: 'x', text, sender: text },
        });
      }),
      { numRuns: 300 },
    );
  });
});
