/**
 * Mailgun's events. The signature covers the time and a token, not the event, so it must be fresh; a repeat of one event is
 * known by the event's id. Source: Mailgun webhooks, events and securing webhooks, read 2026-08.
 */
import {
  at,
  type ChannelEvent,
  type Credentials,
  type Fault,
  hmac,
  parseJson,
  type RawRequest,
  type Receipt,
  sameBytes,
  textAt,
  unixDate,
} from '../../src/channel-kit/index.ts';
import { aboutOf, VARIABLE } from './correlation.ts';
import { plainAddress } from './mailbox.ts';
import { bouncedForGood, refusedLater } from './smtp-faults.ts';

const MAX_AGE_SECONDS = 900;

export function verify({ body, at: arrived }: RawRequest, { mailgun_signing_key: key }: Credentials): boolean {
  const given = at(parseJson(body), 'signature');
  const [stamp, token, signature] = ['timestamp', 'token', 'signature'].map((name) => textAt(given, name));
  if (!key || !arrived || !stamp || !token || !/^\d{1,12}$/.test(stamp)) return false;
  if (Math.abs(arrived.getTime() / 1_000 - Number(stamp)) > MAX_AGE_SECONDS) return false;
  return sameBytes(signature, hmac('sha256', String(key), stamp + token).toString('hex'));
}

export const isPost = (payload: unknown): boolean => at(payload, 'event-data') !== undefined;

export function eventsOf(payload: unknown): readonly ChannelEvent[] {
  const event = at(payload, 'event-data');
  const what = textAt(event, 'event') ?? 'none';
  const id = textAt(event, 'id');
  const moment = unixDate(textAt(event, 'timestamp'));
  const told = { key: id ?? '', ...(moment ? { at: moment } : {}) };
  if (what === 'unsubscribed' && id) {
    const email = plainAddress(textAt(event, 'recipient') ?? '');
    if (email) return [{ type: 'preference', ...told, recipient: { email }, category: 'marketing', value: 'stop' }];
  }
  const about = aboutOf(textAt(event, 'message', 'headers', 'message-id'), textAt(event, 'user-variables', VARIABLE));
  const word = Object.hasOwn(WORDS, what) ? WORDS[what]?.(event) : undefined;
  if (!word || !about || !id) return [{ type: 'ignored', reason: `event ${what.slice(0, 100)}` }];
  return [{ type: 'receipt', ...told, ...about, ...word }];
}

type Word = { readonly receipt: Receipt; readonly fault?: Fault };

const WORDS: Readonly<Record<string, (event: unknown) => Word | undefined>> = {
  accepted: () => ({ receipt: 'sent' }),
  delivered: () => ({ receipt: 'delivered' }),
  opened: () => ({ receipt: 'read' }),
  complained: () => ({ receipt: 'complained' }),
  rejected: (event) => {
    const words = textAt(event, 'reject', 'reason');
    const fault: Fault = { kind: 'provider_rejected', ...(words ? { providerMessage: words.slice(0, 1_000) } : {}) };
    return { receipt: 'failed', fault };
  },
  // What failed for a time is tried again by the service itself.
  failed: (event) =>
    textAt(event, 'severity') === 'permanent' ? { receipt: 'bounced', fault: failure(event) } : undefined,
};

function failure(event: unknown): Fault {
  const status = at(event, 'delivery-status');
  const enhanced = textAt(status, 'enhanced-code');
  const words = [textAt(status, 'code'), textAt(status, 'message') || textAt(status, 'description')]
    .filter(Boolean)
    .join(' ');
  const reason = textAt(event, 'reason') ?? 'generic';
  if (reason === 'suppress-complaint' || reason === 'suppress-unsubscribe')
    return { kind: 'recipient_opted_out', providerCode: reason };
  // The service has tried for hours; the mailbox may be back tomorrow.
  if (reason === 'old') return { ...refusedLater(enhanced, words), kind: 'provider_unavailable' };
  if (reason === 'bounce' || reason === 'suppress-bounce') return bouncedForGood(enhanced, words);
  return refusedLater(enhanced, words);
}
