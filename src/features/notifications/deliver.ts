/**
 * One claimed message, handed to its provider, and what follows from the answer. A fault of the provider is an outcome and
 * is returned; a throw is a fault of ours, after which the lease lapses and the message is found again.
 */
import {
  type Accepted,
  type AnyAdapter,
  type AnyChannel,
  type Content,
  classify,
  DeliveryError,
  FAULTS,
  type Fault,
  type HttpResponse,
  type Outbound,
  receiptsOf,
  type SendContext,
  storable,
} from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { OpenConnection } from '../connections/index.ts';
import type { Answer } from './breaker.ts';
import type { Claimed, ClosedAttempt } from './claim.ts';
import type { Result } from './record.ts';
import type { Word } from './status.ts';
import type { Message } from './types.ts';

/** One message in the hands of this worker. */
export interface Job {
  readonly claimed: Claimed;
  readonly message: Message;
  /** The message's id as the provider is told it. */
  readonly reference: string;
  readonly channel: AnyChannel;
  readonly adapter: AnyAdapter;
  readonly connection: OpenConnection;
  readonly render: () => Content;
  /** Monotonic milliseconds (`performance.now`) after which no byte may leave. */
  readonly deadline: number;
  /** Aborted then; all messages of a batch share it. */
  readonly signal: AbortSignal;
  readonly unsubscribeUrl?: Outbound['unsubscribeUrl'] | undefined;
  /** For the provider's own traces; absent while nobody collects ours. */
  readonly traceparent?: string | undefined;
}

export interface Timing {
  /** How long receipts are waited for after the hand-over. */
  readonly receiptWindowMs: number;
  /** A provider that does not know a message after this long never saw it. */
  readonly lookupSettleMs: number;
  /** Random in [0, 1), for jitter. */
  readonly random: () => number;
}

/** Longer words of a provider are cut, and what the store cannot hold is taken out. */
const PROVIDER_TEXT_MAX = 1_000;
export const PROVIDER_ID_MAX = 512;

/** Sends, and says what to write down. */
export async function attempt(job: Job, clock: Clock, timing: Timing): Promise<Result> {
  const { number } = job.claimed;
  const base = { claimed: job.claimed, before: job.message, adapter: job.adapter.id };
  let content: Content;
  try {
    content = job.render();
  } catch (error) {
    return { ...base, ...refused(job, faultOf(error), number, clock, timing) };
  }
  if (performance.now() >= job.deadline)
    return {
      ...base,
      ...refused(
        job,
        { kind: 'provider_unavailable', providerMessage: 'the lease ended before the first byte' },
        number,
        clock,
        timing,
      ),
    };
  const touched = { provider: false };
  try {
    // @crash K5: the attempt is stored, and no byte has left
    const accepted = await job.adapter.send(outboundOf(job, content), contextOf(job, job.signal, touched));
    // @crash K7: the answer is read, and not stored
    return { ...base, answer: ALIVE, ...taken(job, accepted, number, clock) };
  } catch (error) {
    const fault = faultOf(error, touched.provider);
    // Who was not asked has not answered.
    const answered = touched.provider ? { ...base, answer: answerOf(fault, job.adapter) } : base;
    if (fault.kind !== 'outcome_unknown') return { ...answered, ...refused(job, fault, number, clock, timing) };
    if (!job.adapter.lookup) return { ...answered, ...unknown(job, number, clock, timing, fault) };
    const askAt = clock.now().getTime() + Math.min(ASK_MS, timing.lookupSettleMs);
    return { ...answered, words: [], isOpen: true, runAt: new Date(askAt) };
  }
}

/** After a call that nobody answered, until the provider is asked what became of it. */
const ASK_MS = 2_000;
const ALIVE: Answer = { says: 'alive' };

/** What a fault tells of the provider, whatever it means for the message. */
function answerOf(
  { kind, providerCode, providerMessage: note, retryAfterSeconds }: Fault,
  { faults }: AnyAdapter,
): Answer {
  if (kind === 'credentials_invalid')
    return {
      says: providerCode !== undefined && providerCode in faults ? 'denied' : 'perhaps denied',
      fault: kind,
      note,
    };
  if (kind === 'rate_limited' && retryAfterSeconds !== undefined)
    return { says: 'pause', ms: retryAfterSeconds * 1_000, note };
  if (kind === 'rate_limited' || kind === 'provider_unavailable' || kind === 'outcome_unknown')
    return { says: 'failed', fault: kind, note };
  return ALIVE;
}

/** An attempt whose process died in it, or that got no answer: ask the provider, where it can be asked; else it stays unknown. */
export async function settle(job: Job, clock: Clock, timing: Timing): Promise<Result> {
  const { claimed, adapter } = job;
  const base = { claimed, before: job.message, adapter: adapter.id };
  if (adapter.lookup) {
    const now = clock.now();
    let found: Accepted | undefined;
    try {
      found = await adapter.lookup(outboundOf(job, job.render()), contextOf(job, AbortSignal.timeout(10_000)));
    } catch {
      // Asked again until there is no time left to send it anyway.
      if (now < job.message.expiresAt)
        return { ...base, words: [], runAt: new Date(now.getTime() + timing.lookupSettleMs) };
      return { ...base, ...unknown(job, claimed.number, clock, timing) };
    }
    if (found) return { ...base, ...taken(job, found, claimed.number, clock) };
    const settledAt = (claimed.openSince ?? now).getTime() + timing.lookupSettleMs;
    if (now.getTime() < settledAt) return { ...base, words: [], runAt: new Date(settledAt) };
    // It never left. A message that ends its process each time must end itself: it has as many tries as any other.
    const attempt = closed(job, claimed.number, 'not_sent');
    if (nextAttempt(job.channel, claimed.number, now, timing)) return { ...base, attempt, ...again(now) };
    return { ...base, attempt, words: [{ word: 'failed', at: now, code: 'provider_unavailable' }] };
  }
  return { ...base, ...unknown(job, claimed.number, clock, timing) };
}

function taken(job: Job, accepted: Accepted, number: number, clock: Clock): Pick<Result, 'attempt' | 'words'> {
  const { adapter } = job;
  const last = adapter.deliveredOnAccept ? 'delivered' : tellsMore(job) ? undefined : 'unreceipted';
  return {
    attempt: {
      ...closed(job, number, 'accepted'),
      providerMessage: accepted.note === undefined ? null : storable(accepted.note, PROVIDER_TEXT_MAX),
      providerId: accepted.providerId === undefined ? null : storable(accepted.providerId, PROVIDER_ID_MAX),
    },
    words: [{ word: 'accepted', at: clock.now(), ...(last ? { last } : {}) }],
  };
}

/** Refused for certain: again after a while if that can help, else failed. */
function refused(
  job: Job,
  fault: Fault,
  number: number,
  clock: Clock,
  timing: Timing,
): Pick<Result, 'attempt' | 'words' | 'runAt'> {
  const now = clock.now();
  const nextAt = FAULTS[fault.kind].retryable
    ? nextAttempt(job.channel, number, now, timing, fault.retryAfterSeconds)
    : undefined;
  if (nextAt && nextAt < job.message.expiresAt)
    return { attempt: closed(job, number, 'refused', fault, nextAt), ...again(nextAt) };
  const expired = nextAt !== undefined;
  return {
    attempt: closed(job, number, 'refused', fault),
    words: [
      { word: 'failed', at: now, code: expired ? 'expired' : fault.kind, outcome: expired ? 'expired' : 'failed' },
    ],
  };
}

function unknown(
  job: Job,
  number: number,
  clock: Clock,
  { receiptWindowMs }: Timing,
  fault?: Fault,
): Pick<Result, 'attempt' | 'words' | 'runAt'> {
  const now = clock.now();
  const attempt = closed(
    job,
    number,
    'unknown',
    fault ?? { kind: 'outcome_unknown', providerMessage: 'the process ended during the call' },
  );
  if (job.adapter.dedupes || job.message.onUnknown === 'resend') {
    const delay = job.channel.retry.delaysSeconds[number - 1];
    if (delay !== undefined) return { attempt, ...again(new Date(now.getTime() + delay * 1_000)) };
  }
  const until = tellsMore(job)
    ? now.getTime() + receiptWindowMs
    : Math.max(job.message.expiresAt.getTime(), now.getTime() + 60_000);
  return { attempt, words: [{ word: 'unknown', at: now }], runAt: new Date(until) };
}

const tellsMore = ({ adapter, connection }: Job) => receiptsOf(adapter, connection.credentials).length > 0;
const again = (nextAt: Date): { words: Word[]; runAt: Date } => ({
  words: [{ word: 'retry', at: nextAt, nextAt }],
  runAt: nextAt,
});

/** The channel's own list of waits, or longer if the provider asks for it; plus up to a fifth, so that a crowd does not return as one. */
export function nextAttempt(
  channel: Pick<AnyChannel, 'retry'>,
  number: number,
  now: Date,
  { random }: Pick<Timing, 'random'>,
  retryAfterSeconds = 0,
): Date | undefined {
  const delay = channel.retry.delaysSeconds[number - 1];
  return delay === undefined
    ? undefined
    : new Date(now.getTime() + Math.max(delay, retryAfterSeconds) * 1_000 * (1 + 0.2 * random()));
}

function closed(
  { claimed }: Job,
  number: number,
  result: ClosedAttempt['result'],
  fault?: Fault,
  retryAt?: Date,
): ClosedAttempt {
  return {
    messageId: claimed.id,
    tenantId: claimed.tenantId,
    connectionId: claimed.connectionId,
    number,
    fence: claimed.fence,
    startedAt: claimed.openSince ?? claimed.now,
    result,
    fault: fault?.kind ?? null,
    providerCode: fault?.providerCode === undefined ? null : storable(fault.providerCode, PROVIDER_ID_MAX),
    providerMessage: fault?.providerMessage === undefined ? null : storable(fault.providerMessage, PROVIDER_TEXT_MAX),
    providerId: null,
    retryAt: retryAt ?? null,
  };
}

/**
 * Anything but a DeliveryError is a bug of ours or of a plugin. Once the provider was spoken to, nobody can say that it has
 * not taken the message; before that, it certainly has not.
 */
const faultOf = (error: unknown, touched = false): Fault =>
  error instanceof DeliveryError
    ? error.fault
    : {
        kind: touched ? 'outcome_unknown' : 'response_unexpected',
        providerMessage: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      };

const outboundOf = ({ message, reference, unsubscribeUrl }: Job, content: Content): Outbound => ({
  reference,
  to: message.recipient,
  address: message.address,
  content,
  ...(message.language ? { language: message.language } : {}),
  ...(unsubscribeUrl && { unsubscribeUrl }),
});

function contextOf(
  { connection, adapter, reference, traceparent }: Job,
  signal: AbortSignal,
  touched = { provider: false },
): SendContext<unknown> {
  // Another adapter than the connection's own (the sandbox) must not open the connection's client.
  const own = adapter === connection.adapter;
  const context = own
    ? connection.checkContext(signal)
    : {
        credentials: connection.credentials,
        client: undefined,
        http: connection.http,
        signal,
        fault: (response: HttpResponse) => classify(adapter, response),
      };
  // A client of the adapter's own speaks whenever it likes.
  touched.provider = own && adapter.connect !== undefined;
  return {
    ...context,
    http: (request) => {
      touched.provider = true;
      return context.http(traceparent ? { ...request, headers: { ...request.headers, traceparent } } : request);
    },
    idempotencyKey: reference,
    // Few adapters ask for it.
    get callbackUrl() {
      return connection.callbackUrl(reference);
    },
  };
}
