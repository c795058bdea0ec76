import { describe, expect, test } from 'vitest';
import { checkPassword, createVault, hashPassword, randomBase62, sameDigest, sha256 } from '../../../src/lib/crypto.ts';

const key = (id: string, fill: number) => ({ id, secret: Buffer.alloc(32, fill) });
const vault = createVault([key('k1', 1)]);

describe('the vault', () => {
  test('opens what it sealed, in its place', () => {
    const sealed = vault.seal('grüße', 'ten/con/1');
    expect(sealed).toMatch(/^v1\.k1\./);
    expect(vault.open(sealed, 'ten/con/1')).toBe('grüße');
  });
  test('uses no nonce twice in a hundred thousand seals', () => {
    const nonces = new Set<string | undefined>();
    for (let i = 0; i < 100_000; i++) nonces.add(vault.seal('a', 'p').split('.')[2]);
    expect(nonces.size).toBe(100_000);
  });
  test('never seals the same twice', () => expect(vault.seal('a', 'p')).not.toBe(vault.seal('a', 'p')));
  test('refuses what was moved to another place', () => {
    expect(() => vault.open(vault.seal('a', 'ten/con/1'), 'ten/con/2')).toThrow();
  });
  test('refuses every flipped bit', () => {
    const parts = vault.seal('secret', 'p').split('.');
    for (const part of [2, 3, 4]) {
      const bytes = Buffer.from(parts[part] as string, 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        const changed = parts.with(part, flipped.toString('base64url')).join('.');
        expect(() => vault.open(changed, 'p')).toThrow();
      }
    }
  });
  test('refuses a tag cut short', () => {
    const parts = vault.seal('secret', 'p').split('.');
    const tag = Buffer.from(parts[4] as string, 'base64url');
    expect(() => vault.open(parts.with(4, tag.subarray(0, 4).toString('base64url')).join('.'), 'p')).toThrow();
  });
  test('says which key is missing', () => {
    expect(() => createVault([key('k2', 2)]).open(vault.seal('a', 'p'), 'p')).toThrow(
      /unknown key "k1".*ENCRYPTION_KEYS/,
    );
    expect(() => vault.open('rubbish', 'p')).toThrow();
  });
  test('a new key seals, the old one still opens, and what is derived stays', () => {
    const both = createVault([key('k2', 2), key('k1', 1)]);
    expect(both.keyId).toBe('k2');
    expect(both.open(vault.seal('old', 'p'), 'p')).toBe('old');
    expect(both.seal('new', 'p')).toMatch(/^v1\.k2\./);
    expect(both.derive('sessions')).toEqual(vault.derive('sessions'));
    expect(vault.derive('sessions')).not.toEqual(vault.derive('csrf'));
  });
  test('needs a key', () => expect(() => createVault([])).toThrow());
});

test('random text has the length asked for and no character twice as often as another', () => {
  const text = randomBase62(62_000);
  expect(text).toMatch(/^[0-9A-Za-z]{62000}$/);
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  expect(counts.size).toBe(62);
  for (const count of counts.values()) expect(count).toBeGreaterThan(700);
});

test('digests of other lengths differ', () => {
  expect(sameDigest(sha256('a'), sha256('a'))).toBe(true);
  expect(sameDigest(sha256('a'), sha256('b'))).toBe(false);
  expect(sameDigest(sha256('a'), Buffer.alloc(3))).toBe(false);
});

test('a password is known again, however its letters are composed, and no other is', async () => {
  const hash = await hashPassword('Straße\u0065\u0301');
  expect(hash).toMatch(/^scrypt\.131072\.8\.1\./);
  expect(await checkPassword('Straße\u00e9', hash)).toBe(true);
  expect(await checkPassword('Strasse', hash)).toBe(false);
  expect(await checkPassword('', undefined)).toBe(false);
});
