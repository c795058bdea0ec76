/** Which rule answers a message, and which message is answered by none. */
import { describe, expect, it } from 'vitest';
import { type Rule, ruleFor, type Said } from '../../src/features/replies/match.ts';

const rule = (id: string, more: Partial<Rule> = {}): Rule => ({
  id,
  trigger: 'keyword',
  keywords: [id],
  match: 'exact',
  channel: null,
  connectionId: null,
  ...more,
});
const said = (text: string, more: Partial<Said> = {}): Said => ({
  channel: 'sms',
  connectionId: 'here',
  kind: 'text',
  text,
  ...more,
});
const DEFAULT = rule('default', { trigger: 'default', keywords: [] });

it('the first that fits, wherever the default stands', () => {
  const rules = [DEFAULT, rule('hours'), rule('again', { keywords: ['hours'] })];
  expect(ruleFor(rules, said('  HOURS\n'), undefined)?.id).toBe('hours');
  expect(ruleFor(rules, said('hours?'), undefined)?.id).toBe('default');
  expect(ruleFor(rules, said('', { kind: 'image' }), undefined)?.id).toBe('default');
});

describe('a keyword that is contained', () => {
  const rules = [rule('price', { match: 'contains', keywords: ['price', 'preço', '값'] })];
  it.each(['What is the price?', 'PRICE', 'o preço, por favor', 'price-list', '값 얼마'])('%j fits', (text) =>
    expect(ruleFor(rules, said(text), undefined)?.id).toBe('price'));
  it.each(['priceless', 'underprice', ''])('%j does not', (text) =>
    expect(ruleFor(rules, said(text), undefined)).toBeUndefined());
});

it('a rule of another channel or connection is not asked', () => {
  const rules = [rule('a', { channel: 'email' }), rule('a2', { connectionId: 'there', keywords: ['a'] })];
  expect(ruleFor(rules, said('a'), undefined)).toBeUndefined();
});

it('STOP, START and HELP are answered by their own rules alone, and by nobody where the provider has answered', () => {
  const help = rule('help', { trigger: 'help', keywords: [] });
  expect(ruleFor([DEFAULT, rule('stop'), help], said('stop'), 'stop')).toBeUndefined();
  expect(ruleFor([DEFAULT, help], said('info'), 'help')?.id).toBe('help');
  expect(ruleFor([DEFAULT, help], said('info', { word: 'help' }), 'help')).toBeUndefined();
});

it.each(['reaction', 'edit', 'revoke', 'system'])('nobody waits for an answer to a message of the kind %s', (kind) => {
  expect(ruleFor([DEFAULT], said('hello', { kind }), undefined)).toBeUndefined();
});
