/**
 * Messages as they come in: stored once, whatever repeats them and in whatever order they come; each in its conversation, each
 * from a contact. All of a batch is a constant number of statements, in the transaction that marks its callbacks as read.
 */
import type { InboundContent, InboundMedia, InboundMessage } from '../../channel-kit/index.ts';
import { AddressError, storable } from '../../channel-kit/index.ts';
import { sha256Hex } from '../../lib/crypto.ts';
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { idAt, newId, toWire } from '../../lib/ids.ts';
import type { OpenConnection } from '../connections/index.ts';
import { type Met, meet } from '../contacts/index.ts';
import type { Events, NewEvent } from '../events/index.ts';
import {
  type Held,
  holdConversations,
  insertInbound,
  insertMedia,
  type Moved,
  moveConversations,
  type NewInbound,
  type NewMedia,
} from './take-store.ts';

/** A message with the connection it came by, which belongs to a tenant. */
export interface Taken {
  readonly connection: OpenConnection;
  readonly tenantId: string;
  /** Of the stored request. */
  readonly inboundId: string;
  readonly receivedAt: Date;
  readonly event: InboundMessage;
}

/** What a person has just written, and nobody has heard before. */
export interface Heard {
  readonly messageId: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly channel: string;
  readonly connectionId: string;
  readonly conversationId: string;
  readonly contactId: string;
  readonly address: string;
  readonly recipient: Readonly<Record<string, string>>;
  readonly kind: string;
  readonly text?: string;
  readonly word?: InboundMessage['word'];
}

export type Take = (trx: Sql, items: readonly Taken[]) => Promise<readonly Heard[]>;

/** Bytes of one file that are kept. */
export const MEDIA_MAX = 16 * 1_048_576;
const ID_MAX = 512;
const TEXT_MAX = 65_536;
const DATA_MAX = 262_144;
const MEDIA_MANY = 20;
/** What a provider says in a person's name: it opens nothing and wakes nobody. */
const QUIET: ReadonlySet<InboundContent['kind']> = new Set(['system']);

interface One extends Taken {
  readonly id: string;
  readonly key: string;
  readonly mode: Mode;
  readonly address: string;
  readonly at: Date;
  /** The person has just written it. */
  readonly isLive: boolean;
  readonly met: Met;
  readonly conversation: Held;
}

export const createTake =
  ({ events }: { readonly events: Events }): Take =>
  async (trx, items) => {
    if (items.length === 0) return [];
    const all = await placed(trx, items);
    const rows = all.map(rowOf);
    const stored = await insertInbound(trx, rows);
    const eventIds = new Map(rows.map(({ id, eventId }) => [id, eventId]));
    const fresh = all.filter(({ id }) => stored.has(id));
    if (fresh.length === 0) return [];
    const media = fresh.flatMap(mediaOf);
    if (media.length > 0) await insertMedia(trx, media);
    const { moved, reopened } = movesOf(fresh);
    await moveConversations(trx, moved);
    const live = fresh.filter(({ isLive }) => isLive);
    await events.emit(trx, [...live.flatMap((one) => told(one, eventIds.get(one.id))), ...reopened]);
    return live.map(heardOf);
  };

/** Each with its person and its conversation; of duplicates in one batch, the first. */
async function placed(trx: Sql, items: readonly Taken[]): Promise<readonly One[]> {
  const firsts = new Map<string, Taken>();
  for (const item of items) {
    const name = `${item.connection.id} ${item.event.key}`;
    if (!firsts.has(name)) firsts.set(name, item);
  }
  const unique = [...firsts.values()];
  const met = await meet(
    trx,
    unique.map(({ connection, tenantId, event: { person } }) => ({
      tenantId,
      mode: connection.mode,
      connectionId: connection.id,
      identities: person.identities,
      name: person.name === undefined ? undefined : storable(person.name, 320).trim() || undefined,
    })),
  );
  const parts = unique.map((item, nth) => {
    const at = momentOf(item);
    return {
      ...item,
      id: idAt(at, item.receivedAt, nth),
      key: storable(item.event.key, ID_MAX),
      mode: item.connection.mode,
      address: addressOf(item),
      at,
      isLive: (item.event.origin ?? 'live') === 'live' && !QUIET.has(item.event.content.kind),
      met: met[nth] as Met,
    };
  });
  const places = new Map(parts.map((part) => [placeName(part.connection.id, part.address), part]));
  const held = await holdConversations(
    trx,
    [...places.values()].map((part) => ({
      id: newId(),
      tenantId: part.tenantId,
      mode: part.mode,
      connectionId: part.connection.id,
      channel: part.connection.channel.id,
      address: part.address,
      recipient: clean(part.event.person.recipient) as Record<string, string>,
      contactId: part.met.contactId,
      lastId: part.id,
    })),
  );
  const byPlace = new Map(held.map((one) => [placeName(one.connectionId, one.address), one]));
  return parts.flatMap((part) => {
    const conversation = byPlace.get(placeName(part.connection.id, part.address));
    return conversation ? [{ ...part, conversation }] : [];
  });
}

const placeName = (connectionId: string, address: string): string => `${connectionId} ${address}`;

/** The provider's time, unless it lies ahead of ours or is none. */
function momentOf({ event: { at }, receivedAt }: Taken): Date {
  return at && at < receivedAt && at.getTime() > Date.UTC(2000, 0) ? at : receivedAt;
}

/** As a send to this person would write it; a sender that nobody can write to is known by its name. */
function addressOf({ connection, event: { person } }: Taken): string {
  try {
    const address = connection.channel.address(person.recipient, {});
    if (address) return storable(address, ID_MAX);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
  }
  return storable(person.identities[0]?.value ?? 'unknown', ID_MAX);
}

const rowOf = (one: One): NewInbound => {
  const { content, providerId, origin = 'live', replyTo } = one.event;
  return {
    id: one.id,
    tenantId: one.tenantId,
    mode: one.mode,
    conversationId: one.conversation.id,
    connectionId: one.connection.id,
    channel: one.connection.channel.id,
    key: one.key,
    inboundId: one.inboundId,
    providerId: storable(providerId, ID_MAX),
    origin,
    own: one.event.own === true || origin === 'echo',
    kind: content.kind,
    text: content.text === undefined ? null : storable(content.text, TEXT_MAX),
    data: dataOf(content.data),
    replyTo: replyTo === undefined ? null : storable(replyTo, ID_MAX),
    eventId: one.isLive ? newId() : null,
  };
};

function dataOf(data: object | undefined): object | null {
  if (data === undefined) return null;
  const cleaned = clean(data) as object;
  return JSON.stringify(cleaned).length > DATA_MAX ? { too_large: true } : cleaned;
}

/** A stranger's JSON, with texts and names that the store can hold. */
function clean(value: unknown): unknown {
  if (typeof value === 'string') return storable(value, TEXT_MAX);
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [storable(name, 256), clean(one)]));
}

const mediaOf = (one: One): NewMedia[] =>
  (one.event.content.media ?? []).slice(0, MEDIA_MANY).map((item, position) => ({
    id: newId(),
    tenantId: one.tenantId,
    mode: one.mode,
    messageId: one.id,
    connectionId: one.connection.id,
    position,
    mime: storable(item.mime, 200),
    ...sourceOf(item),
  }));

function sourceOf({ filename, providerId, url, sha256, bytes }: InboundMedia) {
  const text = (value: string | undefined, max: number) => (value === undefined ? null : storable(value, max));
  const isThere = bytes !== undefined && bytes.length <= MEDIA_MAX;
  return {
    filename: text(filename, 255),
    providerId: text(providerId, ID_MAX),
    url: text(url, 4_096),
    sha256: isThere ? sha256Hex(bytes) : text(sha256, 128),
    bytes: isThere ? bytes : null,
    fault: bytes !== undefined && !isThere ? 'too_large' : providerId || url || isThere ? null : 'not_available',
  };
}

/** What the messages of a batch do to each conversation, and which of them are open again. */
function movesOf(fresh: readonly One[]): { readonly moved: readonly Moved[]; readonly reopened: readonly NewEvent[] } {
  const moves = new Map<string, { -readonly [K in keyof Moved]: Moved[K] }>();
  const reopened: NewEvent[] = [];
  for (const { id, at, isLive, conversation, met } of fresh) {
    const move = moves.get(conversation.id) ?? {
      id: conversation.id,
      lastId: id,
      contactId: met.contactId,
      inboundAt: null,
      unread: 0,
      status: conversation.status,
    };
    moves.set(conversation.id, move);
    if (id > move.lastId) move.lastId = id;
    if (!isLive) continue;
    const moment = at.toISOString();
    if (move.inboundAt === null || moment > move.inboundAt) move.inboundAt = moment;
    move.unread++;
    if (move.status !== 'resolved' && move.status !== 'pending') continue;
    reopened.push(updatedEvent(conversation, { status: 'open', previous_status: move.status }));
    move.status = 'open';
  }
  return { moved: [...moves.values()], reopened };
}

export const updatedEvent = (
  { tenantId, mode, id }: Pick<Held, 'tenantId' | 'mode' | 'id'>,
  data: object,
): NewEvent => ({
  tenantId,
  mode,
  type: 'conversation.updated',
  data: { conversation_id: toWire('conversation', id), ...data },
});

/** Both are told from the message itself, whenever they are told. */
function told({ tenantId, mode, id, met }: One, eventId: string | null | undefined): NewEvent[] {
  const about = { tenantId, mode, messageId: id, data: {} };
  return [
    { ...about, type: 'message.received', ...(eventId ? { id: eventId } : {}) },
    ...(met.externalId === null ? [] : [{ ...about, type: 'contact.identified' as const }]),
  ];
}

const heardOf = (one: One): Heard => {
  const { content, word, person } = one.event;
  return {
    messageId: one.id,
    tenantId: one.tenantId,
    mode: one.mode,
    channel: one.connection.channel.id,
    connectionId: one.connection.id,
    conversationId: one.conversation.id,
    contactId: one.met.contactId,
    address: one.address,
    recipient: person.recipient,
    kind: content.kind,
    ...(content.text === undefined ? {} : { text: content.text }),
    ...(word === undefined ? {} : { word }),
  };
};
