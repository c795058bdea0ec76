/** The stores of the harness, its own on ports of the system's choice: a PostgreSQL, and a Redis where there is one. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { migrations } from '../../../migrations/index.ts';
import { type EmbeddedServer, startEmbedded } from '../../../src/lib/embedded.ts';
import { migrateUp } from '../../../src/lib/migrate.ts';
import { removeData } from '../../support/test-server.ts';

export interface Postgres {
  readonly url: string;
  readonly port: number;
  /** As a superuser; waits for a server that is coming back. */
  query<R extends object = Record<string, any>>(text: string, values?: readonly unknown[]): Promise<R[]>;
  /** SIGKILL of its first process; the others notice. */
  kill(): Promise<void>;
  /** After a kill. On another port. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function openPostgres(): Promise<Postgres> {
  const dataDir = mkdtempSync(join(tmpdir(), 'carillon-faults-'));
  const boot = () => startEmbedded({ dataDir, log: () => undefined, settings: { max_connections: '150' } });
  let server: EmbeddedServer = await boot();
  await migrateUp(server.url, migrations);
  let pool = poolOf(server);
  return {
    get url() {
      return server.url;
    },
    get port() {
      return Number(new URL(server.url).port);
    },
    async query(text, values) {
      for (const end = performance.now() + 20_000; ; )
        try {
          return (await pool.query(text, values as unknown[])).rows;
        } catch (error) {
          // What the server itself has to say is an answer; a broken connection is not.
          if (
            performance.now() > end ||
            ('severity' in Object(error) && !/^(57|08)/.test((error as { code: string }).code))
          )
            throw error;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
    },
    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.died;
    },
    async start() {
      await server.stop();
      server = await boot();
      void pool.end().catch(() => undefined);
      pool = poolOf(server);
    },
    async close() {
      await pool.end();
      await server.stop();
      removeData(dataDir);
    },
  };
}

function poolOf({ adminUrl, url }: EmbeddedServer): pg.Pool {
  const connectionString = Object.assign(new URL(adminUrl), { pathname: new URL(url).pathname }).href;
  const pool = new pg.Pool({ connectionString, max: 3 });
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

export interface OwnRedis {
  readonly port: number;
  command(...words: [string, ...string[]]): Promise<unknown>;
  kill(): Promise<void>;
  /** Empty, as after a kill without persistence. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Undefined where there is no redis-server. */
export async function openRedis(): Promise<OwnRedis | undefined> {
  if (spawnSync('redis-server', ['--version']).status !== 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'carillon-redis-'));
  const port = await freePort();
  let child: ChildProcess;
  let client: Redis | undefined;
  const start = async () => {
    const args = [
      '--port',
      port,
      '--bind',
      '127.0.0.1',
      '--dir',
      folder,
      '--save',
      '',
      '--appendonly',
      'no',
      '--maxmemory-policy',
      'noeviction',
    ];
    child = spawn('redis-server', args.map(String), { stdio: 'ignore' });
    client?.disconnect();
    // A command that waits for a server while its client is replaced would never hear of it.
    client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, commandTimeout: 10_000 });
    client.on('error', () => undefined);
    await client.ping();
  };
  const kill = async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  await start();
  return {
    port,
    command: (...words) => (client as Redis).call(...words),
    kill,
    start,
    async close() {
      client?.disconnect();
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
