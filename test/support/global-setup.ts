/**
 * Once per run: the roles, and a template database with the whole schema, which each test file clones. The role that owns the
 * databases is no superuser, so that grants and row-level security are real.
 */
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrations } from '../../migrations/index.ts';
import { migrateUp } from '../../src/lib/migrate.ts';
import { testServer } from './test-server.ts';

export interface StoreForTests {
  readonly adminUrl: string;
  /** Address of the ordinary role, with the database left out. */
  readonly appUrl: string;
  readonly template: string;
}
declare module 'vitest' {
  interface ProvidedContext {
    store: StoreForTests;
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
  const server = await testServer();
  const { adminUrl } = server;
  const template = `carillon_template_${Date.now()}_${process.pid}`;
  const appUrl = new URL(adminUrl);
  appUrl.username = APP_ROLE;
  appUrl.password = APP_PASSWORD;
  appUrl.pathname = `/${template}`;

  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  // Several runs may share one server.
  await admin.query(`select pg_advisory_lock(hashtext('carillon tests'))`);
  await admin.query(ROLES);
  await dropStale(admin);
  await admin.query(`select pg_advisory_unlock(hashtext('carillon tests'))`);
  await admin.query(`create database ${template} owner ${APP_ROLE}`);
  await migrateUp(appUrl.href, migrations);
  await admin.end();
  project.provide('store', { adminUrl, appUrl: appUrl.href, template });

  return async () => {
    const last = new pg.Client({ connectionString: adminUrl });
    await last.connect();
    await last.query(`drop database if exists ${template} with (force)`);
    await last.end();
    await server.stop();
  };
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
