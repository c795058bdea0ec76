/**
 * What the tests of the embedded PostgreSQL share: data folders that are taken away whatever happened, and second
 * processes. Node 20 runs no TypeScript, so the script of those is compiled once, to a folder every user may read.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type EmbeddedServer, findEmbedded, startEmbedded } from '../../src/lib/embedded.ts';

const ROOT = join(import.meta.dirname, '../..');
export const isRoot = process.getuid?.() === 0;

/** nobody, when we are root and it can run this very Node on these very files; otherwise the reason it cannot. */
export function ordinaryUser(): { uid: number; gid: number } | string {
  if (!isRoot) return 'not root: every test here runs as an ordinary user already';
  const [, , uid, gid] = (/^nobody:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0] ?? '').split(':').map(Number);
  if (!uid || !gid) return 'there is no user nobody';
  const look = ['-e', 'require("fs").accessSync(process.argv[1])', join(ROOT, 'node_modules/pg/package.json')];
  const able = spawnSync(process.execPath, look, { uid, gid, cwd: '/' }).status === 0;
  return able ? { uid, gid } : `nobody may not run ${process.execPath} or read ${ROOT}`;
}

/** Compiles the script of the second process; gives its path. */
export function compileChild(): string {
  const out = mkdtempSync(join(tmpdir(), 'carillon-child-'));
  chmodSync(out, 0o755);
  symlinkSync(join(ROOT, 'node_modules'), join(out, 'node_modules'));
  writeFileSync(join(out, 'package.json'), '{"type":"module"}');
  const compilerOptions = { noEmit: false, outDir: out, rootDir: ROOT, noCheck: true };
  const files = [join(ROOT, 'test/support/embedded-child.ts')];
  const project = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: [], files };
  writeFileSync(join(out, 'tsconfig.json'), JSON.stringify(project));
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', out], { stdio: 'pipe' });
  return join(out, 'test/support/embedded-child.js');
}

export interface ChildSays extends Partial<Omit<EmbeddedServer, 'stop' | 'died'>> {
  lines?: string[];
  error?: string;
  message?: string;
  found?: { url: string; pid: number };
  user?: string;
}

/**
 * The folders and processes of a test file. `settle` ends what runs, also after a failure; `end` removes the folders
 * too. Between tests the data stays, because making a database is what takes time.
 */
export function scene() {
  const base = mkdtempSync(join(tmpdir(), 'carillon-embedded-'));
  const folders: string[] = [];
  const servers: EmbeddedServer[] = [];
  const children: ReturnType<typeof spawn>[] = [];

  return {
    base,
    folder(name: string): string {
      folders.push(join(base, name));
      return join(base, name);
    },
    /** Hands the folder that all others are in to another user. */
    give(user: { uid: number; gid: number }): void {
      chownSync(base, user.uid, user.gid);
    },
    async start(dataDir: string, settings?: Record<string, string>) {
      const lines: string[] = [];
      const server = await startEmbedded({ dataDir, settings, log: (line) => lines.push(line) });
      servers.push(server);
      return { ...server, lines };
    },
    /** Runs the second process until it has said its line. */
    async child(script: string, mode: 'start' | 'exit' | 'find', dataDir: string, user?: { uid: number; gid: number }) {
      const options = { cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] as ['pipe', 'pipe', 'inherit'], ...user };
      const process_ = spawn(process.execPath, [script, mode, dataDir], options);
      children.push(process_);
      const ended = once(process_, 'exit');
      const [line] = (await once(createInterface({ input: process_.stdout }), 'line')) as [string];
      const finish = (signal?: NodeJS.Signals) => {
        if (signal) process_.kill(signal);
        else process_.stdin.end();
        return ended;
      };
      return { says: JSON.parse(line) as ChildSays, pid: process_.pid as number, ended, finish };
    },
    async settle(): Promise<void> {
      for (const server of servers.splice(0)) await server.stop();
      for (const child of children.splice(0)) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      for (const dataDir of folders) {
        const left = await findEmbedded(dataDir).catch(() => undefined);
        if (left) process.kill(left.pid, 'SIGINT');
        if (left) await gone(left.pid);
      }
    },
    end(): void {
      for (const dataDir of folders) {
        const home = homeOf(dataDir);
        if (home !== dataDir) rmSync(home, { recursive: true, force: true });
      }
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** Where the data of a DATA_DIR is: elsewhere if a pointer file says so. */
export function homeOf(dataDir: string): string {
  const pointer = join(dataDir, 'postgres-location.txt');
  return existsSync(pointer) ? (readFileSync(pointer, 'utf8').split('\n')[0] as string) : dataDir;
}

/** The pids of all processes of a server, its first one included. */
export const family = (pid: number): number[] =>
  execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([own, parent]) => own === pid || parent === pid)
    .map(([own]) => own as number);

/** Resolves when no process has this pid, or only a zombie waits to be collected by a parent that is not ours. */
export async function gone(pid: number): Promise<void> {
  const state = () => spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
  for (let i = 0; i < 500; i += 1) {
    if (/^(Z.*)?$/.test(state())) return;
    await delay(20);
  }
  throw new Error(`process ${pid} still runs`);
}
