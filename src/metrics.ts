/**
 * Figures for Prometheus, on a listener of their own (METRICS_PORT), because they are for the operator and nobody else. What
 * is counted is read when it is asked for; nothing on the path of a message waits for a counter.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Deps } from './deps.ts';

export interface Metrics {
  readonly port: number;
  close(): Promise<void>;
}

export async function serveMetrics(
  { db, log, queues }: Pick<Deps, 'db' | 'log' | 'queues'>,
  port: number,
  host: string,
): Promise<Metrics> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, labelNames: string[], read: (gauge: Gauge) => Promise<void>) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset();
        await read(this).catch((error: unknown) => log.warn({ err: error, metric: name }, 'could not read a metric'));
      },
    });
  gauge(
    'carillon_due_messages',
    'Messages that wait for a worker, by lane (0 high, 1 normal, 2 low).',
    ['lane'],
    async (due) => {
      const rows = await db.query<{ lane: number; waiting: number }>(
        'select lane, sum(size)::int as waiting from due where owner is null and not held and run_at <= clock_now() group by lane',
      );
      for (const { lane, waiting } of rows) due.set({ lane: String(lane) }, waiting);
    },
  );
  gauge('carillon_due_age_seconds', 'How long past its time the oldest waiting message is.', [], async (age) => {
    const [row] = await db.query<{ seconds: number | null }>(
      'select extract(epoch from clock_now() - min(run_at))::float8 as seconds from due where owner is null and not held and run_at <= clock_now()',
    );
    age.set(row?.seconds ?? 0);
  });
  gauge('carillon_leased_messages', 'Messages that a worker has taken.', [], async (leased) => {
    const [row] = await db.query<{ count: number }>(
      'select coalesce(sum(size), 0)::int as count from due where owner is not null',
    );
    leased.set(row?.count ?? 0);
  });
  gauge('carillon_inbound_waiting', 'Callbacks that are stored and not yet read.', [], async (waiting) => {
    const [row] = await db.query<{ count: number }>(
      'select count(*)::int as count from inbound_requests where applied_at is null',
    );
    waiting.set(row?.count ?? 0);
  });
  gauge('carillon_connections', 'Live connections by health.', ['health'], async (connections) => {
    const rows = await db.query<{ health: string; count: number }>(
      `select health, count(*)::int as count from connections where mode = 'live' and archived_at is null group by health`,
    );
    for (const { health, count } of rows) connections.set({ health }, count);
  });
  gauge('carillon_queue_up', 'Whether the job queue answers.', ['kind'], async (up) => {
    up.set(
      { kind: queues.kind },
      await queues.check().then(
        () => 1,
        () => 0,
      ),
    );
  });

  const server = createServer((request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end();
    registry.metrics().then(
      (text) => response.writeHead(200, { 'Content-Type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
