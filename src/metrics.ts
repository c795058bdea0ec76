/**
 * Figures for Prometheus and the health of a worker, on a listener of their own (METRICS_PORT), because they are for the operator and nobody else. What
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
  { db, health, log, notifications, queues }: Pick<Deps, 'db' | 'health' | 'log' | 'notifications' | 'queues'>,
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
        // What is empty is told as zero: an alert cannot compare with nothing.
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
      for (const lane of ['0', '1', '2']) due.set({ lane }, 0);
      for (const { lane, waiting } of rows) due.set({ lane: String(lane) }, waiting);
    },
  );
  gauge('carillon_due_age_seconds', 'How long past its time the oldest waiting message is.', [], async (age) => {
    const [row] = await db.query<{ seconds: number | null }>(
      'select extract(epoch from clock_now() - min(run_at))::float8 as seconds from due where owner is null and not held and run_at <= clock_now()',
    );
    age.set(row?.seconds ?? 0);
  });
  gauge('carillon_quarantined_messages', 'Messages that wait for the operator since a restore.', [], async (held) => {
    const [row] = await db.query<{ count: number }>(
      `select coalesce(sum(size), 0)::int as count from due where quarantined and kind <> 'deadline'`,
    );
    held.set(row?.count ?? 0);
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
  gauge(
    'carillon_webhooks_waiting',
    'Deliveries to webhooks that are due or wait for another try, of endpoints that are called.',
    [],
    async (waiting) => {
      const [row] = await db.query<{ count: number }>(
        `select count(*)::int as count from endpoints e join deliveries d on d.endpoint_id = e.id and d.status = 'waiting' where e.status = 'active'`,
      );
      waiting.set(row?.count ?? 0);
    },
  );
  gauge(
    'carillon_webhooks_age_seconds',
    'How old the oldest event is that an endpoint waits for, of endpoints that are called.',
    [],
    async (age) => {
      const [row] = await db.query<{ seconds: number | null }>(
        `select extract(epoch from clock_now() - min(time_of(d.event_id)))::float8 as seconds
         from endpoints e join deliveries d on d.endpoint_id = e.id and d.status = 'waiting' where e.status = 'active'`,
      );
      age.set(row?.seconds ?? 0);
    },
  );
  gauge('carillon_connections', 'Live connections by health.', ['health'], async (connections) => {
    const rows = await db.query<{ health: string; count: number }>(
      `select health, count(*)::int as count from connections where mode = 'live' and archived_at is null group by health`,
    );
    for (const health of ['unknown', 'ok', 'failing', 'resting']) connections.set({ health }, 0);
    for (const { health, count } of rows) connections.set({ health }, count);
  });
  gauge(
    'carillon_breaker_open',
    'Connections that this process leaves alone, or tries again with care, by adapter.',
    ['adapter'],
    async (open) => {
      for (const { adapter } of notifications.dispatcher.open()) open.inc({ adapter });
    },
  );
  gauge('carillon_queue_up', 'Whether the job queue answers.', ['kind'], async (up) => {
    up.set(
      { kind: queues.kind },
      await queues.check().then(
        () => 1,
        () => 0,
      ),
    );
  });

  gauge('carillon_ready', 'Whether this process is ready for work.', [], async (ready) => {
    ready.set((await health.isReady()) ? 1 : 0);
  });

  const server = createServer((request, response) => {
    // A worker has no other door at which it could be asked.
    if (request.url === '/health/live') return void response.writeHead(200).end('ok');
    if (request.url === '/health/ready')
      return void health.isReady().then((isReady) => response.writeHead(isReady ? 200 : 503).end());
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
