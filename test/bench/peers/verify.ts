/** Koa that verifies the signature of a callback over its raw bytes, parses it, and stores nothing. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { SECRET } from '../sample.ts';
import { readBody, serveKoa } from './serve.ts';

serveKoa(async (ctx) => {
  const body = await readBody(ctx.req);
  const expected = createHmac('sha256', SECRET).update(body).digest();
  const given = Buffer.from(ctx.get('x-signature'), 'hex');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) ctx.throw(401);
  const { statuses } = JSON.parse(body.toString()) as { statuses: { id: string; status: string }[] };
  ctx.status = statuses.length > 0 ? 200 : 400;
  ctx.body = '';
});
