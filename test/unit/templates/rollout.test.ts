import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ResolvedTemplate } from '../../../src/features/templates/index.ts';
import { addTo, bucketOf, NO_TALLY, pickVersion, tooManyFailed } from '../../../src/features/templates/rollout.ts';

const version = (number: number, more: Partial<ResolvedTemplate> = {}): ResolvedTemplate => ({
  templateId: 't',
  versionId: `v${number}`,
  number,
  tenantId: 'a',
  slug: 'order',
  content: {},
  declared: {},
  variables: [],
  category: 'transactional',
  ...more,
});
const rolledOut = (percent: number, rolloutId = '0190a1b2-0000-7000-8000-000000000000') =>
  version(1, { candidate: { rolloutId, percent, template: version(2) } });
const picked = (percent: number, person: string, rolloutId?: string) =>
  pickVersion(rolledOut(percent, rolloutId), () => person).number;

const people = Array.from({ length: 20_000 }, (_, i) => `person${i}@people.example`);
const share = (percent: number, among = people, rolloutId?: string) =>
  (among.filter((person) => picked(percent, person, rolloutId) === 2).length / among.length) * 100;

describe('who gets the new version', () => {
  test('is nobody at 0 and everybody at 100', () => {
    expect(share(0)).toBe(0);
    expect(share(100)).toBe(100);
  });

  test.each([0.5, 1, 5, 10, 33.33, 50, 90, 99])('is about %d per cent of the people', (percent) => {
    // Four standard deviations of a fair draw.
    const off = 4 * Math.sqrt((percent * (100 - percent)) / people.length);
    expect(Math.abs(share(percent) - percent)).toBeLessThan(off);
  });

  test('is told telephone numbers in a row apart as well', () => {
    const numbers = Array.from({ length: 20_000 }, (_, i) => `+1415555${String(i).padStart(5, '0')}`);
    expect(Math.abs(share(20, numbers) - 20)).toBeLessThan(4 * Math.sqrt((20 * 80) / numbers.length));
  });

  test('is the same person every time, and raising the share never takes it away from anybody', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: 0, max: 10_000 }),
        fc.integer({ min: 0, max: 10_000 }),
        (person, a, b) => {
          const [low, high] = [Math.min(a, b) / 100, Math.max(a, b) / 100];
          expect(picked(low, person)).toBe(picked(low, person));
          if (picked(low, person) === 2) expect(picked(high, person)).toBe(2);
        },
      ),
    );
  });

  test('is drawn anew by the next rollout', () => {
    const [one, two] = ['0190a1b2-0000-7000-8000-000000000000', '0190ffff-0000-7000-8000-000000000000'];
    const both = people.filter((person) => picked(10, person, one) === 2 && picked(10, person, two) === 2);
    expect(both.length / people.length).toBeLessThan(0.02);
  });

  test('is not asked where nothing is rolled out, and an address that cannot be used gets the active version', () => {
    const asked = () => {
      throw new Error('asked');
    };
    expect(pickVersion(version(7), asked).number).toBe(7);
    expect(pickVersion(undefined, asked)).toBeUndefined();
    expect(pickVersion(rolledOut(100), () => undefined).number).toBe(1);
  });

  test('falls into one of ten thousand buckets', () => {
    const buckets = people.map((person) => bucketOf('r', person));
    expect(Math.min(...buckets)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...buckets)).toBeLessThan(10_000);
  });
});

describe('a version goes back', () => {
  const limit = { percent: 5, minSent: 20 };
  const figures = (sent: number, failed: number, mode: 'live' | 'sandbox' = 'live') =>
    addTo(NO_TALLY, [{ mode, side: 'to', sent, failed }]);

  test('when more than the limit has failed, not when just as much has', () => {
    expect(tooManyFailed(figures(100, 5), limit)).toBeUndefined();
    expect(tooManyFailed(figures(100, 6), limit)).toBe('6 of 100 live messages failed (6 %); the limit is 5 %.');
  });

  test('not before enough were sent', () => {
    expect(tooManyFailed(figures(19, 19), limit)).toBeUndefined();
    expect(tooManyFailed(figures(20, 19), limit)).toBeDefined();
  });

  test('for live failures however many test sends went well, and for those of a test as well', () => {
    const mixed = addTo(figures(20, 10), [{ mode: 'sandbox', side: 'to', sent: 10_000, failed: 0 }]);
    expect(tooManyFailed(mixed, limit)).toContain('live messages');
    expect(tooManyFailed(figures(20, 10, 'sandbox'), limit)).toContain('test messages');
  });

  test('never for what the version before it did, and never at a limit of 100', () => {
    const old = addTo(NO_TALLY, [{ mode: 'live', side: 'from', sent: 100, failed: 100 }]);
    expect(tooManyFailed(old, limit)).toBeUndefined();
    expect(tooManyFailed(figures(100, 100), { percent: 100, minSent: 1 })).toBeUndefined();
  });
});
