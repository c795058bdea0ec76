/**
 * The product as the harness runs it: compiled by itself, with a way to die at each of the named points. In the sources a
 * point is a comment (`// @crash K5: …`), so what is shipped knows nothing of it; here it becomes a call.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../../src/lib/config.ts';

/** Those that something exists for. K6 is the provider's, which kills who calls it; K11 waits for its feature. */
export const POINTS = ['K1', 'K2', 'K3', 'K4', 'K5', 'K7', 'K8', 'K9', 'K10', 'K12'] as const;
export type Point = (typeof POINTS)[number];

/** Compiles to `dist-faults`. Throws when a point is missing: a crash that never happens shows nothing. */
export function build(): void {
  const compiler = join(projectRoot, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', join(projectRoot, 'tsconfig.faults.json')], { stdio: 'pipe' });
  const found = new Set<string>();
  const folder = join(projectRoot, 'dist-faults/src');
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue;
    const file = join(entry.parentPath, entry.name);
    const text = readFileSync(file, 'utf8');
    const armed = text.replace(
      /^(\s*)\/\/ @crash (K\d+):.*$/gm,
      (_, indent, point) => `${indent}globalThis.crashPoint?.('${point}');`,
    );
    if (armed !== text) writeFileSync(file, armed);
    for (const [, point] of armed.matchAll(/crashPoint\?\.\('(K\d+)'\)/g)) found.add(point as string);
  }
  const missing = POINTS.filter((point) => !found.has(point));
  if (missing.length > 0) throw new Error(`no such crash points in the sources: ${missing.join(', ')}`);
}
