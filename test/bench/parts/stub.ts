/**
 * The provider: a plain socket server that takes any POST and answers 200 with an id of its own for each, at once or after a
 * delay. It tells how many came, when the first and the last did, and how long each was under way since the time written
 * into its body. Everybody who is measured sends to the same one.
 */
import { createServer } from 'node:net';
import { servePart } from '../lib/part.ts';
import { createArrivals } from './arrivals.ts';

const HEAD_END = Buffer.from('\r\n\r\n');
let delayMs = 0;
let ids = 0;
const arrivals = createArrivals();

function answer(): string {
  const body = `{"messages":[{"id":"p.${process.pid}.${++ids}"}]}`;
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer | undefined;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    let bytes = rest ? Buffer.concat([rest, chunk]) : chunk;
    let out = '';
    for (;;) {
      const headEnd = bytes.indexOf(HEAD_END);
      if (headEnd < 0) break;
      const length = Number(/content-length: (\d+)/i.exec(bytes.toString('latin1', 0, headEnd))?.[1] ?? 0);
      const end = headEnd + 4 + length;
      if (bytes.length < end) break;
      arrivals.arrived(bytes.subarray(headEnd + 4, end));
      if (delayMs > 0) setTimeout(() => socket.writable && socket.write(answer()), delayMs);
      else out += answer();
      bytes = bytes.subarray(end);
    }
    rest = bytes.length > 0 ? bytes : undefined;
    if (out) socket.write(out);
  });
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  servePart(
    { port: typeof address === 'object' ? address?.port : 0 },
    {
      /** Counts from nothing again. */
      reset(options: { delayMs?: number }) {
        delayMs = options?.delayMs ?? 0;
        arrivals.reset();
      },
      ...arrivals.verbs,
    },
  );
});
