/** The pure parts of `npm run bench`: what is made of the rounds, and how it is said. Nothing here is timed. */
import { describe, expect, test } from 'vitest';
import { FIGURES } from '../bench/figures.ts';
import { inTurns } from '../bench/lib/rounds.ts';
import { Histogram, isMet, quantile, ratios, spread } from '../bench/lib/stats.ts';
import { chart, jsonLine, markdown, type Outcome, table, verdict } from '../bench/results.ts';

const [accept, , , , , , , , p99] = FIGURES as readonly [(typeof FIGURES)[0], ...typeof FIGURES];
const measured: Outcome = {
  figure: accept,
  result: { min: 0.5, median: 0.61234, max: 0.7 },
  detail: '6/s against 10/s',
  disturbed: 1,
};
const absent: Outcome = { figure: p99 as typeof accept, missing: 'no Redis answers' };

describe('statistics', () => {
  test('a spread is the least, the middle and the most, in whatever order they came', () => {
    expect(spread([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
    expect(spread([4, 1, 2, 3]).median).toBe(2.5);
    expect(() => spread([])).toThrow('at least one');
  });
  test('a quantile lies between neighbours in proportion', () => expect(quantile([0, 10], 0.25)).toBe(2.5));
  test('a ratio is made of neighbours in time', () => expect(ratios([2, 9], [4, 3])).toEqual([0.5, 3]));
  test('a goal is reached at its very value, from above or from below', () => {
    expect(isMet(0.55, { at: 'least', value: 0.55 })).toBe(true);
    expect(isMet(0.54, { at: 'least', value: 0.55 })).toBe(false);
    expect(isMet(200, { at: 'most', value: 200 })).toBe(true);
    expect(isMet(201, { at: 'most', value: 200 })).toBe(false);
  });
  test('a histogram gives quantiles to about a percent, from microseconds to a minute', () => {
    const histogram = new Histogram();
    for (let ms = 1; ms <= 1_000; ms++) histogram.record(ms / 10);
    histogram.record(60_000);
    expect(histogram.quantile(0.5)).toBeGreaterThan(49.5);
    expect(histogram.quantile(0.5)).toBeLessThan(51.5);
    expect(histogram.quantile(0.005)).toBeCloseTo(0.6, 1);
    expect(histogram.quantile(1) / 60_000).toBeCloseTo(1, 1);
  });
});

describe('rounds', () => {
  const quiet = { include: () => undefined, begin: () => () => 0 };
  test('take turns, after a warm-up that does not count', async () => {
    const ran: string[] = [];
    const side = (name: string) => ({ name, run: async () => ran.push(name) });
    const { values } = await inTurns([side('a'), side('b')], { rounds: 2, repeats: 0, load: quiet });
    expect(ran.join('')).toBe('ababab');
    expect(values.get('a')).toEqual([3, 5]);
  });
  test('one that was disturbed is done again, a bounded number of times, and then flagged', async () => {
    let runs = 0;
    const busy = { include: () => undefined, begin: () => () => 0.5 };
    const turns = await inTurns([{ name: 'a', run: async () => ++runs }], {
      rounds: 2,
      repeats: 1,
      load: busy,
      warmUp: false,
    });
    expect(runs).toBe(4);
    expect(turns.values.get('a')).toEqual([2, 4]);
    expect(turns.disturbed).toBe(2);
  });
});

describe('results', () => {
  test('a line of JSON has name, against, ratio, goal and verdict', () => {
    expect(JSON.parse(jsonLine(measured))).toMatchObject({
      name: 'accept/koa',
      against: accept.against,
      ratio: 0.6123,
      goal: 0.55,
      ok: true,
    });
  });
  test('what could not be measured is never ok, and says why', () => {
    expect(JSON.parse(jsonLine(absent))).toMatchObject({ ratio: null, ok: false, missing: 'no Redis answers' });
    expect(table([absent])).toMatch(/not available.*no Redis answers/);
  });
  test('the table says each figure once, with its spread and whether it was disturbed', () => {
    expect(table([measured, absent]).split('\n')).toHaveLength(3);
    expect(table([measured])).toMatch(/accept\/koa +0\.50 +0\.61 +0\.70 +≥ 0\.55 +met, disturbed/);
  });
  test('the page has a row for each figure with its day and commit, and the chart a bar', () => {
    const dated = { ...measured, machine: 'm', store: 's', rounds: 2, day: '2026-11-21', commit: 'abc1234' };
    expect(markdown([dated]).match(/^\| (?!what|---).*2026-11-21, abc1234 \|$/gm)).toHaveLength(1);
    expect(chart([dated]).match(/accept\/koa/g)).toHaveLength(1);
  });
  test('the last line names what was missed and what is missing, and only a run without either is good', () => {
    expect(verdict([measured])).toEqual({ isGood: true, text: '1 of 1 goals met' });
    const missed = { ...measured, result: { min: 0.1, median: 0.2, max: 0.3 } };
    expect(verdict([missed, absent])).toEqual({
      isGood: false,
      text: `0 of 2 goals met; missed: accept/koa; not available: ${absent.figure.name}`,
    });
  });
});

test('figures have names of their own', () => {
  expect(new Set(FIGURES.map(({ name }) => name)).size).toBe(FIGURES.length);
});
