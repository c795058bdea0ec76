/**
 * What everything is measured on: one PostgreSQL (the product's own embedded server in a folder that goes afterwards, or
 * DATABASE_URL), a Redis where one answers, and the product as its users start it: `src/launch.js start`, split into API and
 * worker, with a tenant, a template and a connection made by its own doors. What is started here is ended here, by pid.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';
import { projectRoot } from '../../src/lib/config.ts';
import { startEmbedded } from '../../src/lib/embedded.ts';
import type { LoadCheck } from './lib/load.ts';
import { SECRET, TEMPLATE, TEMPLATE_ID } from './sample.ts';

export interface Database {
  readonly url: string;
  query<R = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<R[]>;
  drop(): Promise<void>;
}
export interface Stage {
  /** In words: what it runs on. */
  readonly store: string;
  readonly redisUrl: string | undefined;
  /** A fresh database with the product's schema. */
  database(): Promise<Database>;
  close(): Promise<void>;
}
export interface Running {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}
export interface Account {
  readonly tenantId: string;
  readonly liveKey: string;
  /** `/hooks/…`, by channel adapter. */
  readonly hooks: Readonly<Record<string, string>>;
}

/** Of every process that opens what another has sealed. */
export const PRODUCT_ENV = { ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 9).toString('base64')}` };
const launcher = join(projectRoot, 'src/launch.js');
const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

export async function setStage(load: LoadCheck): Promise<Stage> {
  const given = process.env.DATABASE_URL;
  const dataDir = mkdtempSync(join(tmpdir(), 'carillon-bench-'));
  const server = given ? undefined : await startEmbedded({ dataDir, log: (line) => console.error(line) });
  if (server) load.include(server.pid);
  const adminUrl = server?.adminUrl ?? (given as string);
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  const redisUrl = await findRedis();
  const { rows } = await admin.query('show server_version');
  let made = 0;
  return {
    store: `PostgreSQL ${rows[0].server_version.split(' ')[0]} (${server ? 'embedded' : 'DATABASE_URL'}), ${redisUrl ? 'with Redis' : 'without Redis'}`,
    redisUrl,
    async database() {
      const name = `carillon_bench_${process.pid}_${++made}`;
      const owner = server ? new URL(server.url).username : new URL(adminUrl).username;
      await admin.query(`create database ${name} owner ${owner}`);
      const at = (base: string) => Object.assign(new URL(base), { pathname: `/${name}` }).href;
      const url = at(server?.url ?? adminUrl);
      await command(['migrate'], url);
      const client = new pg.Client({ connectionString: at(adminUrl) });
      await client.connect();
      return {
        url,
        query: async (text, values) => (await client.query(text, values as unknown[])).rows,
        async drop() {
          await client.end();
          await admin.query(`drop database ${name} with (force)`);
        },
      };
    },
    async close() {
      await admin.end();
      if (!server) return rmSync(dataDir, { recursive: true, force: true });
      await server.stop();
      for (const path of [homeOf(dataDir), dataDir]) rmSync(path, { recursive: true, force: true });
    },
  };
}

/** As root the server keeps its files elsewhere, which a file in the folder names. */
function homeOf(dataDir: string): string {
  const file = join(dataDir, 'postgres-location.txt');
  return existsSync(file) ? (readFileSync(file, 'utf8').split('\n')[0] as string) : dataDir;
}

async function findRedis(): Promise<string | undefined> {
  const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: null, connectTimeout: 2_000 });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return url;
  } catch {
    return undefined;
  } finally {
    redis.disconnect();
  }
}

const environment = (databaseUrl: string, extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  TMPDIR: process.env.TMPDIR,
  NODE_ENV: 'production',
  DATABASE_URL: databaseUrl,
  ...PRODUCT_ENV,
  PORT: '0',
  LOG_LEVEL: 'warn',
  ...extra,
});

async function command(args: readonly string[], databaseUrl: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [launcher, ...args], {
    cwd: tmpdir(),
    env: environment(databaseUrl),
  });
  return stdout;
}

/** The product in one role. Resolves when it says that it is ready. */
export async function startProduct(
  { redisUrl }: Pick<Stage, 'redisUrl'>,
  databaseUrl: string,
  { role, stubPort = 0, env = {} }: { role: 'all' | 'api' | 'worker'; stubPort?: number; env?: Record<string, string> },
): Promise<Running> {
  const child = spawn(process.execPath, [launcher, 'start'], {
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment(databaseUrl, {
      ROLE: role,
      PLUGINS: fileURLToPath(new URL('./plugin.js', import.meta.url)),
      EGRESS_ALLOW: `127.0.0.1:${stubPort}`,
      ...(redisUrl ? { REDIS_URL: redisUrl } : {}),
      ...env,
    }),
  });
  living.add(child);
  const ended = once(child, 'exit').finally(() => living.delete(child));
  let said = '';
  const ready = new Promise<'ready'>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      if (said.length < 10_000) said += chunk;
      if (role === 'worker' ? said.includes('Role      worker') : said.includes('Keys      ')) resolve('ready');
    });
  });
  if ((await Promise.race([ready, ended])) !== 'ready') throw new Error(`the product did not start:\n${said}`);
  const url = /API docs {2}(\S+)\/docs/.exec(said)?.[1] ?? '';
  return {
    url,
    port: Number(url.split(':')[2] ?? 0),
    pid: child.pid as number,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 40_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** A tenant, a template and connections to the provider: the command line first, then the API, as a user would. */
export async function openAccount(databaseUrl: string, api: Running, stubPort: number): Promise<Account> {
  const made = JSON.parse(await command(['tenant', 'create', '--name', 'Bench', '--json'], databaseUrl));
  const call = async (path: string, body: unknown) => {
    const response = await fetch(`${api.url}${path}`, {
      method: 'POST',
      headers: { 'x-api-key': made.live_key, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json() as Promise<Record<string, string>>;
  };
  await call('/api/v1/templates', {
    template_id: TEMPLATE_ID,
    content: { benchhttp: { en: { body: TEMPLATE, at: '{{at}}' } } },
  });
  const hooks: Record<string, string> = {};
  for (const adapter of ['benchhttp', 'benchslow']) {
    const connection = await call('/api/v1/connections', {
      channel: 'benchhttp',
      adapter,
      credentials: { url: `http://127.0.0.1:${stubPort}`, secret: SECRET },
    });
    hooks[adapter] = new URL(connection.callback_url as string).pathname;
  }
  return { tenantId: made.tenant_id, liveKey: made.live_key, hooks };
}
