/**
 * The same architecture by somebody who measures: one BullMQ job for each message still, but prepared statements, a template
 * compiled once, and a pooled undici. The fair opponent of what gathers messages in batches.
 */
import { Queue, Worker } from 'bullmq';
import Handlebars from 'handlebars';
import pg from 'pg';
import { Pool } from 'undici';
import { partOptions, servePart } from '../lib/part.ts';
import { data, TEMPLATE } from '../sample.ts';
import { INSERT_MANY, rowOf } from './store.ts';

const { databaseUrl, redisUrl, queueName, stubPort } = partOptions<{
  databaseUrl: string;
  redisUrl: string;
  queueName: string;
  stubPort: number;
}>();
const store = new pg.Pool({ connectionString: databaseUrl, max: 10 });
const provider = new Pool(`http://127.0.0.1:${stubPort}`, { connections: 100 });
const queue = new Queue(queueName, { connection: { url: redisUrl } });
const render = Handlebars.compile(TEMPLATE, { noEscape: true });

async function send(id: string): Promise<void> {
  const { rows } = await store.query({
    name: 'load',
    text: 'select address, input from messages where id = $1',
    values: [id],
  });
  const { address, input } = rows[0];
  const response = await provider.request({
    method: 'POST',
    path: '/messages',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to: address, text: { body: render(input.data) }, at: input.data.at, ref: id }),
  });
  await response.body.json();
  await store.query({
    name: 'sent',
    text: `update messages set status = 'sent', attempts = 1, sent_at = now() where id = $1`,
    values: [id],
  });
}

const worker = new Worker<{ id: string }>(queueName, ({ data: { id } }) => send(id), {
  connection: { url: redisUrl },
  concurrency: 100,
  autorun: false,
});

servePart(
  {},
  {
    clear: () => queue.obliterate({ force: true }),
    async preload(count: number) {
      for (let left = count; left > 0; left -= 500) {
        const rows = Array.from({ length: Math.min(500, left) }, () => rowOf(data('')));
        const json = rows.map((row) => ({
          ...row,
          recipient: JSON.parse(row.recipient),
          input: JSON.parse(row.input),
        }));
        await store.query({ name: 'preload', text: INSERT_MANY, values: [JSON.stringify(json)] });
        await queue.addBulk(
          rows.map(({ id }) => ({ name: 'send', data: { id }, opts: { removeOnComplete: true, removeOnFail: true } })),
        );
      }
    },
    start: () => void worker.run(),
    halt: () => worker.close(),
  },
);
