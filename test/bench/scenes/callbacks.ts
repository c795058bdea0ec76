/**
 * Callbacks as a day of a large campaign brings them: two thousand a second, one status each, of messages that were really sent, to
 * the one process that `npm start` is. Each is answered with 200 after it is stored; how long that takes counts from the moment it
 * was due. A round whose statuses are not all applied soon after is no result.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { inTurns } from '../lib/rounds.ts';
import { callbackRequests, sendRequest } from '../sample.ts';
import { openAccount, startProduct } from '../stage.ts';
import { absolute, loaded, type Scene, withAll } from './scene.ts';

const CONNECTIONS = 64;
const PER_SECOND = 2_000;
const CATCH_UP_MS = 30_000;
const LOOK_MS = 20;

export const callbacks: Scene = {
  figures: ['callbacks/p99'],
  run: ({ stage, load, scale, stub, generator }) =>
    withAll(async (keep) => {
      const database = await keep(stage.database());
      const stubPort = stub.info.port;
      const product = await keep(startProduct(stage, database.url, { role: 'all', stubPort }));
      const { liveKey, hook } = await openAccount(database.url, product, stubPort);
      const { port } = product;
      const count = scale.callbacks;
      let applied = 0;

      const round = async (): Promise<number> => {
        await stub.ask('reset', {});
        await loaded(generator, { port, connections: CONNECTIONS, requests: [sendRequest(liveKey)], count });
        const left = () =>
          database.query<{ id: string }>(
            `select r.provider_id as id from provider_refs r join messages m on m.id = r.message_id where m.status = 'sent'`,
          );
        await untilTrue('messages were sent', async () => (await left()).length >= count);
        const requests = callbackRequests(
          hook,
          (await left()).map(({ id }) => id),
          1,
        );
        const order = { port, connections: CONNECTIONS, requests, count, rate: PER_SECOND };
        const { p99 } = await loaded(generator, order);
        applied += count;
        await untilTrue('statuses were applied', async () => {
          const [row] = await database.query<{ delivered: number }>(
            `select count(*)::int as delivered from messages where status = 'delivered'`,
          );
          return (row?.delivered ?? 0) >= applied;
        });
        return p99;
      };
      const { values, disturbed } = await inTurns([{ name: 'p99', run: round }], { ...scale, load });
      const detail = `${count.toLocaleString('en')} at ${PER_SECOND.toLocaleString('en')}/s, all applied`;
      return [absolute('callbacks/p99', values.get('p99') ?? [], detail, disturbed)];
    }),
};

async function untilTrue(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const beganAt = performance.now(); !(await holds()); await delay(LOOK_MS))
    if (performance.now() - beganAt > CATCH_UP_MS) throw new Error(`not all ${what} in time`);
}
