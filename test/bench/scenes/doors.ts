/**
 * The two other doors: look-ups of what was sent, and callbacks of the provider with one status and with ten, each against a
 * Koa that does the same without a store. Statuses are of messages that were really sent.
 */
import { inTurns } from '../lib/rounds.ts';
import type { Outcome } from '../results.ts';
import { callbackRequests, get, sendRequest } from '../sample.ts';
import { openAccount, startProduct } from '../stage.ts';
import { drained } from './drain.ts';
import { type Context, loaded, outcome, peer, type Scene, withAll } from './scene.ts';

const CONNECTIONS = 64;

export const doors: Scene = {
  figures: ['callbacks-1/verify', 'callbacks-10/verify', 'lookups/koa'],
  run: (context: Context) =>
    withAll(async (keep) => {
      const { stage, load, scale, stub, generator, wants } = context;
      const database = await keep(stage.database());
      const api = await keep(startProduct(stage, database.url, { role: 'api', stubPort: stub.info.port }));
      const { liveKey, hook } = await openAccount(database.url, api, stub.info.port);

      const send = { port: api.port, connections: CONNECTIONS, requests: [sendRequest(liveKey)] };
      const { kept } = await loaded(generator, { ...send, count: scale.queued, keep: 1_000 });
      await drained(context, database, scale.queued);
      const found = await database.query<{ provider_id: string }>('select provider_id from provider_refs');
      const ids = found.map(({ provider_id }) => provider_id);

      /** Our door and the peer's, asked the same in turns. */
      const against = async (name: string, peerPort: number, requests: readonly string[]) => {
        const side = (port: number) => async () => {
          const order = { port, connections: CONNECTIONS, requests, forMs: scale.roundMs };
          return (await loaded(generator, order)).perSecond;
        };
        const sides = [
          { name: 'product', run: side(api.port) },
          { name: 'peer', run: side(peerPort) },
        ];
        return outcome(name, await inTurns(sides, { ...scale, load }), 'product', 'peer');
      };

      const outcomes: Outcome[] = [];
      for (const [name, each] of [
        ['callbacks-1/verify', 1],
        ['callbacks-10/verify', 10],
      ] as const) {
        if (!wants(name)) continue;
        const verify = await keep(peer('verify'));
        // The door stores and answers; a status that comes again costs it the same, so rounds may repeat them.
        const requests = callbackRequests(hook, ids, each);
        outcomes.push(await against(name, verify.info.port, requests));
      }
      if (wants('lookups/koa')) {
        const koa = await keep(peer('lookup'));
        const requests = kept.map((body) =>
          get(`/api/v1/notifications/${JSON.parse(body).notification_id}`, { 'x-api-key': liveKey }),
        );
        outcomes.push(await against('lookups/koa', koa.info.port, requests));
      }
      return outcomes;
    }),
};
