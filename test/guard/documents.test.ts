/** What the documents tell an operator to type or to set exists. */
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli.ts';
import { SETTINGS } from '../../src/lib/config.ts';
import { projectFiles, readProjectFile } from '../support/sources.ts';

const documents = projectFiles().filter((path) => /^(README|docs\/[\w-]+|deploy\/README)\.md$/.test(path));
const program = createProgram();

/** `carillon tenant create --name Acme`: up to where prose or a shell goes on. */
const COMMAND = /\bcarillon((?: +(?:--?[a-z][\w-]*|"[^"]*"|[\w@./=:…-]+))+)/g;
/** Only what is written as code. */
const codeIn = (text: string): string =>
  [...text.matchAll(/```[\s\S]*?```|`[^`\n]+(?:\n[^`\n]+)?`|^ {4}.*$/gm)].map(([code]) => code).join('\n');

interface Faults {
  readonly what: string[];
}
function judge(words: readonly string[], { what }: Faults): void {
  let command: Command = program;
  const rest = [...words];
  while (rest[0] && !rest[0].startsWith('-')) {
    const next = command.commands.find((one) => one.name() === rest[0]);
    if (!next) break;
    command = next;
    rest.shift();
  }
  if (command === program || (command.commands.length > 0 && rest[0] !== undefined && rest[0] !== '…'))
    what.push(`carillon ${words.join(' ')}: no such command`);
  for (const option of rest.filter((word) => word.startsWith('--')))
    if (!command.options.some(({ long }) => long === option))
      what.push(`carillon ${words.join(' ')}: no option ${option}`);
}

describe.each(documents)('%s', (path) => {
  const code = codeIn(readProjectFile(path));

  test('every command that it names exists, with its options', () => {
    const faults: Faults = { what: [] };
    for (const [, words = ''] of code.matchAll(COMMAND)) {
      const split = words.trim().split(/ +/);
      // `-n carillon`, `carillon-…` and names of databases are not the command.
      if (
        /^[a-z]/.test(split[0] ?? '') &&
        !['exec', 'get', 'scale', 'delete', 'rollout', 'wait'].includes(split[0] as string)
      )
        judge(split, faults);
    }
    expect(faults.what).toEqual([]);
  });

  test('every setting that it names exists', () => {
    const known = new Set([...SETTINGS.map(({ key }) => key), 'NODE_ENV', 'NODE_OPTIONS']);
    const named = [...code.matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`/g)].map(([, name = '']) => name);
    expect([...new Set(named)].filter((name) => !known.has(name) && !FOREIGN.has(name))).toEqual([]);
  });
});

/** Words of others that look like settings. */
const FOREIGN = new Set(['FOR_UPDATE']);

test('a planted command and option are found', () => {
  const faults: Faults = { what: [] };
  judge(['quarantines', 'list'], faults);
  judge(['tenant', 'create', '--nome', 'Acme'], faults);
  judge(['tenant', 'destroy'], faults);
  judge(['tenant', 'create', '--name', 'Acme'], faults);
  expect(faults.what).toHaveLength(3);
});
