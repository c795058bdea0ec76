/** Single sends accepted over 64 connections, by the API alone: against Koa, the own route without a store, and INSERT + add. */
import { inTurns, type Side } from '../lib/rounds.ts';
import { sendRequest } from '../sample.ts';
import { openAccount, PRODUCT_ENV, startProduct } from '../stage.ts';
import { loaded, missing, outcome, peer, type Scene, withAll } from './scene.ts';

const CONNECTIONS = 64;

export const accept: Scene = {
  figures: ['accept/koa', 'accept/own-route', 'accept/usual'],
  run: ({ stage, load, scale, stub, generator, wants }) =>
    withAll(async (keep) => {
      const database = await keep(stage.database());
      const api = await keep(startProduct(stage, database.url, { role: 'api', stubPort: stub.info.port }));
      const { liveKey } = await openAccount(database.url, api, stub.info.port);
      const request = sendRequest(liveKey);
      const side = (name: string, port: number, after?: () => Promise<unknown>): Side => ({
        name,
        run: async () => {
          const order = { port, connections: CONNECTIONS, requests: [request], forMs: scale.roundMs };
          const { perSecond } = await loaded(generator, order);
          await after?.();
          return perSecond;
        },
      });
      const sides = [side('product', api.port)];
      if (wants('accept/koa')) sides.push(side('accept/koa', (await keep(peer('koa'))).info.port));
      if (wants('accept/own-route')) {
        const env = { ...PRODUCT_ENV, ...(stage.redisUrl ? { REDIS_URL: stage.redisUrl } : {}) };
        const own = await keep(peer('own-route', { databaseUrl: database.url, env }));
        // The caches are filled from the store before it is taken away.
        await loaded(generator, { port: own.info.port, connections: 1, requests: [request], count: 1 });
        await own.ask('stub');
        sides.push(
          side('accept/own-route', own.info.port, async () => {
            if (!(await own.ask<number>('stubbed')))
              throw new Error('the stub of the own route is not what it writes to');
          }),
        );
      }
      if (wants('accept/usual') && stage.redisUrl) {
        const queueName = `carillon-bench-${process.pid}-accept`;
        const options = { databaseUrl: database.url, redisUrl: stage.redisUrl, queueName };
        const usual = await keep(peer('insert-and-add', options));
        sides.push(side('accept/usual', usual.info.port, () => usual.ask('clear')));
      }
      const turns = await inTurns(sides, { ...scale, load });
      return accept.figures
        .filter(wants)
        .map((name) =>
          turns.values.has(name) ? outcome(name, turns, 'product', name) : missing(name, 'no Redis answers'),
        );
    }),
};
