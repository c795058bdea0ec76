/** Raw mode: names are filled from data, and nothing else happens. */
import { describe, expect, test } from 'vitest';
import type { Data } from '../../../src/features/templates/door.ts';
import { escapeHtml } from '../../../src/features/templates/engine.ts';
import { fillRaw, rawVariables } from '../../../src/features/templates/raw.ts';

describe('raw text', () => {
  test.each<[string, Data, string]>([
    ['Hello', {}, 'Hello'],
    ['Hello {{name}}', { name: 'Ada' }, 'Hello Ada'],
    ['{{ user.name }} {{list.0}} {{n}}', { user: { name: 'A' }, list: ['x'], n: 0 }, 'A x 0'],
    ['{{a}}', { a: '{{b}}', b: 'never' }, '{{b}}'],
    [
      '{{#if a}} {{upper a}} {{> p}} {{}} {{ a b }} {{../a}}',
      { a: 1 },
      '{{#if a}} {{upper a}} {{> p}} {{}} {{ a b }} {{../a}}',
    ],
    ['$& {{a}} $1', { a: '$&$1' }, '$& $&$1 $1'],
    ['{{a}} & <b>', { a: "O'Neil" }, "O'Neil & <b>"],
  ])('%j with %j gives %j', (text, data, expected) => expect(fillRaw(text, data)).toBe(expected));

  test('names are listed once, in order', () => {
    expect(rawVariables('{{b}} {{a.x}} {{b}} {{#if c}} {{ d }}')).toEqual(['b', 'a.x', 'd']);
    expect(rawVariables('none')).toEqual([]);
  });

  test.each<[string, Data, RegExp]>([
    ['{{name}}', {}, /data\.name is missing/],
    ['{{name}}', { name: null }, /missing/],
    ['{{constructor}} {{__proto__}}', {}, /missing/],
    ['{{a.toString}}', { a: {} }, /missing/],
    ['{{a.length}}', { a: 'text' }, /missing/],
    ['{{a}}', { a: {} }, /must be a text/],
    ['{{a}}'.repeat(100), { a: 'x'.repeat(100_000) }, /longer than/],
  ])('%j with %j is refused', (text, data, message) => expect(() => fillRaw(text, data)).toThrow(message));

  test('HTML values are escaped when asked', () =>
    expect(fillRaw('<p>{{a}}</p>', { a: '<script>' }, escapeHtml)).toBe('<p>&lt;script&gt;</p>'));

  test.each([
    '{{'.repeat(500_000),
    '{{ '.repeat(300_000),
    `{{${'a'.repeat(1_000_000)}`,
    '{{a.'.repeat(250_000),
    `{{${' '.repeat(1_000_000)}`,
  ])('hostile text costs one pass', (text) => {
    const began = performance.now();
    expect(fillRaw(text, {})).toBe(text);
    expect(performance.now() - began).toBeLessThan(500);
  });
});
