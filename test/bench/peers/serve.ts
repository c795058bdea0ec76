/** What all peers with a door share: a Koa on a free port, and a reader of bodies that costs no more than it must. */
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import Koa from 'koa';
import { servePart } from '../lib/part.ts';

export function serveKoa(handle: Koa.Middleware, verbs: Parameters<typeof servePart>[1] = {}): void {
  const app = new Koa();
  app.use(handle);
  const server = createServer(app.callback());
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    servePart({ port: typeof address === 'object' ? address?.port : 0 }, verbs);
  });
}

export const readBody = (request: IncomingMessage): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.on('error', reject);
  });
