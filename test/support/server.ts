/** The real HTTP stack on a free port, and a client that reads its answers. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../src/lib/clock.ts';
import { errorBody } from '../../src/lib/errors.ts';
import type { Route } from '../../src/lib/http.ts';
import { createLog } from '../../src/lib/log.ts';
import { createShell, type ShellHooks } from '../../src/lib/shell.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
}
export interface Call {
  readonly key?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}
export interface TestHttp {
  readonly url: string;
  call(method: string, path: string, call?: Call): Promise<Answer>;
  close(): Promise<void>;
}

export async function serve(
  routes: readonly Route[],
  hooks: Pick<ShellHooks, 'audit' | 'authenticate'>,
): Promise<TestHttp> {
  const refuse: ShellHooks['refuse']['api'] = (error, request) => ({
    status: error.status,
    body: errorBody(error, request.requestId, 'http://test'),
  });
  const app = createShell({
    routes,
    hooks: { ...hooks, refuse: { api: refuse, page: refuse, hook: refuse } },
    log: createLog('silent'),
    clock: systemClock,
    trustedProxies: 0,
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    async call(method, path, { key, body, headers = {} } = {}) {
      const response = await fetch(url + path, {
        method,
        headers: {
          ...(key === undefined ? {} : { 'x-api-key': key }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(headers as Record<string, string>),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
