/**
 * Spans of what is over, in batches, to a collector that speaks OTLP over HTTP with JSON. Off unless an address is given, and
 * then nothing of this exists. Nobody waits for it: what a collector does not take in time is dropped, counted and said.
 * Source: OpenTelemetry Protocol 1.x, "OTLP/HTTP", and its JSON mapping; W3C Trace Context.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Log } from './log.ts';
import type { TraceSettings } from './trace-settings.ts';

export type SpanKind = 'internal' | 'server' | 'client' | 'consumer';

export interface SpanContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
}

export interface Span extends SpanContext {
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: SpanKind;
  /** Milliseconds since 1970, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  /** Those without a value are left out. Ids and words of ours; never an address, never a text that somebody wrote. */
  readonly attributes: Readonly<Record<string, string | number | boolean | undefined | null>>;
  readonly links?: readonly SpanContext[];
  /** Why it failed; absent: it did not. */
  readonly failed?: string;
}

export interface Traces {
  /** Whether this trace is among those that are kept: the same in every process. */
  keeps(traceId: string): boolean;
  record(span: Span): void;
  /** Sends what waits, for two seconds at most. */
  close(): Promise<void>;
}

export interface TracesOptions {
  readonly settings: TraceSettings;
  readonly log: Log;
}

const KINDS: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3, consumer: 5 };
const WAITING_MAX = 8_192;
const BATCH = 512;
const EVERY_MS = 1_000;
const PATIENCE_MS = 5_000;
const LEAVE_MS = 2_000;

export function createTraces({ settings, log }: TracesOptions): Traces {
  const { endpoint, headers, service, ratio } = settings;
  const url = `${endpoint}/v1/traces`;
  let waiting: Span[] = [];
  let dropped = 0;
  let sending: Promise<void> | undefined;
  let closed = false;
  const timer = setInterval(() => void flush(), EVERY_MS).unref();

  async function send(spans: readonly Span[], patienceMs: number): Promise<void> {
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(requestOf(service, spans)),
        signal: AbortSignal.timeout(patienceMs),
      });
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`the collector answered ${answer.status}`);
    } catch (error) {
      dropped += spans.length;
      log.warn({ err: error, dropped }, 'spans could not be handed to the collector');
    }
  }

  function flush(patienceMs = PATIENCE_MS): Promise<void> {
    sending ??= (async () => {
      while (waiting.length > 0) {
        const batch = waiting.slice(0, BATCH);
        waiting = waiting.slice(BATCH);
        await send(batch, patienceMs);
      }
    })().finally(() => {
      sending = undefined;
    });
    return sending;
  }

  return {
    keeps: (traceId) => ratio >= 1 || Number.parseInt(traceId.slice(24, 31), 16) / 0x1000_0000 < ratio,
    record(span) {
      if (closed || waiting.length >= WAITING_MAX) {
        dropped++;
        return;
      }
      waiting.push(span);
      if (waiting.length >= BATCH) void flush();
    },
    async close() {
      closed = true;
      clearInterval(timer);
      let late: NodeJS.Timeout | undefined;
      const end = new Promise<void>((resolve) => {
        late = setTimeout(resolve, LEAVE_MS);
      });
      const rest = (sending ?? Promise.resolve()).then(() => flush(LEAVE_MS));
      await Promise.race([rest, end]);
      clearTimeout(late);
    },
  };
}

/** The caller's place in its own trace; `undefined` when the header is not one that we understand. */
export function readTraceparent(header: string | undefined): SpanContext | undefined {
  const [, traceId, spanId] =
    /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-|$)/.exec(header ?? '') ?? [];
  return traceId && spanId && !/^0+$/.test(traceId) && !/^0+$/.test(spanId) ? { traceId, spanId } : undefined;
}

export const traceparent = ({ traceId, spanId }: SpanContext): string => `00-${traceId}-${spanId}-01`;

/** An id that whoever knows the same names arrives at, whenever and in whichever process. */
export const spanIdOf = (...names: readonly (string | number)[]): string =>
  createHash('sha256').update(names.join(' ')).digest('hex').slice(0, 16);

export const newSpanId = (): string => randomBytes(8).toString('hex');

const nanos = (ms: number): string => `${Math.trunc(ms)}${String(Math.trunc((ms % 1) * 1_000_000)).padStart(6, '0')}`;

const anyValue = (value: string | number | boolean): object => {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
};

const attributesOf = (attributes: Span['attributes']): object[] =>
  Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined || value === null ? [] : [{ key, value: anyValue(value) }],
  );

const requestOf = (service: string, spans: readonly Span[]): object => ({
  resourceSpans: [
    {
      resource: { attributes: attributesOf({ 'service.name': service }) },
      scopeSpans: [
        {
          scope: { name: 'carillon' },
          spans: spans.map(({ kind, startMs, endMs, attributes, links = [], failed, ...ids }) => ({
            ...ids,
            kind: KINDS[kind],
            startTimeUnixNano: nanos(startMs),
            endTimeUnixNano: nanos(Math.max(startMs, endMs)),
            attributes: attributesOf(attributes),
            links,
            status: failed === undefined ? {} : { code: 2, message: failed },
          })),
        },
      ],
    },
  ],
});
