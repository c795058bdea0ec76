/** What an alert rule watches, as a number, and when that is a breach. */
import { describe, expect, it } from 'vitest';
import { ALL, FAILED, inWords, isBreach, isOver, kindOf, measured } from '../../src/features/alerts/metrics.ts';

const sums = (all: number, failed: number, ...waits: readonly (readonly [seconds: number, count: number])[]) =>
  new Map([
    [ALL, all],
    [FAILED, failed],
    ...waits.map(([seconds, count]) => [kindOf({ word: 'arrived', seconds }), count] as const),
  ]);

describe('a value', () => {
  it('of failures is a number or a part of all, and nothing where there is nothing', () => {
    expect(measured('failures', sums(40, 3))).toEqual({ value: 3, of: 40 });
    expect(measured('failure_rate', sums(40, 3))).toEqual({ value: 7.5, of: 40 });
    expect(measured('failure_rate', sums(0, 0)).value).toBeUndefined();
    // Taken before the window, failed within it.
    expect(measured('failure_rate', sums(1, 3)).value).toBe(100);
  });
  it('of the time to arrive is what one in twenty exceeds, to a tenth', () => {
    const { value, of } = measured('latency_p95', sums(0, 0, [2, 90], [60, 8], [3_600, 2]));
    expect(of).toBe(100);
    expect(value).toBeGreaterThanOrEqual(60);
    expect(value).toBeLessThanOrEqual(66);
    expect(measured('latency_p95', sums(5, 5))).toEqual({ value: undefined, of: 0 });
    for (const seconds of [0, 1, 7, 59, 1_000, 40_000]) {
      const one = measured('latency_p95', sums(0, 0, [seconds, 1])).value as number;
      expect([seconds, one >= Math.max(1, seconds) * 0.95, one <= Math.max(1, seconds) * 1.11]).toEqual([
        seconds,
        true,
        true,
      ]);
    }
    expect(measured('latency_p95', sums(0, 0, [1e9, 1])).value).toBeLessThan(50_000);
  });
});

it('a breach begins at the limit and ends well below it, or with silence', () => {
  expect([isBreach(5, 5), isBreach(4.9, 5), isBreach(undefined, 5)]).toEqual([true, false, false]);
  expect([isOver(4.1, 5), isOver(3.9, 5), isOver(undefined, 5)]).toEqual([false, true, true]);
});

it('is told in words that say what, how much, and in which mode', () => {
  const alert = { name: 'Mail', metric: 'latency_p95', value: 61.239, threshold: 30, livemode: true } as const;
  expect(inWords('fired', alert)).toEqual({
    subject: 'Alert: Mail',
    text: 'one message in twenty took 61.24 s or longer to arrive; the limit is 30 s.',
  });
  expect(inWords('recovered', { ...alert, livemode: false }).subject).toBe('Over: Mail (test mode)');
});
