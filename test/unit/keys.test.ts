import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generateKey, maskKey, parseKey, presentedKey } from '../../src/features/tenants/key.ts';
import { passwordFault } from '../../src/features/tenants/password.ts';
import { createQueue, createTries } from '../../src/features/tenants/tries.ts';
import { createCache } from '../../src/lib/cache.ts';

const clockAt = (start = 0) => {
  let at = start;
  return {
    now: () => new Date(at),
    set(ms: number) {
      at = ms;
    },
  };
};

describe('an API key', () => {
  it('is read back as it was made', () => {
    for (const mode of ['live', 'sandbox'] as const) {
      const key = generateKey(mode);
      expect(key.text).toHaveLength(65);
      expect(parseKey(key.text)).toEqual({ mode, publicPart: key.publicPart, digest: key.digest });
      expect(maskKey(mode, key.publicPart, key.lastFour)).toBe(`${key.text.slice(0, 16)}…${key.text.slice(-4)}`);
    }
  });

  it('with any one character changed is none', () => {
    const { text } = generateKey('live');
    for (let i = 8; i < text.length; i++)
      expect(parseKey(text.slice(0, i) + (text[i] === 'A' ? 'B' : 'A') + text.slice(i + 1))).toBeUndefined();
  });

  it('is never seen in noise, and noise never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.string({ maxLength: 200 }), (a, b) => {
        expect(parseKey(a)).toBeUndefined();
        try {
          presentedKey({ 'x-api-key': a, authorization: b });
        } catch (error) {
          expect(error).toMatchObject({ code: 'conflicting_credentials' });
        }
      }),
    );
  });
});

describe('a password', () => {
  it.each([
    '',
    'elevenchars',
    'aaaaaaaaaaaaaaaa',
    'abcabcabcabc',
    '123456789012',
    '987654321098',
    'Password Password 123!',
    'correct horse battery staple',
    'qwertyuiopas',
    'Ada Lovelace',
  ])('%j is refused', (password) => expect(passwordFault(password, ['Ada Lovelace'])).toBeTypeOf('string'));
  it.each([
    'seven brass bells',
    'Tr0ub4dor&3xyz',
    'дванадесет букви',
    '🔔🔕🎵🎶🎺🎷🥁🪘🎻🎸🎹🪗',
  ])('%j will do', (password) => expect(passwordFault(password)).toBeUndefined());
});

describe('tries', () => {
  it('are five in a quarter of an hour, for one account from one address, whatever the case of its letters', () => {
    const clock = clockAt();
    const tries = createTries(clock);
    for (let i = 0; i < 5; i++) tries.spend('a@b', '1');
    expect(() => tries.spend('A@B', '1')).toThrow(expect.objectContaining({ code: 'rate_limited' }));
    tries.spend('a@b', '2');
    tries.spend('c@d', '1');
    clock.set(15 * 60_000 - 1);
    expect(() => tries.spend('a@b', '1')).toThrow(expect.objectContaining({ headers: { 'Retry-After': '1' } }));
    clock.set(15 * 60_000);
    tries.spend('a@b', '1');
  });

  it('start anew after a right one', () => {
    const tries = createTries(clockAt());
    for (let i = 0; i < 5; i++) tries.spend('a@b', '1');
    tries.forgive('a@b', '1');
    tries.spend('a@b', '1');
  });

  it('stretch two passwords at once, and send a crowd away', async () => {
    const inLine = createQueue();
    let running = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
    };
    const results = await Promise.allSettled(Array.from({ length: 40 }, () => inLine(work)));
    expect(most).toBe(2);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(8);
    await inLine(work);
  });
});

describe('a cache', () => {
  it('serves a value for its time, also when the clock is set back, and shares one load', async () => {
    const clock = clockAt(10_000);
    const cache = createCache<string, number>({ clock, ttlMs: 5_000 });
    let loads = 0;
    const get = () => cache.get('a', async () => ++loads);
    expect(await Promise.all([get(), get()])).toEqual([1, 1]);
    clock.set(14_999);
    expect(await get()).toBe(1);
    clock.set(15_000);
    expect(await get()).toBe(2);
    clock.set(1);
    expect(await get()).toBe(3);
  });

  it('forgets at once, an answer under way included, keeps no error and no more than it may', async () => {
    const cache = createCache<string, number>({ clock: clockAt(), max: 2 });
    let answer = (_: number) => {};
    const slow = cache.get('a', () => new Promise((resolve) => (answer = resolve)));
    cache.forget('a');
    answer(1);
    expect(await slow).toBe(1);
    expect(await cache.get('a', async () => 2)).toBe(2);
    await expect(cache.get('b', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await cache.get('b', async () => 3)).toBe(3);
    expect(await cache.get('c', async () => 4)).toBe(4);
    expect(await cache.get('a', async () => 5)).toBe(5);
  });
});
