/**
 * Postmark's events. They are not signed; the address they are posted to carries a password. Metadata of a message come back
 * with every event on it. Source: Postmark webhooks and bounce types, read 2026-08.
 */
import { at, type ChannelEvent, dateOf, type Fault, type FaultKind, textAt } from '../../src/channel-kit/index.ts';
import { aboutOf, VARIABLE } from './correlation.ts';
import { plainAddress } from './mailbox.ts';
import { bouncedForGood, refusedLater } from './smtp-faults.ts';

export const isPost = (payload: unknown): boolean => textAt(payload, 'RecordType') !== undefined;

export function eventsOf(payload: unknown): readonly ChannelEvent[] {
  const what = textAt(payload, 'RecordType') ?? 'none';
  const event = Object.hasOwn(RECORDS, what) ? RECORDS[what]?.(payload) : undefined;
  return [event ?? { type: 'ignored', reason: `record ${what.slice(0, 100)}` }];
}

const RECORDS: Readonly<Record<string, (record: unknown) => ChannelEvent | undefined>> = {
  Delivery: (record) => receipt(record, 'DeliveredAt', { receipt: 'delivered' }),
  Open: (record) => receipt(record, 'ReceivedAt', { receipt: 'read' }),
  SpamComplaint: (record) => receipt(record, 'BouncedAt', { receipt: 'complained' }),
  Bounce: (record) => {
    const fault = faultOf(record);
    return fault && receipt(record, 'BouncedAt', { receipt: 'bounced', fault });
  },
  SubscriptionChange: (record) => {
    const [email, stamp] = [plainAddress(textAt(record, 'Recipient') ?? ''), textAt(record, 'ChangedAt') ?? ''];
    // What the service itself or its customer has suppressed is not the person's word.
    if (!email || textAt(record, 'Origin') !== 'Recipient') return undefined;
    const moment = dateOf(stamp);
    const value = at(record, 'SuppressSending') === false ? 'resume' : 'stop';
    return {
      type: 'preference',
      key: `preference:${email}:${value}:${stamp}`,
      ...(moment ? { at: moment } : {}),
      recipient: { email },
      category: 'marketing',
      value,
    };
  },
};

function receipt(
  record: unknown,
  timeName: string,
  word: { readonly receipt: 'delivered' | 'read' | 'complained' | 'bounced'; readonly fault?: Fault },
): ChannelEvent | undefined {
  // The service's own id is no Message-ID; it only tells repeats apart.
  const about = aboutOf(undefined, textAt(record, 'Metadata', VARIABLE));
  const [messageId, stamp] = [textAt(record, 'MessageID') ?? '', textAt(record, timeName)];
  if (!about) return undefined;
  const moment = dateOf(stamp);
  return {
    type: 'receipt',
    key: `${messageId}:${word.receipt}:${textAt(record, 'ID') ?? stamp ?? ''}`,
    ...about,
    ...(moment ? { at: moment } : {}),
    ...word,
  };
}

/** `bounce`: the address is dead unless its code says otherwise. Types that are no failure of this message are not here. */
const BOUNCES: Readonly<Record<string, FaultKind | 'bounce'>> = {
  HardBounce: 'bounce',
  BadEmailAddress: 'bounce',
  SoftBounce: 'provider_unavailable',
  DnsError: 'provider_unavailable',
  SpamNotification: 'provider_rejected',
  Blocked: 'provider_rejected',
  DMARCPolicy: 'provider_rejected',
  SMTPApiError: 'provider_rejected',
  InboundError: 'provider_rejected',
  Unknown: 'provider_rejected',
  TemplateRenderingFailed: 'content_invalid',
  VirusNotification: 'content_invalid',
  ManuallyDeactivated: 'recipient_opted_out',
  Unsubscribe: 'recipient_opted_out',
  UnconfirmedEmailAddress: 'credentials_invalid',
};

function faultOf(record: unknown): Fault | undefined {
  const type = textAt(record, 'Type') ?? 'none';
  const kind = Object.hasOwn(BOUNCES, type) ? BOUNCES[type] : undefined;
  const words = textAt(record, 'Details') ?? textAt(record, 'Description');
  if (!kind) return undefined;
  if (kind === 'bounce') return bouncedForGood(undefined, words);
  return { ...refusedLater(undefined, words), kind, providerCode: type };
}
