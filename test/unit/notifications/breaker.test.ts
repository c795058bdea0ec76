import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Answer, BREAKER, createBreaker } from '../../../src/features/notifications/breaker.ts';
import { createPace } from '../../../src/features/notifications/pace.ts';

const ALIVE: Answer = { says: 'alive' };
const DOWN: Answer = { says: 'failed', fault: 'provider_unavailable', note: 'try later' };
const DENIED: Answer = { says: 'denied', fault: 'credentials_invalid', note: 'unknown token' };
const pause = (ms: number): Answer => ({ says: 'pause', ms, note: undefined });
const LIMIT = 8;

function scene() {
  let at = 0;
  const breaker = createBreaker({ ...BREAKER, random: () => 0 }, () => at);
  return {
    breaker,
    wait(ms: number) {
      at += ms;
    },
    at: () => at,
    call: (answer: Answer | undefined) => breaker.end(breaker.begin(), answer, LIMIT),
  };
}

describe('the breaker of a connection', () => {
  test('five failures in a row open it, and nothing begins until the first pause is over', () => {
    const { breaker, call, wait } = scene();
    for (let i = 0; i < 4; i++) call(DOWN);
    expect(breaker.room(0)).toBe(1);
    call(DOWN);
    expect(breaker.room(0)).toBe(0);
    wait(999);
    expect(breaker.room(0)).toBe(0);
    wait(1);
    expect(breaker.room(0)).toBe(1);
  });

  test('half of the last twenty calls open it, however they lie', () => {
    const { breaker, call } = scene();
    for (let i = 0; i < 10; i++) {
      call(ALIVE);
      expect(breaker.openSince()).toBeUndefined();
      call(DOWN);
    }
    expect(breaker.openSince()).toBeDefined();
  });

  test('a failure now and then changes nothing', () => {
    const { breaker, call } = scene();
    for (let i = 0; i < 300; i++) {
      call(i % 3 === 0 ? DOWN : ALIVE);
      expect(breaker.room(LIMIT)).toBe(Number.POSITIVE_INFINITY);
    }
  });

  test('the pauses between probes grow to thirty seconds, and one message is the probe', () => {
    const { breaker, call, wait } = scene();
    for (let i = 0; i < 5; i++) call(DOWN);
    for (const ms of [1_000, 2_000, 5_000, 10_000, 30_000, 30_000]) {
      wait(ms - 1);
      expect(breaker.room(0)).toBe(0);
      wait(1);
      expect(breaker.room(0)).toBe(1);
      const probe = breaker.begin();
      expect(breaker.room(1)).toBe(0);
      breaker.end(probe, DOWN, LIMIT);
    }
  });

  test('good answers let one more through each, up to the limit, and it is closed', () => {
    const { breaker, call, wait } = scene();
    for (let i = 0; i < 5; i++) call(DOWN);
    wait(1_000);
    const rooms: number[] = [];
    for (let round = 0; round < 4; round++) {
      rooms.push(breaker.room(0));
      const begun = Array.from({ length: Math.min(LIMIT, breaker.room(0)) }, () => breaker.begin());
      for (const call of begun) breaker.end(call, ALIVE, LIMIT);
    }
    expect(rooms).toEqual([1, 2, 4, 8]);
    expect(breaker.openSince()).toBeUndefined();
  });

  test('refused credentials open it at once, and are tried rarely', () => {
    const { breaker, call, wait } = scene();
    call(DENIED);
    expect(breaker.unwell()).toMatchObject({ status: 'failing', fault: 'credentials_invalid', note: 'unknown token' });
    wait(5_000);
    call(DENIED);
    wait(59_999);
    expect(breaker.room(0)).toBe(0);
    breaker.retry();
    expect(breaker.room(0)).toBe(1);
    call(ALIVE);
    expect(breaker.unwell()).toBeUndefined();
  });

  test('a pause that the provider asks for is kept to the millisecond, and the longest counts', () => {
    const { breaker, wait } = scene();
    const begun = [breaker.begin(), breaker.begin(), breaker.begin()] as const;
    breaker.end(begun[0], pause(7_000), LIMIT);
    breaker.end(begun[1], pause(9_000), LIMIT);
    breaker.end(begun[2], pause(1_000), LIMIT);
    expect(breaker.unwell()).toMatchObject({ status: 'resting', fault: 'rate_limited', until: 9_000 });
    wait(8_999);
    expect(breaker.room(0)).toBe(0);
    wait(1);
    expect(breaker.room(0)).toBe(1);
  });

  test('one answer alone rests it for a minute at most; when the probe hears the same, it is taken at its word', () => {
    const { breaker, call, wait } = scene();
    call(pause(3_600_000));
    wait(59_999);
    expect(breaker.room(0)).toBe(0);
    wait(1);
    expect(breaker.room(0)).toBe(1);
    call(pause(3_600_000));
    wait(3_599_999);
    expect(breaker.room(0)).toBe(0);
    wait(1);
    expect(breaker.room(0)).toBe(1);
  });

  test('a refusal that may mean one message opens it the second time in a row', () => {
    const { breaker, call } = scene();
    const perhaps: Answer = { says: 'perhaps denied', fault: 'credentials_invalid', note: 'forbidden' };
    call(perhaps);
    call(ALIVE);
    call(perhaps);
    expect(breaker.openSince()).toBeUndefined();
    call(perhaps);
    expect(breaker.openSince()).toBeDefined();
    expect(breaker.until()).toBe(5_000);
  });

  test('what comes back late from before it opened neither closes it nor makes it wait longer', () => {
    const { breaker, call, wait } = scene();
    const late = [breaker.begin(), breaker.begin()] as const;
    for (let i = 0; i < 5; i++) call(DOWN);
    breaker.end(late[0], ALIVE, LIMIT);
    expect(breaker.room(0)).toBe(0);
    wait(1_000);
    breaker.end(late[1], DOWN, LIMIT);
    expect(breaker.room(0)).toBe(1);
  });

  test('a probe that asked nobody leaves its place to the next', () => {
    const { breaker, call, wait } = scene();
    for (let i = 0; i < 5; i++) call(DOWN);
    wait(1_000);
    call(undefined);
    expect(breaker.room(0)).toBe(1);
  });

  const step = fc.oneof(
    fc.record({ do: fc.constant('begin' as const) }),
    fc.record({
      do: fc.constant('end' as const),
      which: fc.nat(),
      answer: fc.constantFrom(ALIVE, DOWN, DENIED, pause(700), undefined),
    }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 40_000 }) }),
  );

  test('whatever happens: nothing begins in a pause, there is one probe, and good answers always close it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { breaker, wait, at } = scene();
        let under: { call: number; since: number | undefined }[] = [];
        for (const one of steps) {
          if (one.do === 'wait') wait(one.ms);
          else if (one.do === 'begin') {
            if (under.length >= LIMIT || breaker.room(under.length) === 0) continue;
            expect(at()).toBeGreaterThanOrEqual(breaker.until());
            const since = breaker.openSince();
            // Before its first answer an open breaker has one call under way.
            if (breaker.unwell()?.until !== undefined)
              expect(under.filter((call) => call.since !== undefined && call.since === since)).toHaveLength(0);
            under.push({ call: breaker.begin(), since });
          } else if (under.length > 0) {
            for (const { call } of under.splice(one.which % under.length, 1)) breaker.end(call, one.answer, LIMIT);
          }
        }
        for (const { call } of under) breaker.end(call, undefined, LIMIT);
        under = [];
        for (let i = 0; i <= LIMIT; i++) {
          wait(600_000);
          expect(breaker.room(0)).toBeGreaterThan(0);
          breaker.end(breaker.begin(), ALIVE, LIMIT);
        }
        expect(breaker.openSince()).toBeUndefined();
        expect(breaker.unwell()).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });
});

describe('the pace of a connection whose breaker is open', () => {
  function paced(adapter?: string) {
    let at = 0;
    const pace = createPace({ ...BREAKER, random: () => 0 }, () => at);
    pace.learn('con', { concurrency: 4, perSecond: 100, ...(adapter ? { adapter } : {}) });
    return {
      pace,
      wait(ms: number) {
        at += ms;
      },
    };
  }

  test('has no room for anybody, says when to look again, and is not worth a look before', () => {
    const { pace, wait } = paced('tam');
    expect(pace.begin('con')(DENIED)).toBe('opened');
    expect([pace.room('con', true), pace.room('con', false), pace.worthALook('con')]).toEqual([0, 0, false]);
    expect(pace.nextRoomMs()).toBe(5_000);
    expect(pace.open()).toMatchObject([{ connectionId: 'con', adapter: 'tam', held: true }]);
    wait(5_000);
    expect([pace.room('con', true), pace.room('con', false)]).toEqual([1, 1]);
    expect(pace.nextRoomMs()).toBeUndefined();
  });

  test('is not forgotten while it pauses, however quiet it is', () => {
    const { pace, wait } = paced('tam');
    for (let i = 0; i < 2; i++) {
      pace.begin('con')(pause(3_600_000));
      wait(i === 0 ? 60_000 : 3_000_000);
    }
    expect(pace.rooms()).toMatchObject([{ connectionId: 'con', room: 0 }]);
  });

  test('answers made to order open nothing', () => {
    const { pace } = paced();
    pace.begin('con')(DENIED);
    expect(pace.room('con', true)).toBe(4);
    expect(pace.unwell('con')).toBeUndefined();
  });
});
