/**
 * `npm run test:mutations`: breaks each promise in a copy of the project and runs the test that must notice. A mutation that
 * nobody notices ends the command with 1.
 *
 *   --only lease,peer   these
 *   --write             puts the list into docs/reliability.md, with the day and the commit
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { MUTATIONS } from './list.js';

const root = join(import.meta.dirname, '../..');
const { values: flags } = parseArgs({ options: { only: { type: 'string' }, write: { type: 'boolean' } } });
const chosen = MUTATIONS.filter(({ id }) => !flags.only || flags.only.split(',').includes(id));

const copy = mkdtempSync(join(tmpdir(), 'carillon-mutant-'));
const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
for (const file of tracked.trim().split('\n')) {
  mkdirSync(dirname(join(copy, file)), { recursive: true });
  cpSync(join(root, file), join(copy, file));
}
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));

const rows = [];
try {
  for (const { id, breaks, edits, also = [], file, test, env = {} } of chosen) {
    const before = new Map();
    for (const [path, from, to] of [...edits, ...also]) {
      const text = readFileSync(join(copy, path), 'utf8');
      if (!before.has(path)) before.set(path, text);
      if (!text.includes(from) && !text.includes(to)) throw new Error(`${id}: ${path} no longer says ${from}`);
      writeFileSync(
        join(copy, path),
        text.replace(from, () => to),
      );
    }
    const report = join(copy, 'report.json');
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        ...['run', file, '--reporter=json', `--outputFile=${report}`, ...(test ? ['-t', test.trim()] : [])],
      ],
      { cwd: copy, encoding: 'utf8', timeout: 240_000, env: { ...process.env, ...env } },
    );
    let caught = [];
    try {
      const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
      caught = testResults.flatMap(({ assertionResults }) =>
        assertionResults.filter(({ status }) => status === 'failed').map(({ title }) => title),
      );
    } catch {
      // It did not even begin, which is no test that noticed.
      console.log(`${stdout}\n${stderr}`.trim().split('\n').slice(-20).join('\n'));
    }
    rmSync(report, { force: true });
    for (const [path, text] of before) writeFileSync(join(copy, path), text);
    rows.push({ id, breaks, file, caught: caught[0], more: caught.length - 1 });
    const more = caught.length > 1 ? ` and ${caught.length - 1} more` : '';
    console.log(
      `${caught.length > 0 ? 'caught ' : 'MISSED '} ${id.padEnd(14)} ${breaks} · ${caught[0] ?? file}${more}`,
    );
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}

if (flags.write) {
  const doc = join(root, 'docs/reliability.md');
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const table = [
    `${new Date().toISOString().slice(0, 10)}, commit ${commit}.`,
    '',
    '| what was broken | the promise | the test that noticed |',
    '| --- | --- | --- |',
    ...rows.map(
      ({ id, breaks, file, caught, more }) =>
        `| ${id} | ${breaks} | ${caught ? `\`${file}\`: ${caught}${more > 0 ? ` (and ${more} more)` : ''}` : 'nobody'} |`,
    ),
  ].join('\n');
  const text = readFileSync(doc, 'utf8');
  const marks = /(<!-- mutations:start -->\n)[\s\S]*?(<!-- mutations:end -->)/;
  writeFileSync(
    doc,
    text.replace(marks, (_, start, end) => `${start}${table}\n${end}`),
  );
}
const missed = rows.filter(({ caught }) => !caught);
console.log(`\n${rows.length - missed.length} of ${rows.length} were noticed`);
process.exit(missed.length > 0 ? 1 : 0);
