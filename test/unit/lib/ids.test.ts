import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  firstIdAt,
  fromWire,
  fromWireOrBare,
  type IdKind,
  idAt,
  lastMessageIdOf,
  MESSAGES_MAX,
  messageIdOf,
  newId,
  newNotificationId,
  notificationIdOf,
  PREFIXES,
  timeOf,
  toWire,
} from '../../../src/lib/ids.ts';

const uuids = fc.uuid();
const kinds = fc.constantFrom(...(Object.keys(PREFIXES) as IdKind[]));

describe('ids on the wire', () => {
  test('come back as they went, and only as what they are', () => {
    fc.assert(
      fc.property(kinds, kinds, uuids, (kind, other, uuid) => {
        const wire = toWire(kind, uuid);
        expect(fromWire(kind, wire)).toBe(uuid);
        if (other !== kind) expect(fromWire(other, wire)).toBeUndefined();
      }),
    );
  });
  test('are a prefix and a valid ULID', () => {
    fc.assert(fc.property(uuids, (uuid) => /^msg_[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(toWire('message', uuid))));
  });
  test('sort as their UUIDs do', () => {
    fc.assert(fc.property(uuids, uuids, (a, b) => toWire('event', a) < toWire('event', b) === a < b));
  });
  test.each([
    '',
    'msg_',
    'msg_01',
    'MSG_01ARZ3NDEKTSV4RRFFQ69G5FAV',
    'msg_01arz3ndektsv4rrffq69g5fav',
    'msg_81ARZ3NDEKTSV4RRFFQ69G5FAV',
    'msg_01ARZ3NDEKTSV4RRFFQ69G5FAU',
    'msg_01ARZ3NDEKTSV4RRFFQ69G5FAV ',
    'ntf_01ARZ3NDEKTSV4RRFFQ69G5FAV',
    "msg_01ARZ3NDEKTSV4RRFFQ69G5FA'",
  ])('and %j is none', (wire) => expect(fromWire('message', wire)).toBeUndefined());
});

describe('ids of a notification', () => {
  test('its messages are found from it, and it from them', () => {
    const id = newNotificationId();
    expect(id.at(-1)).toBe('0');
    const messages = Array.from({ length: MESSAGES_MAX }, (_, index) => messageIdOf(id, index));
    expect(new Set(messages).size).toBe(MESSAGES_MAX);
    for (const message of messages) {
      expect(notificationIdOf(message)).toBe(id);
      expect(message > id && message <= lastMessageIdOf(id)).toBe(true);
    }
    expect(messages.at(-1)).toBe(lastMessageIdOf(id));
  });
  test('increase within the process', () => {
    const made = Array.from({ length: 1_000 }, newId);
    expect([...made].sort()).toEqual(made);
  });
  test('sort above the first id of their moment and below that of the next', () => {
    const before = new Date(Date.now() - 1);
    const id = newId();
    expect(firstIdAt(before) < id && id < firstIdAt(new Date(Date.now() + 1))).toBe(true);
  });
  test('of somebody else say the time of that, and are in the order in which they came', () => {
    const [at, soon, later] = [new Date(1_760_000_000_000), new Date(1_760_000_000_900), new Date(1_760_000_005_000)];
    const made = [idAt(at, soon, 0), idAt(at, soon, 1), idAt(at, later, 0), idAt(soon, soon, 0)];
    expect([...made].sort()).toEqual(made);
    expect(made.map((id) => timeOf(id).getTime())).toEqual([at, at, at, soon].map((one) => one.getTime()));
    for (const id of made) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(fromWire('message', toWire('message', id))).toBe(id);
    }
    expect(new Set(Array.from({ length: 100 }, () => idAt(at, soon, 0))).size).toBe(100);
  });
  test('are taken bare where a conversation is named, and only whole', () => {
    const id = newId();
    expect(fromWireOrBare('conversation', id)).toBe(id);
    expect(fromWireOrBare('conversation', toWire('conversation', id))).toBe(id);
    expect(fromWireOrBare('conversation', id.slice(1))).toBeUndefined();
    expect(fromWireOrBare('conversation', toWire('contact', id))).toBeUndefined();
  });
});
