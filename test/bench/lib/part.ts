/**
 * A part of the bench is a process of its own, so that it does not share a thread with what it measures: the generator, the
 * provider, each peer. The parent starts it with options, asks it things by name, and stops it by its pid; a part ends by
 * itself when its parent has gone.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

interface Question {
  readonly id: number;
  readonly verb: string;
  readonly with: unknown;
}
interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

export interface Part<I> {
  /** What it said when it was ready. */
  readonly info: I;
  readonly pid: number;
  ask<T>(verb: string, argument?: unknown): Promise<T>;
  stop(): Promise<void>;
}

const START_MS = 30_000;
/** Longer than any round; a part that hangs ends the bench and not the evening. */
const ANSWER_MS = 900_000;
const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** `file` from the folder of the bench: `parts/stub`. */
export async function startPart<I>(
  file: string,
  options: unknown = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Part<I>> {
  const child = fork(fileURLToPath(new URL(`../${file}.js`, import.meta.url)), [JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production', ...env },
  });
  living.add(child);
  const waiting = new Map<
    number,
    { resolve(value: unknown): void; reject(error: Error): void; timer: NodeJS.Timeout }
  >();
  let last = 0;
  child.on('message', ({ id, value, error }: Answer) => {
    const one = waiting.get(id);
    if (!one) return;
    waiting.delete(id);
    clearTimeout(one.timer);
    if (error === undefined) one.resolve(value);
    else one.reject(new Error(`${file}: ${error}`));
  });
  child.on('exit', (code, signal) => {
    living.delete(child);
    for (const { reject, timer } of waiting.values()) {
      clearTimeout(timer);
      reject(new Error(`${file} ended (${code ?? signal})`));
    }
    waiting.clear();
  });
  const wait = <T>(id: number, withinMs: number): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(id);
        reject(new Error(`${file} did not answer within ${withinMs / 1_000} s`));
      }, withinMs);
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, timer });
    });
  const info = await wait<I>(0, START_MS);
  return {
    info,
    pid: child.pid as number,
    ask(verb, argument) {
      last++;
      const answer = wait<never>(last, ANSWER_MS);
      child.send({ id: last, verb, with: argument } satisfies Question);
      return answer;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** In the part's own process: what it was started with. */
export const partOptions = <T>(): T => JSON.parse(process.argv[2] ?? '{}') as T;

/** In the part's own process: ready, and answering. */
export function servePart(info: unknown, verbs: Readonly<Record<string, (argument: never) => unknown>> = {}): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', async ({ id, verb, with: argument }: Question) => {
    try {
      process.send?.({ id, value: await verbs[verb]?.(argument as never) } satisfies Answer);
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  process.send?.({ id: 0, value: info } satisfies Answer);
}

/** Microseconds on a clock that all processes of a machine share; 16 digits, so that it can be put in place of others. */
export const sharedMicros = (): string => String(process.hrtime.bigint() / 1_000n).padStart(16, '0');
