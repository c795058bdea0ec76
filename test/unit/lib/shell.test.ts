/** What the HTTP room answers when the request, or one of our own hooks, is not as it should be. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { type Principal, route } from '../../../src/lib/http.ts';
import { createLog } from '../../../src/lib/log.ts';
import { createShell, type ShellHooks } from '../../../src/lib/shell.ts';
import { exchange } from '../../support/raw-http.ts';

const NOBODY: Principal = { tenantId: '', mode: 'sandbox', scopes: [], actor: { kind: 'user', id: 'u' } };
const refuse: ShellHooks['refuse']['api'] = ({ status, code }) => ({ status, body: code, type: 'text/plain' });
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function serving(hooks: Partial<ShellHooks> = {}) {
  const lines: string[] = [];
  const targets: string[] = [];
  const common = { surface: 'hook', auth: 'open', tag: 'T', summary: 'S', errors: [], replies: {} } as const;
  const app = createShell({
    routes: [
      route({
        ...common,
        method: 'POST',
        path: '/hooks/:name',
        audit: 'hook.posted',
        handler: async ({ target }) => {
          targets.push(target);
          return { status: 201, body: 'done', type: 'text/plain' };
        },
      }),
    ],
    hooks: {
      authenticate: {
        key: async () => NOBODY,
        session: async () => NOBODY,
        admin: async () => NOBODY,
        open: async () => NOBODY,
      },
      refuse: { api: refuse, page: refuse, hook: refuse },
      audit: async () => undefined,
      ...hooks,
    },
    log: createLog('error', { write: (line) => void lines.push(line) }),
    clock: systemClock,
    trustedProxies: 0,
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const post = (target: string) =>
    exchange(url, [`POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`]);
  return { lines, targets, post };
}

describe('a request target', () => {
  test.each([
    ['http://evil.example/hooks/a?b=%7C', '/hooks/a?b=%7C'],
    ['HTTP://evil.example:1/hooks/a?', '/hooks/a?'],
    ['http://[/hooks/a', '/hooks/a'],
    ['/hooks/a?x=http://y/z', '/hooks/a?x=http://y/z'],
  ])('%s is known by its path and query alone', async (sent, target) => {
    const { post, targets } = await serving();
    expect((await post(sent)).status).toBe(201);
    expect(targets).toEqual([target]);
  });
  test.each([
    'http://evil.example',
    'http://[',
    'http:[',
    'x',
    '*',
    '//evil.example/hooks/a',
  ])('%s leads nowhere, and is no fault of ours', async (sent) => {
    const { post, lines } = await serving();
    expect((await post(sent)).status).toBeGreaterThanOrEqual(400);
    expect((await post(sent)).status).toBeLessThan(500);
    expect(lines).toEqual([]);
  });
  test('counts with its host when it is too long', async () => {
    const { post } = await serving();
    expect((await post(`http://${'e'.repeat(8_200)}/hooks/a`)).status).toBe(414);
    expect((await post(`/hooks/a?${'e'.repeat(8_200)}`)).status).toBe(414);
  });
});

describe('a hook of ours that fails', () => {
  test('while refusing: the answer is a plain 500, and the fault is logged', async () => {
    const broken = () => {
      throw new Error('no page for that');
    };
    const { post, lines } = await serving({ refuse: { api: broken, page: broken, hook: broken } });
    const { status, body } = await post('/nowhere');
    expect([status, body]).toEqual([500, 'internal_error']);
    expect(lines.join()).toContain('no page for that');
  });
  test('while writing the audit: what was done is answered as done, and the fault is logged', async () => {
    const { post, lines } = await serving({ audit: () => Promise.reject(new Error('no room')) });
    const { status, body } = await post('/hooks/a');
    expect([status, body]).toEqual([201, 'done']);
    expect(lines.join()).toContain('hook.posted');
  });
});
