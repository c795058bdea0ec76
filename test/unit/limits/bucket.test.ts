/** The arithmetic of limits, over processes that share a store and cannot see each other. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Ask, Bucket, type Limit } from '../../../src/features/limits/bucket.ts';

/** The store's part, as its SQL has it. */
function createStore(limit: Limit) {
  let tokens = limit.requests;
  let at = 0;
  return ({ held, want, least }: Ask, members: number, now: number) => {
    const refill = ((now - at) * limit.requests) / limit.seconds / 1_000;
    const pool = Math.min(limit.requests, tokens + refill + held);
    const granted = Math.max(0, Math.min(want, Math.max(pool / members, Math.min(pool, least))));
    tokens = pool - granted;
    at = now;
    return { granted, left: tokens, members };
  };
}

const limits = fc.record({ requests: fc.integer({ min: 1, max: 2_000 }), seconds: fc.integer({ min: 1, max: 600 }) });

test('one process never allows more than the limit and its refill, and refuses nothing that is left', () => {
  fc.assert(
    fc.property(
      limits,
      fc.array(
        fc.record({
          ms: fc.integer({ min: 0, max: 5_000 }),
          cost: fc.integer({ min: 1, max: 50 }),
          talks: fc.boolean(),
        }),
        {
          maxLength: 300,
        },
      ),
      (limit, steps) => {
        const store = createStore(limit);
        const bucket = new Bucket(limit, 0);
        const perMs = limit.requests / limit.seconds / 1_000;
        // What a single exact bucket would hold.
        let exact = limit.requests;
        let now = 0;
        let allowed = 0;
        for (const { ms, cost: wanted, talks } of steps) {
          const cost = Math.min(wanted, limit.requests);
          now += ms;
          exact = Math.min(limit.requests, exact + ms * perMs);
          const isAllowed = bucket.spend(cost, now);
          // To the rounding of fractions.
          if (exact - cost > 1e-3) expect(isAllowed).toBe(true);
          if (isAllowed) {
            exact -= cost;
            allowed += cost;
          }
          if (talks) {
            const ask = bucket.ask(1, now);
            bucket.answer(ask, store(ask, 1, now), now);
          }
          expect(allowed).toBeLessThanOrEqual(limit.requests + now * perMs + 1e-3);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test.each([
  2, 3, 5,
])('%i processes that are asked for twice the limit allow it, within five in a hundred', (members) => {
  const limit = { requests: 1_000, seconds: 10 };
  const store = createStore(limit);
  const buckets = Array.from({ length: members }, () => new Bucket(limit, 0));
  const talk = (bucket: Bucket, now: number) => {
    const ask = bucket.ask(members, now);
    bucket.answer(ask, store(ask, members, now), now);
  };
  for (const bucket of buckets) talk(bucket, 0);
  const notBefore = buckets.map(() => 0);
  let allowed = 0;
  const lasts = 30_000;
  for (let now = 0; now < lasts; now += 5) {
    // 200 a second over all; the first of the processes has half of it.
    for (const [index, bucket] of buckets.entries()) {
      if ((now / 5) % (index === 0 ? 2 : 2 * (members - 1)) === 0 && bucket.spend(1, now)) allowed++;
      if ((bucket.isLow && now >= (notBefore[index] as number)) || now % 1_000 === 500 + index * 5) {
        talk(bucket, now);
        notBefore[index] = now + 50;
      }
    }
  }
  const may = limit.requests + (lasts / 1_000) * (limit.requests / limit.seconds);
  expect(allowed / may).toBeGreaterThan(0.95);
  expect(allowed / may).toBeLessThan(1.05);
});

test('while the store is gone each process goes on, and all together allow no more than processes times the limit', () => {
  const limit = { requests: 100, seconds: 10 };
  for (const members of [1, 3]) {
    let allowed = 0;
    for (let one = 0; one < members; one++) {
      const bucket = new Bucket(limit, 0);
      const ask = bucket.ask(members, 0);
      bucket.answer(ask, { granted: limit.requests / members, left: 0, members }, 0);
      for (let now = 0; now < 60_000; now += 10) {
        if (bucket.spend(1, now)) allowed++;
        if (now % 1_000 === 0) bucket.alone(now);
      }
    }
    expect(allowed).toBeGreaterThan(600);
    expect(allowed).toBeLessThanOrEqual(members * (100 + 600));
  }
});

test('of several processes each can have a limit whole, however small it is', () => {
  for (const requests of [1, 5, 100]) {
    const limit = { requests, seconds: 60 };
    const store = createStore(limit);
    const bucket = new Bucket(limit, 0);
    const talk = () => {
      const ask = bucket.ask(3, 0);
      bucket.answer(ask, store(ask, 3, 0), 0);
    };
    talk();
    for (let i = 0; i < requests; i++) {
      if (bucket.spend(1, 0)) continue;
      expect(bucket.need(1, 0)).toBe(true);
      talk();
      expect(bucket.spend(1, 0)).toBe(true);
    }
    expect(bucket.spend(1, 0)).toBe(false);
    talk();
    expect([bucket.spend(1, 0), bucket.need(1, 0)]).toEqual([false, false]);
  }
  const limit = { requests: 100, seconds: 60 };
  const store = createStore(limit);
  const bucket = new Bucket(limit, 0);
  for (const cost of [90, 10]) {
    const first = bucket.ask(3, 0);
    bucket.answer(first, store(first, 3, 0), 0);
    if (bucket.spend(cost, 0)) continue;
    expect(bucket.need(cost, 0)).toBe(true);
    const ask = bucket.ask(3, 0);
    bucket.answer(ask, store(ask, 3, 0), 0);
    expect(bucket.spend(cost, 0)).toBe(true);
  }
});

test('what costs more than the whole limit needs all of it, and owes the rest', () => {
  const bucket = new Bucket({ requests: 100, seconds: 100 }, 0);
  expect(bucket.spend(250, 0)).toBe(true);
  expect(bucket.spend(1, 0)).toBe(false);
  expect(bucket.waitMs(1, 0)).toBe(151_000);
  expect(bucket.remaining(0)).toBe(0);
  expect(bucket.spend(1, 151_000)).toBe(true);
});

test('what the same request has paid before counts towards the whole', () => {
  const bucket = new Bucket({ requests: 100, seconds: 100 }, 0);
  expect([bucket.spend(1, 0), bucket.spend(249, 0)]).toEqual([true, false]);
  expect(bucket.spend(249, 0, 1)).toBe(true);
  expect(bucket.waitMs(1, 0)).toBe(151_000);
  const single = new Bucket({ requests: 1, seconds: 100 }, 0);
  expect([single.spend(1, 0), single.spend(9, 0, 1)]).toEqual([true, true]);
  expect(single.waitMs(1, 0)).toBeCloseTo(1_000_000, 3);
});

test('who waits as long as he is told gets through, and a second before he does not', () => {
  fc.assert(
    fc.property(
      limits,
      fc.integer({ min: 1, max: 5_000 }),
      fc.integer({ min: 2, max: 5_000 }),
      (limit, before, cost) => {
        const fresh = () => {
          const bucket = new Bucket(limit, 0);
          bucket.owe(before, 0);
          return bucket;
        };
        const request = (bucket: Bucket, now: number) => bucket.spend(1, now) && bucket.spend(cost - 1, now, 1);
        const wait = fresh().retryMs(cost, 0);
        expect(request(fresh(), wait + 1e-3)).toBe(true);
        if (wait > 1_000) expect(request(fresh(), wait - 1_000)).toBe(false);
      },
    ),
  );
});

test('of several processes, one that has paid gets the rest of the whole out of the store, and leaves the debt there', () => {
  const limit = { requests: 100, seconds: 100 };
  const store = createStore(limit);
  const [one, two] = [new Bucket(limit, 0), new Bucket(limit, 0)];
  const talk = (bucket: Bucket, now: number) => {
    const ask = bucket.ask(2, now);
    bucket.answer(ask, store(ask, 2, now), now);
  };
  talk(one, 0);
  expect([one.spend(1, 0), one.spend(249, 0, 1)]).toEqual([true, false]);
  expect(one.need(249, 0, 1)).toBe(true);
  talk(one, 0);
  expect(one.spend(249, 0, 1)).toBe(true);
  talk(one, 0);
  talk(two, 0);
  expect([two.spend(1, 0), two.need(1, 0)]).toEqual([false, false]);
  expect(two.retryMs(1, 0)).toBe(151_000);
  talk(two, 151_000);
  expect(two.spend(1, 151_000)).toBe(true);
});

test('while the store is gone who is refused is told of the share of his process', () => {
  const bucket = new Bucket({ requests: 100, seconds: 100 }, 0);
  const ask = bucket.ask(2, 0);
  bucket.answer(ask, { granted: 0, left: 0, members: 2 }, 0);
  bucket.alone(0);
  expect(bucket.retryMs(10, 0)).toBe(20_000);
});

test('a limit that is made smaller cuts what is held, one that is made larger fills up', () => {
  const bucket = new Bucket({ requests: 100, seconds: 10 }, 0);
  bucket.change({ requests: 10, seconds: 10 }, 0);
  expect(Array.from({ length: 20 }, () => bucket.spend(1, 0)).filter(Boolean)).toHaveLength(10);
  bucket.change({ requests: 1_000, seconds: 10 }, 0);
  expect(bucket.spend(1, 0)).toBe(false);
  expect(bucket.spend(50, 1_000)).toBe(true);
});
