/**
 * The machine-load check: how much of the processors somebody else used during a round. All that was busy, from /proc/stat,
 * less what the bench's own processes used, from /proc/<pid>/stat. Our own are this process, all that descend from it, and
 * the servers it was given. Where there is no /proc nothing is known, and that is said.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Ticks since the start of the machine; Linux fixes them at 100 a second for what it shows. */
const TICKS_PER_SECOND = 100;

interface Moment {
  readonly busy: number;
  readonly own: number;
  readonly at: number;
}

export interface LoadCheck {
  /** Servers that are not our children: a database or a Redis that was already there. */
  include(pid: number): void;
  /** Returns a function that gives the share of ONE processor that others used since; undefined where nobody can tell. */
  begin(): () => number | undefined;
}

export function createLoadCheck(): LoadCheck {
  const given = new Set<number>([process.pid]);
  const isKnown = existsSync('/proc/stat');
  const look = (): Moment => ({ busy: busyTicks(), own: ticksOf(given), at: performance.now() });
  return {
    include: (pid) => void given.add(pid),
    begin() {
      if (!isKnown) return () => undefined;
      const before = look();
      return () => {
        const after = look();
        const seconds = (after.at - before.at) / 1_000;
        const others = after.busy - before.busy - (after.own - before.own);
        return Math.max(0, others / TICKS_PER_SECOND / seconds);
      };
    },
  };
}

/** user, nice, system and stolen time. Interrupts are left out: those of the loopback are ours and stand in no process. */
function busyTicks(): number {
  const [, user = 0, nice = 0, system = 0, , , , , steal = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .map(Number);
  return user + nice + system + steal;
}

/** What children used that have ended is in their parent's sum, so that nothing is missed or counted twice. */
function ticksOf(given: ReadonlySet<number>): number {
  const processes = new Map<number, Process>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const found = processOf(Number(name));
    if (found) processes.set(Number(name), found);
  }
  const isOwn = (pid: number): boolean => {
    for (let at = pid, steps = 0; at > 1 && steps < 64; at = processes.get(at)?.parent ?? 0, steps++)
      if (given.has(at)) return true;
    return false;
  };
  let sum = 0;
  for (const [pid, { ticks }] of processes) if (isOwn(pid)) sum += ticks;
  return sum;
}

interface Process {
  readonly name: string;
  readonly parent: number;
  readonly ticks: number;
}

/** Undefined when there is none, or nobody can tell. */
export function processOf(pid: number): Process | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name stands in brackets and may hold blanks; what follows it is numbered from the state.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
    return { name: text.slice(text.indexOf('(') + 1, text.lastIndexOf(')')), parent: Number(fields[1]), ticks };
  } catch {
    return undefined; // it has just ended
  }
}

/** CPU seconds that processes have used with all that descend from them. */
export const cpuSecondsOf = (pids: readonly number[]): number => ticksOf(new Set(pids)) / TICKS_PER_SECOND;

/** The most resident memory that one process has had, in MB; undefined where nobody can tell. */
export function peakMbOf(pid: number): number | undefined {
  try {
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return peak === undefined ? undefined : Number(peak) / 1_024;
  } catch {
    return undefined;
  }
}
