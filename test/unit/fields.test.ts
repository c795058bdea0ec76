import { describe, expect, it } from 'vitest';
import { type Field, fieldsSchema, withDefaults } from '../../src/channel-kit/index.ts';
import { validator } from '../../src/lib/schema.ts';

const judge = (field: Partial<Field>, options = {}) => {
  const { faults } = validator(fieldsSchema([{ name: 'it', label: 'It', required: true, ...field }], options));
  return (value: unknown) => faults({ it: value }).length === 0;
};

describe('fields as a schema', () => {
  it.each<[Partial<Field>, unknown[], unknown[]]>([
    [{}, ['x', ' ', 'two\nlines'], ['', 1, null, true, {}, [], 'x'.repeat(8_193)]],
    [{ pattern: '\\d+' }, ['1', '123'], ['1a', 'a1', '1\n2']],
    [{ pattern: 'ab|cd' }, ['ab', 'cd'], ['abx', 'xcd']],
    [{ pattern: '^[A-Z]{2}$' }, ['DE'], ['DEU', 'de']],
    [
      { type: 'phone' },
      ['+14155550123', '+4930123456'],
      ['14155550123', '+0123456789', '+1 415 555', '+1', '030 123456'],
    ],
    [
      { type: 'email' },
      ['a@b.example', 'a.b+c@xn--mller-kva.example'],
      ['a', 'a@', '@b', 'a@b, c@d', 'A <a@b.example>', 'a@b\nc', `${'a'.repeat(250)}@b.example`],
    ],
    [
      { type: 'url' },
      ['https://a.example', 'http://a.example:8080/v1', 'https://[::1]:8443/x'],
      [
        'https://a.example/',
        'https://u:p@a.example',
        'ftp://a',
        'a.example',
        'https://a?b',
        'https://a#b',
        'https://a b',
      ],
    ],
    [
      { type: 'host' },
      ['mail.example.com', '10.0.0.1', '::1', '2001:db8::1', '::ffff:10.0.0.1', 'localhost'],
      ['https://a', 'a:25', '[::1]', 'a/b', '-a', 'a b', 'a@b', ''],
    ],
    [{ type: 'number', min: 1, max: 9 }, [1, 9, 2.5], [0, 10, '5', Number.NaN]],
    [{ type: 'boolean' }, [true, false], ['true', 0]],
    [{ type: 'choice', options: ['a', 'b'] }, ['a', 'b'], ['c', '', 1]],
  ])('%o takes what fits and nothing else', (field, right, wrong) => {
    const fits = judge(field);
    for (const value of right) expect(fits(value), String(value)).toBe(true);
    for (const value of wrong) expect(fits(value), String(value)).toBe(false);
  });

  it('takes a national phone number where a recipient is meant', () => {
    expect(judge({ type: 'phone' }, { nationalPhones: true })('030 123456')).toBe(true);
  });

  const fields: readonly Field[] = [
    { name: 'token', label: 'Token', required: true, secret: true },
    { name: 'speed', label: 'Speed', required: true, default: 5, type: 'number' },
    { name: 'note', label: 'Note' },
  ];
  const schema = validator(fieldsSchema(fields));

  it('asks for required fields, not for those with a default, and refuses unknown ones by name', () => {
    expect(schema.faults({ token: 'x' })).toEqual([]);
    expect(schema.faults({ other: 1 })).toEqual([
      { path: 'token', message: 'is required' },
      { path: 'other', message: 'is not a field of this request' },
    ]);
    expect(schema.faults(JSON.parse('{"token":"x","__proto__":{"a":1}}'))).toHaveLength(1);
  });

  it('explains a wrong form in the words of the field', () => {
    const { faults } = validator(
      fieldsSchema([
        { name: 'code', label: 'Code', pattern: '\\d+', help: 'digits only' },
        { name: 'phone', label: 'Phone', type: 'phone' },
      ]),
    );
    const [code, phone] = faults({ code: 'x', phone: 'y' });
    expect(code?.message).toContain('digits only');
    expect(phone?.message).toContain('E.164');
  });

  it('marks secrets, for those who draw the form', () => {
    expect(fieldsSchema(fields).properties.token).toMatchObject({ 'x-secret': true, title: 'Token' });
    expect(fieldsSchema(fields).properties.note).not.toHaveProperty('x-secret');
  });

  it('reads the text of a form as numbers and booleans', () => {
    const form = validator(
      fieldsSchema([
        { name: 'port', label: 'Port', type: 'number' },
        { name: 'quiet', label: 'Quiet', type: 'boolean' },
      ]),
      'query',
    );
    expect(form.check({ port: '25', quiet: 'true' })).toEqual({ port: 25, quiet: true });
  });

  it('fills in defaults without touching what was given', () => {
    expect(withDefaults(fields, { token: 'x' })).toEqual({ token: 'x', speed: 5 });
    expect(withDefaults(fields, { token: 'x', speed: 0 })).toEqual({ token: 'x', speed: 0 });
  });
});
