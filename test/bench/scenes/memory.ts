/** The resident memory of a worker at its most, over a large bulk and over a small one; each worker is new. */
import { startPart } from '../lib/part.ts';
import { openAccount, startProduct } from '../stage.ts';
import { drained } from './drain.ts';
import { absolute, missing, type Scene, uploaded, withAll } from './scene.ts';

/** On disk for each message of a drain, with its events, its attempt and what the log keeps. */
const KB_A_MESSAGE = 5;

export const memory: Scene = {
  figures: ['memory'],
  run: (context) =>
    withAll(async (keep) => {
      const { stage, scale, stub } = context;
      const [many, few] = scale.memory;
      const free = await stage.freeGb();
      if (free === undefined || free < 2 + (many * KB_A_MESSAGE) / 2 ** 20)
        return [missing('memory', free === undefined ? 'how full the disk is cannot be told' : 'the disk is too full')];
      const uploader = await keep(startPart('parts/uploader'));
      const peak = (count: number) =>
        withAll(async (hold) => {
          const database = await hold(stage.database());
          const api = await hold(startProduct(stage, database.url, { role: 'api', stubPort: stub.info.port }));
          const { liveKey } = await openAccount(database.url, api, stub.info.port);
          await uploaded(uploader, { port: api.port, key: liveKey, rows: count });
          return (await drained(context, database, count)).peakMb;
        });
      const [small, large] = [await peak(few), await peak(many)];
      if (small === undefined || large === undefined) return [missing('memory', 'there is no /proc to ask')];
      const text = (mb: number, count: number) => `${Math.round(mb)} MB at ${count.toLocaleString('en')}`;
      return [absolute('memory', [large / small], `${text(large, many)} against ${text(small, few)}`, 0)];
    }),
};
