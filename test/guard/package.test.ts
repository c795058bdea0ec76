/** What is installed is what was tried, from whichever registry; and no file tells where it was written. */
import { execFileSync } from 'node:child_process';
import { homedir, hostname } from 'node:os';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import { projectFiles, readProjectFile } from '../support/sources.ts';

const manifest = JSON.parse(readProjectFile('package.json')) as Record<string, Record<string, string>>;
const lock = JSON.parse(readProjectFile('package-lock.json')) as { packages: Record<string, Record<string, unknown>> };
const KINDS = ['dependencies', 'optionalDependencies', 'devDependencies', 'overrides'];
const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/;

describe('packages', () => {
  test('versions are pinned exactly', () => {
    const loose = KINDS.flatMap((kind) => Object.entries(manifest[kind] ?? {})).filter(
      ([, version]) => !EXACT.test(version),
    );
    expect(loose).toEqual([]);
  });

  test('the lock file names no registry, and holds a checksum for each package', () => {
    const packages = Object.entries(lock.packages).filter(([path]) => path.startsWith('node_modules/'));
    expect(packages.length).toBeGreaterThan(100);
    expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    expect(
      packages.filter(([, { integrity, link, inBundle }]) => !integrity && !link && !inBundle).map(([path]) => path),
    ).toEqual([]);
  });

  test('the lock file and the manifest agree', () => {
    const root = lock.packages[''] as Record<string, unknown>;
    for (const kind of KINDS.slice(0, 3)) expect(root[kind]).toEqual(manifest[kind]);
  });

  test('each dependency has earned its line in src/README.md, and each line its dependency', () => {
    const table = /<!-- dependencies:start -->([\s\S]*?)<!-- dependencies:end -->/.exec(
      readProjectFile('src/README.md'),
    )?.[1];
    const named = [...(table ?? '').matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)]
      .map(([, name = '', reason = '']) => ({ names: name.trim().split(/,\s*/), reason }))
      .filter(({ names }) => !['package', '---'].includes(names[0] ?? ''));
    const covers = (line: string, name: string) =>
      line === name || (line.endsWith('/*') && name.startsWith(line.slice(0, -1)));
    const lines = named.flatMap(({ names }) => names.map((name) => name.replaceAll('`', '')));
    const all = KINDS.slice(0, 2).flatMap((kind) => Object.keys(manifest[kind] ?? {}));
    expect(all.filter((name) => !lines.some((line) => covers(line, name)))).toEqual([]);
    const known = [...all, ...Object.keys(manifest.devDependencies ?? {})];
    expect(lines.filter((line) => !known.some((name) => covers(line, name)))).toEqual([]);
    for (const { reason } of named) expect(reason.trim().length).toBeGreaterThan(5);
  });
});

describe('files', () => {
  const TEXT = /\.(ts|js|json|md|ya?ml|css|hbs|txt|html|svg|example|service)$|^[^.]+$|^\.(?!git\/)[\w./-]+$/;
  const files = projectFiles().filter((path) => TEXT.test(path));

  test('none names this machine, the folder of this checkout, or a person’s home', () => {
    // Asked of the machine it runs on, so that the test itself names none either.
    const folder = dirname(projectRoot);
    const home = homedir();
    const here = [
      ...(folder.length > 1 && folder !== '/tmp' ? [`${folder}/`] : []),
      ...(home.length > 1 ? [`${home}/`] : []),
      ...(hostname().length > 5 ? [hostname()] : []),
    ];
    const homes = /(?<![\w.])\/(home|Users)\/[a-z]\w*\//;
    const found = files.filter((path) => {
      const text = readProjectFile(path);
      return here.some((name) => text.includes(name)) || homes.test(text);
    });
    expect(found).toEqual([]);
  });

  test('the root holds the folders of the house and conventional ones, and no others', () => {
    const folders = new Set(
      projectFiles().flatMap((path) => (path.includes('/') ? [path.split('/')[0] as string] : [])),
    );
    expect([...folders].sort()).toEqual([
      '.ci',
      'channels',
      'deploy',
      'docs',
      'migrations',
      'src',
      'templates',
      'test',
    ]);
  });

  test('nothing that is made is kept: no build, no data, no packages', () => {
    expect(files.filter((path) => /(^|\/)(node_modules|dist|data|coverage)\//.test(path))).toEqual([]);
  });

  test('what must be executable is', () => {
    const modes = execFileSync('git', ['ls-files', '-s', '.ci/run'], { cwd: projectRoot, encoding: 'utf8' });
    expect(modes).toMatch(/^100755 /);
  });
});
