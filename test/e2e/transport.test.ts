/** Requests as no client library would send them: each is answered or cut off, none is stored, and everybody else is served meanwhile. */
import { type AddressInfo, connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp, type Listening, listen } from '../../src/app.ts';
import { exchange } from '../support/raw-http.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
/** The same application behind a listener of little patience. */
let hasty: Listening & { url: string };
beforeAll(async () => {
  scene = await startScene();
  const listening = await listen(createApp(scene.product.deps), 0, '127.0.0.1', { headersMs: 300, requestMs: 800 });
  hasty = { ...listening, url: `http://127.0.0.1:${listening.port}` };
});
afterAll(async () => {
  await hasty.close(100);
  expect((await fetch(`${scene.product.url}/health/ready`)).status).toBe(200);
  await scene.close();
});

const SEND = '/api/v1/notifications/send';
const body = (): string =>
  JSON.stringify({ recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'x' } });
const head = (more: readonly string[] = [], method = 'POST', path = SEND): string =>
  [`${method} ${path} HTTP/1.1`, 'Host: localhost', `X-API-Key: ${scene.testKey}`, ...more, '', ''].join('\r\n');
const JSON_TYPE = 'Content-Type: application/json';

async function unchanged<T>(work: () => Promise<T>): Promise<T> {
  const before = await scene.rows();
  const result = await work();
  const after = await scene.rows();
  expect([after.messages, after.idempotency]).toEqual([before.messages, before.idempotency]);
  return result;
}
const refused = (status: number, code: string, headers: Record<string, string>, raw: string | Buffer<ArrayBuffer>) =>
  unchanged(async () => {
    const reply = await scene.call('POST', SEND, { key: scene.testKey, raw, headers });
    expect([reply.status, reply.body.error.code]).toEqual([status, code]);
    return reply;
  });

describe('bodies', () => {
  it('25 over 1 MB: 413, whether its length was announced or not', async () => {
    const raw = JSON.stringify({ recipient: {}, notification: { body: 'x'.repeat(1_100_000) } });
    await refused(413, 'body_too_large', {}, raw);
    const chunk = 'x'.repeat(65_536);
    const pieces = [
      head([JSON_TYPE, 'Transfer-Encoding: chunked']),
      ...Array(20).fill(`10000\r\n${chunk}\r\n`),
      '0\r\n\r\n',
    ];
    const answer = await unchanged(() => exchange(scene.product.url, pieces));
    expect(answer.status).toBe(413);
  });

  it.each(['gzip', 'br', 'deflate', 'zstd'])('26 %s: 415, and nothing is inflated', async (encoding) => {
    const raw = gzipSync(body());
    await refused(415, 'unsupported_content_encoding', { 'content-encoding': encoding }, raw);
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    '',
  ])('27 content type %j: 415', async (type) => {
    await refused(415, 'unsupported_media_type', { 'content-type': type }, body());
  });

  it('27 a charset behind the content type is no fault', async () => {
    const headers = { 'content-type': 'Application/JSON; charset=utf-8' };
    expect((await scene.call('POST', SEND, { key: scene.testKey, raw: body(), headers })).status).toBe(202);
  });

  it('a body that breaks off is not a request', async () => {
    await unchanged(async () => {
      const pieces = [head([JSON_TYPE, 'Content-Length: 500']), '{"recipient":'];
      const answer = await exchange(hasty.url, pieces, { withinMs: 300 });
      expect(answer.status).toBe(0);
    });
  });
});

describe('framing', () => {
  it('28 a length and chunks at once: 400, and the connection ends', async () => {
    const text = body();
    const more = [JSON_TYPE, `Content-Length: ${text.length}`, 'Transfer-Encoding: chunked'];
    const pieces = [head(more), `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`];
    expect(await unchanged(() => exchange(scene.product.url, pieces))).toMatchObject({ status: 400, closed: true });
  });

  it('28 two lengths: 400', async () => {
    const answer = await unchanged(() =>
      exchange(scene.product.url, [head([JSON_TYPE, 'Content-Length: 2', 'Content-Length: 40']), '{}']),
    );
    expect(answer).toMatchObject({ status: 400, closed: true });
  });

  it('29 a chunk that is none: the request is not taken, and the connection ends', async () => {
    const pieces = [head([JSON_TYPE, 'Transfer-Encoding: chunked']), 'zz\r\nnonsense\r\n0\r\n\r\n'];
    const answer = await unchanged(() => exchange(scene.product.url, pieces));
    expect([0, 400]).toContain(answer.status);
  });

  it('a header with a bare line feed or a NUL: 400', async () => {
    for (const header of ['X-Bad: a\nX-API-Key: b', 'X-Bad: a\u0000b']) {
      const answer = await exchange(scene.product.url, [head([JSON_TYPE, header, 'Content-Length: 2']), '{}']);
      expect([400, 401, 422]).toContain(answer.status);
      expect(answer.status).not.toBe(202);
    }
  });
});

describe('sizes', () => {
  it('30 headers over 16 KB: 431', async () => {
    const answer = await exchange(scene.product.url, [head([`X-Big: ${'x'.repeat(20_000)}`], 'GET', '/health/live')]);
    expect(answer).toMatchObject({ status: 431, closed: true });
  });

  it('31 an address over 8 KB: 414', async () => {
    const reply = await scene.call('GET', `/api/v1/notifications?recipient=${'x'.repeat(8_300)}`, {
      key: scene.testKey,
    });
    expect([reply.status, reply.body.error.code]).toEqual([414, 'uri_too_long']);
  });
});

describe('slowness', () => {
  it('32 headers that do not end: 408, and the connection ends', async () => {
    const answer = await exchange(hasty.url, [`POST ${SEND} HTTP/1.1\r\nHost: localhost\r\n`], { withinMs: 4_000 });
    expect(answer).toMatchObject({ status: 408, closed: true });
  });

  it('33 a body of one byte at a time: 408, and nothing is stored', async () => {
    const pieces = [head([JSON_TYPE, 'Content-Length: 400']), ...'{"recipient":{"phone":"+141555'];
    const answer = await unchanged(() => exchange(hasty.url, pieces, { everyMs: 100, withinMs: 4_000 }));
    expect(answer).toMatchObject({ status: 408, closed: true });
  });

  it('34 two thousand idle connections, and others are served', async () => {
    const port = Number(new URL(scene.product.url).port);
    const sockets: Socket[] = [];
    for (let batch = 0; batch < 20; batch++)
      await Promise.all(
        Array.from({ length: 100 }, () => {
          const socket = connect(port, '127.0.0.1');
          sockets.push(socket);
          return new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
        }),
      );
    expect((sockets[0]?.address() as AddressInfo).port).toBeGreaterThan(0);
    const began = performance.now();
    expect((await scene.call('POST', SEND, { key: scene.testKey, raw: body() })).status).toBe(202);
    expect(performance.now() - began).toBeLessThan(2_000);
    for (const socket of sockets) socket.destroy();
  });
});

describe('order and meaning', () => {
  it('35 a hundred requests at once on one connection are answered in their order', async () => {
    const requests = Array.from({ length: 100 }, (_, i) =>
      head(
        [`X-Request-Id: request-${String(i).padStart(3, '0')}`, ...(i === 99 ? ['Connection: close'] : [])],
        'GET',
        '/health/live',
      ),
    );
    const port = Number(new URL(scene.product.url).port);
    const text = await new Promise<string>((resolve, reject) => {
      let got = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(requests.join('')));
      socket.on('data', (chunk) => {
        got += chunk;
      });
      socket.on('close', () => resolve(got)).on('error', reject);
    });
    const ids = Array.from(text.matchAll(/x-request-id: request-(\d{3})/gi), ([, id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it.each(['PUT', 'PATCH'])('36 %s on send: 405 and what is allowed', async (method) => {
    const reply = await scene.call(method, SEND, { key: scene.testKey });
    expect([reply.status, reply.body.error.code, reply.headers.get('allow')]).toEqual([
      405,
      'method_not_allowed',
      'POST',
    ]);
  });

  it('36 a method that does not exist: 400', async () => {
    expect((await exchange(scene.product.url, [head([], 'BREW')])).status).toBe(400);
  });

  it('37 who asks for XML gets JSON', async () => {
    const headers = { accept: 'text/xml' };
    const reply = await scene.call('GET', '/api/v1/notifications', { key: scene.testKey, headers });
    expect([reply.status, reply.headers.get('content-type')]).toEqual([
      200,
      expect.stringMatching(/^application\/json/),
    ]);
  });

  it('38 an expectation that nobody knows: 417', async () => {
    const answer = await unchanged(() =>
      exchange(scene.product.url, [head([JSON_TYPE, 'Expect: junk', 'Content-Length: 2']), '{}']),
    );
    expect(answer.status).toBe(417);
  });

  it('38 Expect: 100-continue is answered, and then the request', async () => {
    const text = body();
    const pieces = [
      head([JSON_TYPE, 'Expect: 100-continue', `Content-Length: ${text.length}`, 'Connection: close']),
      text,
    ];
    const answer = await exchange(scene.product.url, pieces, { everyMs: 200 });
    expect(answer.text).toMatch(/^HTTP\/1\.1 100 /);
  });

  it('a method in a header, a case, a slash or an escape more opens no other door', async () => {
    const headers = { 'x-http-method-override': 'GET', 'x-original-url': '/health/live' };
    const list = '/api/v1/notifications';
    for (const [method, path, more] of [
      ['DELETE', list, headers],
      ['GET', list.toUpperCase(), {}],
      ['GET', `${list}/`, {}],
      ['GET', `/${list}`, {}],
      ['GET', '/api/v1/%6eotifications', {}],
      ['GET', '/api%2fv1/notifications', {}],
      ['HEAD', list, {}],
      ['OPTIONS', list, {}],
    ] as const) {
      const reply = await scene.call(method, path, { headers: more });
      expect([method, path, [401, 404, 405].includes(reply.status)]).toEqual([method, path, true]);
    }
  });

  it('two keys in two headers of one name are no key', async () => {
    const more = [`X-API-Key: ${scene.liveKey}`];
    const answer = await exchange(scene.product.url, [head(more, 'GET', '/api/v1/notifications')]);
    expect([400, 401]).toContain(answer.status);
  });

  it.each(['ak_test_', 'x'.repeat(10_000), 'ключ', '\t', "' or 1=1 --"])('a key like %j is 401', async (key) => {
    const header = `X-API-Key: ${key}`;
    const answer = await exchange(scene.product.url, [
      ['GET /api/v1/notifications HTTP/1.1', 'Host: localhost', header, '', ''].join('\r\n'),
    ]);
    expect(answer.status).toBe(401);
    if (key.length > 10) expect(answer.text).not.toContain(key);
  });
});
