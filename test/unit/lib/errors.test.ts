import { describe, expect, test } from 'vitest';
import { fromStore, isOutage } from '../../../src/lib/errors.ts';

const fault = (code: string) => Object.assign(new Error('of the store'), { code });

describe('a fault of the store', () => {
  test.each([
    ['22P05', 'validation_failed', 422, undefined],
    ['22P02', 'validation_failed', 422, undefined],
    ['23505', 'conflict', 409, undefined],
    ['55P03', 'unavailable', 503, '2'],
    ['57P01', 'unavailable', 503, '2'],
    ['ECONNREFUSED', 'unavailable', 503, '2'],
  ])('%s is answered as %s', (state, code, status, retryAfter) => {
    const error = fromStore(fault(state));
    expect(error).toMatchObject({ code, status });
    expect(error?.headers['Retry-After']).toBe(retryAfter);
  });
  test.each(['42P01', '42501', '23503', 'whatever'])('%s stays a bug', (state) =>
    expect(fromStore(fault(state))).toBeUndefined());
  test('a row that exists already is no outage, so its batch is tried row by row', () => {
    expect(isOutage(fault('23505'))).toBe(false);
    expect(isOutage(fault('22P02'))).toBe(false);
  });
});
