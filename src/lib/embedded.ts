/**
 * The embedded PostgreSQL: starts, watches and stops a real server whose programs come from npm, so that Carillon runs
 * on a machine with only Node. In comes DATA_DIR, out comes a URL. What must stay true: one server per DATA_DIR, a
 * commit is on disk when it is acknowledged, the data of yesterday is found today, and `stop` leaves no process behind.
 *
 * It listens on 127.0.0.1 alone, on a port the system chooses, with a random password (SCRAM). Not on a Unix socket:
 * its path may be 107 bytes at most, DATA_DIR may be longer, and a socket elsewhere is one more thing to find, guard
 * and clean up; a second process reads the port from DATA_DIR/embedded.json either way.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { endOrphan, endServer, ensureCluster, explain, setRoles, signature, spawnOptions } from './embedded-cluster.ts';
import { attempt, locate, type Place, readIfThere, readState, type State, writeState } from './embedded-files.ts';
import { acquireLock, type Identity, identify, isRunning } from './process-lock.ts';

export { AlreadyRunning } from './process-lock.ts';

type Log = (line: string) => void;

export interface EmbeddedServer {
  /** postgres:// of the login role `carillon`, no superuser, which owns the database `carillon`. */
  url: string;
  /** postgres:// of the superuser, for what `carillon` may not: clone databases, make roles. */
  adminUrl: string;
  /** As the server says it: "18.4". */
  version: string;
  /** Of the server's first process. */
  pid: number;
  /** Differs between the database's files and any copy of them; undefined where the file system cannot tell. */
  files: string | undefined;
  /** The database was made by this start. */
  firstStart: boolean;
  /** Ends the server within 5 s where the disk allows; resolves when it is gone. May be called again. */
  stop(): Promise<void>;
  /** Resolves with the reason if the server ends without `stop`; otherwise never. */
  died: Promise<string>;
}

/** Small, because an idle server should cost less than 60 MB; durable, because a 202 is a promise (I1). */
const SETTINGS: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '60',
  shared_buffers: '32MB',
  huge_pages: 'off',
  fsync: 'on',
  synchronous_commit: 'on',
  // Room for a burst of sending without constant checkpoints; about 1 GB of log is replayed in seconds.
  max_wal_size: '1GB',
  min_wal_size: '80MB',
  autovacuum: 'on',
  jit: 'off',
  // Each would be a process more, for work that short queries over an index do not have.
  io_method: 'sync',
  max_parallel_workers_per_gather: '0',
  max_logical_replication_workers: '0',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  log_line_prefix: '',
  log_checkpoints: 'off',
  // A statement and its detail may hold a person's address, or a secret.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

/** Said at every start and stop, and not news. */
const ROUTINE =
  /^LOG: +(starting PostgreSQL|listening on|database system (was shut|was inter|was not|is )|received |abort|shutting|background worker|redo |invalid record|checkpoint|all server proc|could not open usermap)/;
const RECOVERY = /database system was (not properly shut down|interrupted)/;
const READY_WITHIN_MS = 60_000;
const PORT_ATTEMPTS = 5;

interface Launched {
  pid: number;
  kill(signal: NodeJS.Signals): void;
  /** What it wrote last. */
  written(): string;
  /** Resolves with how it ended. Never rejects. */
  ended: Promise<string>;
}

const urlOf = (role: string, password: string, port: number) =>
  `postgres://${role}:${password}@127.0.0.1:${port}/${role}`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** Spawns the server, in a process group of its own: Ctrl-C in a terminal must reach us alone, and we stop it last. */
function launch(place: Place, token: string, settings: Record<string, string>, log: Log): Launched {
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(place.bin.postgres, [...signature(place, token), ...options], {
    ...spawnOptions(place),
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // A process that ends without `stop` (an uncaught error, process.exit) takes its server along.
  const lastResort = () => child.kill('SIGINT');
  process.once('exit', lastResort);
  const tail: string[] = [];
  let recovering = false;
  createInterface({ input: child.stderr }).on('line', (line) => {
    tail.push(line);
    if (tail.length > 20) tail.shift();
    if (RECOVERY.test(line) && !recovering) {
      recovering = true;
      log('PostgreSQL was not shut down cleanly; it is recovering, which may take a minute');
    }
    if (line !== '' && !ROUTINE.test(line)) log(line);
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => {
      tail.push(error.message);
      resolve(error.message);
    });
    child.once('exit', async (code, signal) => {
      process.removeListener('exit', lastResort);
      // Its last words may still be in the pipe, which children that outlive it can hold open.
      await Promise.race([closed, delay(500, undefined, { ref: false })]);
      resolve(signal ? `killed by ${signal}` : `exit code ${code}`);
    });
  });
  return { pid: child.pid ?? 0, kill: (signal) => child.kill(signal), written: () => tail.join('\n'), ended };
}

/** Waits for the word that the server itself leaves in postmaster.pid, which no log level can hide. */
async function untilReady(place: Place, server: Launched): Promise<void> {
  const end = performance.now() + READY_WITHIN_MS;
  let ended = false;
  void server.ended.then(() => {
    ended = true;
  });
  for (;;) {
    if (ended) throw explain('it did not start', server.written());
    const lines = (await readIfThere(join(place.cluster, 'postmaster.pid')))?.split('\n') ?? [];
    if (Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready') return;
    if (performance.now() > end) throw explain(`it was not ready after ${READY_WITHIN_MS / 1000} s`, server.written());
    await Promise.race([server.ended, delay(5)]);
  }
}

const halt = (place: Place, server: Launched) =>
  endServer(place, server.pid, server.kill, (waitMs) =>
    Promise.race([server.ended.then(() => true), delay(waitMs, false, { ref: false })]),
  );

/** A ready server and its port. Another port is tried when somebody took the chosen one before the server did. */
async function launchOnPort(place: Place, token: string, given: Record<string, string>, log: Log) {
  for (let round = 1; ; round += 1) {
    const port = Number(given.port ?? (await freePort()));
    const server = launch(place, token, { ...SETTINGS, ...given, port: String(port) }, log);
    try {
      await untilReady(place, server);
      return { server, port };
    } catch (error) {
      if (server.pid) await halt(place, server);
      const written = server.written();
      const stolen = /could not bind/.test(written);
      // Backends of a killed server notice within moments that it is gone, and until then hold its shared memory.
      const busy = /pre-existing shared memory block/.test(written);
      if (!(stolen || busy) || round === PORT_ATTEMPTS) throw error;
      log(
        stolen ? `Port ${port} was taken meanwhile; trying another` : 'Waiting for processes of a killed server to end',
      );
      if (busy) await delay(1_000);
    }
  }
}

/** When a file was made: whoever copies it makes another one, whatever other times the copy claims. */
async function born(file: string): Promise<string | undefined> {
  const { birthtimeNs } = await stat(file, { bigint: true });
  return birthtimeNs > 0n ? String(birthtimeNs) : undefined;
}

/** Logs in as Carillon will, which proves role, password and database; gives the server's version. */
async function checkLogin(url: string, dataDir: string): Promise<string> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    return rows[0]?.server_version.split(' ')[0] ?? '';
  } catch (cause) {
    const hint = `If ${join(dataDir, 'embedded.json')} came from elsewhere, delete it: new passwords are then set.`;
    throw new Error(`Embedded PostgreSQL: it refuses the login of carillon: ${(cause as Error).message}. ${hint}`, {
      cause,
    });
  } finally {
    await client.end().catch(() => {});
  }
}

/** With the lock held: from whatever a predecessor left to a server that can be logged into. */
async function bringUp(place: Place, given: Record<string, string>, log: Log) {
  const before = await readState(place.dataDir);
  await endOrphan(place, before.token, log);
  const firstStart = await ensureCluster(place);
  const token = randomBytes(8).toString('hex');
  let { adminPassword, password } = before;
  if (firstStart || !adminPassword || !password) {
    adminPassword = randomBytes(24).toString('hex');
    password = randomBytes(24).toString('hex');
    await setRoles(place, token, adminPassword, password);
  }
  // Remembered only once they are set, and before the server starts: then its token is known to whoever finds it.
  const state: State = { adminPassword, password, token };
  await writeState(place.dataDir, state);
  const { server, port } = await launchOnPort(place, token, given, log);
  try {
    const url = urlOf('carillon', password, port);
    const version = await checkLogin(url, place.dataDir);
    const [postgres, owner] = (await Promise.all([identify(server.pid), identify(process.pid)])) as Identity[];
    if (!postgres || !owner) throw explain('it ended at once', server.written());
    await writeState(place.dataDir, { ...state, running: { port, version, postgres, owner } });
    return { server, state, firstStart, version, url, adminUrl: urlOf('postgres', adminPassword, port) };
  } catch (error) {
    await halt(place, server);
    throw error;
  }
}

/**
 * Starts the server of a DATA_DIR, making folder and database on first use. Takes about a second then, a fifth of one
 * later. `settings` are PostgreSQL's own and win over ours. Throws AlreadyRunning, or an error for the operator to read.
 */
export async function startEmbedded(options: {
  dataDir: string;
  log: Log;
  settings?: Record<string, string>;
}): Promise<EmbeddedServer> {
  const { log } = options;
  const place = await locate(options.dataDir);
  const release = await attempt(`write in ${place.home}`, () => acquireLock(place.home, place.dataDir));
  try {
    if (place.note) log(place.note);
    const { server, state, ...facts } = await bringUp(place, options.settings ?? {}, log);
    let stopping: Promise<void> | undefined;
    const stop = async () => {
      await halt(place, server);
      // Only bookkeeping from here: on a full disk it fails, and the next start does without it.
      const unsaid = (error: Error) => log(`The end of PostgreSQL could not be noted: ${error.message}`);
      await writeState(place.dataDir, state).catch(unsaid);
      await release().catch(unsaid);
    };
    const died = new Promise<string>((resolve) => {
      void server.ended.then((how) => {
        if (!stopping)
          resolve(`PostgreSQL ended by itself (${how}): ${server.written().split('\n').slice(-3).join(' ')}`);
      });
    });
    return {
      ...facts,
      files: await born(join(place.cluster, 'PG_VERSION')),
      pid: server.pid,
      died,
      stop: () => {
        stopping ??= stop();
        return stopping;
      },
    };
  } catch (error) {
    await release().catch(() => {}); // `error` is what matters; the lock ends with this process anyway
    throw error;
  }
}

/**
 * For a second process (the command line, doctor): how to reach the running server of a DATA_DIR; undefined when none
 * runs. `pid` is the server's. Throws when this user may not read the file that says so.
 */
export async function findEmbedded(
  dataDir: string,
): Promise<Pick<EmbeddedServer, 'url' | 'adminUrl' | 'pid'> | undefined> {
  const { running, password, adminPassword } = await readState(dataDir);
  if (!running || !password || !adminPassword || !(await isRunning(running.postgres))) return undefined;
  const { port, postgres } = running;
  return {
    url: urlOf('carillon', password, port),
    adminUrl: urlOf('postgres', adminPassword, port),
    pid: postgres.pid,
  };
}
