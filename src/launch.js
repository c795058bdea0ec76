#!/usr/bin/env node
/**
 * The way in: compiles the sources when `dist` is missing or older than they are, then runs the command. Plain JavaScript,
 * because Node 20 cannot read TypeScript, and one process, because a signal must reach the product and not a shell.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = join(root, 'dist', '.tsbuildinfo');

const newest = (folder) =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs), 0);

const isStale = () => {
  if (!existsSync(join(root, 'dist', 'src', 'cli.js'))) return true;
  if (!existsSync(stamp)) return false; // a packaged build
  const built = statSync(stamp).mtimeMs;
  return [
    ...['src', 'channels', 'migrations'].map((folder) => newest(join(root, folder))),
    statSync(join(root, 'tsconfig.build.json')).mtimeMs,
  ].some((time) => time > built);
};

if (isStale()) {
  let compiler;
  try {
    compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  } catch {
    console.error('Carillon is not compiled and the compiler is not installed. Run: npm ci');
    process.exit(1);
  }
  const { status } = spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json')], {
    stdio: 'inherit',
    cwd: root,
  });
  if (status !== 0) process.exit(status ?? 1);
}

const { run } = await import('../dist/src/cli.js');
await run(process.argv.slice(2));
