/**
 * One owner per folder, for as long as the owning process lives. Node has no flock, so the lock is a file that names its
 * owner, and the owner is checked: a pid alone is reused, a pid with its start time is not.
 *
 * Lock files are numbered, and the highest number is the lock. A newcomer who finds it released or its owner dead links
 * the next number, which succeeds for one process only, and then looks again: the highest number never goes down, so
 * whoever linked a number already passed sees that and starts over. Deleting and remaking one file would let two
 * processes both believe they replaced the same stale lock.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const NAME = /^lock\.(\d+)$/;

/** A process that cannot be mistaken for a later one with the same pid. `since` is opaque; empty where unknowable. */
export interface Identity {
  pid: number;
  since: string;
}

/** Another live process holds what was asked for. `pid` is that process. */
export class AlreadyRunning extends Error {
  readonly pid: number;

  constructor(pid: number, folder: string) {
    super(`Carillon is already running (pid ${pid}) on ${folder}. Stop it, or set another DATA_DIR.`);
    this.name = 'AlreadyRunning';
    this.pid = pid;
  }
}

/** The identity of a running process; undefined when there is none. A zombie is not running. */
export async function identify(pid: number): Promise<Identity | undefined> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    // Field 2 is the program's name in brackets and may hold anything; field 3 is the state, field 22 the start.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (!fields || fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    return { pid, since: `${boot.trim()}:${fields[19]}` };
  }
  if (process.platform === 'win32') {
    try {
      process.kill(pid, 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
    }
    return { pid, since: '' };
  }
  const ps = await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]).catch(() => undefined);
  const [state, ...since] = ps?.stdout.trim().split(/\s+/) ?? [];
  return state && !state.startsWith('Z') ? { pid, since: since.join(' ') } : undefined;
}

export async function isRunning(who: Identity | undefined): Promise<boolean> {
  return who !== undefined && (await identify(who.pid))?.since === who.since;
}

/** The command line of a process, arguments joined by spaces; empty when it cannot be read. */
export async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
  }
  const query = `(Get-CimInstance Win32_Process -Filter "ProcessId=${pid}").CommandLine`;
  const listed =
    process.platform === 'win32'
      ? run('powershell', ['-NoProfile', '-Command', query])
      : run('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
  return (await listed.catch(() => ({ stdout: '' }))).stdout;
}

async function highest(folder: string): Promise<number> {
  const numbers = (await readdir(folder)).map((name) => Number(NAME.exec(name)?.[1] ?? 0));
  return Math.max(0, ...numbers);
}

/** The owner named in a lock file, nobody if released or unreadable after a power cut, undefined if the file is gone. */
async function ownerOf(file: string): Promise<Partial<Identity> | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Takes the lock of a folder and gives the function that releases it. Throws AlreadyRunning, whose text names `shown`,
 * the folder the operator knows.
 */
export async function acquireLock(folder: string, shown = folder): Promise<() => Promise<void>> {
  const at = (n: number) => join(folder, `lock.${n}`);
  const me = await identify(process.pid);
  // Written in full before it is linked: no reader ever sees a lock without its owner.
  const draft = join(folder, `draft.${randomUUID()}`);
  await writeFile(draft, JSON.stringify(me), { mode: 0o600 });
  try {
    for (;;) {
      const last = await highest(folder);
      const owner = last ? await ownerOf(at(last)) : {};
      if (!owner) continue; // passed and tidied away since we looked
      if (owner.pid && (await isRunning(owner as Identity))) throw new AlreadyRunning(owner.pid, shown);
      const mine = last + 1;
      const won = await link(draft, at(mine)).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') return false;
          throw error;
        },
      );
      if (!won) continue;
      if ((await highest(folder)) !== mine) {
        await rm(at(mine), { force: true });
        continue;
      }
      // The one just passed stays, so that nobody who lists the folder during a change finds it empty.
      for (const name of await readdir(folder)) {
        if (Number(NAME.exec(name)?.[1] ?? mine) < mine - 1) await rm(join(folder, name), { force: true });
      }
      return async () => {
        const released = join(folder, `draft.${randomUUID()}`);
        await writeFile(released, '{}', { mode: 0o600 });
        await rename(released, at(mine));
      };
    }
  } finally {
    await rm(draft, { force: true });
  }
}
