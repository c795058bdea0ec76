import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isDormant, judgeFallback, type Standing, startedOf } from '../../../src/features/notifications/fallback.ts';
import type { Status } from '../../../src/features/notifications/status.ts';
import type { Fallback, FallbackStep } from '../../../src/features/notifications/types.ts';

const T0 = new Date('2026-01-01T00:00:00Z');
const at = (seconds: number): Date => new Date(T0.getTime() + seconds * 1_000);
const step = (on: FallbackStep['on'], afterSeconds: number | null = null): FallbackStep => ({
  channel: 'letter',
  address: 'a',
  connectionId: 'c',
  templateVersionId: null,
  templateSlug: null,
  language: null,
  input: {},
  on,
  afterSeconds,
});
const FAILED = step('failed');
const IN_TIME = step('not_delivered', 60);
const fallback = (steps: readonly FallbackStep[], channels = 1): Fallback => ({ channels, steps });

const KINDS = {
  queued: { status: 'queued', outcome: null },
  sent: { status: 'sent', outcome: null, sentAt: at(10) },
  unreceipted: { status: 'sent', outcome: 'unreceipted', sentAt: at(10) },
  delivered: { status: 'delivered', outcome: 'delivered', sentAt: at(10) },
  failed: { status: 'failed', outcome: 'failed' },
  expired: { status: 'failed', outcome: 'expired' },
  cancelled: { status: 'failed', outcome: 'cancelled' },
  unheard: { status: 'failed', outcome: 'unknown', sentAt: at(10) },
} as const satisfies Record<string, Partial<Standing> & { status: Status }>;
type Kind = keyof typeof KINDS;
const messages = (...kinds: readonly Kind[]): Standing[] =>
  kinds.map((kind, index) => ({
    id: `m${index}`,
    createdAt: T0,
    bulkId: null,
    sendAt: null,
    sentAt: null,
    ...KINDS[kind],
  }));

const nothing = { superseded: [] };

describe('a step on failed', () => {
  test.each<[string, readonly Kind[], number, object]>([
    ['starts when the one channel has failed', ['failed'], 1, { start: 0, superseded: [] }],
    ['starts when its time to live is over', ['expired'], 1, { start: 0, superseded: [] }],
    ['starts when all channels have failed', ['failed', 'expired'], 2, { start: 0, superseded: [] }],
    ['waits for the last of them', ['failed', 'sent'], 2, nothing],
    ['waits while one is queued', ['failed', 'queued'], 2, nothing],
    ['does not start on an unknown outcome', ['unheard'], 1, nothing],
    ['does not start where one of them is unknown', ['failed', 'unheard'], 2, nothing],
    ['does not start when it was cancelled', ['cancelled'], 1, nothing],
    ['does not start when a part was cancelled', ['failed', 'cancelled'], 2, nothing],
    ['does not start when another was delivered', ['failed', 'delivered'], 2, nothing],
  ])('%s', (_, kinds, channels, verdict) => {
    expect(judgeFallback(fallback([FAILED], channels), messages(...kinds), at(1e6))).toEqual(verdict);
  });
});

describe('a step on not_delivered', () => {
  test.each<[string, readonly Kind[], number, number, object]>([
    ['waits from the hand-over', ['sent'], 1, 69, { lookAt: at(70), superseded: [] }],
    ['starts when its time has come', ['sent'], 1, 70, { start: 0, superseded: [] }],
    ['waits from the acceptance for what is queued', ['queued'], 1, 59, { lookAt: at(60), superseded: [] }],
    ['starts for what is still queued', ['queued'], 1, 60, { start: 0, superseded: [] }],
    ['waits from the last of several hand-overs', ['sent', 'queued'], 2, 65, { lookAt: at(70), superseded: [] }],
    ['does not wait for what has failed', ['sent', 'failed'], 2, 70, { start: 0, superseded: [] }],
    ['starts at once when all have failed', ['failed'], 1, 0, { start: 0, superseded: [] }],
    ['starts where nothing more will be heard', ['unreceipted'], 1, 70, { start: 0, superseded: [] }],
    ['starts in time for an unknown outcome', ['unheard'], 1, 70, { start: 0, superseded: [] }],
    ['and not before', ['unheard'], 1, 69, { lookAt: at(70), superseded: [] }],
    ['does not start when it was cancelled', ['cancelled'], 1, 1e6, nothing],
    ['does not start when another was delivered', ['sent', 'delivered'], 2, 1e6, nothing],
  ])('%s', (_, kinds, channels, now, verdict) => {
    expect(judgeFallback(fallback([IN_TIME], channels), messages(...kinds), at(now))).toEqual(verdict);
  });

  test('waits for the hand-over of what has its turn in a bulk', () => {
    const [message] = messages('queued') as [Standing];
    expect(judgeFallback(fallback([IN_TIME]), [{ ...message, bulkId: 'b' }], at(1e6))).toEqual(nothing);
  });
  test('waits from the time that was asked for', () => {
    const [message] = messages('queued') as [Standing];
    const later = { ...message, sendAt: at(1_000) };
    expect(judgeFallback(fallback([IN_TIME]), [later], at(500))).toEqual({ lookAt: at(1_060), superseded: [] });
  });
});

describe('steps after one another', () => {
  test('a step waits for the one before it, whatever becomes of those before that', () => {
    expect(judgeFallback(fallback([FAILED, FAILED]), messages('sent', 'failed'), at(0))).toMatchObject({ start: 1 });
    expect(judgeFallback(fallback([FAILED, FAILED]), messages('failed', 'sent'), at(0))).toEqual(nothing);
  });
  test('with its start the time of the next one begins', () => {
    const verdict = judgeFallback(fallback([FAILED, IN_TIME]), messages('failed'), at(100));
    expect(verdict).toEqual({ start: 0, lookAt: at(160), superseded: [] });
  });
  test('after the last there is nothing', () => {
    expect(judgeFallback(fallback([FAILED]), messages('failed', 'failed'), at(0))).toEqual(nothing);
  });
  test('a delivery takes back what is queued of later steps, and nothing that was asked for at once', () => {
    expect(judgeFallback(fallback([FAILED], 2), messages('queued', 'delivered', 'queued'), at(0))).toEqual({
      superseded: ['m2'],
    });
    expect(judgeFallback(fallback([FAILED, FAILED]), messages('queued', 'delivered', 'queued'), at(0))).toEqual({
      superseded: ['m2'],
    });
  });
  test('what was handed over stays', () => {
    expect(judgeFallback(fallback([FAILED]), messages('delivered', 'sent'), at(0))).toEqual(nothing);
  });
});

test.each<[Kind, boolean, boolean]>([
  ['queued', true, true],
  ['sent', true, true],
  ['unheard', false, true],
  ['delivered', false, false],
  ['cancelled', false, false],
  // It would have started at once; that it did not means that it was withheld.
  ['failed', false, false],
])('after %s, a step on failed is dormant: %s, one on not_delivered: %s', (kind, onFailed, inTime) => {
  expect(isDormant(fallback([FAILED]), messages(kind))).toBe(onFailed);
  expect(isDormant(fallback([IN_TIME]), messages(kind))).toBe(inTime);
});

test('a verdict starts one step at most, only after it may, and started it is not started again', () => {
  const kinds = fc.constantFrom(...(Object.keys(KINDS) as Kind[]));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.constantFrom(FAILED, IN_TIME), { minLength: 1, maxLength: 5 }),
      fc.array(kinds, { minLength: 8, maxLength: 8 }),
      fc.nat(5),
      fc.nat(200),
      (channels, steps, pool, begun, now) => {
        const plan = fallback(steps, channels);
        const standing = messages(...pool.slice(0, channels + Math.min(begun, steps.length)));
        const verdict = judgeFallback(plan, standing, at(now));
        expect(judgeFallback(plan, standing, at(now))).toEqual(verdict);
        if (verdict.start === undefined) return;
        expect(verdict.start).toBe(startedOf(plan, standing));
        expect(standing.some(({ status }) => status === 'delivered')).toBe(false);
        const [fresh] = messages('queued') as [Standing];
        const after = [...standing, { ...fresh, createdAt: at(now) }];
        expect(judgeFallback(plan, after, at(now)).start).toBeUndefined();
      },
    ),
  );
});
