/**
 * The back ends that tests run on. The embedded PostgreSQL is always there, since it is part of the product; an outside
 * PostgreSQL and a Redis are used where one answers, and otherwise the reason is told.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { findEmbedded, startEmbedded } from '../../src/lib/embedded.ts';
import { homeOf } from './embedded.ts';

export interface TestServer {
  /** Of a superuser. */
  readonly adminUrl: string;
  stop(): Promise<void>;
}

const PREFIX = 'carillon-tests-';
/** What is lost in a power cut is made again by the next run. */
const FAST = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '120',
  // Statements and idle sessions of tests are many and short.
  shared_buffers: '64MB',
};

/** The one embedded server of a run, in a folder of its own that goes with it. */
export async function embeddedTestServer(): Promise<TestServer> {
  await clearAbandoned();
  const dataDir = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const server = await startEmbedded({ dataDir, log: () => undefined, settings: FAST });
  // A run that is cut short cannot wait; the server ends by itself once it is told.
  const cut = () => process.kill(server.pid, 'SIGINT');
  process.once('exit', cut);
  return {
    adminUrl: server.adminUrl,
    async stop() {
      process.off('exit', cut);
      await server.stop();
      removeData(dataDir);
    },
  };
}

/** Takes a data folder away, with what it keeps elsewhere. */
export function removeData(dataDir: string): void {
  const home = homeOf(dataDir);
  for (const folder of [home, dataDir]) rmSync(folder, { recursive: true, force: true });
}

/** Servers of runs that were killed. */
async function clearAbandoned(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    if (runs(Number(name.slice(PREFIX.length).split('-')[0]))) continue;
    const dataDir = join(tmpdir(), name);
    const left = await findEmbedded(dataDir).catch(() => undefined);
    if (left) process.kill(left.pid, 'SIGINT');
    for (let tries = 0; left && runs(left.pid) && tries < 100; tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    removeData(dataDir);
  }
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A back end, or why it is not there. */
export type Found<T> = T | { readonly missing: string };

/** The PostgreSQL of DATABASE_URL, or one at the usual port that trusts local users. */
export async function outsidePostgres(): Promise<Found<{ adminUrl: string }>> {
  const given = process.env.DATABASE_URL;
  const adminUrl = given ?? 'postgres://postgres@127.0.0.1:5432/postgres';
  const where = given ? 'DATABASE_URL' : '127.0.0.1:5432';
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: 2_000 });
  try {
    await client.connect();
    const { rows } = await client.query<{ version: number; super: boolean }>(
      `select current_setting('server_version_num')::int as version, rolsuper as super from pg_roles where rolname = current_user`,
    );
    const { version = 0, super: superuser = false } = rows[0] ?? {};
    if (version < 150_000) return { missing: `${where} is older than PostgreSQL 15` };
    if (!superuser) return { missing: `${where} is not a superuser's address, which cloning databases needs` };
    return { adminUrl };
  } catch (error) {
    return { missing: `none answers at ${where} (${reason(error)})` };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The Redis of REDIS_URL, or one at the usual port. */
export async function outsideRedis(): Promise<Found<{ redisUrl: string }>> {
  const given = process.env.REDIS_URL;
  const redisUrl = given ?? 'redis://127.0.0.1:6379';
  const redis = new Redis(redisUrl, { lazyConnect: true, retryStrategy: null, connectTimeout: 2_000 });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    await redis.ping();
    return { redisUrl };
  } catch (error) {
    return { missing: `none answers at ${given ? 'REDIS_URL' : '127.0.0.1:6379'} (${reason(error)})` };
  } finally {
    redis.disconnect();
  }
}

const reason = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
