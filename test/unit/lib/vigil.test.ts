/** The watch over a store: silence is told from slowness, and ends when the store speaks again. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createVigil, StoreSilent, type Vigil } from '../../../src/lib/vigil.ts';

const PATIENCE_MS = 300;
let vigil: Vigil;
afterEach(() => vigil.close());

const until = (holds: () => boolean) => vi.waitFor(() => expect(holds()).toBe(true), { timeout: 5_000, interval: 10 });

function watch(probe: () => Promise<void>, lostMs?: number) {
  const changes: boolean[] = [];
  vigil = createVigil({
    probe,
    onChange: (isSilent) => changes.push(isSilent),
    patienceMs: PATIENCE_MS,
    ...(lostMs ? { lostMs } : {}),
  });
  return changes;
}
const never = () => new Promise<void>(() => undefined);

describe('a store that is watched', () => {
  test('and says nothing: what waits is cut, what comes is refused, until it answers again', async () => {
    let probe = never;
    const changes = watch(() => probe());
    let cuts = 0;
    vigil.begin(() => cuts++);
    vigil.begin(() => cuts++);
    await until(() => cuts === 2);
    expect(changes).toEqual([true]);
    expect(() => vigil.begin(() => undefined)).toThrow(StoreSilent);
    probe = async () => undefined;
    await until(() => changes.length === 2);
    expect(changes).toEqual([true, false]);
    vigil.end(vigil.begin(() => undefined));
  });

  test.each([
    ['is only slow', async () => undefined],
    ['refuses, which others hear of themselves', () => Promise.reject(new Error('refused'))],
  ])('and %s: nobody is cut', async (_what, answer) => {
    let asked = 0;
    const changes = watch(() => {
      asked++;
      return answer();
    });
    let cuts = 0;
    const waiting = vigil.begin(() => cuts++);
    await until(() => asked >= 2);
    expect([cuts, changes]).toEqual([0, []]);
    vigil.end(waiting);
  });

  test('is not asked while nobody waits for long', async () => {
    let asked = 0;
    watch(async () => void asked++);
    for (let i = 0; i < 20; i++) {
      const waiting = vigil.begin(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 40));
      vigil.end(waiting);
    }
    expect(asked).toBe(0);
  });

  test('and lives, while one connection does not: that one is cut', async () => {
    const changes = watch(async () => undefined, 1_000);
    let cuts = 0;
    vigil.begin(() => cuts++);
    // It has said that it may take long.
    let early = 0;
    const long = vigil.begin(() => early++, 60_000);
    await until(() => cuts === 1);
    expect([changes, early]).toEqual([[], 0]);
    vigil.end(long);
  });
});
