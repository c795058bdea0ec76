/** How far a failed request got: what never had a socket may be tried again, what left may not. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createEgress } from '../../../src/lib/egress.ts';
import { createFetch, type Fetch, FetchError } from '../../../src/lib/fetch.ts';

const SOCKETS = 32;
let server: Server;
let url: string;
let arrived: number;
let sockets: number;
let fetch: Fetch;

beforeEach(async () => {
  arrived = 0;
  sockets = 0;
  server = createServer((request, response) => {
    arrived++;
    if (request.url === '/answers') response.end('{"well":true}');
    if (request.url === '/closes') response.setHeader('connection', 'close').end('bye');
    if (request.url === '/marked') response.end('\ufeff{"well":"\u00e4"}');
    if (request.url === '/long') response.end(Buffer.alloc(1_048_577, 'a'));
    if (request.url === '/fits') response.end(Buffer.alloc(1_048_576, 'a'));
    if (request.url === '/half') response.writeHead(200, { 'content-length': 100 }).write('half');
  });
  server.on('connection', () => sockets++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  url = `http://127.0.0.1:${port}`;
  fetch = createFetch(createEgress([`127.0.0.1:${port}`]), { connections: SOCKETS });
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

  test('lets go of who waits in line when the signal says so, and that was not sent', async () => {
    const hanging = Array.from({ length: SOCKETS }, () => failure(fetch({ url, timeoutMs: 2_000 })));
    const control = new AbortController();
    const began = performance.now();
    const waiting = failure(fetch({ url, signal: control.signal }));
    control.abort(new Error('no more time'));
    expect(await waiting).toMatchObject({ sent: false, message: 'no more time' });
    expect(performance.now() - began).toBeLessThan(1_000);
    await Promise.all(hanging);
    expect(arrived).toBe(SOCKETS);
  });

  test('in the middle of its answer is left when the time is over, and it was sent', async () => {
    expect(await failure(fetch({ url: `${url}/half`, timeoutMs: 200 }))).toMatchObject({ sent: true });
    // The broken socket is nobody else's trouble.
    expect((await fetch({ url: `${url}/answers` })).status).toBe(200);
  });
});

describe('sockets', () => {
  const answers = () => fetch({ url: `${url}/answers` });

  test('are opened as they are needed, and used again', async () => {
    for (let i = 0; i < 20; i++) await answers();
    expect(sockets).toBe(1);
    await Promise.all(Array.from({ length: 8 }, answers));
    expect(sockets).toBe(8);
  });

  test('serve everybody in line, first come first served', async () => {
    const order: number[] = [];
    const calls = Array.from({ length: 10 * SOCKETS }, (_, i) => answers().then(() => order.push(i)));
    await Promise.all(calls);
    expect(sockets).toBe(SOCKETS);
    expect(order.slice(0, SOCKETS).every((i) => i < 3 * SOCKETS)).toBe(true);
  });

  test('that the other side closes are replaced', async () => {
    for (let i = 0; i < 5; i++) expect((await fetch({ url: `${url}/closes` })).text).toBe('bye');
    await Promise.all(Array.from({ length: 3 * SOCKETS }, () => fetch({ url: `${url}/closes` })));
    expect(sockets).toBe(5 + 3 * SOCKETS);
  });

  test('allow a thousand calls in flight to one address', async () => {
    const wide = createFetch(createEgress([url.slice('http://'.length)]));
    const calls = Array.from({ length: 1_000 }, () => failure(wide({ url, timeoutMs: 20_000 })));
    await vi.waitFor(() => expect(arrived).toBe(1_000), { timeout: 15_000 });
    server.closeAllConnections();
    expect((await Promise.all(calls)).every(({ sent }) => sent)).toBe(true);
    await wide.close();
  });

  test('are closed only when the last answer is there; then nothing is sent any more', async () => {
    const last = Promise.all(Array.from({ length: 2 * SOCKETS }, answers));
    await fetch.close();
    expect(arrived).toBe(2 * SOCKETS);
    expect(await last).toHaveLength(2 * SOCKETS);
    expect(await failure(answers())).toMatchObject({ sent: false });
  });
});

test('an answer of more than 1 MB is an error, and it was sent', async () => {
  expect((await fetch({ url: `${url}/fits` })).text).toHaveLength(1_048_576);
  expect(await failure(fetch({ url: `${url}/long` }))).toMatchObject({
    sent: true,
    code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  });
});

test('an answer is read as UTF-8, without the mark that some put in front', async () => {
  expect((await fetch({ url: `${url}/marked` })).json()).toEqual({ well: 'ä' });
});

test('a header that cannot be sent is an error before anything leaves', async () => {
  expect(await failure(fetch({ url, headers: { 'x-odd': 'a\nb' } }))).toMatchObject({ sent: false });
  expect((await fetch({ url: `${url}/answers` })).status).toBe(200);
  expect(arrived).toBe(1);
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
