/** A provider that takes 100 ms for each call, with 1,024 calls in flight: a bulk drained, against the bare loop. */
import { startPart } from '../lib/part.ts';
import { inTurns } from '../lib/rounds.ts';
import { openAccount, startProduct } from '../stage.ts';
import { drained } from './drain.ts';
import { outcome, peer, type Scene, uploaded, withAll } from './scene.ts';

const DELAY_MS = 100;
const IN_FLIGHT = 1_024;

export const slowProvider: Scene = {
  figures: ['slow-provider/loop'],
  run: (context) =>
    withAll(async (keep) => {
      const { stage, load, scale, stub } = context;
      const database = await keep(stage.database());
      const api = await keep(startProduct(stage, database.url, { role: 'api', stubPort: stub.info.port }));
      const { liveKey } = await openAccount(database.url, api, stub.info.port, IN_FLIGHT);
      const uploader = await keep(startPart('parts/uploader'));
      const loop = await keep(peer('loop', { stubPort: stub.info.port }));
      const product = async () => {
        await uploaded(uploader, { port: api.port, key: liveKey, rows: scale.queued });
        return (await drained(context, database, scale.queued, { delayMs: DELAY_MS })).perSecond;
      };
      const bare = async () => {
        await stub.ask('reset', { delayMs: DELAY_MS });
        return loop.ask<number>('send', { count: scale.queued, inFlight: IN_FLIGHT });
      };
      const sides = [
        { name: 'product', run: product },
        { name: 'loop', run: bare },
      ];
      const turns = await inTurns(sides, { ...scale, load, warmUp: false });
      return [outcome('slow-provider/loop', turns, 'product', 'loop')];
    }),
};
