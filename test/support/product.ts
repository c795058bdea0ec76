/**
 * The product as its users meet it: `startProduct` runs the real composition in this process on a cloned database and a free
 * port; `spawnProduct` runs the command of the README as a process of its own. Both end without leaving anything behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Deps } from '../../src/deps.ts';
import { projectRoot, type Role, readConfig } from '../../src/lib/config.ts';
import { createLog, type Log } from '../../src/lib/log.ts';
import { type StartOptions, start } from '../../src/main.ts';
import { type BackendName, backend as backendOf } from './backends.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { removeData } from './test-server.ts';

export interface ApiCall {
  /** Default POST with a body, else GET. */
  readonly method?: string;
  /** An object is sent as JSON, a text as it is. */
  readonly body?: unknown;
  /** Default the test key; null sends none. */
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed when it is JSON, else the text. */
  readonly body: any;
}
export type Api = (path: string, call?: ApiCall) => Promise<ApiAnswer>;

export interface Product {
  readonly url: string;
  readonly deps: Deps;
  readonly database: TestDatabase;
  readonly tenantId: string;
  readonly testKey: string;
  readonly liveKey: string;
  readonly api: Api;
  /** Stops all, and drops the database unless it was handed in. Throws when a client was left open. */
  stop(): Promise<void>;
}

export interface ProductOptions {
  readonly role?: Role;
  readonly timing?: StartOptions['timing'];
  /** Settings beside those every test has; EGRESS_ALLOW names the fakes. */
  readonly env?: Readonly<Record<string, string>>;
  readonly backend?: BackendName;
  /** Of another product, to run two processes' worth on one database. */
  readonly database?: TestDatabase;
  readonly log?: Log;
}

export const ENCRYPTION_KEYS = `k1:${Buffer.alloc(32, 7).toString('base64')}`;
export const ADMIN_KEY = 'operator-key-of-the-tests-0123456789';

export async function startProduct({
  role = 'all',
  timing,
  env = {},
  backend = 'embedded',
  database: given,
  log = createLog(process.env.TEST_LOG ?? 'silent'),
}: ProductOptions = {}): Promise<Product> {
  const database = given ?? (await createTestDatabase(backend));
  const drop = async () => {
    if (!given) await database.close();
  };
  try {
    const { redisUrl } = backendOf(backend);
    const config = readConfig({
      PORT: '0',
      DATA_DIR: join(tmpdir(), 'carillon-unused'),
      DATABASE_URL: database.url,
      ENCRYPTION_KEYS,
      ADMIN_KEY,
      ...(redisUrl ? { REDIS_URL: redisUrl } : {}),
      ROLE: role,
      ...env,
    });
    const running = await start({ config, log, ...(timing ? { timing } : {}) });
    // A public address of a test is nowhere.
    const url = config.publicUrl ? `http://localhost:${running.port}` : running.url;
    const { tenant, testKey, liveKey } = await running.deps.tenants.create({ name: 'Bakery' });
    return {
      url,
      deps: running.deps,
      database,
      tenantId: tenant.id,
      testKey,
      liveKey,
      api: apiAt(url, testKey),
      async stop() {
        await running.stop(5_000);
        await drop();
      },
    };
  } catch (error) {
    await drop().catch(() => undefined);
    throw error;
  }
}

/** A client of the API at `url`, with a key of its own. */
export const apiAt =
  (url: string, ownKey?: string): Api =>
  async (path, { body, method = body === undefined ? 'GET' : 'POST', key = ownKey, headers = {} } = {}) => {
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(key ? { 'x-api-key': key } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') && text !== '';
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  };

/** Asks again until the answer is there; fails after `withinMs` with what it saw last. */
export async function until<T>(
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  { withinMs = 10_000, what = 'what was waited for' }: { withinMs?: number; what?: string } = {},
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`${what} did not come within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface Spawned {
  /** Of the listener; empty for a worker. */
  readonly url: string;
  /** The test key of the banner, on a first start. */
  readonly key: string | undefined;
  /** The curl line of the banner, on a first start. */
  readonly curl: string | undefined;
  readonly pid: number;
  readonly api: Api;
  /** Milliseconds from the start of the process to the banner. */
  readonly readyMs: number;
  /** Everything written so far, both streams. */
  output(): string;
  /** Resolves when the process has gone, however that came. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Sends the signal (default SIGINT, as Ctrl-C does) and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export interface SpawnOptions {
  /** Of the embedded database; a new folder that goes with the process when neither this nor `databaseUrl` is given. */
  readonly dataDir?: string;
  readonly databaseUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Of the product's own files, when a copy is to run. */
  readonly root?: string;
  readonly uid?: number;
  readonly gid?: number;
}

const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGINT');
});

/** Runs `node src/launch.js start`; resolves on the banner and rejects, with all that was written, if none came. */
export async function spawnProduct({
  dataDir,
  databaseUrl,
  env = {},
  root = projectRoot,
  uid,
  gid,
}: SpawnOptions = {}): Promise<Spawned> {
  const own = dataDir || databaseUrl ? undefined : mkdtempSync(join(tmpdir(), 'carillon-product-'));
  const began = performance.now();
  const child = spawn(process.execPath, [join(root, 'src/launch.js'), 'start'], {
    // A .env of the working folder would be read.
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TMPDIR: process.env.TMPDIR,
      PORT: '0',
      LOG_LEVEL: 'warn',
      DATA_DIR: dataDir ?? own ?? join(tmpdir(), 'carillon-unused'),
      ...(databaseUrl ? { DATABASE_URL: databaseUrl, ENCRYPTION_KEYS } : {}),
      ...env,
    },
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  });
  children.add(child);
  let written = '';
  const ended = once(child, 'close').then((end) => {
    const [code, signal] = end as [number | null, NodeJS.Signals | null];
    children.delete(child);
    // After a SIGKILL the embedded server may still run; its folder then stays for the next start.
    if (own && code !== null) removeData(own);
    return { code, signal };
  });
  const ready = new Promise<void>((resolve) => {
    const hear = (chunk: Buffer) => {
      written += chunk;
      if (BANNER.test(written)) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
  });
  const first = await Promise.race([ready, ended]);
  if (first) throw new Error(`it ended (${first.code ?? first.signal}) before it was ready:\n${written}`);
  const readyMs = performance.now() - began;
  const url = /API docs {2}(\S+)\/docs/.exec(written)?.[1] ?? '';
  const key = /Key {7}(ak_test_\w+)/.exec(written)?.[1];
  return {
    url,
    key,
    curl: /^ *(curl .*)$/m.exec(written)?.[1],
    pid: child.pid as number,
    api: apiAt(url, key),
    readyMs,
    output: () => written,
    ended,
    stop(signal = 'SIGINT') {
      child.kill(signal);
      return ended;
    },
  };
}

/** The last words of each form of the banner. */
const BANNER = /ready in [\s\S]*(the README says how\.|My company"|worker: delivers what other processes accept)\n/;
