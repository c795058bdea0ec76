/** The pure parts of webhooks: when a delivery is tried again, what is signed, and which addresses an endpoint may have. */
import { Webhook } from 'standardwebhooks';
import { describe, expect, it, test } from 'vitest';
import { checkAddress } from '../../src/features/webhooks/address.ts';
import { newSecret, signed } from '../../src/features/webhooks/signature.ts';
import { askedFor, WEBHOOK_TIMING, waitAfter } from '../../src/features/webhooks/timetable.ts';
import { createEgress } from '../../src/lib/egress.ts';

describe('the timetable', () => {
  const waits = (draw: number) =>
    Array.from({ length: 8 }, (_, i) => waitAfter(i + 1, { ...WEBHOOK_TIMING, random: () => draw }));
  test('is 10 s, 30 s, 2 min, 10 min, 1 h, 6 h, 24 h, and then it is over', () => {
    expect(waits(0.5)).toEqual([...[10, 30, 120, 600, 3_600, 21_600, 86_400].map((s) => s * 1_000), undefined]);
  });
  test('stays within a fifth of that', () => {
    expect([waits(0)[0], waits(1)[0]]).toEqual([8_000, 12_000]);
  });
  test('waits longer when the endpoint asks, and not shorter', () => {
    const timing = { ...WEBHOOK_TIMING, jitter: 0 };
    expect([waitAfter(1, timing, 60_000), waitAfter(1, timing, 1_000)]).toEqual([60_000, 10_000]);
  });
  const now = new Date('2026-11-21T12:00:00Z');
  test.each([
    ['7', 7_000],
    [' 7 ', 7_000],
    ['Sat, 21 Nov 2026 12:01:00 GMT', 60_000],
    ['Sat, 21 Nov 2026 11:00:00 GMT', 0],
    ['999999999', 86_400_000],
    ['Sun, 21 Nov 2027 12:00:00 GMT', 86_400_000],
    ['soon', 0],
    ['-1', 0],
    ['1e9', 0],
    ['', 0],
    [undefined, 0],
  ])('a Retry-After of %j', (header, ms) => expect(askedFor(header, now)).toBe(ms));
});

it('signs with every secret, the newest first, so that either verifies', () => {
  const [fresh, old] = [newSecret(), newSecret()];
  const body = '{"a":"ä"}';
  const seconds = Math.floor(Date.now() / 1_000);
  const headers = { ...signed({ id: 'evt_1', seconds, body: Buffer.from(body) }, [fresh, old]) };
  for (const secret of [fresh, old]) expect(new Webhook(secret).verify(body, headers)).toEqual({ a: 'ä' });
  expect(() => new Webhook(newSecret()).verify(body, headers)).toThrow();
  const alone = signed({ id: 'evt_1', seconds, body: Buffer.from(body) }, [fresh]);
  expect(alone['x-signature-256']).toBe(headers['x-signature-256']);
});

describe('an endpoint may not be at', () => {
  const egress = createEgress(['10.0.0.7:8080', 'hooks.internal:443']);
  const check = (url: string) => checkAddress(url, egress, 'https://notify.example.com');
  test.each([
    'http://shop.example/hook',
    'ftp://shop.example',
    'file:///etc/passwd',
    'gopher://shop.example',
    'data:text/plain,x',
    'javascript:alert(1)',
    'not an address',
    'https://user@shop.example',
    'https://user:word@shop.example',
    'https://shop.example/#part',
    'https://shop.example:22',
    'https://shop.example:25',
    'https://shop.example:5432',
    'https://shop.example:6379',
    'https://localhost',
    'https://api.localhost',
    'https://db.internal',
    'https://printer.local',
    'https://intranet',
    'https://shop.example.',
    'https://127.1',
    'https://0x7f.1',
    'https://2130706433',
    'https://0',
    'https://[::]',
    'https://[::1]',
    'https://[::ffff:10.0.0.1]',
    'https://[2002:7f00:1::]',
    'https://[fc00::1]',
    'https://169.254.169.254',
    'https://100.64.0.1',
    'https://198.18.0.1',
    'https://224.0.0.1',
    'https://255.255.255.255',
    'https://10.0.0.7:8081',
    'https://notify.example.com/hooks',
  ])('%s', (url) => expect(() => check(url)).toThrow(expect.objectContaining({ code: 'url_not_allowed' })));
  test('and may be at a public address, on a port of its own, or where the operator allows it', () => {
    for (const url of [
      'https://shop.example/hook?a=b',
      'https://shop.example:8443/',
      'http://10.0.0.7:8080/x',
      'https://hooks.internal/',
    ])
      expect(check(url)).toBe(url);
  });
});
