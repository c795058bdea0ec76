/**
 * `npm run test:faults`: the fault matrix by itself, one line a row.
 *
 *   --full           every row, larger and longer, and the soak
 *   --only F16,F21   these rows
 *   --n 5000         sends a row in a full run; default 2,000
 *   --soak 10        minutes of the soak
 *   --write          puts the lines into docs/reliability.md, with the day and the commit
 *
 * Ends with the runner's own code. Plain JavaScript, because Node 20 reads no TypeScript.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '../..');
const { values: flags } = parseArgs({
  options: {
    full: { type: 'boolean' },
    only: { type: 'string' },
    n: { type: 'string' },
    soak: { type: 'string' },
    write: { type: 'boolean' },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'carillon-lines-'));
const file = join(folder, 'lines');
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'faults', 'test/faults/matrix.test.ts'],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      FAULTS_OUT: file,
      ...(flags.full ? { FAULTS_FULL: '1' } : {}),
      ...(flags.only ? { FAULTS_ONLY: flags.only } : {}),
      ...(flags.n ? { FAULTS_N: flags.n } : {}),
      ...(flags.soak ? { FAULTS_SOAK_MINUTES: flags.soak } : {}),
    },
  },
);
const lines = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
rmSync(folder, { recursive: true });
console.log(`\n${lines}`);
if (flags.write) {
  const doc = join(root, 'docs/reliability.md');
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const day = new Date().toISOString().slice(0, 10);
  const text = readFileSync(doc, 'utf8');
  const written = text.replace(
    /(<!-- lines:start -->\n)[\s\S]*?(<!-- lines:end -->)/,
    (_, start, end) => `${start}${day}, commit ${commit}.\n\n\`\`\`\n${lines}\n\`\`\`\n${end}`,
  );
  writeFileSync(doc, written);
}
process.exit(status ?? 1);
