/** What a line or a record says, and what is wrong with it. */
import { describe, expect, it } from 'vitest';
import { readHeader, readLine, readRecord } from '../../../src/features/bulks/read.ts';

const FIELDS = new Set(['phone', 'email', 'language', 'time_zone']);
const piece = (text: string | Buffer) => ({ bytes: Buffer.from(text as string) });
const header = (text: string | Buffer) => readHeader(piece(text), FIELDS);
const faultOf = (work: () => unknown): { code: string; message: string } => {
  try {
    work();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('nothing was refused');
};

describe('a header', () => {
  it('names fields and variables, with or without data. before them', () => {
    expect(header('phone, name ,data.order,"a,b"').columns).toEqual([
      { name: 'phone', variable: false },
      { name: 'name', variable: true },
      { name: 'order', variable: true },
      { name: 'a,b', variable: true },
    ]);
  });
  it.each([
    [',', 'phone,name'],
    [';', 'phone;name'],
    ['\t', 'phone\tname'],
  ])('may be parted by %j', (delimiter, text) => {
    const columns = header(text);
    expect([columns.delimiter, columns.columns.length]).toEqual([delimiter.charCodeAt(0), 2]);
    expect(readRecord(0, piece(`+1${delimiter}Ada`), columns).value).toEqual({ phone: '+1', data: { name: 'Ada' } });
  });
  it.each([
    ['two columns of one name', 'phone,phone', /two columns called "phone"/],
    ['a variable twice, once with data.', 'name,data.name', /two columns called "name"/],
    ['a column without a name', 'phone,,name', /Column 2 has no name/],
    ['a name that reaches into prototypes', 'phone,__proto__', /not allowed/],
    ['201 columns', Array.from({ length: 201 }, (_, i) => `c${i}`).join(','), /201 columns; at most 200/],
    ['30,000 columns', ',a'.repeat(30_000), /30,001 columns/],
    ['64 KB and more', `phone,${'a'.repeat(70_000)}`, /longer than 64 KB/],
    ['another encoding', Buffer.from([0x70, 0xff, 0xfe]), /not valid UTF-8/],
  ])('is refused for %s', (_, text, message) => {
    const fault = faultOf(() => header(text));
    expect(fault.code).toBe('csv_header_invalid');
    expect(fault.message).toMatch(message);
  });
});

describe('a record', () => {
  const columns = header('phone,name,note');
  it.each([
    ['plain cells', '+1,Ada,x', { phone: '+1', data: { name: 'Ada', note: 'x' } }],
    [
      'quotes, commas and line ends',
      '+1,"Ada ""A"", L","a\nb"',
      { phone: '+1', data: { name: 'Ada "A", L', note: 'a\nb' } },
    ],
    ['an empty cell says nothing', '+1,,', { phone: '+1' }],
    ['an empty cell in quotes neither', '+1,"",""', { phone: '+1' }],
    ['a formula is a text', '+1,=1+1,@x', { phone: '+1', data: { name: '=1+1', note: '@x' } }],
  ])('%s', (_, text, value) => expect(readRecord(3, piece(text), columns)).toEqual({ index: 3, value }));
  it.each([
    ['too few cells', '+1,Ada', /2 cells, and the first line names 3/],
    ['too many cells', '+1,Ada,x,y', /4 cells/],
    ['U+0000', '+1,A\0,x', /U\+0000/],
    ['half a character', Buffer.from([0x2b, 0x31, 0x2c, 0xc3, 0x2c, 0x78]), /UTF-8/],
  ])('is a fault with %s', (_, text, message) => {
    const { fault, value } = readRecord(0, piece(text), columns);
    expect([fault?.code, value]).toEqual(['malformed_row', undefined]);
    expect(fault?.message).toMatch(message);
  });
});

describe('a line', () => {
  it('is a JSON object', () => {
    expect(readLine(1, piece(' {"phone":"+1","data":{"n":1}}\t'))).toEqual({
      index: 1,
      value: { phone: '+1', data: { n: 1 } },
    });
  });
  it.each([
    ['no JSON', '{"phone":', 'malformed_row'],
    ['two objects', '{} {}', 'malformed_row'],
    ['a list', '[]', 'malformed_row'],
    ['null', 'null', 'malformed_row'],
    ['half a character', Buffer.from([0x22, 0xc3]), 'malformed_row'],
    ['nesting without end', '['.repeat(100), 'malformed_row'],
    ['a number that would lose digits', '{"data":{"n":9007199254740993}}', 'validation_failed'],
    ['U+0000', '{"data":{"n":"\\u0000"}}', 'validation_failed'],
    ['a reach into prototypes', '{"__proto__":{}}', 'validation_failed'],
  ])('is a fault as %s', (_, text, code) => expect(readLine(0, piece(text)).fault?.code).toBe(code));
});
