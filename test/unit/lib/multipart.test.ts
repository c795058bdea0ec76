/** Forms with files, as browsers write them and as they do not. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readMultipart } from '../../../src/lib/multipart.ts';

const TYPE = 'multipart/form-data; boundary=----b1';
const form = (...parts: string[]) =>
  Buffer.from(`${parts.map((part) => `------b1\r\n${part}\r\n`).join('')}------b1--\r\n`);
const field = (name: string, value: string) => `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`;
const read = (raw: Buffer, type = TYPE) => readMultipart(raw, type);

describe('a form', () => {
  test('is read into fields, lists of them, and files', () => {
    const raw = form(
      field('name', 'Ada'),
      field('channels', 'sms'),
      field('channels', ''),
      'Content-Type: text/csv\r\ncontent-disposition: form-data; name="file"; filename="C:\\me\\a %22b%22.csv"\r\n\r\nx\r\n\r\ny',
    );
    const { fields, files } = read(raw);
    expect(fields).toEqual({ name: 'Ada', channels: ['sms', ''] });
    expect(files.file?.name).toBe('a "b".csv');
    expect(files.file?.bytes.toString()).toBe('x\r\n\r\ny');
  });
  test('in which no file was chosen has none', () => {
    expect(read(form('Content-Disposition: form-data; name="file"; filename=""\r\n\r\n')).files).toEqual({});
  });
  test('keeps names that reach for more as plain names', () => {
    const { fields } = read(form(field('__proto__', 'x')));
    expect(Object.hasOwn(fields, '__proto__')).toBe(true);
  });
  test.each([
    ['without a boundary', 'x', 'multipart/form-data'],
    ['without parts', 'nothing', TYPE],
    ['that breaks off', `------b1\r\n${field('a', 'b')}`, TYPE],
    ['with a part that has no name', form('Content-Type: text/csv\r\n\r\nx').toString(), TYPE],
    ['with too many parts', form(...Array.from({ length: 201 }, () => field('a', 'b'))).toString(), TYPE],
    ['with a head that does not end', form(`X: ${'x'.repeat(5_000)}\r\n${field('a', 'b')}`).toString(), TYPE],
    [
      'with two files of one name',
      form(
        ...['a', 'b'].map((name) => `Content-Disposition: form-data; name="f"; filename="${name}"\r\n\r\nx`),
      ).toString(),
      TYPE,
    ],
  ])('%s is refused', (_, raw, type) => {
    expect(() => read(Buffer.from(raw), type)).toThrow(/The form cannot be read/);
  });
  test('gives back any bytes as they were', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const head = '------b1\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n';
        const raw = Buffer.concat([Buffer.from(head), bytes, Buffer.from('\r\n------b1--\r\n')]);
        expect(Buffer.compare(read(raw).files.file?.bytes ?? Buffer.alloc(0), Buffer.from(bytes))).toBe(0);
      }),
    );
  });
  test('ends in a form or in a refusal, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('------b1', '--', '\r\n', '\r\n\r\n', field('a', ''), 'x', '"')),
        (pieces) => {
          try {
            read(Buffer.from(pieces.join('')));
          } catch (error) {
            expect(String(error)).toContain('The form cannot be read');
          }
        },
      ),
    );
  });
});
