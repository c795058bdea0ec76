/**
 * The fault matrix: everything of Carillon that can be killed, cut, stopped or filled up is, while sends are coming in, and
 * then every message is accounted for. A row prints one line. `npm run test:faults` runs the quick set, `-- --full` all.
 */
import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, test } from 'vitest';
import { NOT_YET } from '../../src/verify.ts';
import { build } from './lib/build.ts';
import { line } from './lib/checker.ts';
import { openRig, type Rig } from './lib/rig.ts';
import type { Scale } from './lib/row.ts';
import { ROWS } from './rows/index.ts';

const isFull = process.env.FAULTS_FULL === '1';
const only = process.env.FAULTS_ONLY?.split(',');
const scale: Scale = {
  isFull,
  n: isFull ? Number(process.env.FAULTS_N ?? 2_000) : 300,
  kills: isFull ? 20 : 3,
  outage: (seconds) => seconds * (isFull ? 1_000 : 200),
};
const chosen = ROWS.filter(({ id, quick }) => (only ? only.includes(id) : isFull || quick));

let rig: Rig;
beforeAll(async () => {
  build();
  rig = await openRig();
}, 120_000);
afterAll(async () => {
  for (const { id, promise } of NOT_YET) console.log(`${id} n/a: ${promise}`);
  await rig?.close();
}, 60_000);

describe('whatever happens', () => {
  beforeEach(() => rig.calm(), 60_000);

  for (const row of chosen) {
    const patience = (row.withinMs ?? 180_000) * (isFull ? 4 : 1);
    test(`${row.id} ${row.title}`, { timeout: patience }, async ({ skip }) => {
      if (row.needs === 'redis' && !rig.redis) {
        console.log(`${row.id} skipped: there is no redis-server on this machine`);
        return skip('there is no redis-server on this machine');
      }
      const { figures, more = '' } = await row.run(rig, scale);
      const said = line(row.id, figures, more);
      console.log(said);
      if (process.env.FAULTS_OUT) appendFileSync(process.env.FAULTS_OUT, `${said}\n`);
    });
  }
});
