/**
 * PostgreSQL: pools over one database. The writer runs the batched statements, with the tenant in every key; the reader
 * serves people's questions under a role on which row-level security is forced, so that a forgotten WHERE shows nothing of
 * another tenant. Rows never compare two clocks: SQL asks `clock_now()`.
 */
import pg from 'pg';
import { ApiError } from './errors.ts';
import { Flight, type Leg, type Statement } from './flight.ts';
import type { Log } from './log.ts';
import { createVigil, StoreSilent } from './vigil.ts';

/** The database or an open transaction. A statement with values is prepared once per connection. */
export interface Sql {
  // biome-ignore lint/suspicious/noExplicitAny: the caller states the row type of its own statement
  query<R = any>(text: string, values?: readonly unknown[]): Promise<R[]>;
}

/** An open transaction of the writer. */
export interface Trx extends Sql {
  /** Legs that do not wait for each other's rows, in a single round trip; the rows of each, in order. */
  // biome-ignore lint/suspicious/noExplicitAny: the caller states the row types of its own statements
  batch<R extends any[][] = any[][]>(legs: readonly Leg[]): Promise<R>;
}

export interface Db extends Sql {
  /** One transaction of legs that do not wait for each other's rows, in a single round trip. Tried again as `transaction`. */
  readonly batch: Trx['batch'];
  /**
   * One transaction as the writer. A deadlock or a serialisation failure is tried again, three times at most. A statement of
   * it may take `statementSeconds`, default 15; `Infinity`: however long.
   */
  transaction<T>(work: (trx: Trx) => Promise<T>, options?: { readonly statementSeconds?: number }): Promise<T>;
  /** A read-only transaction that can see the rows of this tenant and no others. */
  read<T>(tenantId: string, work: (trx: Sql) => Promise<T>): Promise<T>;
  /** The same for statements that do not wait for each other's rows, in a single round trip; the rows of each, in order. */
  // biome-ignore lint/suspicious/noExplicitAny: the caller states the row types of its own statements
  look<R extends any[][] = any[][]>(tenantId: string, statements: readonly Statement[]): Promise<R>;
  close(): Promise<void>;
}

export interface DbOptions {
  readonly url: string;
  readonly log: Log;
  /** Connections of the writer. Default 8; the reader has half as many. */
  readonly connections?: number;
}

export const READER_ROLE = 'carillon_reader';

export type { Leg, Statement } from './flight.ts';

// Counts and rates fit a double; ids that would not are never stored as bigint.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

// Rows that are read together share their times, and reading one costs more than looking for it. Nobody changes a Date.
const readTime = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ);
const times = new Map<string, Date>();
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => {
  let time = times.get(text);
  if (time === undefined) {
    time = readTime(text) as Date;
    if (times.size >= 64) times.clear();
    if (time instanceof Date) times.set(text, time);
  }
  return time;
});

export function createDb({ url, log, connections = 8 }: DbOptions): Db {
  const base: pg.PoolConfig = {
    connectionString: url,
    connectionTimeoutMillis: 3_000,
    idleTimeoutMillis: 10_000,
    statement_timeout: STATEMENT_SECONDS * 1_000,
    lock_timeout: 2_000,
    idle_in_transaction_session_timeout: 30_000,
    keepAlive: true,
  };
  const writer = new pg.Pool({ ...base, options: BY_KEY, max: connections, application_name: 'carillon' });
  // Of their own, so that what is to be accepted never waits behind a transaction that waits for a lock.
  const batches = new pg.Pool({
    ...base,
    options: BY_KEY,
    max: Math.max(2, connections >> 1),
    application_name: 'carillon-batches',
  });
  const reader = new pg.Pool({
    ...base,
    options: BY_INDEX,
    max: Math.max(2, connections >> 1),
    application_name: 'carillon-reader',
  });
  // An idle connection that breaks (a restart of the server) is replaced; without a listener it would end the process.
  // One that breaks while we leave is nobody's trouble.
  let leaving = false;
  for (const pool of [writer, reader, batches]) {
    pool.on('error', (error) => leaving || log.warn({ err: error }, 'lost an idle database connection'));
    // The pool listens to idle connections only. One that breaks while it is lent out fails the statement under way, or the
    // next; that is where it is answered, and here it only must not end the process.
    pool.on('connect', (client) => client.on('error', () => undefined));
  }

  /** Connections on which nobody knows any more what is prepared. */
  const tainted = new WeakSet<pg.PoolClient>();

  const vigil = createVigil({
    probe: (signal) => answers(url, signal),
    onChange: (isSilent) =>
      isSilent
        ? log.error('the database does not answer; what needs it is refused until it does')
        : log.warn('the database answers again'),
  });

  /** A connection, or an outage within moments: who waits here is watched as well. */
  const checkout = (pool: pg.Pool): Promise<pg.PoolClient> =>
    new Promise((resolve, reject) => {
      let isOver = false;
      const waiting = vigil.begin(() => {
        isOver = true;
        reject(new StoreSilent());
      });
      pool.connect((error, client) => {
        vigil.end(waiting);
        if (isOver) client?.release();
        else if (error || !client) reject(error);
        else resolve(client);
      });
    });

  /** One question on this connection; it breaks when the store has fallen silent. */
  async function watched<T>(client: pg.PoolClient, ask: () => Promise<T>, lostMs?: number): Promise<T> {
    const waiting = vigil.begin(() => hangUp(client), lostMs);
    try {
      return await ask();
    } finally {
      vigil.end(waiting);
    }
  }

  async function launch(client: pg.PoolClient, flight: Flight, lostMs?: number): Promise<object[][]> {
    const waiting = vigil.begin(() => hangUp(client), lostMs);
    client.query(flight);
    try {
      return await flight.landed;
    } catch (error) {
      if (flight.isTainted) tainted.add(client);
      throw error;
    } finally {
      vigil.end(waiting);
    }
  }

  const fly = (client: pg.PoolClient, legs: readonly Leg[], lostMs?: number): Promise<object[][]> =>
    launch(client, new Flight(legs), lostMs);

  const query = async (
    client: pg.PoolClient,
    text: string,
    values?: readonly unknown[],
    lostMs?: number,
  ): Promise<object[]> =>
    values
      ? ((await fly(client, [{ text, values }], lostMs))[0] as object[])
      : (await watched(client, () => client.query(text), lostMs)).rows;

  /** `begin` may be several statements: they travel together. `lostMs`: as the watch has it. */
  async function within<T>(pool: pg.Pool, begin: string, work: (trx: Trx) => Promise<T>, lostMs?: number): Promise<T> {
    const client = await checkout(pool);
    let broken: unknown;
    try {
      await watched(client, () => client.query(begin));
      const result = await work({
        query: (text, values) => query(client, text, values, lostMs) as Promise<never[]>,
        batch: (legs) => fly(client, legs, lostMs) as Promise<never>,
      });
      await watched(client, () => client.query('commit'), lostMs);
      return result;
    } catch (error) {
      await watched(client, () => client.query('rollback')).catch((failure: unknown) => {
        broken = failure;
      });
      throw error;
    } finally {
      client.release(broken !== undefined || tainted.has(client));
    }
  }

  /** The server has rolled back what failed; a connection that broke is not lent out again. */
  async function borrow<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await checkout(pool);
    let broken = false;
    try {
      return await work(client);
    } catch (error) {
      broken = !('severity' in Object(error));
      throw error;
    } finally {
      client.release(broken || tainted.has(client));
    }
  }

  async function again<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (tries >= 3 || !COLLISIONS.has((error as { code?: string }).code ?? '')) throw error;
      }
    }
  }

  function roleless(error: unknown): unknown {
    if (!NO_ROLE.has((error as { code?: string }).code ?? '')) return error;
    log.error({ err: error }, `reads are refused: the role ${READER_ROLE} cannot be taken; run carillon doctor`);
    return new ApiError(
      'unavailable',
      `Nothing is read while the database withholds the role ${READER_ROLE}. The operator runs: carillon doctor`,
      { retryAfterSeconds: 30, cause: error },
    );
  }

  return {
    query: (text, values) => borrow(writer, (client) => query(client, text, values)) as Promise<never[]>,
    transaction(work, { statementSeconds: seconds } = {}) {
      if (seconds === undefined) return again(() => within(writer, 'begin', work));
      // The server's own limit comes first, with a word; the watch is for a connection on which none comes.
      const limit = Number.isFinite(seconds) ? Math.round(seconds * 1_000) : 0;
      const begin = `begin; set local statement_timeout = ${limit}`;
      return again(() => within(writer, begin, work, (seconds + 5) * 1_000));
    },
    batch: (legs) => again(() => borrow(batches, (client) => fly(client, legs))) as Promise<never>,
    async read(tenantId, work) {
      let confined = false;
      try {
        // The role is taken in the transaction, before anything is read: who cannot take it reads nothing.
        return await within(reader, asReader(tenantId), (trx) => {
          confined = true;
          return work(trx);
        });
      } catch (error) {
        throw confined ? error : roleless(error);
      }
    },
    async look(tenantId, statements) {
      const client = await checkout(reader);
      const flight = new Flight([...readerLegs(tenantId), ...statements, COMMIT]);
      let broken = false;
      try {
        return (await launch(client, flight)).slice(READER_LEGS, -1) as never;
      } catch (error) {
        // What failed has left its transaction open, and the role taken in it.
        broken = true;
        throw flight.answered < READER_LEGS ? roleless(error) : error;
      } finally {
        client.release(broken);
      }
    },
    async close() {
      leaving = true;
      vigil.close();
      await Promise.all([writer.end(), reader.end(), batches.end()]);
    },
  };
}

/** What waits on it fails as for any connection that broke. */
const hangUp = (client: pg.ClientBase): void =>
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();

/** Asks the store for a word, over a connection that is made for it. */
async function answers(url: string, signal: AbortSignal): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'carillon-vigil' });
  client.on('error', () => undefined);
  signal.addEventListener('abort', () => hangUp(client), { once: true });
  await client.connect();
  await client.query('select');
  await client.end();
}

const settings = (...list: readonly string[]): string => list.map((setting) => `-c ${setting}`).join(' ');
/**
 * Rows are found by index, however small the tables were when a statement was planned: a plan made for a new installation, or
 * for tables that nobody has counted yet, must not read whole tables a million messages later.
 */
const BY_INDEX = settings('enable_seqscan=off', 'enable_mergejoin=off', 'jit=off');
/** Plans of batches are made once; compiling them costs more than they. */
const BY_KEY = `${BY_INDEX} ${settings('plan_cache_mode=force_generic_plan')}`;
const STATEMENT_SECONDS = 15;
const COLLISIONS = new Set(['40001', '40P01']);
/** Role and tenant until the end of the transaction, in one round trip; all its statements see one moment. */
const asReader = (tenantId: string): string =>
  `begin isolation level repeatable read, read only; set local role ${READER_ROLE}; set local carillon.tenant = ${pg.escapeLiteral(tenantId)}`;
const readerLegs = (tenantId: string): readonly Statement[] => [
  { text: 'begin isolation level repeatable read, read only', values: [] },
  { text: `set local role ${READER_ROLE}`, values: [] },
  { text: `select set_config('carillon.tenant', $1, true)`, values: [tenantId] },
];
const READER_LEGS = 3;
const COMMIT: Statement = { text: 'commit', values: [] };
/** Not granted; or there is no such role. */
const NO_ROLE = new Set(['42501', '22023']);
