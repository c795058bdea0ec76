/** The catalogue of refusals: nothing in it is dead, everything in it tells the caller what to do. */
import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '../../src/lib/errors.ts';
import { sources, stringsOf } from '../support/sources.ts';

const files = sources(/^src\/.*\.ts$/);
const used = new Set(
  [...files].flatMap(([path, text]) => (path === 'src/lib/errors.ts' ? [] : stringsOf(text).map(({ value }) => value))),
);
/** Answered by the catalogue's own file, from what the store says. */
const OWN = new Set(
  [...(files.get('src/lib/errors.ts') ?? '').matchAll(/new ApiError\('(\w+)'/g)].map(([, code]) => code),
);
const codes = Object.keys(ERRORS) as ErrorCode[];

describe.each(codes)('%s', (code) => {
  const { status, meaning, type } = ERRORS[code];
  test('is used somewhere', () => expect(used.has(code) || OWN.has(code)).toBe(true));
  test('has a status of its kind and a meaning in whole sentences', () => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(meaning).toMatch(/^[A-Z].{15,}\.$/s);
  });
  test('its type goes with its status', () => expect(STATUSES[type]).toContain(status));
});

const STATUSES: Readonly<Record<string, readonly number[]>> = {
  authentication_error: [401],
  permission_error: [403],
  invalid_request_error: [400, 405, 408, 413, 414, 415, 417, 422],
  policy_error: [422],
  not_found_error: [404],
  conflict_error: [409],
  rate_limit_error: [429],
  unavailable_error: [503],
  internal_error: [500],
};

test('nobody throws a code by a text of its own', () => {
  // The type of ApiError's first argument is the list of codes; a cast would get around it.
  const casts = [...files].filter(([, text]) => /new ApiError\([^)]*\bas (any|never|ErrorCode)\b/.test(text));
  expect(casts.map(([path]) => path)).toEqual([]);
});
