/**
 * The one table that decides what a word about a message does to it.
 *
 *     queued ──▶ sent ──▶ delivered          A status never goes back. What comes late, twice or contradicting is kept as
 *       │         │                          history and changes nothing. Read and complained are notes, not statuses.
 *       └────▶ failed ◀┘
 *
 * One exception (D3): a message that failed only because nothing was ever heard of it is still open to a receipt.
 */
import type { Receipt } from '../../channel-kit/index.ts';
import type { EventType } from '../events/index.ts';

export type Status = 'queued' | 'sent' | 'delivered' | 'failed';
export type Outcome = 'delivered' | 'failed' | 'expired' | 'cancelled' | 'unreceipted' | 'unknown';

/** The part of a message that the pipeline writes. */
export interface State {
  readonly status: Status;
  /** Written when nothing more is expected. Final, except that `unreceipted` and `unknown` give way to a receipt. */
  readonly outcome: Outcome | null;
  readonly failureCode: string | null;
  readonly attempts: number;
  /** The message left but no answer came; a receipt may still settle it. */
  readonly outcomeUnknown: boolean;
  readonly nextAttemptAt: Date | null;
  readonly sentAt: Date | null;
  readonly deliveredAt: Date | null;
  readonly failedAt: Date | null;
  readonly readAt: Date | null;
  readonly complainedAt: Date | null;
}

export type Word =
  /** The provider took it. `last` says what this adapter can still tell: nothing more, or that this was the delivery. */
  | { readonly word: 'accepted'; readonly at: Date; readonly last?: 'delivered' | 'unreceipted' }
  /** It may have been taken. */
  | { readonly word: 'unknown'; readonly at: Date }
  /** Not taken; there will be another attempt. */
  | { readonly word: 'retry'; readonly at: Date; readonly nextAt: Date }
  /** Not taken, and there will be none. */
  | {
      readonly word: 'failed';
      readonly at: Date;
      readonly code: string;
      readonly outcome?: 'failed' | 'expired' | 'cancelled' | 'unknown';
    }
  | { readonly word: 'receipt'; readonly at: Date; readonly receipt: Receipt; readonly code?: string }
  /** The time for receipts is over. */
  | { readonly word: 'silence'; readonly at: Date };

/** What the status becomes; `undefined`: history only. */
type Move = Status | undefined;
export const MOVES: Readonly<Record<Status, Readonly<Record<'accepted' | 'delivered' | 'failed', Move>>>> = {
  queued: { accepted: 'sent', delivered: 'delivered', failed: 'failed' },
  sent: { accepted: undefined, delivered: 'delivered', failed: 'failed' },
  delivered: { accepted: undefined, delivered: undefined, failed: undefined },
  failed: { accepted: undefined, delivered: undefined, failed: undefined },
};

/** What a word can make true. */
export type StatusEvent = Exclude<Extract<EventType, `message.${string}`>, 'message.queued' | 'message.received'>;

export interface Fold {
  readonly state: State;
  /** What became true, in order; nothing when the word was history. */
  readonly events: readonly StatusEvent[];
}

/** One word applied to one state. Pure. */
export function fold(state: State, word: Word): Fold {
  switch (word.word) {
    case 'accepted':
      return accept(state, word);
    case 'unknown': {
      const handed = hand(state, word.at);
      return {
        ...handed,
        state: { ...handed.state, outcomeUnknown: state.status === 'queued' || state.status === 'sent' },
      };
    }
    case 'retry':
      return state.outcome
        ? { state, events: [] }
        : { state: { ...state, nextAttemptAt: word.nextAt, outcomeUnknown: false }, events: [] };
    case 'failed':
      return fail({ state, events: [] }, word.at, word.code, word.outcome ?? 'failed');
    case 'silence': {
      // Whoever waits for another attempt, or for news of a lost one, has a deadline of its own.
      const waits = state.nextAttemptAt !== null || state.outcomeUnknown;
      return {
        state: state.status === 'sent' && !state.outcome && !waits ? { ...state, outcome: 'unreceipted' } : state,
        events: [],
      };
    }
    case 'receipt':
      return receive(reopen(state), word);
  }
}

function accept(state: State, { at, last }: Extract<Word, { word: 'accepted' }>): Fold {
  const handed = hand(state, at, last === 'unreceipted' ? 'unreceipted' : null);
  const waiting = { ...handed, state: { ...handed.state, nextAttemptAt: null } };
  return last === 'delivered' ? deliver(waiting, at) : waiting;
}

function receive(state: State, { receipt, at, code }: Extract<Word, { word: 'receipt' }>): Fold {
  switch (receipt) {
    case 'sent':
      return hand(state, at);
    case 'delivered':
      return deliver(hand(state, at), at);
    case 'read': {
      const delivered = deliver(hand(state, at), at);
      if (delivered.state.status !== 'delivered' || delivered.state.readAt) return delivered;
      return { state: { ...delivered.state, readAt: at }, events: [...delivered.events, 'message.read'] };
    }
    case 'complained': {
      const delivered = deliver(hand(state, at), at);
      if (delivered.state.complainedAt) return delivered;
      return { state: { ...delivered.state, complainedAt: at }, events: [...delivered.events, 'message.complained'] };
    }
    case 'bounced': {
      const failed = fail({ state, events: [] }, at, 'bounced', 'failed');
      // A bounce after the delivery is news all the same, though it moves nothing.
      return { ...failed, events: [...failed.events, 'message.bounced'] };
    }
    case 'failed':
      return fail({ state, events: [] }, at, code ?? 'provider_rejected', 'failed');
  }
}

/** A failure for want of news alone is undone by news. */
const reopen = (state: State): State =>
  state.status === 'failed' && state.outcome === 'unknown'
    ? { ...state, status: 'sent', outcome: null, failureCode: null, failedAt: null, outcomeUnknown: true }
    : state;

function hand(state: State, at: Date, outcome: Outcome | null = null): Fold {
  const to = MOVES[state.status].accepted;
  if (to)
    return {
      state: {
        ...state,
        status: to,
        sentAt: at,
        outcome: state.outcome ?? outcome,
        outcomeUnknown: false,
        nextAttemptAt: null,
      },
      events: ['message.sent'],
    };
  if (state.status !== 'sent' || !state.outcomeUnknown) return { state, events: [] };
  return {
    state: { ...state, outcome: state.outcome ?? outcome, outcomeUnknown: false, nextAttemptAt: null },
    events: [],
  };
}

function deliver({ state, events }: Fold, at: Date): Fold {
  const to = MOVES[state.status].delivered;
  if (!to) return { state, events };
  return {
    state: { ...state, status: to, deliveredAt: at, outcome: 'delivered', outcomeUnknown: false, nextAttemptAt: null },
    events: [...events, 'message.delivered'],
  };
}

function fail({ state, events }: Fold, at: Date, code: string, outcome: Outcome): Fold {
  const to = MOVES[state.status].failed;
  // What was handed over meanwhile cannot be cancelled any more.
  if (!to || (outcome === 'cancelled' && state.status !== 'queued')) return { state, events };
  return {
    state: {
      ...state,
      status: to,
      failedAt: at,
      failureCode: code,
      outcome,
      outcomeUnknown: outcome === 'unknown',
      nextAttemptAt: null,
    },
    events: [...events, 'message.failed'],
  };
}

/**
 * The overall word of a notification (D5): delivered if any channel is, failed if all are and nothing is left to fall back on,
 * else the most advanced.
 */
export function overall(statuses: readonly Status[], fallbackWaits = false): Status {
  if (statuses.includes('delivered')) return 'delivered';
  // What has failed and is still waited for is one that left, and that nobody heard of.
  if (statuses.every((status) => status === 'failed')) return fallbackWaits ? 'sent' : 'failed';
  return statuses.includes('sent') ? 'sent' : 'queued';
}
