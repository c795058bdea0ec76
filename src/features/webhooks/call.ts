/** One call of an endpoint: signed, in time, never redirected, and told in few words. */
import type { Clock } from '../../lib/clock.ts';
import { type Fetch, FetchError } from '../../lib/fetch.ts';
import { toWire } from '../../lib/ids.ts';
import type { Claimed, Result } from './deliveries-store.ts';
import { signed, signedAsProvider } from './signature.ts';
import { isOurs } from './words.ts';

export interface Called extends Result {
  /** As the endpoint has said it. */
  readonly retryAfter: string | undefined;
}

export interface CallDeps {
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

const ANSWER_MAX = 4_096;

/** Never throws. `secrets`: the newest first. */
export async function callEndpoint(
  { fetch, clock, timeoutMs }: CallDeps,
  delivery: Pick<Claimed, 'eventId' | 'url' | 'format' | 'sequence' | 'body'>,
  secrets: readonly string[],
  signal?: AbortSignal,
): Promise<Called> {
  const startedAt = clock.now();
  const began = performance.now();
  const ended = (rest: Omit<Called, 'startedAt' | 'durationMs'>): Called => ({
    startedAt,
    durationMs: Math.round(performance.now() - began),
    ...rest,
  });
  const failed = (fault: string) => ended({ statusCode: null, fault, answer: null, retryAfter: undefined });
  if (secrets.length === 0) return failed('no_secret');
  const body = Buffer.from(delivery.body);
  try {
    const { status, headers, text } = await fetch({
      method: 'POST',
      url: delivery.url,
      headers: {
        ...headersOf(delivery),
        ...signed({ id: toWire('event', delivery.eventId), seconds: secondsOf(startedAt), body }, secrets),
        ...(isOurs(delivery.format) ? {} : signedAsProvider(body, secrets)),
      },
      body,
      timeoutMs,
      ...(signal ? { signal } : {}),
    });
    return ended({ statusCode: status, fault: null, answer: shortened(text), retryAfter: headers['retry-after'] });
  } catch (error) {
    return failed(faultOf(error));
  }
}

/** What goes with every try; the signature is of the moment. */
export const headersOf = ({ eventId, format, sequence }: Pick<Claimed, 'eventId' | 'format' | 'sequence'>) => ({
  'content-type': 'application/json; charset=utf-8',
  'user-agent': 'Carillon-Webhooks/1',
  'x-carillon-format': format,
  'x-carillon-sequence': String(sequence),
  'webhook-id': toWire('event', eventId),
});
const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1_000);

/** What went wrong in between is told in few words: they must not tell what listens where. */
function faultOf(error: unknown): string {
  if (!(error instanceof FetchError)) return 'unreachable';
  if (error.code === 'BLOCKED_ADDRESS') return 'blocked_address';
  if (error.code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return 'answer_too_long';
  return error.sent ? 'no_answer' : 'unreachable';
}

/** At most 4 KB of UTF-8, and nothing that the store does not take. */
function shortened(text: string): string {
  const bytes = Buffer.from(text.slice(0, ANSWER_MAX));
  const cut =
    bytes.length > ANSWER_MAX
      ? bytes
          .subarray(0, ANSWER_MAX)
          .toString()
          .replace(/\ufffd+$/, '')
      : text.slice(0, ANSWER_MAX);
  return cut.replaceAll('\0', '').toWellFormed();
}

export const isSuccess = (statusCode: number | null): boolean =>
  statusCode !== null && statusCode >= 200 && statusCode < 300;
