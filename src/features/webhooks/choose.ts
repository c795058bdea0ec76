/**
 * Which of the next events an endpoint is told of, and with which bytes. What the feed has is told in our words; what a provider
 * has sent, in its own. Rules are asked once for each event, however many endpoints they send it to, and no longer than a
 * moment: where a turn ends, the cursor stops.
 */
import type { AnyChannel, ChannelEvent, InboundMessage, Registry } from '../../channel-kit/index.ts';
import type { Sql } from '../../lib/db.ts';
import { type Place, type Placed, RAW_TYPE } from '../events/index.ts';
import { type Passed, readPassed } from '../inbound/index.ts';
import { type Facts, factsOf, targetsOf } from './rules.ts';
import type { RuleSet, Rules } from './rules-service.ts';
import type { EndpointRow } from './store.ts';
import { bodyOf, isOurs, isSubscribed } from './words.ts';

export interface ChooseDeps {
  readonly rules: Pick<Rules, 'of'>;
  readonly registry: Registry;
}

export interface Chosen {
  readonly eventId: string;
  readonly type: string;
  /** Of the delivery with this number. */
  body(sequence: number): string;
}

const TURN_MS = 100;
const BREATH_MS = 10;

/** `upTo`: where it has stopped; absent: all were looked at. */
export async function choose(
  sql: Sql,
  { rules, registry }: ChooseDeps,
  endpoint: EndpointRow,
  events: readonly Placed[],
): Promise<{ readonly chosen: readonly Chosen[]; readonly upTo?: Place }> {
  const raw = !isOurs(endpoint.format);
  const mine = events.filter(({ event }) => (event.type === RAW_TYPE) === raw);
  const passed = raw
    ? await readPassed(
        sql,
        registry,
        mine.map(({ event }) => event.data),
      )
    : [];
  const set = endpoint.routing === 'rules' ? await rules.of(sql, endpoint.tenantId, endpoint.mode) : undefined;
  const turn = startTurn();
  const chosen: Chosen[] = [];
  for (const [index, placed] of mine.entries()) {
    const before = mine[index - 1];
    if (before && turn.isOver()) return { chosen, upTo: before.place };
    const words = passed[index];
    if (raw && words?.adapter.webhook?.passthrough?.format !== endpoint.format) continue;
    const { event, id: eventId } = placed;
    const facts = async () => (words ? factsIn(words) : [factsOf(event)]);
    if (
      set
        ? !(await sentTo(set, eventId, facts, turn.breathe)).has(endpoint.id)
        : !raw && !isSubscribed(endpoint, event.type)
    )
      continue;
    const bytes = words?.request.body.toString();
    chosen.push({ eventId, type: event.type, body: (sequence) => bytes ?? bodyOf(event, sequence, endpoint.format) });
  }
  return { chosen };
}

async function sentTo(
  { rules, seen }: RuleSet,
  eventId: string,
  facts: () => Promise<readonly Facts[]>,
  breathe: () => Promise<void> | undefined,
): Promise<ReadonlySet<string>> {
  const known = seen.get(eventId) ?? (await targetsOf(rules, await facts(), breathe));
  seen.set(eventId, known);
  return known;
}

/** What a provider's request says, as far as rules may ask for it: each thing by itself, and what is no event of ours too. */
async function factsIn({ adapter, request, channel }: Passed): Promise<Facts[]> {
  const other: Facts = { event_type: RAW_TYPE, channel: channel.id };
  const told = (await adapter.webhook?.parse(request)) ?? [];
  return told.length === 0 ? [other] : told.map((one) => factsFrom(one, channel) ?? other);
}

function factsFrom(told: ChannelEvent, channel: AnyChannel): Facts | undefined {
  if (told.type === 'receipt') return { event_type: `message.${told.receipt}`, channel: channel.id };
  if (told.type === 'notice') return { event_type: told.event, channel: channel.id };
  if (told.type !== 'message' || (told.origin ?? 'live') !== 'live') return undefined;
  const { kind, text } = told.content;
  return {
    ...{ event_type: 'message.received', channel: channel.id, message_type: kind, sender: senderOf(told, channel) },
    ...(text === undefined ? {} : { text }),
  };
}

/** The address that our own event has, or else the name that the provider has for the person. */
function senderOf({ person }: InboundMessage, channel: AnyChannel): string {
  try {
    return channel.address(person.recipient, {});
  } catch {
    return person.identities[0]?.value ?? '';
  }
}

/** Who waits for this process gets his turn in between. */
function startTurn() {
  const began = performance.now();
  let breath = began;
  return {
    isOver: () => performance.now() - began > TURN_MS,
    breathe(): Promise<void> | undefined {
      if (performance.now() - breath < BREATH_MS) return undefined;
      return new Promise((resolve) =>
        setImmediate(() => {
          breath = performance.now();
          resolve();
        }),
      );
    },
  };
}
