/**
 * What everything is measured on: one PostgreSQL (the product's own embedded server in a folder that goes afterwards, or
 * DATABASE_URL), a Redis where one answers, and the product as its users start it: `src/launch.js start`, split into API and
 * worker, with a tenant, a template and a connection made by its own doors. What is started here is ended here, by pid.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';
import { projectRoot } from '../../src/lib/config.ts';
import { startEmbedded } from '../../src/lib/embedded.ts';
import { type LoadCheck, processOf } from './lib/load.ts';
import { SECRET, TEMPLATE, TEMPLATE_ID } from './sample.ts';

export interface Database {
  readonly url: string;
  query<R = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<R[]>;
  /** Drops it. */
  stop(): Promise<void>;
}
export interface Stage {
  /** In words: what it runs on. */
  readonly store: string;
  readonly redisUrl: string | undefined;
  /** Of the first process of PostgreSQL; undefined where it runs on another machine. */
  readonly storePid: number | undefined;
  /** A fresh database with the product's schema. */
  database(): Promise<Database>;
  /** Where the database keeps its files; undefined where nobody can tell. */
  freeGb(): Promise<number | undefined>;
  close(): Promise<void>;
}
export interface Running {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}
export interface Account {
  readonly liveKey: string;
  /** `/hooks/…` of the bench's channel. */
  readonly hook: string;
  /** A POST with the live key; throws what is refused. */
  call(path: string, body: unknown): Promise<Record<string, string>>;
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
  const adminUrl = server?.adminUrl ?? (given as string);
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  const storePid = server?.pid ?? (await postmasterOf(admin, adminUrl));
  const redis = await findRedis();
  const redisUrl = redis?.url;
  // What a server does for others meanwhile counts as ours: nobody can tell it apart.
  for (const pid of [storePid, redis?.pid]) if (pid !== undefined) load.include(pid);
  const { rows } = await admin.query('show server_version');
  const at = (base: string, name: string) => Object.assign(new URL(base), { pathname: `/${name}` }).href;
  const owner = new URL(server?.url ?? adminUrl).username;
  const names: string[] = [];
  const create = async (from?: string): Promise<string> => {
    const name = `carillon_bench_${process.pid}_${names.length}`;
    await admin.query(`create database ${name} owner ${owner} ${from ? `template ${from}` : ''}`);
    names.push(name);
    return name;
  };
  const remove = (name: string) => admin.query(`drop database if exists ${name} with (force)`);
  const template = await create();
  await command(['migrate'], at(server?.url ?? adminUrl, template));
  return {
    store: `PostgreSQL ${rows[0].server_version.split(' ')[0]} (${server ? 'embedded' : 'DATABASE_URL'}), ${redisUrl ? 'with Redis' : 'without Redis'}`,
    redisUrl,
    storePid,
    async database() {
      const name = await create(template);
      const client = new pg.Client({ connectionString: at(adminUrl, name) });
      await client.connect();
      return {
        url: at(server?.url ?? adminUrl, name),
        query: async (text, values) => (await client.query(text, values as unknown[])).rows,
        async stop() {
          await client.end();
          await remove(name);
        },
      };
    },
    async freeGb() {
      if (storePid === undefined) return undefined;
      try {
        const folder = (await admin.query('show data_directory')).rows[0].data_directory;
        const { bavail, bsize } = statfsSync(folder);
        return (bavail * bsize) / 2 ** 30;
      } catch {
        return undefined;
      }
    },
    async close() {
      // The databases of a server that stays are taken away, also after a scene that failed.
      if (!server) for (const name of names) await remove(name);
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

const isHere = (url: string): boolean => ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);

/** The parent of our own back end, if the server stands on this machine and its processes can be seen. */
async function postmasterOf(admin: pg.Client, url: string): Promise<number | undefined> {
  if (!isHere(url)) return undefined;
  const { rows } = await admin.query('select pg_backend_pid() as pid');
  const found = processOf(rows[0].pid);
  return found?.name.startsWith('postgres') ? found.parent : undefined;
}

async function findRedis(): Promise<{ url: string; pid: number | undefined } | undefined> {
  const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: null, connectTimeout: 2_000 });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    const pid = Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]);
    return { url, pid: isHere(url) && processOf(pid)?.name.startsWith('redis') ? pid : undefined };
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

/** Of Node, as `npm start` gives them. */
const START_FLAGS = (JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')).scripts.start as string)
  .split(' ')
  .filter((word) => word.startsWith('--'));

/** The product in one role. Resolves when it says that it is ready. */
export async function startProduct(
  { redisUrl }: Pick<Stage, 'redisUrl'>,
  databaseUrl: string,
  { role, stubPort }: { role: 'all' | 'api' | 'worker'; stubPort: number },
): Promise<Running> {
  const child = spawn(process.execPath, [...START_FLAGS, launcher, 'start'], {
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment(databaseUrl, {
      ROLE: role,
      PLUGINS: fileURLToPath(new URL('./plugin.js', import.meta.url)),
      EGRESS_ALLOW: `127.0.0.1:${stubPort}`,
      ...(redisUrl ? { REDIS_URL: redisUrl } : {}),
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

/** Far above what any machine here does, so that nothing but the product itself holds it back. */
export const PACE = 100_000;

/** A tenant, a template and a connection to the provider: the command line first, then the API, as a user would. */
export async function openAccount(
  databaseUrl: string,
  api: Running,
  stubPort: number,
  concurrency = 128,
): Promise<Account> {
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
  const connection = await call('/api/v1/connections', {
    channel: 'benchhttp',
    credentials: { url: `http://127.0.0.1:${stubPort}`, secret: SECRET },
    limits: { per_second: PACE, concurrency },
  });
  const hook = new URL(connection.callback_url as string).pathname;
  return { liveKey: made.live_key, hook, call };
}
