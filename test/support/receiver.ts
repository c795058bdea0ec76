/**
 * A tenant's own server: keeps every delivery as it came, and answers as the test says. What is not scripted is taken.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from './product.ts';
import type { Json } from './providers/fake.ts';

export interface Delivered {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The bytes as they came. */
  readonly raw: Buffer;
  readonly body: Json;
  readonly id: string;
  readonly at: number;
}
export type Say =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      /** The answer waits for this. */
      readonly once?: Promise<unknown>;
    }
  | 'hang';
/** What is said of a delivery, by how often its id has come to this path before. */
export type Rule = (one: Delivered, before: number) => Say;

export type Receiver = Awaited<ReturnType<typeof startReceiver>>;

export async function startReceiver() {
  const got: Delivered[] = [];
  /** By path, one for each call. */
  const scripts = new Map<string, Say[]>();
  const constant = new Map<string, Say | Rule>();
  const times = new Map<string, number>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      const raw = Buffer.concat(chunks);
      const headers = request.headers as Record<string, string>;
      const id = headers['webhook-id'] ?? '';
      const one: Delivered = { path, headers, raw, body: JSON.parse(raw.toString()), id, at: Date.now() };
      got.push(one);
      const before = times.get(`${path} ${id}`) ?? 0;
      times.set(`${path} ${id}`, before + 1);
      const rule = scripts.get(path)?.shift() ?? constant.get(path) ?? { status: 204 };
      const say = typeof rule === 'function' ? rule(one, before) : rule;
      if (say === 'hang') return;
      const answer = () => void response.writeHead(say.status, say.headers).end(say.body);
      if (say.once) void say.once.then(answer);
      else answer();
    });
  });
  server.listen(0, '127.0.0.1');
  await until(() => server.listening);
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const of = (path: string): Delivered[] => got.filter((one) => one.path === path);
  return {
    host,
    url: (path: string): string => `http://${host}${path}`,
    of,
    script: (path: string, ...says: Say[]): void => void scripts.set(path, says),
    always: (path: string, say: Say | Rule | undefined): void => {
      if (say) constant.set(path, say);
      else constant.delete(path);
    },
    /** The deliveries at a path, once there are so many. */
    when: (path: string, count: number, withinMs = 15_000): Promise<Delivered[]> =>
      until(() => of(path).length >= count && of(path), { what: `${count} deliveries at ${path}`, withinMs }),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
