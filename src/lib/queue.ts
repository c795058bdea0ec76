/**
 * BullMQ as a doorbell and an alarm clock, on PostgreSQL or on Redis. Jobs are empty: what is due stands in tables, so a
 * queue that loses everything loses nothing but a second. Nobody waits on it longer than a moment.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createPostgresBackend, Queue, runMigrations, Worker, withBackend } from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { Log } from './log.ts';

export interface Doorbell {
  /** Wakes the listeners of this bell in every process. Rings that meet become one; never throws, never blocks. */
  ring(bell: string): void;
  close(): Promise<void>;
}

export interface Listener {
  close(): Promise<void>;
}

export interface Queues {
  readonly kind: 'postgres' | 'redis';
  doorbell(): Doorbell;
  /** Calls back on each ring, and for each alarm every so many milliseconds in one of all processes. */
  listen(
    handlers: Readonly<Record<string, () => Promise<void> | void>>,
    alarms: Readonly<Record<string, number>>,
  ): Promise<Listener>;
  /** Throws when the queue cannot be reached. */
  check(): Promise<void>;
  /** What makes a queue that answers unfit for its work; one that does not answer is not unfit, only missed. */
  unfit(): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface QueueOptions {
  readonly redisUrl: string | undefined;
  readonly databaseUrl: string;
  readonly log: Log;
}

const NAME = 'carillon';
/** The first ring goes at once; under load one job carries what was rung for meanwhile, because a job costs the store more than a message. */
const PAUSE_MS = 20;
const SILENCE_MS = 5_000;
const RING = { removeOnComplete: true, removeOnFail: true, attempts: 1 } as const;

/**
 * What tells the queues of two installations apart on one Redis: a name made of the database they ring for. Without it one
 * would take the other's rings.
 */
export async function queuePrefix(databaseUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'carillon-queue-setup' });
  await client.connect();
  try {
    const { rows } = await client.query<{ database: string; started: string }>(
      `select current_database() as database, oid::text || coalesce(
         case when has_function_privilege('pg_control_system()', 'execute')
           then (select system_identifier::text from pg_control_system()) end, '') as started
       from pg_database where datname = current_database()`,
    );
    const { database = '', started = '' } = rows[0] ?? {};
    // In braces, so that a Redis Cluster keeps all keys in one slot, as BullMQ's scripts need.
    return `{carillon-${createHash('sha256').update(`${database} ${started}`).digest('hex').slice(0, 12)}}`;
  } finally {
    await client.end();
  }
}

/** Prepares the queue's own tables when it lives in PostgreSQL. */
export async function createQueues({ redisUrl, databaseUrl, log }: QueueOptions): Promise<Queues> {
  const quiet = (error: unknown) => log.debug({ err: error }, 'queue');
  let redis: Redis | undefined;
  if (redisUrl) {
    redis = new Redis(redisUrl, {
      maxRetriesPerRequest: null,
      enableOfflineQueue: false,
      lazyConnect: true,
      connectTimeout: 3_000,
      // One that falls silent is hung up on, or the bell would wait for the old connection long after Redis is back.
      socketTimeout: SILENCE_MS,
    });
    redis.on('error', quiet);
    // A Redis that is not there now may come; ioredis goes on trying.
    await within(2_000, redis.connect()).catch(quiet);
  } else {
    const client = new pg.Client({ connectionString: databaseUrl, application_name: 'carillon-queue-setup' });
    await client.connect();
    try {
      await runMigrations(client as never);
    } finally {
      await client.end();
    }
  }
  // The two backends differ in their connection type alone; `never` stands for either.
  const bull = (redis ? { Queue, Worker } : withBackend(createPostgresBackend)) as unknown as {
    Queue: new (name: string, options: object) => Queue;
    Worker: typeof Worker;
  };
  const prefix = redis ? { prefix: await queuePrefix(databaseUrl) } : {};
  const store: object = redis ?? { connectionString: databaseUrl, max: 2, idleTimeoutMillis: 30_000 };

  return {
    kind: redis ? 'redis' : 'postgres',
    doorbell() {
      const queue = new bull.Queue(NAME, { ...prefix, connection: store });
      queue.on('error', quiet);
      const ringing = new Set<string>();
      const again = new Set<string>();
      const ring = (bell: string): void => {
        if (ringing.has(bell)) return void again.add(bell);
        ringing.add(bell);
        const pause = delay(PAUSE_MS, undefined, { ref: false });
        queue
          .add(bell, {}, RING)
          .catch(quiet)
          .then(() => pause)
          .finally(() => {
            ringing.delete(bell);
            if (again.delete(bell)) ring(bell);
          });
      };
      // Before its first connection a queue waits for it even to close.
      return { ring, close: () => within(1_000, queue.close()).catch(quiet) };
    },
    async listen(handlers, alarms) {
      const scheduler = new bull.Queue(NAME, { ...prefix, connection: store });
      scheduler.on('error', quiet);
      // Never waited for: without the store this takes until it is there, and the house must come up without it. Said again
      // whenever Redis is back, which may have lost them.
      const setAlarms = () => {
        for (const [name, every] of Object.entries(alarms))
          void scheduler.upsertJobScheduler(name, { every }, { name, opts: RING }).catch(quiet);
      };
      setAlarms();
      redis?.on('ready', setAlarms);
      // A worker of Redis blocks on its connection, so it brings its own.
      const own = redis?.duplicate({ enableOfflineQueue: true, lazyConnect: false, socketTimeout: undefined });
      own?.on('error', quiet);
      const worker = new bull.Worker(NAME, async (job) => void (await handlers[job.name]?.()), {
        ...prefix,
        connection: (own ?? store) as never,
        concurrency: 4,
        lockDuration: 15_000,
        stalledInterval: 5_000,
      });
      worker.on('error', quiet);
      // A ring whose listener was killed stalls; what it rang for was found by the sweep.
      worker.on('failed', (job, error) =>
        log[/stalled/.test(error.message) ? 'debug' : 'error']({ err: error, job: job?.name }, 'a queue job failed'),
      );
      return {
        async close() {
          redis?.off('ready', setAlarms);
          // Without the store a graceful close never returns; nothing is lost by leaving.
          await within(2_000, worker.close()).catch(() => within(1_000, worker.close(true)).catch(quiet));
          await within(1_000, scheduler.close()).catch(quiet);
          own?.disconnect();
        },
      };
    },
    async check() {
      if (redis) await within(2_000, redis.ping());
    },
    async unfit() {
      if (!redis) return undefined;
      // INFO, because hosted services withhold CONFIG.
      const memory = await within(500, redis.info('memory')).catch(() => '');
      const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1];
      return policy === undefined || policy === 'noeviction'
        ? undefined
        : `Redis evicts keys when it is full (maxmemory-policy is ${policy}): alarms and rings would vanish. Set it to noeviction.`;
    },
    async close() {
      redis?.disconnect();
    },
  };
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
