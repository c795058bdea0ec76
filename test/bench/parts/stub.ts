/**
 * The provider: a plain socket server that takes any POST and answers 200 with an id of its own for each, at once or after a
 * delay. It tells how many came, when the first and the last did, and how long each was under way since the time written
 * into its body. Everybody who is measured sends to the same one.
 */
import { createServer } from 'node:net';
import { servePart } from '../lib/part.ts';
import { Histogram } from '../lib/stats.ts';

export interface StubReport {
  readonly count: number;
  /** Milliseconds between the first request and the last. */
  readonly spanMs: number;
  readonly perSecond: number;
  /** From the time in the body to its arrival here, ms. */
  readonly p50: number;
  readonly p99: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const TIME = Buffer.from('"at":"');
let delayMs = 0;
let count = 0;
let firstAt = 0;
let lastAt = 0;
let ids = 0;
let latencies = new Histogram();
let waiter: { count: number; resolve: (reached: boolean) => void; timer: NodeJS.Timeout } | undefined;

function arrived(body: Buffer): void {
  const now = performance.now();
  if (count === 0) firstAt = now;
  lastAt = now;
  count++;
  const at = body.indexOf(TIME);
  if (at >= 0) {
    const sent = Number(body.toString('latin1', at + TIME.length, at + TIME.length + 16));
    latencies.record((Number(process.hrtime.bigint() / 1_000n) - sent) / 1_000);
  }
  if (waiter && count >= waiter.count) settle(true);
}

function settle(reached: boolean): void {
  clearTimeout(waiter?.timer);
  waiter?.resolve(reached);
  waiter = undefined;
}

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
      arrived(bytes.subarray(headEnd + 4, end));
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
        count = 0;
        latencies = new Histogram();
      },
      report: (): StubReport => ({
        count,
        spanMs: lastAt - firstAt,
        perSecond: (count - 1) / ((lastAt - firstAt) / 1_000),
        p50: latencies.quantile(0.5),
        p99: latencies.quantile(0.99),
      }),
      /** When so many have come; false when they did not in time. */
      until: (wanted: { count: number; withinMs: number }) =>
        new Promise<boolean>((resolve) => {
          if (count >= wanted.count) return resolve(true);
          const timer = setTimeout(() => settle(false), wanted.withinMs);
          waiter = { count: wanted.count, resolve, timer };
        }),
    },
  );
});
