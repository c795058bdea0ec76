/**
 * The provider of the harness: it knows how often it has taken each reference, does what a row asks of it, and calls back
 * until somebody answers 200, as providers do.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { request as dial } from 'undici';

export interface Call {
  /** Of all calls, from 0. */
  readonly index: number;
  readonly ref: string;
  readonly to: string;
  readonly body: string;
  /** Name of the process that calls. */
  readonly process: string;
  /** How often this reference was called before. */
  readonly before: number;
  /** Milliseconds, monotonic. */
  readonly at: number;
}

export type Act =
  | { readonly do: 'take'; readonly afterMs?: number }
  | { readonly do: 'refuse'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Reads, and never says a word. */
  | { readonly do: 'hang' }
  /** Takes it, and then breaks: without an answer, in the middle of it, or with one that nobody can read. */
  | { readonly do: 'take and break'; readonly how: 'reset' | 'cut' | 'garbage' }
  /** Does not take it, and answers as no provider should. */
  | { readonly do: 'flood'; readonly how: 'drip' | 'huge' | 'bomb' }
  /** Takes it; the caller dies before it hears of that. */
  | { readonly do: 'take and kill' };

export interface Callbacks {
  /** How they name the message: by our reference, by the provider's own id, or not at all. */
  readonly by: 'reference' | 'id' | 'none';
  /** How often each is sent. Default once. */
  readonly times?: number;
  /** How many at a time. Default 8. */
  readonly abreast?: number;
}

export interface Provider {
  readonly port: number;
  readonly calls: readonly Call[];
  /** How often each reference was taken. */
  readonly taken: ReadonlyMap<string, number>;
  /** When each was first called, monotonic milliseconds. */
  readonly firstCall: ReadonlyMap<string, number>;
  /** What it does from now on. Default: takes everything. */
  act: (call: Call) => Act;
  callbacks: Callbacks;
  /** Where callbacks really go: through the edge of some API process. */
  door: () => string;
  kill: (process: string) => void;
  /** Callbacks that nobody has taken yet. */
  readonly owed: number;
  /** Statuses that callbacks were answered with, by count. */
  readonly answers: ReadonlyMap<number, number>;
  /** Starts over: forgets calls, acts as at first. */
  reset(): void;
  close(): Promise<void>;
}

const BOMB = gzipSync(Buffer.alloc(64 * 1_048_576));

export async function openProvider(secret: string): Promise<Provider> {
  let calls: Call[] = [];
  const taken = new Map<string, number>();
  const ids = new Map<string, string>();
  const called = new Map<string, number>();
  const firstCall = new Map<string, number>();
  const answers = new Map<number, number>();
  let numbered = 0;
  let owed: { url: string; body: string }[] = [];
  let posting = 0;
  let open = true;

  const take = (call: Call & { callback: string }): string => {
    const id = ids.get(call.ref) ?? `p-${++numbered}`;
    ids.set(call.ref, id);
    taken.set(call.ref, (taken.get(call.ref) ?? 0) + 1);
    const { by, times = 1 } = provider.callbacks;
    if (by !== 'none') {
      const at = new Date().toISOString();
      const body = JSON.stringify(by === 'reference' ? { id, ref: call.ref, at } : { id, at });
      for (let i = 0; i < times; i++) owed.push({ url: call.callback, body });
      post();
    }
    return id;
  };

  /** Callbacks go out a few at a time, and again until they are taken. */
  function post(): void {
    while (open && owed.length > 0 && posting < (provider.callbacks.abreast ?? 8)) {
      const one = owed.shift() as (typeof owed)[number];
      posting++;
      const { pathname, search } = new URL(one.url);
      dial(provider.door() + pathname + search, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-secret': secret },
        body: one.body,
        headersTimeout: 5_000,
        bodyTimeout: 5_000,
      })
        .then(async ({ statusCode, body }) => {
          await body.dump();
          answers.set(statusCode, (answers.get(statusCode) ?? 0) + 1);
          if (statusCode !== 200) owed.push(one);
          return statusCode === 200;
        })
        .catch(() => {
          owed.push(one);
          return false;
        })
        .then((well) =>
          setTimeout(
            () => {
              posting--;
              post();
            },
            well ? 0 : 100,
          ),
        );
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://provider');
    if (request.method === 'GET') {
      const id = ids.get(url.searchParams.get('ref') ?? '');
      response.writeHead(id ? 200 : 404, JSON_TYPE).end(JSON.stringify({ id }));
      return;
    }
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { ref, to, body, callback } = JSON.parse(Buffer.concat(pieces).toString());
    const call = {
      index: calls.length,
      ref,
      to,
      body,
      callback,
      process: String(request.headers['x-process']),
      before: called.get(ref) ?? 0,
      at: performance.now(),
    };
    calls.push(call);
    called.set(ref, call.before + 1);
    if (!firstCall.has(ref)) firstCall.set(ref, call.at);
    const act = provider.act(call);
    switch (act.do) {
      case 'take':
        await pause(act.afterMs ?? 2 + Math.random() * 10);
        return void response.writeHead(200, JSON_TYPE).end(JSON.stringify({ id: take(call) }));
      case 'refuse':
        return void response.writeHead(act.status, { ...JSON_TYPE, ...act.headers }).end('{"error":"no"}');
      case 'hang':
        return;
      case 'take and kill':
        take(call);
        provider.kill(call.process);
        return;
      case 'take and break': {
        const said = JSON.stringify({ id: take(call) });
        if (act.how === 'reset') return void response.socket?.resetAndDestroy();
        if (act.how === 'garbage') return void response.writeHead(200, JSON_TYPE).end(said.slice(0, said.length / 2));
        response.writeHead(200, { ...JSON_TYPE, 'content-length': String(said.length) });
        response.write(said.slice(0, 3), () => response.socket?.resetAndDestroy());
        return;
      }
      case 'flood':
        if (act.how === 'bomb')
          return void response.writeHead(503, { ...JSON_TYPE, 'content-encoding': 'gzip' }).end(BOMB);
        response.writeHead(503, JSON_TYPE);
        if (act.how === 'huge') return void response.end(Buffer.alloc(10 * 1_048_576, 'x'));
        for (let i = 0; i < 600 && !response.destroyed; i++) {
          response.write('x');
          await pause(100);
        }
        response.end();
    }
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const provider: Provider = {
    port: (server.address() as AddressInfo).port,
    get calls() {
      return calls;
    },
    taken,
    firstCall,
    answers,
    get owed() {
      return owed.length + posting;
    },
    act: () => ({ do: 'take' }),
    callbacks: { by: 'reference' },
    door: () => '',
    kill: () => undefined,
    reset() {
      calls = [];
      owed = [];
      for (const map of [taken, ids, called, firstCall, answers]) map.clear();
      provider.act = () => ({ do: 'take' });
      provider.callbacks = { by: 'reference' };
    },
    async close() {
      open = false;
      owed = [];
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return provider;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
