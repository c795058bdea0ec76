/**
 * Bytes in, rows out: where one row of an upload ends and the next begins, for lines (NDJSON) and for records whose quotes may
 * hold line ends (CSV). Where a row ends depends on the bytes alone, never on the pieces they came in, so that an upload that
 * is repeated is cut the same. Keeps the running hash of all that was cut, by which a repeat proves to be one.
 */
import { createHash, type Hash } from 'node:crypto';
import { BULK_LIMITS } from '../notifications/index.ts';

export interface Piece {
  /** Without its line end. */
  readonly bytes: Buffer;
  readonly fault?: 'too_long' | 'quote';
}

export interface Cutter {
  push(block: Buffer): void;
  /** Nothing more will come. */
  finish(): void;
  /** The next row that is whole; `undefined` until more has come. */
  next(): Piece | undefined;
  /** SHA-256 over `seed` and everything up to the end of the last row. */
  digest(): Buffer;
  /** Bytes of what was cut so far. */
  readonly size: number;
}

const LIMIT = BULK_LIMITS.stream.row_bytes;
/** Bytes that may be read twice in search of the end of a quote; beyond, a broken quote takes more lines with it. */
const AGAIN_MAX = 16 * 1_048_576;
const [LF, CR, QUOTE] = [10, 13, 34];
const NOTHING = Buffer.alloc(0);

/** `quotes`: CSV. Its `delimiter` is a comma until the header says otherwise. */
export function createCutter(seed: string, quotes: boolean): Cutter & { delimiter: number } {
  const hash: Hash = createHash('sha256').update(seed);
  let pending: Buffer = NOTHING;
  let at = 0;
  let hashed = 0;
  let size = 0;
  let again = 0;
  let ended = false;
  let started = false;
  // While the rest of a row that is given up goes by: what was wrong with it.
  let skipping: Piece['fault'];
  // The next places of what is looked for, so that no byte is looked at once per row.
  let quoteAt = -1;
  let crAt = -1;

  const find = (byte: number, known: number): number => {
    if (known >= at) return known;
    const found = pending.indexOf(byte, at);
    return found < 0 ? Number.POSITIVE_INFINITY : found;
  };

  /** Of the physical line: LF, CR LF, and for CSV a CR alone. `undefined`: not yet. */
  function lineEnd(from: number): { end: number; next: number } | undefined {
    const lf = pending.indexOf(LF, from);
    if (!quotes) {
      if (lf < 0) return ended && from < pending.length ? { end: pending.length, next: pending.length } : undefined;
      return { end: lf > from && pending[lf - 1] === CR ? lf - 1 : lf, next: lf + 1 };
    }
    if (crAt < from) crAt = pending.indexOf(CR, from);
    if (crAt < 0) crAt = Number.POSITIVE_INFINITY;
    const end = Math.min(lf < 0 ? Number.POSITIVE_INFINITY : lf, crAt);
    if (end === Number.POSITIVE_INFINITY)
      return ended && from < pending.length ? { end: pending.length, next: pending.length } : undefined;
    return afterEnd(end);
  }

  /** A CR at the very end may be half of a line end. */
  function afterEnd(end: number): { end: number; next: number } | undefined {
    if (pending[end] !== CR) return { end, next: end + 1 };
    if (end + 1 >= pending.length && !ended) return undefined;
    return { end, next: pending[end + 1] === LF ? end + 2 : end + 1 };
  }

  function take(end: number, next: number, fault?: Piece['fault']): Piece {
    const bytes = pending.subarray(at, end);
    at = next;
    if (!fault && bytes.length > LIMIT) return { bytes: NOTHING, fault: 'too_long' };
    return fault ? { bytes: NOTHING, fault } : { bytes };
  }

  function skip(): Piece | undefined {
    const line = lineEnd(at);
    if (!line) {
      at = Math.max(at, pending.length - 1);
      return undefined;
    }
    const fault = skipping;
    skipping = undefined;
    return take(line.end, line.next, fault);
  }

  /** A record that has a quote somewhere before the end of its line. */
  function quoted(delimiter: number): Piece | undefined {
    let inside = false;
    let fieldStarts = true;
    const stop = Math.min(pending.length, at + LIMIT + 1);
    let i = at;
    for (; i < stop; i++) {
      const byte = pending[i];
      if (inside) {
        if (byte !== QUOTE) continue;
        if (i + 1 >= pending.length && !ended) return undefined;
        const after = pending[i + 1];
        if (after === QUOTE) i++;
        else if (after === undefined || after === delimiter || after === LF || after === CR) inside = false;
        else return broken(i);
      } else if (byte === LF || byte === CR) {
        const line = afterEnd(i);
        return line && take(line.end, line.next);
      } else {
        if (byte === QUOTE && fieldStarts) inside = true;
        fieldStarts = byte === delimiter;
      }
    }
    if (i - at > LIMIT) return inside ? broken(i) : giveUp('too_long');
    if (!ended) return undefined;
    return inside ? broken(i) : take(pending.length, pending.length);
  }

  /** The line on which the row begins is lost; the others are rows of their own, as far as they may be read again. */
  function broken(seen: number): Piece | undefined {
    const first = lineEnd(at);
    if (!first || first.end > seen) return giveUp('quote');
    again += seen - first.next;
    if (again <= AGAIN_MAX) return take(first.end, first.next, 'quote');
    at = seen;
    return giveUp('quote');
  }

  function giveUp(fault: 'too_long' | 'quote'): Piece | undefined {
    skipping = fault;
    return skip();
  }

  return {
    delimiter: 44,
    get size() {
      return size + at;
    },
    push(block) {
      hash.update(pending.subarray(hashed, at));
      size += at;
      pending = at < pending.length ? Buffer.concat([pending.subarray(at), block]) : block;
      at = 0;
      hashed = 0;
      quoteAt = -1;
      crAt = -1;
    },
    finish() {
      ended = true;
    },
    next() {
      if (!started) {
        if (pending.length < 3 && !ended) return undefined;
        started = true;
        // A byte order mark says nothing about UTF-8.
        if (pending[0] === 0xef && pending[1] === 0xbb && pending[2] === 0xbf) at = 3;
      }
      if (at >= pending.length) return undefined;
      if (skipping) return skip();
      const line = lineEnd(at);
      if (quotes) {
        quoteAt = find(QUOTE, quoteAt);
        if (quoteAt < (line?.end ?? pending.length)) return quoted(this.delimiter);
      }
      if (line) return take(line.end, line.next);
      // Both bytes of a line end may be missing yet.
      return pending.length - at >= LIMIT + 2 ? giveUp('too_long') : undefined;
    },
    digest() {
      hash.update(pending.subarray(hashed, at));
      hashed = at;
      return hash.copy().digest();
    },
  };
}
