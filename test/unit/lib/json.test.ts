import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ApiError } from '../../../src/lib/errors.ts';
import { canonicalJson, readJsonObject } from '../../../src/lib/json.ts';
import { validator } from '../../../src/lib/schema.ts';
import { allRoutes } from '../../support/routes.ts';

const read = (text: string | Buffer) => readJsonObject(Buffer.from(text as string));
function refusal(text: string | Buffer): ApiError {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('JSON of a stranger', () => {
  test.each([
    ['nothing', ''],
    ['half an object', '{"a":'],
    ['a list', '[]'],
    ['null', 'null'],
    ['a number', '1'],
    ['a text', '"a"'],
    ['two objects', '{}{}'],
    ['a comma too many', '{"a":1,}'],
    ['single quotes', "{'a':1}"],
    ['NaN', '{"a":NaN}'],
    ['a byte order mark', '\uFEFF{}'],
    ['half an UTF-8 character', Buffer.from([0x7b, 0x22, 0xc3, 0x22, 0x7d])],
  ])('%s is malformed', (_what, text) => expect(refusal(text).code).toBe('malformed_json'));

  test('is nested 32 deep and no deeper', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
    expect(() => read(nested(32))).not.toThrow();
    expect(refusal(nested(33)).code).toBe('too_deep');
    expect(refusal('['.repeat(1_000_000)).code).toBe('too_deep');
  });
  test('has 1,000 properties and no more', () => {
    const wide = (count: number) => `{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join(',')}}`;
    expect(() => read(wide(1_000))).not.toThrow();
    expect(refusal(wide(1_001)).code).toBe('too_many_properties');
  });
  test('has 20,000 values and no more, so that a list of a million is refused before it is judged', () => {
    const list = (count: number) => `{"channels":[${Array(count).fill('1').join(',')}]}`;
    expect(() => read(list(20_000))).not.toThrow();
    expect(refusal(list(20_002)).code).toBe('too_many_properties');
    const began = performance.now();
    expect(refusal(`{"channels":[${'1,'.repeat(500_000)}1]}`).code).toBe('too_many_properties');
    expect(refusal(`{"attachments":[${'{},'.repeat(340_000)}{}]}`).code).toBe('too_many_properties');
    expect(performance.now() - began).toBeLessThan(500);
    expect(read(JSON.stringify({ a: ','.repeat(30_000) }))).toBeDefined();
  });
  test('the longest list that is read is judged quickly, fault by fault', () => {
    const { body } = allRoutes().find(({ path }) => path === '/api/v1/notifications/send') ?? {};
    const judge = validator(body);
    const big = (name: string, item: unknown) => ({
      recipient: {},
      notification: { channels: ['sms'], [name]: Array(20_000).fill(item) },
    });
    const began = performance.now();
    for (const value of [big('channels', 1), big('channels', 'a'), big('attachments', {})])
      expect(judge.faults(value).length).toBeGreaterThan(0);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
  test('brackets and colons inside a text do not count', () => {
    const text = JSON.stringify({ a: `${'['.repeat(100)}\\"${':'.repeat(2_000)}` });
    expect(read(text)).toEqual(JSON.parse(text));
  });
  test.each([
    ['9007199254740993', 'a'],
    ['1e999', 'a'],
    ['-9007199254740993', 'a'],
  ])('a number that would lose digits is refused: %s', (number, path) => {
    const { code, details } = refusal(`{"a":${number}}`);
    expect(code).toBe('validation_failed');
    expect(details?.fields).toEqual([{ path, message: 'is a number that would lose digits; send it as a string' }]);
  });
  test.each([
    '{"a":{"b":["\\u0000"]}}',
    '{"a":{"b":["\\ud800"]}}',
    '{"a":{"b":["\\udc00x"]}}',
  ])('%s names its place', (text) => {
    expect((refusal(text).details?.fields as { path: string }[])[0]?.path).toBe('a.b.0');
  });
  test.each(['__proto__', 'constructor', 'prototype'])('the name %s is refused and reaches nothing', (name) => {
    expect(refusal(`{"a":{"${name}":{"x":1}}}`).param).toBe(`a.${name}`);
    expect(({} as { x?: number }).x).toBeUndefined();
  });
  test.each([
    '\\ud800',
    'x\\udc00',
    '\\u0000',
  ])('the field name "%s" is refused with the place it stands in', (name) => {
    expect((refusal(`{"a":{"${name}":1}}`).details?.fields as { path: string }[])[0]?.path).toBe('a');
  });
  test('every fault is named at once', () => {
    expect(refusal('{"a":"\\u0000","b":1e999}').details?.fields).toHaveLength(2);
  });
  test('whatever JSON knows and is harmless is read as JSON.parse reads it', () => {
    const harmless = fc.dictionary(
      fc
        .string({ unit: 'grapheme', maxLength: 8 })
        .filter((name) => !['__proto__', 'constructor', 'prototype'].includes(name) && !name.includes('\u0000')),
      fc.oneof(
        fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\u0000')),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(fc.integer()),
      ),
    );
    fc.assert(
      fc.property(harmless, (value) => {
        const text = JSON.stringify(value);
        expect(read(text)).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe('canonical JSON', () => {
  test('is the same whatever the order of keys', () => {
    expect(canonicalJson({ b: [1, { d: 1, c: null }], a: 'x' })).toBe('{"a":"x","b":[1,{"c":null,"d":1}]}');
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(turned)).toBe(canonicalJson(value));
      }),
    );
  });
  test('tells values apart', () => {
    expect(canonicalJson({ a: 1 })).not.toBe(canonicalJson({ a: '1' }));
    expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
    expect(canonicalJson({ a: undefined })).toBe(canonicalJson({}));
  });
});
