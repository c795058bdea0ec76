import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  firstIdAt,
  fromWire,
  type IdKind,
  lastMessageIdOf,
  MESSAGES_MAX,
  messageIdOf,
  newId,
  newNotificationId,
  notificationIdOf,
  PREFIXES,
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
});
