/**
 * Once per run: the back ends, and on each PostgreSQL the roles and a template database with the whole schema, which each
 * test file clones. The role that owns the databases is no superuser, so that grants and row-level security are real.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrations } from '../../migrations/index.ts';
import { projectRoot } from '../../src/lib/config.ts';
import { migrateUp } from '../../src/lib/migrate.ts';
import { embeddedTestServer, type Found, outsidePostgres, outsideRedis } from './test-server.ts';

export interface StoreForTests {
  readonly adminUrl: string;
  /** Address of the ordinary role, in the template database. */
  readonly appUrl: string;
  readonly template: string;
}
export interface BackendForTests {
  readonly store: StoreForTests;
  /** Present when the queue is on Redis. */
  readonly redisUrl?: string;
}
/** The store and the queue on the embedded PostgreSQL; both on an outside one; the queue on Redis. */
export type BackendName = 'embedded' | 'postgres' | 'redis';

declare module 'vitest' {
  interface ProvidedContext {
    backends: Readonly<Record<BackendName, Found<BackendForTests>>>;
  }
}

const APP_ROLE = 'carillon_test';
const APP_PASSWORD = 'carillon_test';
const STALE_MS = 3_600_000;

const ROLES = `
  do $$ begin
    if not exists (select from pg_roles where rolname = '${APP_ROLE}') then
      create role ${APP_ROLE} login createrole password '${APP_PASSWORD}';
    end if;
    if not exists (select from pg_roles where rolname = 'carillon_reader') then
      create role carillon_reader nologin;
    end if;
    if not pg_has_role('${APP_ROLE}', 'carillon_reader', 'member') then
      grant carillon_reader to ${APP_ROLE};
    end if;
  end $$`;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Tests that start the product as a process of its own must not compile it at the same time.
  const compiler = join(projectRoot, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', join(projectRoot, 'tsconfig.build.json')], { stdio: 'inherit' });
  const [server, postgres, redis] = await Promise.all([embeddedTestServer(), outsidePostgres(), outsideRedis()]);
  const own = await prepare(server.adminUrl);
  const outside = 'missing' in postgres ? postgres : { store: await prepare(postgres.adminUrl) };
  project.provide('backends', {
    embedded: { store: own },
    postgres: outside,
    redis: 'missing' in redis ? redis : { store: own, redisUrl: redis.redisUrl },
  });
  return async () => {
    if ('store' in outside) await drop(outside.store);
    await server.stop();
  };
}

async function prepare(adminUrl: string): Promise<StoreForTests> {
  const template = `carillon_template_${Date.now()}_${process.pid}`;
  const appUrl = Object.assign(new URL(adminUrl), {
    username: APP_ROLE,
    password: APP_PASSWORD,
    pathname: `/${template}`,
  });
  await asAdmin(adminUrl, async (admin) => {
    // Several runs may share one server.
    await admin.query(`select pg_advisory_lock(hashtext('carillon tests'))`);
    await admin.query(ROLES);
    await dropStale(admin);
    await admin.query(`select pg_advisory_unlock(hashtext('carillon tests'))`);
    await admin.query(`create database ${template} owner ${APP_ROLE}`);
  });
  await migrateUp(appUrl.href, migrations);
  return { adminUrl, appUrl: appUrl.href, template };
}

const drop = ({ adminUrl, template }: StoreForTests): Promise<void> =>
  asAdmin(adminUrl, async (admin) => void (await admin.query(`drop database if exists ${template} with (force)`)));

async function asAdmin(adminUrl: string, work: (admin: pg.Client) => Promise<void>): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

/** What killed runs have left behind, an hour later. */
async function dropStale(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    `select datname from pg_database where datname ~ '^carillon_(template|test)_[0-9]{13}_'`,
  );
  for (const { datname } of rows) {
    const made = Number(/_(\d{13})_/.exec(datname)?.[1]);
    if (Date.now() - made > STALE_MS) await admin.query(`drop database if exists ${datname} with (force)`);
  }
}
