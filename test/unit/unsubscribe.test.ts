/** The link in a mail: it says whom it is about to us, and nothing to anybody else. */
import { expect, it } from 'vitest';
import { createLinks } from '../../src/features/suppressions/link.ts';
import { masked } from '../../src/features/suppressions/unsubscribe.ts';
import { createVault } from '../../src/lib/crypto.ts';
import { newId } from '../../src/lib/ids.ts';

const keys = (fill: number) => [{ id: `k${fill}`, secret: Buffer.alloc(32, fill) }];
const root = Buffer.alloc(32, 9);
const linked = {
  tenantId: newId(),
  mode: 'live',
  channel: 'email',
  address: 'ada@people.example',
  id: newId(),
} as const;
const url = createLinks(createVault(keys(1), root), () => 'https://mail.example').urlOf(linked) as string;
const token = url.split('/').at(-1) as string;

it('is read again, also after every key that sealed the store has gone', () => {
  expect(createLinks(createVault(keys(2), root), undefined).read(token)).toEqual(linked);
});

it('is read by no other installation, and tells nobody the address', () => {
  expect(createLinks(createVault(keys(1), Buffer.alloc(32, 8)), undefined).read(token)).toBeUndefined();
  expect(Buffer.from(token, 'base64url').toString('latin1')).not.toContain('ada');
  // A header line of 998 characters at most.
  expect(url.length).toBeLessThan(400);
});

it('is made only where somebody could follow it', () => {
  expect(createLinks(createVault(keys(1)), undefined).urlOf(linked)).toBeUndefined();
});

it.each([
  ['ada@people.example', 'a•••@people.example'],
  ['+14155550123', '+141•••23'],
  ['short', '•••'],
])('of %s the page shows %s', (address, shown) => expect(masked(address)).toBe(shown));
