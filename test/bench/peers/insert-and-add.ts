/** Durable the straightforward way: one prepared INSERT and one queue add for each request, nothing gathered. */
import { Queue } from 'bullmq';
import pg from 'pg';
import { partOptions } from '../lib/part.ts';
import { accepted, judged } from './judge.ts';
import { readBody, serveKoa } from './serve.ts';
import { COLUMNS, INSERT, rowOf } from './store.ts';

const { databaseUrl, redisUrl, queueName } = partOptions<{
  databaseUrl: string;
  redisUrl: string;
  queueName: string;
}>();
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
const queue = new Queue(queueName, { connection: { url: redisUrl } });
const JOB = { removeOnComplete: true, removeOnFail: true };

serveKoa(
  async (ctx) => {
    const { notification } = judged(await readBody(ctx.req));
    const row = rowOf(notification.data);
    await pool.query({ name: 'insert', text: INSERT, values: COLUMNS.map((column) => row[column]) });
    await queue.add('send', { id: row.id }, JOB);
    ctx.status = 202;
    ctx.body = accepted(row.id);
  },
  { clear: () => queue.obliterate({ force: true }) },
);
