/**
 * The system under test: two API processes and two workers, a PostgreSQL, a Redis where there is one, a provider, and a proxy
 * on every edge between them. Whatever a row breaks, `calm` mends before the next.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../../../src/lib/config.ts';
import { fromWire } from '../../../src/lib/ids.ts';
import { apiAt } from '../../support/product.ts';
import { type Receiver, startReceiver } from '../../support/receiver.ts';
import type { Point } from './build.ts';
import { type Edge, openEdge, type Weather } from './edge.ts';
import { openProvider, type Provider } from './provider.ts';
import { freePort, type OwnRedis, openPostgres, openRedis, type Postgres } from './stores.ts';

export const LEASE_SECONDS = 3;
/** Calls under way per connection and worker. */
export const CONCURRENCY = 5;
/** Of webhooks. */
export const HOOKS = { delaysMs: [0, 500, 1_000, 2_000, 2_000, 2_000, 2_000, 2_000], timeoutMs: 1_000 };
/** Everything a fifth to a tenth as long as in earnest, so that a row can wait for it. */
const TIMING = {
  leaseSeconds: LEASE_SECONDS,
  sweepMs: 500,
  lookupSettleMs: 1_000,
  webhooks: { ...HOOKS, leaseSeconds: LEASE_SECONDS },
  breaker: { failures: 5, probeMs: [200, 400, 1_000, 2_000, 6_000], deniedMs: [1_000, 12_000] },
};
const ADMIN_KEY = 'operator-key-of-the-faults-0123456789';
const SECRET = 'secret-of-the-callbacks';
const AGAIN_MS = 500;
const LOG_MAX = 200_000;

export interface Vitals {
  readonly maxLoopLagMs: number;
  readonly rssMb: number;
  readonly handles: number;
}

export interface Proc {
  readonly name: string;
  /** Where it is called: its own edge for an API process. */
  readonly url: string;
  /** The edges it calls through; `inside` is the one it is called through. */
  readonly edges: { readonly pg: Edge; readonly redis: Edge; readonly provider: Edge; readonly inside: Edge };
  readonly pid: number;
  /** How often it died by itself, or by us. */
  readonly deaths: number;
  /** Whether it is started anew when it dies. Default true. */
  keep: boolean;
  /** Dies at this point, the so-manieth time it comes there. */
  arm(point: Point, hits: number): void;
  block(ms: number): void;
  vitals(): Promise<Vitals>;
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with how it ended and how long that took. */
  stop(): Promise<{ readonly code: number | null; readonly ms: number }>;
  /** What it has written, the end of it. */
  log(): string;
  /** Resolves when it is up (again). */
  up(): Promise<void>;
  /** Ends it and starts it with other settings; they stay until `calm`. */
  restart(env?: Readonly<Record<string, string>>, execArgv?: readonly string[]): Promise<void>;
}

export interface Customer {
  readonly tenantId: string;
  readonly key: string;
  readonly connectionId: string;
}

export interface Rig {
  readonly apis: readonly [Proc, Proc];
  readonly workers: readonly [Proc, Proc];
  readonly all: readonly Proc[];
  readonly postgres: Postgres;
  readonly redis: OwnRedis | undefined;
  readonly provider: Provider;
  /** The tenants' own server. */
  readonly receiver: Receiver;
  /** A tenant of its own for a row, connected to the provider. `concurrency` default 5. */
  customer(options?: { readonly adapter?: 'seeing' | 'blind'; readonly concurrency?: number }): Promise<Customer>;
  /** Operator and tenant calls, at an API process that is up. */
  call(key: string | undefined, path: string, body?: unknown, method?: string): Promise<{ status: number; body: any }>;
  /** The store, dead or alive, through every process's own edge. */
  weather(edge: 'pg' | 'redis' | 'provider', weather: Weather | (() => Weather), of?: readonly Proc[]): void;
  killPostgres(downMs: number): Promise<void>;
  killRedis(downMs: number): Promise<void>;
  /** All is well again: everything runs, nothing is armed, the provider has forgotten. */
  calm(): Promise<void>;
  close(): Promise<void>;
}

export async function openRig(): Promise<Rig> {
  const [postgres, redis, provider, receiver] = await Promise.all([
    openPostgres(),
    openRedis(),
    openProvider(SECRET),
    startReceiver(),
  ]);
  const deadPort = await freePort();

  async function procOf(name: string, role: 'api' | 'worker'): Promise<Proc> {
    const [pg, red, out, inside] = await Promise.all([
      openEdge(postgres.port),
      openEdge(redis?.port ?? 0),
      openEdge(provider.port),
      openEdge(0),
    ]);
    const edges = { pg, redis: red, provider: out, inside };
    let child: ChildProcess;
    let ready: Promise<void> = Promise.resolve();
    let extra: Readonly<Record<string, string>> = {};
    let flags: readonly string[] = [];
    let written = '';
    let asked: ((vitals: Vitals) => void) | undefined;

    function launch(): void {
      const mine = spawn(process.execPath, [...flags, join(projectRoot, 'test/faults/lib/process.js')], {
        cwd: tmpdir(),
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        env: {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          ROLE: role,
          PORT: '0',
          LOG_LEVEL: 'warn',
          ADMIN_KEY,
          DATABASE_URL: Object.assign(new URL(postgres.url), { port: String(pg.port) }).href,
          ...(redis ? { REDIS_URL: `redis://127.0.0.1:${red.port}` } : {}),
          ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
          PLUGINS: join(projectRoot, 'test/faults/lib/plugin.js'),
          EGRESS_ALLOW: `127.0.0.1:${out.port},127.0.0.1:${deadPort},${receiver.host}`,
          FAULT_NAME: name,
          FAULT_PROVIDER_URL: `http://127.0.0.1:${out.port}`,
          FAULT_DEAD_URL: `http://127.0.0.1:${deadPort}`,
          FAULT_TIMING: JSON.stringify(TIMING),
          ...extra,
        },
      });
      child = mine;
      const hear = (text: Buffer): void => {
        written = (written + text).slice(-LOG_MAX);
        if (process.env.FAULTS_VERBOSE) process.stderr.write(`${name}: ${text}`);
      };
      mine.stdout?.on('data', hear);
      mine.stderr?.on('data', hear);
      ready = new Promise((resolve) => {
        mine.on('message', (said: { ready?: { port?: number }; report?: Vitals }) => {
          if (said.report) asked?.(said.report);
          if (!said.ready) return;
          if (said.ready.port) inside.aim(said.ready.port);
          resolve();
        });
        mine.once('exit', () => {
          proc.deaths++;
          if (!proc.keep || child !== mine) return;
          // Whoever waited for this one waits for the next.
          ready = pause(AGAIN_MS).then(() => {
            if (!proc.keep || child !== mine) return undefined;
            launch();
            return ready;
          });
          void ready.then(resolve);
        });
      });
    }
    const gone = (): boolean => child.exitCode !== null || child.signalCode !== null;
    async function end(signal: NodeJS.Signals): Promise<number | null> {
      if (gone()) return child.exitCode;
      const ended = once(child, 'exit');
      child.kill(signal);
      return ((await ended) as [number | null])[0];
    }
    const proc = {
      name,
      url: `http://127.0.0.1:${inside.port}`,
      edges,
      deaths: 0,
      keep: true,
      get pid() {
        return child.pid as number;
      },
      arm: (point: Point, hits: number) => void (child.connected && child.send({ arm: { point, hits } })),
      block: (ms: number) => void (child.connected && child.send({ block: ms })),
      vitals: () =>
        new Promise<Vitals>((resolve, reject) => {
          const mine = child;
          // Whoever dies before the answer gives none.
          const died = () => reject(new Error(`${name} has died`));
          asked = (vitals) => {
            mine.off('exit', died);
            resolve(vitals);
          };
          mine.once('exit', died).send({ report: true }, (error) => error && reject(error));
        }),
      signal: (signal: NodeJS.Signals) => void child.kill(signal),
      async kill() {
        await end('SIGKILL');
      },
      async stop() {
        const began = performance.now();
        const code = await end('SIGTERM');
        return { code, ms: performance.now() - began };
      },
      up: () => ready,
      log: () => written,
      async restart(env: Readonly<Record<string, string>> = {}, execArgv: readonly string[] = []) {
        proc.keep = false;
        await end('SIGKILL');
        [extra, flags] = [env, execArgv];
        proc.keep = true;
        launch();
        await ready;
      },
      launch,
      gone,
      get isPlain() {
        return Object.keys(extra).length === 0 && flags.length === 0;
      },
    };
    launch();
    return proc;
  }
  type Inner = Proc & { readonly isPlain: boolean; gone(): boolean };

  const all = (await Promise.all([
    procOf('api-1', 'api'),
    procOf('api-2', 'api'),
    procOf('worker-1', 'worker'),
    procOf('worker-2', 'worker'),
  ])) as unknown as Inner[];
  const [api1, api2, worker1, worker2] = all as [Inner, Inner, Inner, Inner];
  await Promise.all(all.map((proc) => proc.up()));
  let turn = 0;
  provider.door = () => (turn++ % 2 === 0 ? api1 : api2).url;
  provider.kill = (name) => void all.find((proc) => proc.name === name)?.kill();

  const call: Rig['call'] = async (key, path, body, method = body === undefined ? 'GET' : 'POST') =>
    apiAt(api1.url, key ?? ADMIN_KEY)(path, { body, method });

  const rig: Rig = {
    apis: [api1, api2],
    workers: [worker1, worker2],
    all,
    postgres,
    redis,
    provider,
    receiver,
    call,
    async customer({ adapter = 'blind', concurrency = CONCURRENCY } = {}) {
      const made = await call(undefined, '/api/admin/tenants', { name: 'Faults' });
      const key = made.body.live_key as string;
      const connected = await call(key, '/api/v1/connections', {
        channel: 'courier',
        adapter: `${adapter}courier`,
        credentials: { secret: SECRET },
        limits: { per_second: 100_000, concurrency },
      });
      if (connected.status !== 201) throw new Error(`no customer: ${JSON.stringify([made.body, connected.body])}`);
      return { key, tenantId: fromWire('tenant', made.body.id) as string, connectionId: connected.body.id };
    },
    weather(edge, weather, of = all) {
      for (const proc of of) proc.edges[edge].set(weather);
    },
    async killPostgres(downMs) {
      await postgres.kill();
      await pause(downMs);
      await postgres.start();
      for (const proc of all) proc.edges.pg.aim(postgres.port);
    },
    async killRedis(downMs) {
      await redis?.kill();
      await pause(downMs);
      await redis?.start();
    },
    async calm() {
      for (const proc of all) {
        for (const edge of Object.values(proc.edges)) edge.set('pass');
        if (!proc.gone()) proc.signal('SIGCONT');
      }
      provider.reset();
      await Promise.all(
        all.map(async (proc) => {
          if (!proc.isPlain || !proc.keep) await proc.restart();
          await proc.up();
          proc.arm('K1', 0);
        }),
      );
    },
    async close() {
      for (const proc of all) proc.keep = false;
      await Promise.all(all.map((proc) => proc.kill()));
      await Promise.all([
        provider.close(),
        receiver.close(),
        ...all.flatMap(({ edges }) => Object.values(edges).map((edge) => edge.close())),
      ]);
      await Promise.all([postgres.close(), redis?.close()]);
    },
  };
  return rig;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
