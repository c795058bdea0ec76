/** Lists of addresses: what is in, what is out, and that one address is one address however it is written. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createGate, readRanges } from '../../src/features/tenants/allow-list.ts';

describe('an address', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7', true],
    ['203.0.113.7', '203.0.113.8', false],
    ['203.0.113.0/24', '203.0.113.255', true],
    ['203.0.113.0/24', '203.0.114.0', false],
    ['10.9.8.7/8', '10.255.0.1', true],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '8.8.8.8', false],
    ['2001:db8::/32', '2001:DB8:0:0::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['203.0.113.7', '::ffff:203.0.113.7', true],
    ['203.0.113.7', '::ffff:cb00:7107', true],
    ['::ffff:203.0.113.0/120', '203.0.113.9', true],
    ['::ffff:203.0.113.7', '203.0.113.7', true],
    ['fe80::1', 'fe80::1%eth0', true],
    ['203.0.113.7', '', false],
    ['0.0.0.0/0', 'unknown', false],
    ['0.0.0.0/0', '1.2.3.4, 5.6.7.8', false],
    ['0.0.0.0/0', '0x7f.1', false],
  ])('%s and %s: %s', (range, ip, allowed) => expect(createGate([range])(ip)).toBe(allowed));

  test('of every IPv4 range is in it in both ways of writing, and only then', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const ipv4 = fc.tuple(octet, octet, octet, octet);
    const number = (parts: readonly number[]) => parts.reduce((all, part) => all * 256 + part, 0);
    fc.assert(
      fc.property(ipv4, fc.integer({ min: 0, max: 32 }), ipv4, (network, bits, ip) => {
        const size = 2 ** (32 - bits);
        const inside = Math.floor(number(network) / size) === Math.floor(number(ip) / size);
        const gate = createGate(readRanges([`${network.join('.')}/${bits}`]));
        expect(gate(ip.join('.'))).toBe(inside);
        expect(gate(`::ffff:${ip.join('.')}`)).toBe(inside);
      }),
    );
  });
});

describe('a list', () => {
  test('is kept in one way of writing, each range once', () =>
    expect(
      readRanges(['10.1.2.3/8', ' 203.0.113.7/32 ', '::FFFF:203.0.113.7', '2001:DB8:0::5/32', '2001:db8::1']),
    ).toEqual(['10.0.0.0/8', '203.0.113.7', '2001:db8::/32', '2001:db8::1']));

  test.each([
    '',
    'x',
    '10.1',
    '010.0.0.1',
    '10.0.0.1/33',
    '::1/129',
    '10.0.0.1/',
    '10.0.0.1/-1',
    '10.0.0.0-10.0.0.9',
    'example.com',
    '1.2.3.4/08x',
  ])('does not take %j, and says which entry it is', (text) =>
    expect(() => readRanges(['10.0.0.1', text])).toThrow(
      expect.objectContaining({
        code: 'validation_failed',
        details: { fields: [expect.objectContaining({ path: 'allowed_ips.1' })] },
      }),
    ));
});
