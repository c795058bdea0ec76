/**
 * Starts and stops an installation: database, schema, house, listener, worker, in that order, and back. What it prints is the
 * first thing a person sees of the product; what it refuses, it refuses with the way out.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { migrations } from '../migrations/index.ts';
import { createApp, type Listening, listen } from './app.ts';
import { createDeps, type Deps, type DepsOptions } from './deps.ts';
import { type Config, ConfigError, publicUrlOf } from './lib/config.ts';
import { newEncryptionKey } from './lib/crypto.ts';
import { type EmbeddedServer, findEmbedded, startEmbedded } from './lib/embedded.ts';
import { readKeys } from './lib/encryption-keys.ts';
import { isOutage } from './lib/errors.ts';
import { createLog, type Log } from './lib/log.ts';
import { checkSchema, migrateUp } from './lib/migrate.ts';
import { type Metrics, serveMetrics } from './metrics.ts';
import { loadPlugins } from './plugins.ts';
import { startWorker, type Working } from './worker.ts';

export interface Running {
  readonly deps: Deps;
  readonly url: string;
  readonly port: number | undefined;
  readonly database: string;
  /** Present when this start made the first tenant. */
  readonly demo: { readonly testKey: string; readonly userId: string } | undefined;
  /** Ends everything: what is under way has `withinMs` (default STOP_SECONDS), and four seconds later all is over, store or no store. */
  stop(withinMs?: number): Promise<void>;
  /** Resolves with the reason if the embedded database ends by itself. */
  readonly died: Promise<string>;
}

export interface StartOptions {
  readonly config: Config;
  readonly log?: Log;
  readonly timing?: DepsOptions['timing'];
  /** What a person should read while it starts. */
  readonly say?: (line: string) => void;
}

/** Milliseconds that clients and stores get to be closed in, after what was under way. */
const CLOSE_MS = 2_000;

/** Throws errors whose message is meant for the person at the terminal. */
export async function start({
  config: given,
  log = createLog(given.logLevel),
  timing,
  say = () => undefined,
}: StartOptions): Promise<Running> {
  // Before a database is made or touched for nothing.
  if (given.role !== 'worker') await probePort(given);
  const { config, url: databaseUrl, server, label } = await openDatabase(given, log, say);
  let deps: Deps | undefined;
  let listening: Listening | undefined;
  let working: Working | undefined;
  let metrics: Metrics | undefined;
  let watching: { stop(): void } | undefined;
  let port = config.port;
  // A promise that nobody waits for, in an adapter of a stranger as a rule, is a bug to be told of and no reason to end the
  // work of everybody else. An exception that nobody caught still is.
  const forgotten = (reason: unknown): void =>
    log.error({ err: reason }, 'a promise was rejected and nobody caught it');
  process.on('unhandledRejection', forgotten);
  const stop = async (withinMs = config.stopSeconds * 1_000): Promise<void> => {
    watching?.stop();
    const until = performance.now() + withinMs;
    const left = () => Math.max(0, until - performance.now());
    const shut = async (): Promise<void> => {
      // Balancers are told first, and while they look for another door ours stays open.
      deps?.health.leave();
      listening?.leave();
      if (listening && config.drainSeconds > 0) await delay(Math.min(config.drainSeconds * 1_000, left()));
      await listening?.close(left());
    };
    const steps = (async () => {
      await Promise.allSettled([shut(), working?.stop(withinMs)]);
      await Promise.allSettled([metrics?.close(), deps?.close()]);
    })().catch((error: unknown) => log.warn({ err: error }, 'not everything could be closed'));
    // Whatever hangs in a store that is gone is left hanging: what was taken is found again when its lease ends.
    await Promise.race([steps, delay(withinMs + CLOSE_MS, undefined, { ref: false })]);
    await Promise.race([server?.stop(), delay(CLOSE_MS, undefined, { ref: false })]);
    process.off('unhandledRejection', forgotten);
  };
  try {
    try {
      if (config.role === 'all') await migrateUp(databaseUrl, migrations);
      else await checkSchema(databaseUrl, migrations);
    } catch (error) {
      throw explainStore(error, databaseUrl);
    }
    const plugins = await loadPlugins(config.plugins, log);
    deps = await createDeps({
      config,
      databaseUrl,
      log,
      publicUrl: () => publicUrlOf(config, port),
      plugins,
      migrations: migrations.map(({ name }) => name),
      files: server?.files,
      ...(timing ? { timing } : {}),
    });
    // Before anything is served or sent: a store out of a backup may have nothing open that goes by itself.
    await deps.custody.check();
    watching = deps.custody.watch();
    const demo = server && config.role === 'all' ? await deps.tenants.ensureDemo() : undefined;
    if (config.role !== 'worker') {
      listening = await listen(createApp(deps), config.port, config.host).catch((error: NodeJS.ErrnoException) => {
        throw explainListen(error, config);
      });
      port = listening.port;
    }
    if (config.role !== 'api') working = await startWorker(deps);
    if (config.metricsPort !== undefined) metrics = await serveMetrics(deps, config.metricsPort, config.host);
    return {
      deps,
      url: publicUrlOf(config, port),
      port: listening?.port,
      database: label,
      demo,
      stop,
      died: server?.died ?? new Promise(() => undefined),
    };
  } catch (error) {
    await stop(2_000);
    throw error;
  }
}

interface Database {
  readonly config: Config;
  readonly url: string;
  readonly server: EmbeddedServer | undefined;
  /** For the banner. */
  readonly label: string;
}

/** The outside database, the embedded one of this process, or, for a part of a split installation, the one already running. */
async function openDatabase(config: Config, log: Log, say: (line: string) => void): Promise<Database> {
  if (config.databaseUrl)
    return {
      config,
      url: config.databaseUrl,
      server: undefined,
      label: `PostgreSQL at ${new URL(config.databaseUrl).host}`,
    };
  if (config.role !== 'all') {
    const found = await findEmbedded(config.dataDir);
    if (!found)
      throw new ConfigError([
        `ROLE=${config.role} needs DATABASE_URL, or an embedded server that is already running in ${config.dataDir}.`,
      ]);
    return {
      config: withKeys(config),
      url: found.url,
      server: undefined,
      label: `PostgreSQL embedded, of another process (${config.dataDir})`,
    };
  }
  if (!existsSync(join(config.dataDir, 'embedded.json'))) say(`Making a database in ${config.dataDir} …`);
  const server = await startEmbedded({
    dataDir: config.dataDir,
    log: (line) => log.debug({ postgres: line }, 'embedded database'),
  });
  return {
    config: withKeys(config),
    url: server.url,
    server,
    label: `PostgreSQL ${server.version} embedded (${config.dataDir})`,
  };
}

/** The generated encryption key of an embedded installation, made on first use. It is worth as much as the data. */
export function withKeys(config: Config): Config {
  if (config.encryptionKeys.length > 0) return config;
  const file = join(config.dataDir, 'encryption.key');
  if (!existsSync(file)) {
    mkdirSync(config.dataDir, { recursive: true });
    writeFileSync(file, `${newEncryptionKey()}\n`, { mode: 0o600, flag: 'wx' });
  }
  const { keys, faults } = readKeys(readFileSync(file, 'utf8'));
  if (faults.length > 0)
    throw new ConfigError([
      ...faults.map((fault) => `${file}: ${fault}.`),
      'Mend the file, or restore it from a backup: without its keys stored credentials cannot be read.',
    ]);
  return { ...config, encryptionKeys: keys };
}

/** Throws what a listener would say of this port, and leaves it free. */
async function probePort(config: Config): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(explainListen(error, config)));
    server.listen(config.port, config.host, () => server.close(() => resolve()));
  });
}

/** An outside database that does not answer is the operator's to mend, and the stack of a driver says nothing about it. */
function explainStore(error: unknown, databaseUrl: string): unknown {
  if (!isOutage(error)) return error;
  const { host, pathname } = new URL(databaseUrl);
  return new Error(
    `The database ${pathname.slice(1)} at ${host} cannot be reached (${(error as Error).message || (error as { code?: string }).code}). Check DATABASE_URL, that the server runs, and that it lets this machine in; carillon doctor looks at all of it.`,
  );
}

function explainListen(error: NodeJS.ErrnoException, { host, port }: Config): Error {
  if (error.code === 'EADDRINUSE')
    return new Error(
      `Port ${port} on ${host} is taken by another program. Choose another one: PORT=${port + 1} npm start`,
    );
  if (error.code === 'EACCES')
    return new Error(
      `Port ${port} on ${host} needs more rights than this user has. Choose one above 1023: PORT=3000 npm start`,
    );
  if (error.code === 'EADDRNOTAVAIL')
    return new Error(`${host} is not an address of this machine. Set HOST to one that is, or to 0.0.0.0.`);
  return error;
}
