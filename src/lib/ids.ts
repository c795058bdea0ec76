/**
 * Ids: UUID v7 in the store, a prefix and 26 Crockford characters on the wire, which is a valid ULID.
 *
 * A notification's messages share its UUID but for the last hexadecimal digit: the notification ends in 0, its messages in
 * 1…f. So one primary key range holds a whole notification, and neither needs an index to find the other.
 */
import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));

export const PREFIXES = {
  notification: 'ntf',
  message: 'msg',
  attempt: 'att',
  template: 'tpl',
  templateVersion: 'tpv',
  rollout: 'rol',
  event: 'evt',
  connection: 'con',
  tenant: 'ten',
  user: 'usr',
  key: 'key',
  request: 'req',
  audit: 'aud',
  bulk: 'blk',
  draft: 'drf',
} as const;
export type IdKind = keyof typeof PREFIXES;

const POOL = Buffer.alloc(4_096);
const IDS_PER_POOL = POOL.length / 16;
let drawn = IDS_PER_POOL;
let msecs = 0;
let seq = 0;

/** A new UUID v7, increasing within the process. Random bytes are drawn by the page: each draw is a call into the system. */
export function newId(): string {
  if (drawn === IDS_PER_POOL) {
    randomFillSync(POOL);
    drawn = 0;
  }
  const random = POOL.subarray(16 * drawn, 16 * ++drawn);
  const now = Date.now();
  if (now > msecs) {
    msecs = now;
    // Half of the room for counting stays free above it.
    seq = random.readUInt32BE(6) >>> 1;
  } else if (++seq > 0xffffffff) {
    msecs++;
    seq = 0;
  }
  return v7({ random, msecs, seq });
}

/** Ten bits as two characters. */
const PAIRS = Array.from({ length: 1024 }, (_, bits) => `${ALPHABET[bits >> 5]}${ALPHABET[bits & 31]}`);
/** Twenty bits as four characters. */
const four = (bits: number): string => `${PAIRS[bits >> 10]}${PAIRS[bits & 1023]}`;
/** Ten hexadecimal digits as eight characters. */
const eight = (hex: string): string => {
  const bits = Number.parseInt(hex, 16);
  return four(Math.floor(bits / 1_048_576)) + four(bits % 1_048_576);
};

/** `ntf_01J…` of a UUID. */
export function toWire(kind: IdKind, uuid: string): string {
  const hex = uuid.replaceAll('-', '');
  const head = PAIRS[Number.parseInt(hex.slice(0, 2), 16)];
  return `${PREFIXES[kind]}_${head}${eight(hex.slice(2, 12))}${eight(hex.slice(12, 22))}${eight(hex.slice(22))}`;
}

/** The UUID of a wire id; `undefined` for anything that is not exactly an id of this kind. */
export function fromWire(kind: IdKind, wire: string): string | undefined {
  const prefix = `${PREFIXES[kind]}_`;
  if (wire.length !== prefix.length + 26 || !wire.startsWith(prefix)) return undefined;
  let hex = '';
  // The first two of 130 bits are none of the id's.
  let rest = 0;
  let bits = -2;
  for (let at = prefix.length; at < wire.length; at++) {
    const digit = VALUES.get(wire.charAt(at));
    if (digit === undefined || (bits === -2 && digit > 7)) return undefined;
    rest = (rest << 5) | digit;
    bits += 5;
    while (bits >= 4) {
      bits -= 4;
      hex += (rest >> bits).toString(16);
      rest &= (1 << bits) - 1;
    }
  }
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Messages per notification, fallbacks included. */
export const MESSAGES_MAX = 15;
/** A new notification id: a UUID v7 whose last digit is 0. */
export const newNotificationId = (): string => `${newId().slice(0, 35)}0`;
/** The id of its nth message, counted from 0. */
export const messageIdOf = (notificationId: string, index: number): string =>
  notificationId.slice(0, 35) + (index + 1).toString(16);
/** The notification a message belongs to. */
export const notificationIdOf = (messageId: string): string => `${messageId.slice(0, 35)}0`;
/** The last id a message of this notification can have. */
export const lastMessageIdOf = (notificationId: string): string => `${notificationId.slice(0, 35)}f`;

/** The smallest UUID v7 of a moment: everything created before it sorts below. They begin with 1970. */
export function firstIdAt(time: Date): string {
  const hex = Math.max(0, time.getTime()).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
