/**
 * What full runs have found, figure by figure: docs/benchmarks.json, from which the page and its chart are drawn. A run with
 * `--only` replaces its own figures and keeps the others, so each tells its day and its commit.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../src/lib/config.ts';
import { FIGURES } from './figures.ts';
import { chart, type Dated, isMissing, markdown, type Outcome, type Setting } from './results.ts';

const FILE = join(projectRoot, 'docs/benchmarks.json');
type Kept = Record<string, Omit<Dated, 'figure'>>;

const commit = (): string => {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: projectRoot, encoding: 'utf8' }).trim();
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', 'src', 'channels') ? '+' : '');
  } catch {
    return 'unknown';
  }
};

/** A figure that could not be had leaves what is known of it. */
export function keep(outcomes: readonly Outcome[], setting: Setting): void {
  const kept: Kept = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {};
  const [day, at] = [new Date().toISOString().slice(0, 10), commit()];
  for (const one of outcomes) {
    if (isMissing(one)) continue;
    const { figure, ...found } = one;
    kept[figure.name] = { ...found, ...setting, day, commit: at };
  }
  const all = FIGURES.flatMap((figure) => {
    const found = kept[figure.name];
    return found ? [{ figure, ...found }] : [];
  });
  const inOrder = Object.fromEntries(all.map(({ figure, ...found }) => [figure.name, found]));
  writeFileSync(FILE, `${JSON.stringify(inOrder, null, 2)}\n`);
  writeFileSync(join(projectRoot, 'docs/benchmarks.md'), markdown(all));
  writeFileSync(join(projectRoot, 'docs/images/benchmarks.svg'), chart(all));
}
