/** E-mails that wait in the store, sent to an SMTP sink by one worker, against nodemailer's own pool in a loop. */
import { startPart } from '../lib/part.ts';
import { inTurns } from '../lib/rounds.ts';
import { mailRequest, SENDER } from '../sample.ts';
import { openAccount, PACE, startProduct } from '../stage.ts';
import { drained } from './drain.ts';
import { loaded, outcome, peer, type Scene, withAll } from './scene.ts';

/** More than the pool has sessions, so that none of them waits for work. */
const IN_FLIGHT = 50;

export const mail: Scene = {
  figures: ['mail/nodemailer'],
  run: ({ stage, load, scale, generator }) =>
    withAll(async (keep) => {
      const sink = await keep(startPart<{ port: number }>('parts/mail-sink'));
      const { port } = sink.info;
      const database = await keep(stage.database());
      const api = await keep(startProduct(stage, database.url, { role: 'api', stubPort: port }));
      const { liveKey, call } = await openAccount(database.url, api, port);
      await call('/api/v1/connections', {
        channel: 'email',
        adapter: 'smtp',
        credentials: { host: '127.0.0.1', port, security: 'none', from_address: SENDER },
        limits: { per_second: PACE, concurrency: IN_FLIGHT },
      });
      const mailer = await keep(peer<unknown>('mailer', { port }));
      const product = async () => {
        const requests = [mailRequest(liveKey)];
        await loaded(generator, { port: api.port, connections: 64, requests, count: scale.mails });
        return (await drained({ stage, stub: sink }, database, scale.mails)).perSecond;
      };
      const bare = () => mailer.ask<number>('send', { count: scale.mails, inFlight: IN_FLIGHT });
      const sides = [
        { name: 'product', run: product },
        { name: 'nodemailer', run: bare },
      ];
      const turns = await inTurns(sides, { ...scale, load, warmUp: false });
      return [outcome('mail/nodemailer', turns, 'product', 'nodemailer')];
    }),
};
