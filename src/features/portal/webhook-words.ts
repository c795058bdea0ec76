/** Endpoints and deliveries as the portal says them: a word, the shape of a status, and what it means. Pure. */
import { EVENT_TYPES } from '../events/index.ts';
import type { Delivery, Endpoint, Status } from './ports.ts';
import { spaced, took } from './words.ts';

const REASONS: Readonly<Record<NonNullable<Endpoint['disabled_reason']>, string>> = {
  gone: 'It answered 410 Gone, which says that nobody will listen there again.',
  failing: 'For five days it has done nothing but fail, at least 24 times in a row.',
};

function standing({ status, failures_in_row, last_success_at }: Endpoint): { shape: Status; word: string } {
  if (status === 'disabled') return { shape: 'failed', word: 'disabled' };
  if (status === 'paused') return { shape: 'queued', word: 'paused' };
  if (failures_in_row > 0) return { shape: 'failed', word: 'failing' };
  return last_success_at === null ? { shape: 'queued', word: 'not called yet' } : { shape: 'delivered', word: 'works' };
}

/** An endpoint, ready to be shown. Without a name it is called by where it is. */
export const wordsOf = (endpoint: Endpoint) => ({
  ...endpoint,
  title: endpoint.name || new URL(endpoint.url).host,
  standing: standing(endpoint),
  stopped: endpoint.status !== 'active',
  reason: endpoint.disabled_reason ? REASONS[endpoint.disabled_reason] : undefined,
});

/** Sent by the endpoint's own wish; no part of the feed, so nobody subscribes to them. */
const OWN = ['endpoint.test', 'endpoint.heartbeat'];
export const DELIVERED_TYPES: readonly string[] = [...Object.keys(EVENT_TYPES), ...OWN];

/** What one can be told of, by what it is about. */
export function eventGroups(ticked: readonly string[]) {
  const types = Object.entries(EVENT_TYPES).map(([type, meaning]) => ({
    about: type.split('.')[0] ?? '',
    type,
    meaning: meaning.replaceAll('`', ''),
    ticked: ticked.includes(type),
  }));
  return [...new Set(types.map(({ about }) => about))].map((about, index) => {
    const own = types.filter((type) => type.about === about);
    return { about, types: own, opened: index === 0 || own.some(({ ticked }) => ticked) };
  });
}

export const DELIVERY_STATUSES = ['waiting', 'delivered', 'failed'] as const;

/** A delivery in a list. */
export function deliveryWords<T extends Pick<Delivery, 'status' | 'tries'>>(delivery: T) {
  const { status, tries } = delivery;
  const shape: Status = status === 'waiting' ? (tries > 0 ? 'sent' : 'queued') : status;
  return { ...delivery, shape, word: status === 'waiting' && tries > 0 ? 'trying again' : status };
}

const FAULTS: Readonly<Record<string, string>> = {
  blocked_address: 'The name leads to an address that is private or not allowed.',
  unreachable: 'No connection could be made.',
  no_answer: 'It did not come in time, or broke off.',
  answer_too_long: 'The answer was too long.',
  no_secret: 'There was no secret to sign with.',
};

/** An attempt: what came back, and what follows from it. */
export function attemptWords(attempt: Delivery['attempts'][number]) {
  const { status_code: code, fault, duration_ms } = attempt;
  return {
    ...attempt,
    took: took(duration_ms),
    taken: code !== null && code >= 200 && code < 300,
    said: code ?? 'No answer.',
    why: fault
      ? (FAULTS[fault] ?? spaced(fault))
      : code === null
        ? undefined
        : CODES.find(([from]) => code >= from)?.[1],
  };
}

/** From the highest code down: the first that is not above the answer's. */
const CODES: readonly (readonly [number, string | undefined])[] = [
  [500, 'Your server has failed.'],
  [411, 'Your server has refused it.'],
  [410, 'Gone: the webhook is disabled.'],
  [400, 'Your server has refused it.'],
  [300, 'Redirects are not followed. Enter the address it leads to.'],
  [200, undefined],
];
