/** Koa that answers a GET with a finished message, without a store. */
import { accepted } from './judge.ts';
import { serveKoa } from './serve.ts';

const timeline = Array.from({ length: 4 }, (_, index) => ({
  at: new Date(index).toISOString(),
  type: 'message.sent',
  text: 'The provider has taken it.',
}));

serveKoa((ctx) => {
  ctx.body = { ...accepted(ctx.path), attempts: [{ number: 1, outcome: 'accepted' }], timeline };
});
