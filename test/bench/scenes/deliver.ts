/**
 * Singles that wait in the store when the worker starts, delivered over HTTP. The clock runs from the first request that
 * reaches the provider until all is recorded in the store; the bare loop's runs from its first request to its last.
 */
import { inTurns } from '../lib/rounds.ts';
import type { StubReport } from '../parts/stub.ts';
import { sendRequest } from '../sample.ts';
import { openAccount, startProduct } from '../stage.ts';
import { drained } from './drain.ts';
import { loaded, outcome, peer, type Scene, withAll } from './scene.ts';

const IN_FLIGHT = 100;

export const deliver: Scene = {
  figures: ['deliver/loop'],
  run: (context) =>
    withAll(async (keep) => {
      const { stage, load, scale, stub, generator } = context;
      const database = await stage.database();
      await keep(Promise.resolve({ stop: () => database.drop() }));
      const loop = await keep(peer('loop', { stubPort: stub.info.port }));
      const api = await keep(startProduct(stage, database.url, { role: 'api', stubPort: stub.info.port }));
      const { liveKey } = await openAccount(database.url, api, stub.info.port);
      const product = async () => {
        const requests = [sendRequest(liveKey)];
        await loaded(generator, { port: api.port, connections: 64, requests, count: scale.queued });
        return drained(context, database, scale.queued);
      };
      const bare = async () => {
        await stub.ask('reset', {});
        await loop.ask('send', { count: scale.queued, inFlight: IN_FLIGHT });
        return (await stub.ask<StubReport>('report')).perSecond;
      };
      const sides = [
        { name: 'product', run: product },
        { name: 'loop', run: bare },
      ];
      const turns = await inTurns(sides, { ...scale, load, warmUp: false });
      return [outcome('deliver/loop', turns, 'product', 'loop')];
    }),
};
