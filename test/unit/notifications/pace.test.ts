import { describe, expect, test } from 'vitest';
import { BREAKER } from '../../../src/features/notifications/breaker.ts';
import { createPace } from '../../../src/features/notifications/pace.ts';

function scene(limits: { concurrency: number; perSecond: number }) {
  let now = 0;
  const pace = createPace(BREAKER, () => now);
  pace.learn('con', limits);
  return {
    pace,
    wait: (ms: number) => {
      now += ms;
    },
    room: () => pace.rooms().find(({ connectionId }) => connectionId === 'con')?.room,
  };
}

describe('the pace of a connection', () => {
  test('no more at once than it takes', () => {
    const { pace, room } = scene({ concurrency: 2, perSecond: 100 });
    expect(room()).toBe(2);
    const first = pace.begin('con');
    pace.begin('con');
    expect(room()).toBe(0);
    first();
    first();
    expect(room()).toBe(1);
  });

  test('no more in a second than it allows, and time brings it back', () => {
    const { pace, room, wait } = scene({ concurrency: 100, perSecond: 10 });
    for (let i = 0; i < 10; i++) pace.begin('con')();
    expect(room()).toBe(0);
    wait(250);
    expect(room()).toBe(2);
    wait(60_000);
    expect(room()).toBe(10);
  });

  test('over a minute it keeps its number, whatever the steps', () => {
    const { pace, room, wait } = scene({ concurrency: 100, perSecond: 7 });
    let calls = 0;
    for (let ms = 0; ms < 60_000; ms += 13) {
      for (let left = room() ?? 0; left > 0; left--) {
        pace.begin('con')();
        calls++;
      }
      wait(13);
    }
    expect(calls).toBeGreaterThan(7 * 60 * 0.97);
    expect(calls).toBeLessThanOrEqual(7 * 61);
  });

  test('slower than one a second still moves', () => {
    const { pace, room, wait } = scene({ concurrency: 1, perSecond: 0.5 });
    expect(room()).toBe(1);
    pace.begin('con')();
    expect(room()).toBe(0);
    expect(pace.nextRoomMs()).toBe(2_000);
    wait(2_000);
    expect(room()).toBe(1);
    expect(pace.nextRoomMs()).toBeUndefined();
  });

  test('waits for time only where time is what is missing', () => {
    const { pace } = scene({ concurrency: 1, perSecond: 100 });
    pace.begin('con');
    expect(pace.nextRoomMs()).toBeUndefined();
  });

  test('a connection not heard of before has a lane of its own', () => {
    const { pace, room } = scene({ concurrency: 1, perSecond: 1 });
    for (let i = 0; i < 5; i++) pace.begin('other');
    expect(room()).toBe(1);
  });
});
