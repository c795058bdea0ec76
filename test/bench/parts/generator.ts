/**
 * The load generator: a fixed number of kept-alive connections over plain sockets with one request in flight on each, and
 * nothing of an HTTP library, because what it costs is taken from what it measures. Requests are prepared bytes; in those with
 * marks, a running number and the time are written over the marks in place.
 *
 * Unlimited, each answer calls for the next request. With a rate, requests fall due by the clock, and a latency counts from
 * the time a request was due, so that a server that falls behind cannot hide it.
 */
import { createConnection, type Socket } from 'node:net';
import { servePart, sharedMicros } from '../lib/part.ts';
import { Histogram } from '../lib/stats.ts';
import { NUMBER_MARK, TIME_MARK } from '../sample.ts';

export interface LoadOrder {
  readonly port: number;
  readonly connections: number;
  /** Whole HTTP requests, used in turn. Marks: NUMBER_MARK and TIME_MARK, 16 bytes each. */
  readonly requests: readonly string[];
  /** Ends after so many milliseconds, or so many requests, whichever is first. */
  readonly forMs?: number;
  readonly count?: number;
  /** Requests a second; unlimited when absent. */
  readonly rate?: number;
  /** Keeps this many of the answers' bodies, for later questions about what was accepted. */
  readonly keep?: number;
}
export interface LoadReport {
  readonly answered: number;
  /** Other than 2xx, and requests whose connection broke. */
  readonly failed: number;
  readonly firstFailure: string | undefined;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly kept: readonly string[];
}

const HEAD_END = Buffer.from('\r\n\r\n');

interface Form {
  readonly bytes: Buffer;
  readonly numberAt: number;
  readonly timeAt: number;
}

let number = 0;
/** Keys of two generators, or of two runs, never meet. */
const series = String(process.pid % 1_000_000).padStart(6, '0');

function load({ port, connections, requests, forMs = 600_000, count = Infinity, rate, keep = 0 }: LoadOrder) {
  return new Promise<LoadReport>((resolve) => {
    const forms = requests.map(formOf);
    const latencies = new Histogram();
    const kept: string[] = [];
    let firstFailure: string | undefined;
    let failed = 0;
    let started = 0;
    let done = 0;
    let open = connections;
    const idle: Line[] = [];
    const began = performance.now();
    let ended = began;
    const isOver = () => started >= count || performance.now() - began >= forMs;

    const answered = (line: Line, status: number, body: Buffer | undefined): void => {
      done++;
      ended = performance.now();
      latencies.record(ended - line.dueAt);
      if (status < 200 || status > 299) {
        failed++;
        firstFailure ??= `${status} ${body?.toString().slice(0, 300)}`;
      } else if (kept.length < keep && body) kept.push(body.toString());
      next(line);
    };
    const broken = (line: Line, error: Error): void => {
      if (line.isBusy) {
        failed++;
        done++;
        firstFailure ??= error.message;
      }
      leave();
    };
    const leave = (): void => {
      open--;
      if (open > 0) return;
      clearInterval(ticker);
      resolve({
        answered: done - failed,
        failed,
        firstFailure,
        perSecond: (done - failed) / ((ended - began) / 1_000),
        p50: latencies.quantile(0.5),
        p99: latencies.quantile(0.99),
        kept,
      });
    };
    const begin = (line: Line, dueAt: number): void => {
      const form = forms[started % forms.length] as Form;
      started++;
      line.dueAt = dueAt;
      line.send(form);
    };
    const next = (line: Line): void => {
      const now = performance.now();
      const dueAt = rate === undefined ? now : began + (started * 1_000) / rate;
      if (isOver()) line.close();
      else if (dueAt <= now) begin(line, dueAt);
      else idle.push(line);
    };
    const tick = (): void => {
      if (isOver()) {
        for (const line of idle.splice(0)) line.close();
        return;
      }
      for (let now = performance.now(); idle.length > 0; ) {
        const dueAt = began + (started * 1_000) / (rate as number);
        if (dueAt > now || started >= count) return;
        begin(idle.pop() as Line, dueAt);
        now = performance.now();
      }
    };
    const ticker = rate === undefined ? undefined : setInterval(tick, 1);
    for (let i = 0; i < connections; i++)
      lineTo(port, { keepBodies: keep > 0, ready: next, answered, broken, closed: leave });
  });
}

function formOf(text: string): Form {
  const bytes = Buffer.from(text);
  return { bytes, numberAt: bytes.indexOf(NUMBER_MARK), timeAt: bytes.indexOf(TIME_MARK) };
}

interface Line {
  dueAt: number;
  isBusy: boolean;
  send(form: Form): void;
  close(): void;
}
interface LineEvents {
  readonly keepBodies: boolean;
  ready(line: Line): void;
  answered(line: Line, status: number, body: Buffer | undefined): void;
  broken(line: Line, error: Error): void;
  closed(): void;
}

/** One connection: writes a request, reads its answer, which has a content-length. */
function lineTo(port: number, on: LineEvents): void {
  const copies = new Map<Form, Buffer>();
  let rest: Buffer | undefined;
  let isClosing = false;
  const socket: Socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
  const line: Line = {
    dueAt: 0,
    isBusy: false,
    send(form) {
      line.isBusy = true;
      if (form.numberAt < 0 && form.timeAt < 0) return void socket.write(form.bytes);
      // One in flight, so the copy may be written over as soon as its answer is there.
      const copy = copies.get(form) ?? Buffer.from(form.bytes);
      copies.set(form, copy);
      if (form.numberAt >= 0) copy.write(series + String(number++).padStart(10, '0'), form.numberAt, 'latin1');
      if (form.timeAt >= 0) copy.write(sharedMicros(), form.timeAt, 'latin1');
      socket.write(copy);
    },
    close() {
      isClosing = true;
      socket.end();
      on.closed();
    },
  };
  socket.on('connect', () => on.ready(line));
  socket.on('error', (error) => isClosing || on.broken(line, error));
  socket.on('end', () => {
    if (isClosing) return;
    isClosing = true;
    on.broken(line, new Error('the server closed the connection'));
  });
  socket.on('data', (chunk) => {
    const bytes = rest ? Buffer.concat([rest, chunk]) : chunk;
    rest = bytes;
    const headEnd = bytes.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = bytes.toString('latin1', 0, headEnd);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (bytes.length < headEnd + 4 + length) return;
    rest = undefined;
    const status = Number(head.slice(9, 12));
    line.isBusy = false;
    const wantsBody = on.keepBodies || status < 200 || status > 299;
    on.answered(line, status, wantsBody ? bytes.subarray(headEnd + 4, headEnd + 4 + length) : undefined);
  });
}

servePart({}, { load });
