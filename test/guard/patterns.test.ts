/** No text of a stranger keeps the server busy: every pattern we judge texts by takes a time that grows with their length. */
import { expect, test } from 'vitest';
import { channels } from '../../channels/index.ts';
import { allRoutes } from '../support/routes.ts';

const LONG = 100_000;
const HOSTILE = ['a', ' ', '-', '0', '.', '=', '+', '@', '_', 'a-', 'a.', '\u00e4'].flatMap((piece) =>
  ['\n', '!', '', ' \n', '@'].map((end) => piece.repeat(LONG / piece.length) + end),
);

/** Every `pattern` and every name of `patternProperties` below a value, with where it stands. */
function* patterns(value: unknown, at: string, seen = new Set<object>()): Generator<readonly [at: string, RegExp]> {
  if (value instanceof RegExp) yield [at, value];
  if (typeof value !== 'object' || value === null || value instanceof RegExp || seen.has(value)) return;
  seen.add(value);
  for (const [name, item] of Object.entries(value)) {
    if (name === 'pattern' && typeof item === 'string') yield [at, new RegExp(item, 'u')];
    if (name === 'patternProperties' && typeof item === 'object' && item !== null)
      for (const key of Object.keys(item)) yield [`${at}.${name}`, new RegExp(key, 'u')];
    yield* patterns(item, `${at}.${name}`, seen);
  }
}

const all = [
  ...allRoutes().flatMap(({ method, path, body, query, params }) => [
    ...patterns({ body, query, params }, `${method} ${path}`),
  ]),
  ...channels.flatMap((channel) => [...patterns(channel, channel.id)]),
];
const each = new Map(all.map(([at, pattern]) => [String(pattern), [at, pattern] as const]));

test('there are patterns to judge', () => expect(each.size).toBeGreaterThan(10));

test.each([...each])('%s judges 100,000 hostile characters within 100 ms', (_text, [at, pattern]) => {
  for (const text of HOSTILE) {
    const began = performance.now();
    pattern.test(text);
    const ms = performance.now() - began;
    expect(ms, `${at} on ${JSON.stringify(text.slice(0, 8))}… ${JSON.stringify(text.slice(-3))}`).toBeLessThan(100);
  }
});
