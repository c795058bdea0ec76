/**
 * What is done to the data of the embedded PostgreSQL while no server of ours runs on it: end the orphan of a killed
 * predecessor, make the database on first start, give its two roles their passwords. In comes a `Place` whose lock the
 * caller holds; afterwards a server can be started. What must stay true: a crash at any moment leaves something the
 * next start can go on from, and no process is signalled that is not proven to be a PostgreSQL on this very data.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chown, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { attempt, type Place, readIfThere, syncFolder, WAY_OUT } from './embedded-files.ts';
import { commandLine, identify, isRunning } from './process-lock.ts';

/** SIGINT rolls open transactions back and writes a checkpoint; SIGQUIT leaves recovery to the next start. */
const STEPS = [
  { signal: 'SIGINT', waitMs: 5_000 },
  { signal: 'SIGQUIT', waitMs: 10_000 },
  { signal: 'SIGKILL', waitMs: 2_000 },
] as const;

/** How a program of PostgreSQL is started: as the right user, where that user can be, with nothing of our environment. */
export const spawnOptions = (place: Place) => ({
  cwd: place.home,
  env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
  windowsHide: true,
  ...place.user,
});

/** The first arguments of every server process, by which an orphan is recognised. */
export const signature = (place: Place, token: string): string[] => [
  '-D',
  place.cluster,
  '-c',
  `cluster_name=carillon-${token}`,
];

/** An error from what a program wrote last, said in our words where the cause is known. */
export function explain(what: string, written: string): Error {
  const said = written.trim().split('\n').slice(-8).join('\n');
  const known = /No space left on device|disk quota/i.test(written)
    ? 'the disk is full'
    : /ENOENT|ENOEXEC|EPERM|EACCES|EINVAL/.test(written)
      ? 'the program cannot be run here (Alpine and other systems without glibc cannot, nor can a restricted container)'
      : 'PostgreSQL says';
  return new Error(`Embedded PostgreSQL: ${what}: ${known}:\n${said}\n${WAY_OUT}`);
}

/** Runs a program to its end, `input` on its stdin, and gives what it wrote to stderr. Throws when it fails. */
function runProgram(place: Place, program: keyof Place['bin'], args: string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(place.bin[program], args, { ...spawnOptions(place), stdio: ['pipe', 'ignore', 'pipe'] });
    let written = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      written += text;
    });
    child.stdin.on('error', () => {}); // it ended before reading; its exit code says why
    child.stdin.end(input);
    child.once('error', (error) => reject(explain(`${program} could not be started`, error.message)));
    child.once('close', (code) => (code === 0 ? resolve(written) : reject(explain(`${program} failed`, written))));
  });
}

/** Asks a server to end, more firmly each time, until `gone` says so. `kill` is told the signal. */
export async function endServer(
  place: Place,
  pid: number,
  kill: (signal: NodeJS.Signals) => void,
  gone: (waitMs: number) => Promise<boolean>,
): Promise<void> {
  if (await gone(0)) return;
  for (const { signal, waitMs } of STEPS) {
    if (process.platform === 'win32' && signal !== 'SIGKILL') {
      // Windows has no signals; PostgreSQL listens to pg_ctl on a pipe of its own.
      await runProgram(place, 'pg_ctl', ['kill', signal.slice(3), String(pid)]).catch(() => {});
    } else {
      kill(signal);
    }
    if (await gone(waitMs)) return;
  }
  throw new Error(`Embedded PostgreSQL: process ${pid} does not end, even by SIGKILL.`);
}

/**
 * After a `kill -9` of Carillon its PostgreSQL may still run, or its postmaster.pid still be there. The first is ended;
 * for the second see below. A server on this data that Carillon did not start is not touched.
 */
export async function endOrphan(place: Place, token: string | undefined, log: (line: string) => void): Promise<void> {
  const pidFile = join(place.cluster, 'postmaster.pid');
  const text = await readIfThere(pidFile);
  if (text === undefined) return;
  const pid = Math.abs(Number.parseInt(text, 10)); // negative for a single-user backend
  const who = Number.isNaN(pid) ? undefined : await identify(pid);
  const command = who ? await commandLine(pid) : '';
  if (command.includes(signature(place, token ?? '').join(' '))) {
    log(`Stopping the PostgreSQL (pid ${pid}) that an earlier Carillon left running`);
    await endServer(
      place,
      pid,
      (signal) => {
        process.kill(pid, signal);
      },
      async (waitMs) => {
        const end = performance.now() + waitMs;
        while (await isRunning(who)) {
          if (performance.now() > end) return false;
          await delay(10);
        }
        return true;
      },
    );
  } else if (/postgres/.test(command) && command.includes(place.cluster)) {
    throw new Error(
      `Embedded PostgreSQL: a server that Carillon did not start (pid ${pid}) runs on ${place.cluster}. Stop it first.`,
    );
  } else if (process.platform !== 'win32' && (!who || command)) {
    // PostgreSQL refuses to start while the pid in this file exists, though it may be a zombie's or another program's
    // by now. It disregards its parent's pid, so that is put there; the file itself must stay, because it also names
    // the shared memory by which PostgreSQL finds backends that outlived their server.
    const rest = text.slice(text.indexOf('\n'));
    await attempt(`write ${pidFile}`, () => writeFile(pidFile, `${process.pid}${rest}`));
  }
}

/** Makes the database if there is none yet; true if it did. Throws if it is one these programs cannot read. */
export async function ensureCluster(place: Place): Promise<boolean> {
  const major = place.version.split('.')[0];
  const found = (await readIfThere(join(place.cluster, 'PG_VERSION')))?.trim();
  if (found === major) return false;
  if (found) {
    throw new Error(
      `Embedded PostgreSQL: ${place.cluster} holds a database of PostgreSQL ${found}, and this Carillon brings PostgreSQL ${major}. Start the Carillon that made it, save the data with pg_dump, and load it into an empty DATA_DIR; or run a PostgreSQL ${found} on it and set DATABASE_URL.`,
    );
  }
  if ((await readdir(place.cluster).catch(() => [])).length > 0) {
    throw new Error(
      `Embedded PostgreSQL: ${place.cluster} has files in it but no database (PG_VERSION is missing). Restore it from a backup, or move it away to start with an empty database.`,
    );
  }
  for (const name of await readdir(place.home)) {
    // A predecessor was killed while initdb ran.
    if (name.startsWith('postgres.new-')) await rm(join(place.home, name), { recursive: true, force: true });
  }
  const draft = join(place.home, `postgres.new-${randomUUID()}`);
  await attempt(`make a database in ${place.home}`, async () => {
    await mkdir(draft, { mode: 0o700 });
    if (place.user) await chown(draft, place.user.uid, place.user.gid);
    // The builtin provider sorts and folds the same on every system, whatever locales are installed. Nobody can log in
    // until passwords are set, so initdb needs none.
    const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const doors = ['--username=postgres', '--auth-local=reject', '--auth-host=scram-sha-256'];
    await runProgram(place, 'initdb', ['-D', draft, '--data-checksums', '--no-instructions', ...locale, ...doors]);
    await rename(draft, place.cluster);
    await syncFolder(place.home);
  }).finally(() => rm(draft, { recursive: true, force: true }));
  return true;
}

/**
 * Sets the passwords of the superuser and of `carillon`, making role and database where they are missing. Done in
 * single-user mode, which asks for no password: so it also mends a DATA_DIR whose embedded.json was lost.
 */
export async function setRoles(place: Place, token: string, adminPassword: string, password: string): Promise<void> {
  // One statement a line. Both passwords are hexadecimal; on stdin they are in no process list.
  const sql = [
    `ALTER ROLE postgres PASSWORD '${adminPassword}';`,
    `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'carillon') THEN CREATE ROLE carillon; END IF; END $$;`,
    `ALTER ROLE carillon LOGIN NOSUPERUSER CREATEROLE PASSWORD '${password}';`,
    'CREATE DATABASE carillon OWNER carillon;',
  ];
  const quiet = ['-c', 'log_min_error_statement=panic', '-c', 'log_checkpoints=off'];
  const args = ['--single', ...signature(place, token), ...quiet, 'postgres'];
  const written = await runProgram(place, 'postgres', args, `${sql.join('\n')}\n`);
  const failed = written.split('\n').filter((line) => /ERROR: /.test(line) && !/already exists/.test(line));
  if (failed.length > 0) throw explain('its roles could not be made', failed.join('\n'));
}
