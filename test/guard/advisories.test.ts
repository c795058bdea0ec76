/** What is known to be broken in our dependencies stays out, also where no registry can be asked: the lowest versions that are mended. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';

/** Package, lowest version, and what is wrong below it. */
const FLOORS = [
  ['handlebars', '4.7.10', 'templates could bring code (CVE-2026-33937, CVE-2026-106446)'],
  ['nodemailer', '10.4.1', 'one address could be read as two (CVE-2025-13033 to CVE-2026-125755)'],
  ['koa', '3.1.2', 'the Host header could name another host (CVE-2026-27959)'],
  ['ajv', '8.18.0', 'a pattern out of the data could take for ever (CVE-2025-69873)'],
  ['bullmq', '6.7.0', 'after a lost connection its PostgreSQL backend listened no more'],
] as const;

const { packages } = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, { version?: string }>;
};
const number = (version: string): number =>
  version.split('.').reduce((sum, part) => sum * 10_000 + Number.parseInt(part, 10), 0);

test.each(FLOORS)('every %s is %s or newer: %s', (name, floor) => {
  const found = Object.entries(packages)
    .filter(([path]) => path.endsWith(`node_modules/${name}`))
    .map(([, { version = '0' }]) => version);
  expect(found.length).toBeGreaterThan(0);
  expect(found.filter((version) => number(version) < number(floor))).toEqual([]);
});
