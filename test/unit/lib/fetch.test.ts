/** How far a failed request got: what never had a socket may be tried again, what left may not. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEgress } from '../../../src/lib/egress.ts';
import { createFetch, type Fetch, FetchError } from '../../../src/lib/fetch.ts';

const SOCKETS = 128;
let server: Server;
let url: string;
let arrived: number;
let fetch: Fetch;

beforeEach(async () => {
  arrived = 0;
  server = createServer((request, response) => {
    arrived++;
    if (request.url === '/answers') response.end('{"well":true}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  url = `http://127.0.0.1:${port}`;
  fetch = createFetch(createEgress([`127.0.0.1:${port}`]));
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await fetch.close();
});

const failure = async (call: Promise<unknown>): Promise<FetchError> => {
  const error = await call.then(
    () => new Error('it was answered'),
    (reason: unknown) => reason,
  );
  if (error instanceof FetchError) return error;
  throw error;
};

describe('a provider that hangs', () => {
  test('has been sent what got a socket, and nothing else', async () => {
    const hang = (count: number, timeoutMs: number) =>
      Array.from({ length: count }, () => failure(fetch({ url, method: 'POST', json: {}, timeoutMs })));
    // Those that wait give up first: else they would get the sockets of those before them.
    const calls = [...hang(SOCKETS, 3_000), ...hang(40, 1_000)];
    const failures = await Promise.all(calls);
    expect(arrived).toBe(SOCKETS);
    expect(failures.filter(({ sent }) => sent)).toHaveLength(SOCKETS);
    expect(failures.filter(({ sent }) => !sent)).toHaveLength(40);
    // Nor do those leave afterwards, when sockets are free again.
    expect((await fetch({ url: `${url}/answers` })).json()).toEqual({ well: true });
    expect(arrived).toBe(SOCKETS + 1);
  });

  test('is left at once when the signal says so, and it may have been sent', async () => {
    const control = new AbortController();
    const began = performance.now();
    const call = failure(fetch({ url, method: 'POST', json: {}, signal: control.signal }));
    await new Promise<void>((resolve) => server.once('request', () => resolve()));
    control.abort(new Error('no more time'));
    expect(await call).toMatchObject({ sent: true, message: 'no more time' });
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

test('a signal that has spoken already sends nothing', async () => {
  expect(await failure(fetch({ url, signal: AbortSignal.abort() }))).toMatchObject({ sent: false });
  expect(arrived).toBe(0);
});

test('where nobody listens, nothing was sent', async () => {
  server.close();
  server.closeAllConnections();
  expect(await failure(fetch({ url }))).toMatchObject({ sent: false, code: 'ECONNREFUSED' });
});
