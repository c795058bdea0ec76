/** Rows out of bytes: the same whatever pieces the bytes came in, in time that grows with their length. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCutter } from '../../../src/features/bulks/cut.ts';

const KB = 1_024;

interface Cut {
  readonly rows: readonly string[];
  readonly digest: string;
}
function cut(bytes: Buffer, quotes: boolean, sizes: readonly number[] = [bytes.length]): Cut {
  const cutter = createCutter('seed', quotes);
  const rows: string[] = [];
  const take = () => {
    for (let piece = cutter.next(); piece; piece = cutter.next()) rows.push(piece.fault ?? piece.bytes.toString());
  };
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    cutter.push(bytes.subarray(at, at + size));
    at += size;
    take();
  }
  cutter.finish();
  take();
  return { rows, digest: cutter.digest().toString('hex') };
}
const lines = (text: string): readonly string[] => cut(Buffer.from(text), false).rows;
const records = (text: string): readonly string[] => cut(Buffer.from(text), true).rows;

describe('lines end', () => {
  it.each([
    ['with LF', 'a\nb\n', ['a', 'b']],
    ['with CR LF, and both in one file', 'a\r\nb\nc\r\n', ['a', 'b', 'c']],
    ['with the file', 'a\nb', ['a', 'b']],
    ['after nothing, which is a line too', 'a\n\nb\n', ['a', '', 'b']],
    ['without the byte order mark before the first', '\ufeffa\nb', ['a', 'b']],
    ['nowhere in an empty file', '', []],
    ['in the middle of a character', Buffer.from('ä').subarray(0, 1).toString('latin1'), ['Ã']],
  ])('%s', (_, text, rows) => expect(lines(text)).toEqual(rows));

  it('within 256 KB, or the line is a fault and the next one is whole', () => {
    const limit = 'x'.repeat(256 * KB);
    expect(lines(`${limit}\r\nb\n`)).toEqual([limit, 'b']);
    expect(lines(`${limit}x\nb\n`)).toEqual(['too_long', 'b']);
    expect(lines(limit + limit)).toEqual(['too_long']);
  });
});

describe('records end', () => {
  it.each([
    ['with LF, CR LF and CR in one file', 'a,b\nc,d\r\ne,f\rg,h', ['a,b', 'c,d', 'e,f', 'g,h']],
    ['not within quotes', '"a\nb",c\nd', ['"a\nb",c', 'd']],
    ['after a quote that was written twice', '"a ""b"",\n",c\nd', ['"a ""b"",\n",c', 'd']],
    ['where a quote in the middle of a cell is a character', 'a"b,c\nd"\ne', ['a"b,c', 'd"', 'e']],
  ])('%s', (_, text, rows) => expect(records(text)).toEqual(rows));

  it.each([
    ['never closed', '1,"a\n2,b\n3,c', ['quote', '2,b', '3,c']],
    ['closed in the middle of a cell', '1,"a"x\n2,b', ['quote', '2,b']],
    ['closed by the next line', '1,"a\n2,"b"\n3,c', ['quote', '2,"b"', '3,c']],
    ['never closed in each line', '"a\n"b\n"c', ['quote', 'quote', 'quote']],
  ])('at the line of a quote that is %s: the others are rows', (_, text, rows) => expect(records(text)).toEqual(rows));

  it('in time that grows with the file, however many quotes are broken', () => {
    const hostile = Buffer.from('"a,b\n'.repeat(1_000_000));
    const began = performance.now();
    expect(cut(hostile, true, [65_536]).rows.length).toBeGreaterThan(50);
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});

describe('the pieces that the bytes come in', () => {
  const piece = fc.constantFrom('a', 'ä', ',', '"', '""', '\n', '\r\n', '\r', '\ufeff', '{}', 'x'.repeat(50));
  const text = fc.array(piece, { maxLength: 60 }).map((parts) => parts.join(''));
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
  it.each([
    ['lines', false],
    ['records', true],
  ])('change neither the %s nor their hash', (_, quotes) => {
    fc.assert(
      fc.property(text, sizes, (given, pieces) => {
        const bytes = Buffer.from(given);
        expect(cut(bytes, quotes, pieces)).toEqual(cut(bytes, quotes));
      }),
      { numRuns: 2_000 },
    );
  });
  it.each([false, true])('change nothing around the longest row (quotes: %s)', (quotes) => {
    for (const more of [-1, 0, 1, 2])
      for (const end of ['\n', '\r\n']) {
        const bytes = Buffer.from(`a${end}${quotes ? '"' : ''}${'x'.repeat(256 * KB + more)}${end}b"${end}c${end}`);
        for (const size of [1_000, 65_536, 256 * KB + 2, 256 * KB + 3, 256 * KB + 4])
          expect(cut(bytes, quotes, [size]), `${more} ${JSON.stringify(end)} ${size}`).toEqual(cut(bytes, quotes));
      }
  });
});
