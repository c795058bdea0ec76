/** Messages as the API, the events and the portal show them. Pure. */
import { FAULTS, type FaultKind } from '../../channel-kit/index.ts';
import { isoOf } from '../../lib/clock.ts';
import { notificationIdOf, toWire } from '../../lib/ids.ts';
import { isDormant } from './fallback.ts';
import { fallbackView } from './fallback-view.ts';
import { overall, type State } from './status.ts';
import { type AttemptRow, ERASED, type Message, type ReceiptRow } from './types.ts';

/** Reasons that are not a provider's. */
const REASONS: Readonly<Record<string, { message: string; fix: string; retryable: boolean }>> = {
  bounced: {
    message: 'The message was taken and then came back: the mailbox or number does not exist or refuses it.',
    fix: 'Correct the address, or use another channel for this person.',
    retryable: false,
  },
  expired: {
    message: 'It could not be handed over within its time to live.',
    fix: 'See the attempts for what stood in the way; send again, with a longer ttl_seconds if it is still wanted.',
    retryable: true,
  },
  cancelled: {
    message: 'It was cancelled before it was handed over.',
    fix: 'Nothing to do. Send again if that was a mistake.',
    retryable: true,
  },
  discarded: {
    message: 'The store came out of a backup while it waited, and the operator decided not to send it.',
    fix: 'It may have been sent before the backup was put back. Ask the operator, and send again if it is still wanted.',
    retryable: true,
  },
  erased: {
    message: 'The person was erased before it was handed over.',
    fix: 'Nothing to do.',
    retryable: false,
  },
  superseded: {
    message: 'It was a fallback, and another channel delivered before it was handed over.',
    fix: 'Nothing to do.',
    retryable: false,
  },
  outcome_unknown: {
    message: 'The message left, no answer came back, and no receipt settled it in time.',
    fix: 'Ask the person, or send again if a second copy does no harm.',
    retryable: false,
  },
};

export interface FailureText {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
  readonly retryable: boolean;
}

/** The public words for a code: never a provider's name or text. */
export function reasonOf(code: string): FailureText {
  const reason = REASONS[code] ?? FAULTS[code as FaultKind] ?? FAULTS.provider_rejected;
  return { code, message: reason.message, fix: reason.fix, retryable: reason.retryable };
}

/** The words for one attempt: what the message may still become is not said yet. */
const faultText = (fault: string): FailureText => {
  const meaning = FAULTS[fault as FaultKind];
  return meaning
    ? { code: fault, message: meaning.message, fix: meaning.fix, retryable: meaning.retryable }
    : reasonOf(fault);
};

/** Every reason a message can fail for. */
export const reasons = (): readonly FailureText[] =>
  [...Object.keys(FAULTS), ...Object.keys(REASONS)]
    .filter((code, index, all) => all.indexOf(code) === index)
    .map(reasonOf);

const time = (at: Date | null): string | undefined => at?.toISOString();
const present = <T extends object>(fields: T): T =>
  Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== false),
  ) as T;

/** What an event tells: how the message stands from that moment on. What never changes is in the message. */
export function stateView(state: State): object {
  const view: Record<string, unknown> = { status: state.status };
  if (state.failureCode) view.failure_code = state.failureCode;
  if (state.outcomeUnknown) view.outcome_unknown = true;
  if (state.outcome === 'unreceipted') view.unreceipted = true;
  view.attempts_made = state.attempts;
  if (state.nextAttemptAt) view.next_attempt_at = isoOf(state.nextAttemptAt);
  if (state.sentAt) view.sent_at = isoOf(state.sentAt);
  if (state.deliveredAt) view.delivered_at = isoOf(state.deliveredAt);
  if (state.failedAt) view.failed_at = isoOf(state.failedAt);
  if (state.readAt) view.read_at = isoOf(state.readAt);
  if (state.complainedAt) view.complained_at = isoOf(state.complainedAt);
  return view;
}

/** Provider words are shown to who owns the connection. */
export interface ProviderWords {
  readonly provider_code?: string;
  readonly provider_message?: string;
}

export function messageView(message: Message, words: ProviderWords = {}, quarantined = false) {
  const failure = message.failureCode
    ? { ...reasonOf(message.failureCode), at: time(message.failedAt) ?? message.createdAt.toISOString(), ...words }
    : undefined;
  return {
    // Said of a person who was erased, too.
    address: message.address === ERASED ? null : message.address,
    ...present({
      channel: message.channel,
      message_id: toWire('message', message.id),
      status: message.status,
      template_id: message.templateSlug,
      template_version: message.templateVersion,
      language: message.language,
      failure,
      quarantined,
      outcome_unknown: message.outcomeUnknown,
      unreceipted: message.outcome === 'unreceipted',
      next_attempt_at: time(message.nextAttemptAt),
      send_at: time(message.sendAt),
      sent_at: time(message.sentAt),
      delivered_at: time(message.deliveredAt),
      failed_at: time(message.failedAt),
      read_at: time(message.readAt),
      complained_at: time(message.complainedAt),
    }),
    attempts_made: message.attempts,
  };
}

/** The messages of one notification, without history. */
export function summaryView(messages: readonly Message[]) {
  const [first] = messages as readonly [Message];
  return {
    notification_id: toWire('notification', notificationIdOf(first.id)),
    status: overall(
      messages.map(({ status }) => status),
      first.fallback !== null && isDormant(first.fallback, messages),
    ),
    channels: messages.map((message) => messageView(message)),
    ...(first.fallback ? { fallback: fallbackView(first.fallback, messages) } : {}),
    created_at: first.createdAt.toISOString(),
    livemode: first.mode === 'live',
  };
}

export function attemptView(attempt: AttemptRow, showProvider: boolean) {
  return present({
    number: attempt.number,
    started_at: attempt.startedAt.toISOString(),
    duration_ms: attempt.finishedAt ? attempt.finishedAt.getTime() - attempt.startedAt.getTime() || 0 : undefined,
    outcome: attempt.result ?? 'in_progress',
    failure: attempt.fault ? { ...faultText(attempt.fault), ...(showProvider ? wordsOf(attempt) : {}) } : undefined,
    retry_at: time(attempt.retryAt),
  });
}

export const wordsOf = ({
  providerCode,
  providerMessage,
}: Pick<AttemptRow, 'providerCode' | 'providerMessage'>): ProviderWords =>
  present({
    provider_code: providerCode ?? undefined,
    provider_message: providerMessage ?? undefined,
  }) as ProviderWords;

const RECEIPT_TEXT: Readonly<Record<string, string>> = {
  sent: 'The provider confirmed that it has sent the message',
  delivered: 'Delivered',
  read: 'Read',
  failed: 'The provider reported that it could not deliver',
  bounced: 'The message bounced',
  complained: 'The person marked it as unwanted',
};
const RESULT_TEXT: Readonly<Record<string, string>> = {
  accepted: 'was taken by the provider',
  refused: 'was refused',
  refused_later: 'was taken and later refused',
  not_sent: 'never left',
  unknown: 'left, but no answer came',
};

export interface TimelineEntry {
  readonly at: string;
  readonly type: string;
  readonly text: string;
  readonly detail?: string;
}

/** What happened, in order, in words. */
export function timelineOf(
  message: Message,
  attempts: readonly AttemptRow[],
  receipts: readonly ReceiptRow[],
  /** How it began, where it was not asked for at once. */
  began?: Omit<TimelineEntry, 'at'>,
) {
  const entries: TimelineEntry[] = [
    {
      at: message.createdAt.toISOString(),
      type: 'accepted',
      text: 'Accepted',
      ...(message.sendAt ? { detail: `To be sent ${message.sendAt.toISOString()}` } : {}),
      ...began,
    },
  ];
  for (const attempt of attempts) {
    entries.push({
      at: attempt.startedAt.toISOString(),
      type: 'attempt_started',
      text: `Attempt ${attempt.number} began`,
    });
    if (!attempt.result || !attempt.finishedAt) continue;
    const reason = attempt.fault ? faultText(attempt.fault) : undefined;
    entries.push({
      at: attempt.finishedAt.toISOString(),
      type: `attempt_${attempt.result}`,
      text: `Attempt ${attempt.number} ${RESULT_TEXT[attempt.result]}`,
      ...(reason ? { detail: `${reason.message} ${reason.fix}` } : {}),
    });
    if (attempt.retryAt)
      entries.push({
        at: attempt.finishedAt.toISOString(),
        type: 'retry_scheduled',
        text: `The next attempt is due ${attempt.retryAt.toISOString()}`,
      });
  }
  // Some providers tell the time in whole seconds: nothing happened to a message before it left.
  const left = attempts[0]?.startedAt ?? message.createdAt;
  for (const receipt of receipts) {
    const reason = receipt.fault ? reasonOf(receipt.fault) : undefined;
    entries.push({
      at: (receipt.at < left ? left : receipt.at).toISOString(),
      type: `receipt_${receipt.receipt}`,
      text: RECEIPT_TEXT[receipt.receipt] ?? receipt.receipt,
      ...(reason
        ? { detail: `${reason.message} ${reason.fix}` }
        : receipt.applied
          ? {}
          : { detail: 'It changed nothing: a later word had already been heard.' }),
    });
  }
  // What follows from an attempt is decided a moment before the attempt is written down; told, it comes after it.
  const lastWord = attempts.at(-1)?.finishedAt ?? message.createdAt;
  const after = (at: Date): string => (at < lastWord ? lastWord : at).toISOString();
  if (message.outcomeUnknown)
    entries.push({
      at: after(message.sentAt ?? message.createdAt),
      type: 'outcome_unknown',
      text: 'Nobody knows whether it arrived; waiting for a receipt',
    });
  if (
    message.failureCode &&
    message.failedAt &&
    !receipts.some(({ receipt, applied }) => applied && (receipt === 'failed' || receipt === 'bounced'))
  ) {
    const reason = reasonOf(message.failureCode);
    entries.push({ at: after(message.failedAt), type: 'failed', text: reason.message, detail: reason.fix });
  }
  return entries.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}
