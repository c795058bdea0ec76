/**
 * What waits in the store when the worker starts, delivered over HTTP: singles and a bulk, against the bare loop and against
 * the usual and the tuned design with as many messages. Our clock runs until all is recorded; the loop's until its last answer;
 * that of the two designs only until the last request has come.
 */

import { startPart } from '../lib/part.ts';
import { inTurns, type Side } from '../lib/rounds.ts';
import type { StubReport } from '../parts/arrivals.ts';
import type { Outcome } from '../results.ts';
import { sendRequest } from '../sample.ts';
import { type Database, openAccount, startProduct } from '../stage.ts';
import { drained } from './drain.ts';
import { absolute, type Context, loaded, missing, outcome, peer, type Scene, uploaded, withAll } from './scene.ts';

const IN_FLIGHT = 100;
/** What the connection allows: as much as keeps a worker busy. */
const CONCURRENCY = 512;
const BULK = ['bulk-deliver/loop', 'bulk-deliver/usual', 'bulk-deliver/tuned'];
/** Slower than any of them. */
const LEAST_PER_SECOND = 50;

/** A design with a job for each message: rows and jobs are put there, then its worker starts. */
async function peerDrained({ stage, stub, scale }: Context, database: Database, name: 'usual' | 'tuned') {
  return withAll(async (keep) => {
    const common = {
      databaseUrl: database.url,
      redisUrl: stage.redisUrl,
      stubPort: stub.info.port,
      queueName: `carillon-bench-${process.pid}-${name}`,
    };
    const worker = await keep(peer<unknown>(name, { ...common, role: 'worker' }));
    const feeder = name === 'usual' ? await keep(peer(name, { ...common, role: 'api' })) : worker;
    await stub.ask('reset', {});
    await feeder.ask('preload', scale.queued);
    await worker.ask('start');
    const withinMs = 10_000 + (scale.queued / LEAST_PER_SECOND) * 1_000;
    const isAll = await stub.ask<boolean>('until', { count: scale.queued, withinMs });
    const report = await stub.ask<StubReport>('report');
    await worker.ask('halt');
    if (!isAll) throw new Error(`${name}: ${report.count} of ${scale.queued} messages arrived`);
    return report.perSecond;
  });
}

/** Updates of messages so far, and those that stayed heap-only. */
async function updates(database: Database): Promise<{ all: number; hot: number }> {
  const [found] = await database.query<{ all: string; hot: string }>(
    `select sum(n_tup_upd) as all, sum(n_tup_hot_upd) as hot from pg_stat_user_tables where relname like 'messages\\_%'`,
  );
  return { all: Number(found?.all), hot: Number(found?.hot) };
}

export const deliver: Scene = {
  figures: ['deliver/loop', 'bulk-deliver/loop', 'bulk-deliver/usual', 'bulk-deliver/tuned', 'hot'],
  run: (context) =>
    withAll(async (keep) => {
      const { stage, load, scale, stub, generator, wants } = context;
      const database = await keep(stage.database());
      const api = await keep(startProduct(stage, database.url, { role: 'api', stubPort: stub.info.port }));
      const { liveKey } = await openAccount(database.url, api, stub.info.port, CONCURRENCY);
      const sides: Side[] = [];
      const hot: number[] = [];
      if (wants('deliver/loop') || wants('hot'))
        sides.push({
          name: 'singles',
          run: async () => {
            const requests = [sendRequest(liveKey)];
            await loaded(generator, { port: api.port, connections: 64, requests, count: scale.queued });
            const before = await updates(database);
            const { perSecond } = await drained(context, database, scale.queued);
            const after = await updates(database);
            hot.push((after.hot - before.hot) / (after.all - before.all));
            return perSecond;
          },
        });
      if (BULK.some(wants)) {
        const uploader = await keep(startPart('parts/uploader'));
        sides.push({
          name: 'bulk',
          run: async () => {
            await uploaded(uploader, { port: api.port, key: liveKey, rows: scale.queued });
            return (await drained(context, database, scale.queued)).perSecond;
          },
        });
      }
      if (wants('deliver/loop') || wants('bulk-deliver/loop')) {
        const loop = await keep(peer('loop', { stubPort: stub.info.port }));
        sides.push({
          name: 'loop',
          run: async () => {
            await stub.ask('reset', {});
            return loop.ask<number>('send', { count: scale.queued, inFlight: IN_FLIGHT });
          },
        });
      }
      const designs = (['usual', 'tuned'] as const).filter((name) => stage.redisUrl && wants(`bulk-deliver/${name}`));
      if (designs.length > 0) {
        const theirs = await keep(stage.database());
        for (const name of designs) sides.push({ name, run: () => peerDrained(context, theirs, name) });
      }
      const turns = await inTurns(sides, { ...scale, load, warmUp: false });
      const outcomes: Outcome[] = [];
      if (wants('deliver/loop')) outcomes.push(outcome('deliver/loop', turns, 'singles', 'loop'));
      if (wants('bulk-deliver/loop')) outcomes.push(outcome('bulk-deliver/loop', turns, 'bulk', 'loop'));
      for (const name of ['usual', 'tuned'] as const)
        if (wants(`bulk-deliver/${name}`))
          outcomes.push(
            turns.values.has(name)
              ? outcome(`bulk-deliver/${name}`, turns, 'bulk', name)
              : missing(`bulk-deliver/${name}`, 'no Redis answers'),
          );
      if (wants('hot')) outcomes.push(absolute('hot', hot, 'of the drains of singles', turns.disturbed));
      return outcomes;
    }),
};
