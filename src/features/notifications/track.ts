/**
 * The trace of a notification: its UUID is the trace's id, and the ids of its spans follow from those of its messages and
 * attempts. So acceptance, attempts and receipts meet in one trace across processes and days, and nothing is stored for it.
 * A caller's own trace keeps a span of its request; each links to the other. No address and no text of anybody gets in.
 */
import { toWire } from '../../lib/ids.ts';
import { newSpanId, readTraceparent, type SpanContext, spanIdOf, type Traces, traceparent } from '../../lib/traces.ts';
import type { StoredReceipt } from './receipts-store.ts';
import type { Result } from './record.ts';
import type { Message, NewMessage, Origin } from './types.ts';

export interface Track {
  /** Stored, and about to be answered. */
  accepted(origin: Origin, messages: readonly NewMessage[]): void;
  /** For the call of this attempt; `undefined`: its trace is not kept. */
  header(messageId: string, number: number): string | undefined;
  attempted(result: Result, recorded: string, ms: number): void;
  received(receipt: StoredReceipt, message: Message, isApplied: boolean): void;
}

/** The last digit tells the messages of a notification apart. */
export const traceIdOf = (messageId: string): string => `${messageId.replaceAll('-', '').slice(0, 31)}0`;
const rootOf = (messageId: string): SpanContext => {
  const traceId = traceIdOf(messageId);
  return { traceId, spanId: traceId.slice(16) };
};
const attemptOf = (messageId: string, number: number): SpanContext => ({
  traceId: traceIdOf(messageId),
  spanId: spanIdOf(messageId, number),
});
/** Messages of a bulk have no acceptance of their own to hang on. */
const parentOf = ({ id, bulkId }: Message): { parentSpanId?: string } =>
  bulkId === null ? { parentSpanId: rootOf(id).spanId } : {};

export const createTrack = (traces: Traces): Track => ({
  accepted(origin, messages) {
    const [first] = messages;
    if (!first) return;
    const root = rootOf(first.id);
    const caller = readTraceparent(origin.traceparent);
    if (!traces.keeps(root.traceId)) return;
    const times = { startMs: origin.at.getTime(), endMs: Date.now() };
    const attributes = {
      'carillon.notification_id': toWire('notification', `${first.id.slice(0, 35)}0`),
      'carillon.tenant_id': toWire('tenant', first.tenantId),
      'carillon.request_id': origin.requestId,
      'carillon.livemode': first.mode === 'live',
      'carillon.channels': messages.map(({ channel }) => channel).join(','),
    };
    const own = caller && { traceId: caller.traceId, spanId: newSpanId() };
    traces.record({
      ...root,
      name: 'accept',
      kind: 'internal',
      ...times,
      attributes,
      ...(own ? { links: [own] } : {}),
    });
    if (own)
      traces.record({
        ...own,
        parentSpanId: caller.spanId,
        name: 'carillon send',
        kind: 'server',
        ...times,
        attributes,
        links: [root],
      });
  },
  header(messageId, number) {
    const context = attemptOf(messageId, number);
    return traces.keeps(context.traceId) ? traceparent(context) : undefined;
  },
  attempted({ claimed, before, attempt, words, runAt, adapter }, recorded, ms) {
    if (!before || !attempt || !traces.keeps(traceIdOf(claimed.id))) return;
    const endMs = Date.now();
    traces.record({
      ...attemptOf(claimed.id, attempt.number),
      ...parentOf(before),
      name: `attempt ${before.channel}`,
      kind: 'client',
      startMs: endMs - ms,
      endMs,
      attributes: {
        'carillon.message_id': toWire('message', claimed.id),
        'carillon.tenant_id': toWire('tenant', claimed.tenantId),
        'carillon.connection_id': toWire('connection', claimed.connectionId),
        'carillon.channel': before.channel,
        'carillon.adapter': adapter,
        'carillon.attempt': attempt.number,
        'carillon.outcome': attempt.result,
        'carillon.fault': attempt.fault,
        'carillon.provider_code': attempt.providerCode,
        'carillon.word': words.at(-1)?.word,
        'carillon.next_at': runAt?.toISOString(),
        'carillon.recorded': recorded,
      },
      ...(attempt.fault ? { failed: attempt.fault } : {}),
    });
  },
  received({ messageId, key, connectionId, receipt, fault, providerCode, at, attempt }, message, isApplied) {
    const number = attempt ?? message.attempts;
    const { traceId, spanId } = attemptOf(messageId, number);
    if (!traces.keeps(traceId)) return;
    const now = Date.now();
    traces.record({
      traceId,
      // A transaction that is tried again tells the same span.
      spanId: spanIdOf(connectionId, key),
      parentSpanId: spanId,
      name: `receipt ${receipt}`,
      kind: 'consumer',
      startMs: now,
      endMs: now,
      attributes: {
        'carillon.message_id': toWire('message', messageId),
        'carillon.tenant_id': toWire('tenant', message.tenantId),
        'carillon.connection_id': toWire('connection', connectionId),
        'carillon.channel': message.channel,
        'carillon.attempt': number,
        'carillon.receipt': receipt,
        'carillon.receipt_at': at.toISOString(),
        'carillon.fault': fault,
        'carillon.provider_code': providerCode,
        'carillon.applied': isApplied,
      },
    });
  },
});
