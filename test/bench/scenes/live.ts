/**
 * Accept and deliver together, in the one process that `npm start` is: how many a second arrive at the provider while 64 connections
 * send without pause, against the usual design; then how long one is under way, at 70 % of that and with a single client.
 */
import { inTurns } from '../lib/rounds.ts';
import type { StubReport } from '../parts/arrivals.ts';
import { sendRequest } from '../sample.ts';
import { openAccount, startProduct } from '../stage.ts';
import { absolute, loaded, missing, outcome, peer, type Scene, withAll } from './scene.ts';

const CONNECTIONS = 64;
/** All that was accepted must arrive, and its time counts. */
const CATCH_UP_MS = 30_000;

export const live: Scene = {
  figures: ['live/usual', 'live/p99', 'live/p50'],
  run: ({ stage, load, scale, stub, generator, wants }) =>
    withAll(async (keep) => {
      const database = await keep(stage.database());
      const stubPort = stub.info.port;
      const api = await keep(startProduct(stage, database.url, { role: 'all', stubPort }));
      const requests = [sendRequest((await openAccount(database.url, api, stubPort)).liveKey)];

      /** Sends for a round; gives what arrived a second until the last did. */
      const through = async (port: number, rate?: number, connections = CONNECTIONS): Promise<StubReport> => {
        await stub.ask('reset', {});
        const { answered } = await loaded(generator, {
          port,
          connections,
          requests,
          forMs: scale.roundMs,
          ...(rate === undefined ? {} : { rate }),
        });
        // A design that falls behind is judged by what it has delivered so far, which flatters it.
        if (port !== api.port) return stub.ask<StubReport>('report');
        const isAll = await stub.ask<boolean>('until', { count: answered, withinMs: CATCH_UP_MS });
        const report = await stub.ask<StubReport>('report');
        if (!isAll) throw new Error(`${report.count} of ${answered} messages arrived in time`);
        return report;
      };

      const sides = [{ name: 'product', run: async () => (await through(api.port)).perSecond }];
      if (wants('live/usual') && stage.redisUrl) {
        const common = {
          databaseUrl: database.url,
          redisUrl: stage.redisUrl,
          stubPort,
          queueName: `carillon-bench-${process.pid}-live`,
        };
        const usualApi = await keep(peer('usual', { ...common, role: 'api' }));
        const usualWorker = await keep(peer('usual', { ...common, role: 'worker' }));
        await usualWorker.ask('start');
        sides.push({
          name: 'usual',
          run: async () => {
            const { perSecond } = await through(usualApi.info.port);
            await usualApi.ask('clear').catch(() => undefined); // jobs under way cannot be taken away, and end by themselves
            return perSecond;
          },
        });
      }
      const turns = await inTurns(sides, { ...scale, load });
      const sustained = Math.min(...(turns.values.get('product') ?? []));

      const latency = async (name: string, run: () => Promise<number>) => {
        const { values, disturbed } = await inTurns([{ name, run }], { ...scale, load });
        return { values: values.get(name) ?? [], disturbed };
      };
      const rate = sustained * 0.7;
      const busy = wants('live/p99') && (await latency('p99', async () => (await through(api.port, rate)).p99));
      const alone =
        wants('live/p50') && (await latency('p50', async () => (await through(api.port, undefined, 1)).p50));
      return [
        ...(!wants('live/usual')
          ? []
          : turns.values.has('usual')
            ? [outcome('live/usual', turns, 'product', 'usual')]
            : [missing('live/usual', 'no Redis answers')]),
        ...(busy
          ? [absolute('live/p99', busy.values, `at ${Math.round(rate).toLocaleString('en')}/s`, busy.disturbed)]
          : []),
        ...(alone ? [absolute('live/p50', alone.values, 'one connection', alone.disturbed)] : []),
      ];
    }),
};
