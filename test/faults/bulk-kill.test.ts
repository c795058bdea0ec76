/**
 * What a bulk is worth: API, worker and database are killed at seeded moments from its first byte to its last message, and
 * every row is accounted for. The upload is repeated under its key until it is answered, as a client would.
 *
 * BULK_ROWS and BULK_KILLS make it larger: 100,000 and 20 is what the README's promise was shown with.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import { findEmbedded } from '../../src/lib/embedded.ts';
import { apiAt, until } from '../support/product.ts';
import { removeData } from '../support/test-server.ts';

const ROWS = Number(process.env.BULK_ROWS ?? 4_000);
const KILLS = Number(process.env.BULK_KILLS ?? 6);
/** Per row, for the whole of it; a slow machine is no fault of the code. */
const PATIENCE_MS = 120_000 + ROWS * 10;

/** The same moments in every run. */
let seed = 20_261_121;
const random = (): number => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 4_294_967_296;
};

/** Takes every message; how often it took each reference. A little slow, so that calls are under way when we strike. */
const taken = new Map<string, number>();
const provider = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => {
    const reference = new URLSearchParams(Buffer.concat(pieces).toString()).get('StatusCallback') ?? '';
    const ref = new URL(reference).searchParams.get('ref') ?? '';
    taken.set(ref, (taken.get(ref) ?? 0) + 1);
    const body = JSON.stringify({ sid: `SM${String(taken.size).padStart(32, '0')}`, status: 'queued' });
    setTimeout(() => response.writeHead(201, { 'content-type': 'application/json' }).end(body), 15);
  });
});

const dataDir = mkdtempSync(join(tmpdir(), 'carillon-bulk-'));
const { PATH, HOME, TMPDIR } = process.env;
const common = {
  PATH,
  HOME,
  TMPDIR,
  DATA_DIR: dataDir,
  LOG_LEVEL: 'fatal',
  ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
};
let allowed = '';
let port = 0;
let api: ChildProcess | undefined;
let worker: ChildProcess | undefined;
let url = '';

beforeAll(async () => {
  provider.listen(0, '127.0.0.1');
  await once(provider, 'listening');
  const spare = createServer().listen(0, '127.0.0.1');
  await once(spare, 'listening');
  ({ port } = spare.address() as AddressInfo);
  await new Promise((resolve) => spare.close(resolve));
  allowed = `127.0.0.1:${(provider.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await Promise.all([kill(worker, 'SIGTERM'), kill(api, 'SIGTERM')]);
  provider.closeAllConnections();
  await new Promise((resolve) => provider.close(resolve));
  removeData(dataDir);
});

async function spawned(env: Record<string, string | undefined>): Promise<{ child: ChildProcess; url: string }> {
  const script = join(projectRoot, 'test/support/short-lease.js');
  const child = spawn(process.execPath, [script], {
    cwd: tmpdir(),
    env: { ...common, PORT: '0', EGRESS_ALLOW: allowed, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line');
  const [said] = (await Promise.race([line, once(child, 'exit').then(() => ['{}'])])) as [string];
  return { child, url: JSON.parse(said).url };
}

/** The process with the API and the database, and a second one that only delivers; the first delivers as well. */
async function boot(): Promise<void> {
  if (!api || api.exitCode !== null || api.signalCode !== null) {
    ({ child: api, url } = await spawned({ PORT: String(port) }));
    await kill(worker, 'SIGKILL');
  }
  if (!worker || worker.exitCode !== null || worker.signalCode !== null) {
    const database = await findEmbedded(dataDir);
    ({ child: worker } = await spawned({ ROLE: 'worker', DATABASE_URL: database?.url }));
  }
}

async function kill(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

it(
  `a bulk of ${ROWS} rows, killed ${KILLS} times at seeded moments: no row is lost, and none is sent twice`,
  async () => {
    await boot();
    const command = [join(projectRoot, 'src/launch.js'), 'tenant', 'create', '--name', 'Bulk', '--json'];
    const { stdout } = await promisify(execFile)(process.execPath, command, {
      cwd: tmpdir(),
      env: common as NodeJS.ProcessEnv,
    });
    const { live_key: key } = JSON.parse(stdout);
    const connected = await apiAt(url, key)('/api/v1/connections', {
      body: {
        channel: 'sms',
        credentials: {
          account_sid: `AC${'0'.repeat(32)}`,
          auth_token: '1'.repeat(32),
          from: '+15005550006',
          base_url: `http://${allowed}`,
        },
        limits: { per_second: 100_000, concurrency: 64 },
      },
    });
    expect([connected.status, connected.body]).toEqual([201, connected.body]);

    const rows = Array.from({ length: ROWS }, (_, i) =>
      JSON.stringify({ phone: `+1415555${String(i % 10_000).padStart(4, '0')}`, data: { n: i } }),
    );
    const body = [JSON.stringify({ channels: ['sms'], body: 'Number {{n}}' }), ...rows, ''].join('\n');
    const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': 'one campaign' };
    let answer: { bulk_id: string; accepted: number } | undefined;
    const upload = async (): Promise<void> => {
      while (!answer) {
        const got = await apiAt(url, key)('/api/v1/notifications/bulk', { body, headers }).catch(() => undefined);
        if (got?.status === 202) answer = got.body;
        else await delay(100);
      }
    };
    const uploading = upload();

    for (let round = 0; round < KILLS; round++) {
      // A third of the kills fall into the upload, which each of them interrupts; the others into the delivery.
      if (round === Math.floor(KILLS / 3)) await uploading;
      await delay(random() * 1_500);
      const victim = round % 3;
      if (victim === 0) await kill(api, 'SIGKILL');
      else if (victim === 1) await kill(worker, 'SIGKILL');
      else {
        const database = await findEmbedded(dataDir);
        if (database) process.kill(database.pid, 'SIGKILL');
        await kill(api, 'SIGKILL');
      }
      await boot();
    }
    await uploading;
    expect(answer?.accepted).toBe(ROWS);

    const database = await findEmbedded(dataDir);
    const client = new pg.Client(database?.url);
    await client.connect();
    try {
      const one = async (text: string): Promise<Record<string, number>> => (await client.query(text)).rows[0];
      await until(
        async () => (await one(`select count(*)::int as open from due where kind <> 'deadline'`)).open === 0,
        { withinMs: PATIENCE_MS, what: 'that nothing is left to send' },
      );
      const counted = await one(
        `select count(*)::int as messages, count(distinct bulk_row)::int as rows, min(bulk_row) as first, max(bulk_row) as last,
         count(*) filter (where status = 'queued')::int as queued, count(*) filter (where outcome_unknown)::int as unknown from messages`,
      );
      const twice = [...taken.values()].filter((times) => times > 1).length;
      console.log(JSON.stringify({ rows: ROWS, kills: KILLS, ...counted, accepted: taken.size, twice }));
      expect(counted).toMatchObject({ messages: ROWS, rows: ROWS, first: 0, last: ROWS - 1, queued: 0 });
      expect(twice).toBe(0);
      // Whatever the provider has not taken is one whose outcome is said to be unknown, and nothing else.
      expect(ROWS - taken.size).toBeLessThanOrEqual(counted.unknown as number);
      // No more than what was under way in the processes that died.
      expect(counted.unknown).toBeLessThanOrEqual(KILLS * 2 * 64);
      const sums = await one(
        'select sum(queued)::int as queued, sum(sent)::int as sent, sum(failed)::int as failed from bulk_tallies',
      );
      expect(sums).toEqual({ queued: 0, sent: ROWS, failed: 0 });
    } finally {
      await client.end();
    }
  },
  PATIENCE_MS + KILLS * 30_000,
);
