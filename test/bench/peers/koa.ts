/** Koa, JSON and ajv that answer without a store: what the door of any such API costs before it keeps a promise. */
import { newId } from '../../../src/lib/ids.ts';
import { accepted, judged } from './judge.ts';
import { readBody, serveKoa } from './serve.ts';

serveKoa(async (ctx) => {
  judged(await readBody(ctx.req));
  ctx.status = 202;
  ctx.body = accepted(newId());
});
