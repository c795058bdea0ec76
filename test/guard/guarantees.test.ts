/** What docs/guarantees.md promises is shown by the tests it names: they exist, and their names are as written. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';

const rows = readFileSync(join(projectRoot, 'docs', 'guarantees.md'), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, id, , shown] = /^\| (G\d+) \| (.*) \| (.*) \|$/.exec(line) ?? [];
    return id && shown ? [{ id, shown }] : [];
  });

/** `file`: name · name · `other file`: name */
function cited(shown: string): { file: string; names: string[] }[] {
  return shown.split(/(?=`test\/)/).map((part) => {
    const [, file = '', names = ''] = /^`([^`]+)`:\s*(.*?)(?: ·)?$/.exec(part.trim()) ?? [];
    return { file, names: names.split(' · ').filter(Boolean) };
  });
}

test('guarantees are numbered without a gap', () => {
  expect(rows.map(({ id }) => id)).toEqual(rows.map((_, index) => `G${index + 1}`));
  expect(rows.length).toBeGreaterThan(30);
});

test.each(rows)('$id names tests that exist', ({ shown }) => {
  for (const { file, names } of cited(shown)) {
    expect(existsSync(join(projectRoot, file)), file).toBe(true);
    const text = readFileSync(join(projectRoot, file), 'utf8').replaceAll("\\'", "'");
    expect(text).toMatch(/\b(it|test)(\.each\([\s\S]*?\))?\(/);
    for (const name of names) expect(text.includes(name), `${file}: ${name}`).toBe(true);
  }
});
