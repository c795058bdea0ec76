import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Receipt } from '../../../src/channel-kit/index.ts';
import {
  fold,
  MOVES,
  overall,
  type State,
  type Status,
  type Word,
} from '../../../src/features/notifications/status.ts';

const at = new Date('2026-01-01T00:00:00Z');
const later = new Date('2026-01-01T00:01:00Z');
const fresh: State = {
  status: 'queued',
  outcome: null,
  failureCode: null,
  attempts: 0,
  outcomeUnknown: false,
  nextAttemptAt: null,
  sentAt: null,
  deliveredAt: null,
  failedAt: null,
  readAt: null,
  complainedAt: null,
};
const receipt = (name: Receipt): Word => ({ word: 'receipt', at: later, receipt: name });
const WORDS: Readonly<Record<string, Word>> = {
  accepted: { word: 'accepted', at: later },
  'accepted, delivered': { word: 'accepted', at: later, last: 'delivered' },
  'accepted, unreceipted': { word: 'accepted', at: later, last: 'unreceipted' },
  unknown: { word: 'unknown', at: later },
  retry: { word: 'retry', at: later, nextAt: later },
  failed: { word: 'failed', at: later, code: 'content_invalid' },
  expired: { word: 'failed', at: later, code: 'expired', outcome: 'expired' },
  'failed for want of news': { word: 'failed', at: later, code: 'outcome_unknown', outcome: 'unknown' },
  silence: { word: 'silence', at: later },
  'receipt sent': receipt('sent'),
  'receipt delivered': receipt('delivered'),
  'receipt read': receipt('read'),
  'receipt failed': receipt('failed'),
  'receipt bounced': receipt('bounced'),
  'receipt complained': receipt('complained'),
};
const STATES: Readonly<Record<string, State>> = {
  queued: fresh,
  sent: { ...fresh, status: 'sent', sentAt: at },
  'sent, unknown': { ...fresh, status: 'sent', sentAt: at, outcomeUnknown: true },
  'sent, unreceipted': { ...fresh, status: 'sent', sentAt: at, outcome: 'unreceipted' },
  delivered: { ...fresh, status: 'delivered', sentAt: at, deliveredAt: at, outcome: 'delivered' },
  failed: { ...fresh, status: 'failed', failedAt: at, failureCode: 'x', outcome: 'failed' },
  'failed, unknown': {
    ...fresh,
    status: 'failed',
    sentAt: at,
    failedAt: at,
    failureCode: 'outcome_unknown',
    outcome: 'unknown',
    outcomeUnknown: true,
  },
};

/** Status and outcome after each word, in the order of the states above; `=`: nothing of the two changes. */
const TABLE: Readonly<Record<string, readonly string[]>> = {
  accepted: ['sent', '=', '=', '=', '=', '=', '='],
  'accepted, delivered': [
    'delivered/delivered',
    'delivered/delivered',
    'delivered/delivered',
    'delivered/delivered',
    '=',
    '=',
    '=',
  ],
  'accepted, unreceipted': ['sent/unreceipted', '=', 'sent/unreceipted', '=', '=', '=', '='],
  unknown: ['sent', '=', '=', '=', '=', '=', '='],
  retry: ['=', '=', '=', '=', '=', '=', '='],
  failed: ['failed/failed', 'failed/failed', 'failed/failed', 'failed/failed', '=', '=', '='],
  expired: ['failed/expired', 'failed/expired', 'failed/expired', 'failed/expired', '=', '=', '='],
  'failed for want of news': ['failed/unknown', 'failed/unknown', 'failed/unknown', 'failed/unknown', '=', '=', '='],
  silence: ['=', 'sent/unreceipted', '=', '=', '=', '=', '='],
  'receipt sent': ['sent', '=', '=', '=', '=', '=', 'sent'],
  'receipt delivered': [
    'delivered/delivered',
    'delivered/delivered',
    'delivered/delivered',
    'delivered/delivered',
    '=',
    '=',
    'delivered/delivered',
  ],
  'receipt read': [
    'delivered/delivered',
    'delivered/delivered',
    'delivered/delivered',
    'delivered/delivered',
    '=',
    '=',
    'delivered/delivered',
  ],
  'receipt failed': ['failed/failed', 'failed/failed', 'failed/failed', 'failed/failed', '=', '=', 'failed/failed'],
  'receipt bounced': ['failed/failed', 'failed/failed', 'failed/failed', 'failed/failed', '=', '=', 'failed/failed'],
  'receipt complained': [
    'delivered/delivered',
    'delivered/delivered',
    'delivered/delivered',
    'delivered/delivered',
    '=',
    '=',
    'delivered/delivered',
  ],
};
const show = ({ status, outcome }: State): string => (outcome ? `${status}/${outcome}` : status);
const cells = Object.keys(WORDS).flatMap((word) =>
  Object.keys(STATES).map((state, index) => [state, word, TABLE[word]?.[index] as string] as const),
);

describe('every cell', () => {
  test.each(cells)('%s, then %s: %s', (from, word, expected) => {
    const before = STATES[from] as State;
    const { state } = fold(before, WORDS[word] as Word);
    expect(show(state)).toBe(expected === '=' ? show(before) : expected);
  });
});

describe('news is told once, when it becomes true', () => {
  test.each(cells)('%s, then %s', (from, word) => {
    const before = STATES[from] as State;
    const first = fold(before, WORDS[word] as Word);
    const reopened = before.outcome === 'unknown' && first.state.outcome !== 'unknown';
    // A failure for want of news that becomes a real one is news; that it had been sent was known before.
    const moved =
      (before.status !== first.state.status && !(reopened && first.state.status === 'sent')) ||
      (reopened && first.state.status === 'failed');
    expect(first.events.includes(`message.${first.state.status}` as never)).toBe(moved);
    const second = fold(first.state, WORDS[word] as Word);
    expect(second.events.filter((event) => event !== 'message.bounced')).toEqual([]);
  });
});

test('the states and the words do not change under the fold', () => {
  for (const state of Object.values(STATES))
    for (const word of Object.values(WORDS)) fold(Object.freeze({ ...state }), Object.freeze({ ...word }));
});

test('the table goes forward only', () => {
  const rank: Record<Status, number> = { queued: 0, sent: 1, delivered: 2, failed: 2 };
  for (const [from, moves] of Object.entries(MOVES))
    for (const to of Object.values(moves)) if (to) expect(rank[to]).toBeGreaterThan(rank[from as Status]);
});

describe('in every order', () => {
  const rank: Record<Status, number> = { queued: 0, sent: 1, delivered: 2, failed: 2 };
  const sequences = fc.array(fc.constantFrom(...Object.values(WORDS)), { maxLength: 12 });

  test('a status never regresses, and an outcome is written once; only a receipt overwrites unreceipted and unknown', () => {
    fc.assert(
      fc.property(sequences, (words) => {
        let state = fresh;
        for (const word of words) {
          const next = fold(state, word).state;
          const reopened = state.status === 'failed' && state.outcome === 'unknown' && word.word === 'receipt';
          if (!reopened) {
            expect(rank[next.status]).toBeGreaterThanOrEqual(rank[state.status]);
            if (rank[state.status] === 2) expect(next.status).toBe(state.status);
            if (state.outcome && state.outcome !== 'unreceipted') expect(next.outcome).toBe(state.outcome);
          }
          if (next.status === 'delivered')
            expect([next.outcome, next.deliveredAt === null]).toEqual(['delivered', false]);
          if (next.status === 'failed')
            expect([next.failureCode === null, next.outcome === null]).toEqual([false, false]);
          if (next.status === 'queued') expect([next.outcome, next.sentAt]).toEqual([null, null]);
          if (next.outcome) expect(next.nextAttemptAt).toBeNull();
          state = next;
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('the receipts of one delivery lead to one end, whatever their order and however often they come', () => {
    const receipts = fc.shuffledSubarray(['sent', 'delivered', 'read', 'sent', 'delivered'] as Receipt[], {
      minLength: 5,
    });
    fc.assert(
      fc.property(receipts, (names) => {
        const end = names.reduce((state, name) => fold(state, receipt(name)).state, STATES.sent as State);
        expect(show(end)).toBe('delivered/delivered');
        expect(end.readAt).toEqual(later);
      }),
    );
  });
});

test.each([
  [['queued'], 'queued'],
  [['sent', 'queued'], 'sent'],
  [['delivered', 'failed'], 'delivered'],
  [['failed', 'failed'], 'failed'],
  [['failed', 'queued'], 'queued'],
  [['failed', 'sent', 'queued'], 'sent'],
] as const)('%j is %s on the whole', (statuses, whole) => expect(overall(statuses)).toBe(whole));
