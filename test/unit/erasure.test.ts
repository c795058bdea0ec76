/** In which forms an address is found, what is somebody else's, and what is left where it stood. */
import { expect, it } from 'vitest';
import { needlesOf, scrub } from '../../src/features/erasure/needles.ts';

const find = (...values: string[]) => new RegExp(needlesOf(values).pattern, 'gi');
const found = (text: string, ...values: string[]) => find(...values).test(text);

it.each([
  ['+14155550123', 'call +14155550123 now'],
  ['+14155550123', 'To=%2B14155550123&From=1'],
  ['+14155550123', '14155550123@s.whatsapp.net'],
  ['+14155550123', 'a=1%2014155550123%20'],
  ['+14155550123', '0014155550123.'],
  ['(415) 555-0123', 'as typed: (415) 555-0123'],
  ['(415) 555-0123', '"4155550123"'],
  ['(415) 555-0123', 'To=%28415%29+555-0123'],
  ['Ada.L@Example.org', 'to: ADA.L@EXAMPLE.ORG'],
  ['Ada.L@Example.org', 'to=ada.l%40example.org'],
  ['Ada.L@Example.org', 'x%20ada.l%40example.org%3E'],
  ['ada@x.test', 'Write to ada@x.test.'],
  ['ada@x.test', '{"text":"hi\\nada@x.test\\nbye"}'],
  ['ada@x.test', '<ada@x.test>,bob@x.test'],
  ['ada@x.test', '联系ada@x.test吧'],
  ['ada@x.test', 'mailto:ada@x.test?subject'],
  ['ada@x.test', 'ada@x.test_order-7'],
  ['o\'neil+a|b"c@x.test', 'x o\'neil+a|b"c@x.test y'],
  ['ädä@x.test', 'x \\303\\244d\\303\\244@x.test'],
  ['U0123ABCD', 'user=u0123abcd'],
])('%s is found in %s, and what is left does not hold it', (value, text) => {
  expect(found(text, value)).toBe(true);
  expect(String(scrub(text, find(value)))).not.toMatch(find(value));
});

it.each([
  ['ada.l@example.org', 'adaXl@example.org'],
  ['a@x.test', 'aa@x.test'],
  ['ada@x.test', 'b.ada@x.test'],
  ['ada@x.test', 'x%2Bada%40x.test'],
  ['ada@x.test', 'not-ada@x.test'],
  ['ada@x.test', 'éada@x.test'],
  ['ada@x.test', 'ada@x.test.org'],
  ['ada@x.test', 'ada@x.testing'],
  ['ada@x.co', 'ada@x.co-op.org'],
  ['+14155550123', '+141555501234'],
  ['+14155550123', '214155550123'],
  ['(415) 555-0123', '+4155550123456'],
  ['(415) 555-0123', '994155550123'],
  ['+1415555012', '+14155550123'],
  ['a%_b@x.test', 'aXYb@x.test'],
  ['U0123ABCD', 'U0123ABCDE'],
])('%s is not %s', (value, text) => {
  expect(found(text, value)).toBe(false);
  expect(scrub({ text }, find(value))).toEqual({ text });
});

it('what is too short to be an address is not looked for', () => {
  expect(needlesOf(['a', '', 'ab@'])).toMatchObject({ pattern: '', values: [], digits: [] });
});

it('leaves JSON what it was but for the address, in names and in numbers too', () => {
  const value = { '+14155550123': [1, 'x +14155550123 y', { n: 14155550123, m: 5, ok: true, none: null }] };
  expect(scrub(value, find('+14155550123'))).toEqual({
    '[erased]': [1, 'x [erased] y', { n: null, m: 5, ok: true, none: null }],
  });
  expect(scrub('ada@x.test ada@x.test,ada@x.test', find('ada@x.test'))).toBe('[erased] [erased],[erased]');
});
