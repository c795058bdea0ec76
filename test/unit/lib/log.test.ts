import { describe, expect, test } from 'vitest';
import { createLog } from '../../../src/lib/log.ts';

function logged(fields: object): { text: string; line: Record<string, any> } {
  const lines: string[] = [];
  createLog('info', { write: (line) => void lines.push(line) }).info(fields, 'it happened');
  const text = lines.join('');
  return { text, line: JSON.parse(text) };
}

describe('the log', () => {
  const quoting = {
    code: '23505',
    table: 'messages',
    detail: 'Key (address)=(+4915112345678) already exists.',
    where: 'COPY messages, line 1: "+4915112345678"',
    internalQuery: "select '+4915112345678'",
    query: "select '+4915112345678'",
    parameters: ['+4915112345678'],
  };
  const fault = () => Object.assign(new Error('duplicate key value'), quoting);

  test('tells an error of the database without the values it quotes', () => {
    const { text, line } = logged({ err: fault() });
    expect(text).not.toContain('4915112345678');
    expect(line.err).toMatchObject({ type: 'Error', message: 'duplicate key value', code: '23505', table: 'messages' });
    expect(line.err.stack).toContain('log.test.ts');
  });
  test('keeps them out of the errors within an error as well', () => {
    const outer = Object.assign(new Error('outer', { cause: fault() }), { inner: fault() });
    for (const err of [outer, new AggregateError([fault()], 'several')])
      expect(logged({ err }).text).not.toContain('4915112345678');
  });
  test('takes what is no error as it is', () => {
    expect(logged({ err: 'a word' }).line.err).toBe('a word');
    expect(logged({ err: undefined }).line.err).toBeUndefined();
  });
  test('cuts secrets and personal data by name', () => {
    const { text } = logged({ body: 'hidden', message: { recipient: 'hidden', id: 'seen' } });
    expect(text).not.toContain('hidden');
    expect(text).toContain('seen');
  });
});
