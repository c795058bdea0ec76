/** The shapes that travel through the rooms. */
import type { Content, Recipient } from '../../channel-kit/index.ts';
import type { Mode, Principal } from '../../lib/http.ts';
import type { ConnectionRoute } from '../connections/index.ts';
import type { QuietHours } from './quiet.ts';
import type { RawFields, SendBody } from './schema.ts';
import type { State } from './status.ts';

/** One notification to accept. */
export interface SendCommand {
  readonly body: SendBody;
  readonly idempotencyKey: string | undefined;
  /** Of route and body; compared when the key comes again. */
  readonly requestHash: string;
  /** Length of the request, for the measure of what waits. */
  readonly bytes: number;
  readonly retryOf?: string;
  /** The connection that carries its channel, in place of the one that would be chosen. */
  readonly via?: ConnectionRoute;
}

/** Where a command came from: kept with each message, which is its audit. */
export interface Origin {
  readonly principal: Principal;
  readonly ip: string;
  readonly requestId: string;
  readonly at: Date;
  /** The caller's place in its own trace, as it came. */
  readonly traceparent?: string | undefined;
}

/** What a message renders from. */
export interface Input extends RawFields {
  readonly data?: Readonly<Record<string, unknown>>;
  readonly content?: Content;
}

/** A channel that is kept ready until the ones before it have not worked. */
export interface FallbackStep {
  readonly channel: string;
  readonly address: string;
  readonly connectionId: string;
  readonly templateVersionId: string | null;
  readonly templateSlug: string | null;
  readonly language: string | null;
  readonly input: Input;
  readonly on: 'failed' | 'not_delivered';
  readonly afterSeconds: number | null;
}

/** What a notification falls back on. The steps stand with its first message alone. */
export interface Fallback {
  /** How many of its messages went at once. */
  readonly channels: number;
  readonly steps: readonly FallbackStep[];
}

/** The part of a message that never changes. */
export interface NewMessage {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly channel: string;
  readonly address: string;
  readonly recipient: Recipient;
  readonly connectionId: string;
  readonly templateVersionId: string | null;
  readonly templateSlug: string | null;
  readonly language: string | null;
  readonly input: Input;
  readonly category: string;
  /** 0 high, 1 normal, 2 low. */
  readonly lane: number;
  readonly onUnknown: 'wait' | 'resend';
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** Not before this; null: at once. */
  readonly sendAt: Date | null;
  readonly idempotencyKey: string | null;
  readonly retryOf: string | null;
  readonly actorId: string;
  readonly ip: string;
  readonly requestId: string;
  readonly templateVersion: number | null;
  /** The bulk it is of, and its row there, counted from 0. */
  readonly bulkId: string | null;
  readonly bulkRow: number | null;
  readonly fallback: Fallback | null;
}

export interface Message extends NewMessage, State {
  /** Hours in which the person is left alone. */
  readonly quietHours: QuietHours | null;
}

export type AttemptResult = 'accepted' | 'refused' | 'refused_later' | 'not_sent' | 'unknown';

export interface AttemptRow {
  readonly messageId: string;
  readonly number: number;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
  readonly result: AttemptResult | null;
  readonly fault: string | null;
  readonly providerCode: string | null;
  readonly providerMessage: string | null;
  readonly retryAt: Date | null;
}

export interface ReceiptRow {
  readonly messageId: string;
  readonly receipt: string;
  readonly fault: string | null;
  readonly providerCode: string | null;
  readonly providerMessage: string | null;
  readonly at: Date;
  readonly receivedAt: Date;
  readonly applied: boolean;
}

/** Who sends the one message that still goes to somebody who has just said STOP: that it was heard. */
export const LAST_WORD = 'stop-confirmation';

/** The address, in the store, of a message whose person was erased. */
export const ERASED = '';
