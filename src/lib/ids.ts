/**
 * Ids: UUID v7 in the store, a prefix and 26 Crockford characters on the wire, which is a valid ULID.
 *
 * A notification's messages share its UUID but for the last hexadecimal digit: the notification ends in 0, its messages in
 * 1…f. So one primary key range holds a whole notification, and neither needs an index to find the other.
 */
import { randomFillSync } from 'node:crypto';

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
  erasure: 'ers',
  endpoint: 'whk',
  delivery: 'whd',
  suppression: 'sup',
  autoReply: 'arp',
  contact: 'ctc',
  merge: 'mrg',
  conversation: 'cnv',
  media: 'med',
  rule: 'whr',
  alert: 'alt',
  alertRule: 'alr',
} as const;
export type IdKind = keyof typeof PREFIXES;

const POOL = Buffer.alloc(4_096);
let drawn = POOL.length;
let msecs = 0;
let seq = 0;

// Ids are made by the hundred thousand: digits are put into a buffer that becomes a text in one step.
const DIGITS = Buffer.from('0123456789abcdef', 'latin1');
const uuid = Buffer.from('00000000-0000-7000-8000-000000000000', 'latin1');
/** Writes a byte as two digits. */
const put = (at: number, byte: number): void => {
  uuid[at] = DIGITS[byte >> 4] as number;
  uuid[at + 1] = DIGITS[byte & 15] as number;
};

/**
 * A new UUID v7, increasing within the process: milliseconds, a counter of 32 bits that begins anywhere in the lower half of
 * its room with each millisecond, 42 random bits. Random bytes are drawn by the page: each draw is a call into the system.
 */
export function newId(): string {
  if (drawn + 10 > POOL.length) {
    randomFillSync(POOL);
    drawn = 0;
  }
  const now = Date.now();
  if (now > msecs) {
    msecs = now;
    seq = POOL.readUInt32BE(drawn) >>> 1;
    writeTime();
  } else if (++seq > 0xffffffff) {
    msecs++;
    seq = 0;
    writeTime();
  }
  put(14, 0x70 | (seq >>> 28));
  put(16, (seq >>> 20) & 255);
  put(19, 0x80 | ((seq >>> 14) & 63));
  put(21, (seq >>> 6) & 255);
  put(24, ((seq << 2) & 255) | ((POOL[drawn + 4] as number) & 3));
  for (let i = 0; i < 5; i++) put(26 + 2 * i, POOL[drawn + 5 + i] as number);
  drawn += 10;
  return uuid.toString('latin1');
}

function writeTime(): void {
  const high = Math.floor(msecs / 0x1_0000);
  for (let i = 0; i < 4; i++) put(2 * i, (high >>> (24 - 8 * i)) & 255);
  put(9, (msecs >>> 8) & 255);
  put(11, msecs & 255);
}

const LETTERS = Buffer.from(ALPHABET, 'latin1');
const NIBBLES = new Uint8Array(128);
for (const [value, code] of DIGITS.entries()) NIBBLES[code] = value;
/** Where in a UUID its digits stand. */
const PLACES = [...'00000000-0000-0000-0000-000000000000'].flatMap((digit, at) => (digit === '-' ? [] : [at]));
const wire = Buffer.alloc(26);

/** `ntf_01J…` of a UUID. */
export function toWire(kind: IdKind, id: string): string {
  // 130 bits are written, of which the first two are none of the id's.
  let rest = 0;
  let bits = 2;
  let at = 0;
  for (let i = 0; i < 32; i++) {
    rest = (rest << 4) | (NIBBLES[id.charCodeAt(PLACES[i] as number)] as number);
    bits += 4;
    if (bits < 5) continue;
    bits -= 5;
    wire[at++] = LETTERS[(rest >> bits) & 31] as number;
    rest &= (1 << bits) - 1;
  }
  return `${PREFIXES[kind]}_${wire.toString('latin1')}`;
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

const BARE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** The same, where the bare UUID is taken as well. */
export const fromWireOrBare = (kind: IdKind, text: string): string | undefined =>
  BARE.test(text) ? text : fromWire(kind, text);

/**
 * An id whose time is somebody else's. Of one moment, those that came earlier come first, and of those that came at once the
 * `nth`: what was written within one second of a provider's clock is read in the order in which it came.
 */
export function idAt(at: Date, receivedAt: Date, nth: number): string {
  const late = Math.min(Math.max(receivedAt.getTime() - at.getTime(), 0), 2 ** 26 - 1);
  const order = (late * 1_024 + Math.min(nth, 1_023)).toString(16).padStart(9, '0');
  const time = at.getTime().toString(16).padStart(12, '0');
  const tail = newId().slice(-12);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${order.slice(0, 3)}-8${order.slice(3, 6)}-${order.slice(6)}${tail.slice(3)}`;
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

/** When an id was made, to the millisecond, by the clock of the process that made it. */
export const timeOf = (id: string): Date => new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
