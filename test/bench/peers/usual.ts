/**
 * The usual design, plainly written: Koa, one knex INSERT and one BullMQ job for each message; the worker reads the row,
 * compiles the template, calls `fetch`, and writes the status by knex. In two processes, as it is deployed.
 */
import { Queue, Worker } from 'bullmq';
import Handlebars from 'handlebars';
import knexOf from 'knex';
import { partOptions, servePart } from '../lib/part.ts';
import { data, TEMPLATE } from '../sample.ts';
import { accepted, judged } from './judge.ts';
import { readBody, serveKoa } from './serve.ts';
import { rowOf } from './store.ts';

const { role, databaseUrl, redisUrl, queueName, stubPort } = partOptions<{
  role: 'api' | 'worker';
  databaseUrl: string;
  redisUrl: string;
  queueName: string;
  stubPort: number;
}>();
const knex = knexOf({ client: 'pg', connection: databaseUrl, pool: { min: 2, max: 10 } });
const queue = new Queue(queueName, { connection: { url: redisUrl } });
const JOB = { removeOnComplete: true, removeOnFail: true };

async function send(id: string): Promise<void> {
  const message = await knex('messages').where({ id }).first();
  const body = Handlebars.compile(TEMPLATE, { noEscape: true })(message.input.data);
  const response = await fetch(`http://127.0.0.1:${stubPort}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to: message.address, text: { body }, at: message.input.data.at, ref: id }),
  });
  await response.json();
  await knex('messages').where({ id }).update({ status: 'sent', attempts: 1, sent_at: new Date() });
}

if (role === 'api')
  serveKoa(
    async (ctx) => {
      const { notification } = judged(await readBody(ctx.req));
      const row = rowOf(notification.data);
      await knex('messages').insert(row);
      await queue.add('send', { id: row.id }, JOB);
      ctx.status = 202;
      ctx.body = accepted(row.id);
    },
    {
      clear: () => queue.obliterate({ force: true }),
      /** Rows and jobs for a drain, put there quickly because nobody times it. */
      async preload(count: number) {
        for (let left = count; left > 0; left -= 500) {
          const rows = Array.from({ length: Math.min(500, left) }, () => rowOf(data('')));
          await knex('messages').insert(rows);
          await queue.addBulk(rows.map(({ id }) => ({ name: 'send', data: { id }, opts: JOB })));
        }
      },
    },
  );
else {
  const worker = new Worker<{ id: string }>(queueName, ({ data: { id } }) => send(id), {
    connection: { url: redisUrl },
    concurrency: 100,
    autorun: false,
  });
  // Jobs that were cleared between rounds while they were under way have no lock any more.
  worker.on('error', () => undefined);
  servePart(
    {},
    {
      start: () => void worker.run(),
      /** What is under way is finished. */
      halt: () => worker.close(),
    },
  );
}
