/** What the commands say of what was typed, before they open anything. */
import { expect, test } from 'vitest';
import { createProgram } from '../../src/cli.ts';
import { newId, toWire } from '../../src/lib/ids.ts';
import { readTenantId } from '../../src/tenants.ts';

/** The message that `carillon …` ends with. */
const refusal = (...args: string[]): Promise<string> =>
  createProgram()
    .parseAsync(args, { from: 'user' })
    .then(
      () => '',
      (error: Error) => error.message,
    );

test.each([
  ['tenant', 'limits'],
  ['connection', 'create', '--channel', 'email'],
  ['erase', '--to', 'phone=+14155550123'],
])('%s %s says in one line what --tenant takes', async (...command) =>
  expect(await refusal(...command, '--tenant', 'Acme')).toBe(
    '--tenant Acme: is not the id of a tenant. It looks like ten_01…; carillon tenant list shows them.',
  ));

test.each(['release', 'discard'])('quarantine %s says what it has to be told', async (verb) => {
  const said = `Say what to ${verb}: --bulk <id>, --before <time>, or --all, which also ends the quarantine.`;
  expect(await refusal('quarantine', verb)).toContain(said);
  expect(await refusal('quarantine', verb, '--all', '--bulk', 'blk_1')).toContain(said);
});

test('a tenant is taken by the id that is shown, and by that of the store', () => {
  const id = newId();
  for (const known of [toWire('tenant', id), id, id.toUpperCase()]) expect(readTenantId(known)).toBe(id);
  for (const unknown of [toWire('key', id), id.slice(1), '']) expect(() => readTenantId(unknown)).toThrow(/^--tenant /);
});
