/** Migrations are numbered without a gap, and what they do never depends on code that will change. */
import { expect, test } from 'vitest';
import { migrations } from '../../migrations/index.ts';
import { importsOf, sources } from '../support/sources.ts';

const files = sources(/^migrations\/.*\.ts$/);

test('names are contiguous, of one form, and those of the files', () => {
  const names = migrations.map(({ name }) => name);
  expect(names).toEqual(
    [...files.keys()].flatMap((path) => /^migrations\/(\d{4}_.*)\.ts$/.exec(path)?.[1] ?? []).sort(),
  );
  for (const [index, name] of names.entries()) {
    expect(name).toMatch(/^\d{4}_[a-z]+(_[a-z]+)+$/);
    expect(Number(name.slice(0, 4))).toBe(index + 1);
  }
});

test('each goes up and down', () => {
  for (const { up, down } of migrations) {
    expect(up).toBeTypeOf('function');
    expect(down).toBeTypeOf('function');
  }
});

test('none imports the product', () => {
  const outside = [...files].flatMap(([path, text]) =>
    importsOf(path, text).filter(({ ours, to }) => ours && !to.startsWith('migrations/')),
  );
  expect(outside).toEqual([]);
});
