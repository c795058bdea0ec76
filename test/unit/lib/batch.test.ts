import { describe, expect, test } from 'vitest';
import { createBatcher } from '../../../src/lib/batch.ts';

const full = () => new Error('full');
/** A flush that waits to be let go. */
function gate() {
  const flights: { items: readonly number[]; land: (fault?: Error) => void }[] = [];
  const flush = (items: readonly number[]) =>
    new Promise<readonly number[]>((resolve, reject) =>
      flights.push({ items, land: (fault) => (fault ? reject(fault) : resolve(items.map((item) => item * 10))) }),
    );
  return { flights, flush };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a batcher', () => {
  test('lets what arrives in one turn leave together, at once', async () => {
    const { flights, flush } = gate();
    const batcher = createBatcher({ flush, full });
    const results = [1, 2, 3].map((item) => batcher.add(item));
    await turn();
    expect(flights.map(({ items }) => items)).toEqual([[1, 2, 3]]);
    flights[0]?.land();
    expect(await Promise.all(results)).toEqual([10, 20, 30]);
  });

  test('gathers what arrives during a flight for the next one', async () => {
    const { flights, flush } = gate();
    const batcher = createBatcher({ flush, full });
    const first = batcher.add(1);
    await turn();
    const rest = [2, 3].map((item) => batcher.add(item));
    await turn();
    expect(flights).toHaveLength(1);
    flights[0]?.land();
    await first;
    await turn();
    expect(flights[1]?.items).toEqual([2, 3]);
    flights[1]?.land();
    expect(await Promise.all(rest)).toEqual([20, 30]);
  });

  test('never has more flights or larger batches than it may', async () => {
    const { flights, flush } = gate();
    const batcher = createBatcher({ flush, full, maxItems: 2, flights: 2 });
    const all = Promise.all([1, 2, 3, 4, 5].map((item) => batcher.add(item)));
    await turn();
    expect(flights.map(({ items }) => items)).toEqual([
      [1, 2],
      [3, 4],
    ]);
    flights[0]?.land();
    await turn();
    expect(flights[2]?.items).toEqual([5]);
    for (const { land } of flights) land();
    expect(await all).toEqual([10, 20, 30, 40, 50]);
  });

  test('lets a poisoned item fail alone', async () => {
    const flush = async (items: readonly number[]) => {
      if (items.includes(2)) throw new Error('poison');
      return items;
    };
    const batcher = createBatcher({ flush, full });
    const results = await Promise.allSettled([1, 2, 3].map((item) => batcher.add(item)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  test('tries nothing one by one when the store itself is gone', async () => {
    let calls = 0;
    const flush = async () => {
      calls++;
      throw new Error('gone');
    };
    const batcher = createBatcher<number, number>({ flush, full, isOutage: () => true });
    const results = await Promise.allSettled([1, 2, 3].map((item) => batcher.add(item)));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    expect(calls).toBe(1);
  });

  test('refuses beyond what may wait', async () => {
    const { flights, flush } = gate();
    const batcher = createBatcher({ flush, full, maxWaiting: 1 });
    const first = batcher.add(1);
    await expect(batcher.add(2)).rejects.toThrow('full');
    await turn();
    flights[0]?.land();
    await first;
  });

  test('lets no flight be heavier than it may, but for one item that is heavier alone', async () => {
    const { flights, flush } = gate();
    const batcher = createBatcher({ flush, full, weigh: (item) => item, maxFlightBytes: 10, flights: 9 });
    const all = Promise.all([4, 6, 1, 12, 5, 5].map((item) => batcher.add(item)));
    await turn();
    expect(flights.map(({ items }) => items)).toEqual([[4, 6], [1], [12], [5, 5]]);
    for (const { land } of flights) land();
    await all;
  });

  test('refuses what is too heavy to wait, and takes it again when there is room', async () => {
    const { flights, flush } = gate();
    const weigh = (item: number) => item;
    const batcher = createBatcher({ flush, full, weigh, maxItems: 1, maxWaitingBytes: 10 });
    const flying = batcher.add(1);
    await turn();
    const heavy = batcher.add(20);
    await expect(batcher.add(1)).rejects.toThrow('full');
    flights[0]?.land();
    await turn();
    const light = batcher.add(10);
    await expect(batcher.add(1)).rejects.toThrow('full');
    flights[1]?.land();
    await turn();
    flights[2]?.land();
    expect(await Promise.all([flying, heavy, light])).toEqual([10, 200, 100]);
  });

  test('is idle when nothing waits and nothing flies', async () => {
    const { flights, flush } = gate();
    const batcher = createBatcher({ flush, full, maxItems: 1 });
    await batcher.idle();
    const all = Promise.all([batcher.add(1), batcher.add(2)]);
    let idle = false;
    const waited = batcher.idle().then(() => {
      idle = true;
    });
    await turn();
    flights[0]?.land();
    await turn();
    expect(idle).toBe(false);
    flights[1]?.land();
    await Promise.all([all, waited]);
  });
});
