/** What a 202 is worth: the process is killed right after it, again and again, and every message is accounted for. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import { findEmbedded } from '../../src/lib/embedded.ts';
import { apiAt, until } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { startTwilio, type TwilioFake } from '../support/providers/twilio.ts';
import { newPhone } from '../support/scene.ts';
import { removeData } from '../support/test-server.ts';

const KILLS = 20;
/** Milliseconds from the 202 to the kill: spread over 0…200, and the same in every run. */
const MOMENTS = Array.from({ length: KILLS }, (_, i) => (i * 61) % 201);
const PER_ROUND = 4;

const dataDir = mkdtempSync(join(tmpdir(), 'carillon-crash-'));
let twilio: TwilioFake;
let env: Record<string, string | undefined>;
let child: ChildProcess | undefined;

beforeAll(async () => {
  twilio = await startTwilio();
  // Slow enough that some calls are always under way when the process dies.
  twilio.always('*', behave.slow(120));
  const { PATH, HOME, TMPDIR } = process.env;
  const own = { DATA_DIR: dataDir, PORT: String(await freePort()), EGRESS_ALLOW: new URL(twilio.url).host };
  env = { PATH, HOME, TMPDIR, LOG_LEVEL: 'error', ...own };
});
afterAll(async () => {
  await kill('SIGTERM');
  await twilio.close();
  removeData(dataDir);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function boot(): Promise<string> {
  const script = join(projectRoot, 'test/support/short-lease.js');
  child = spawn(process.execPath, [script], { cwd: tmpdir(), env, stdio: ['ignore', 'pipe', 'inherit'] });
  const line = once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line');
  const [said] = (await Promise.race([line, once(child, 'exit').then(() => ['{}'])])) as [string];
  const { url } = JSON.parse(said);
  if (!url) throw new Error('the product did not start');
  return url;
}

async function kill(signal: NodeJS.Signals): Promise<void> {
  const dying = child;
  child = undefined;
  if (!dying || dying.exitCode !== null) return;
  const ended = once(dying, 'exit');
  dying.kill(signal);
  await ended;
}

it(`killed ${KILLS} times right after a 202: no message is lost, none is accepted twice, and one that was in flight says so`, async () => {
  let url = await boot();
  const command = [join(projectRoot, 'src/launch.js'), 'tenant', 'create', '--name', 'Crash', '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, command, {
    cwd: tmpdir(),
    env: env as NodeJS.ProcessEnv,
  });
  const { live_key: key } = JSON.parse(stdout);
  const api = () => apiAt(url, key);
  const body = { channel: 'sms', credentials: twilio.credentials };
  expect((await api()('/api/v1/connections', { body })).status).toBe(201);

  /** By idempotency key: what to send, and the notification it became once that was acknowledged. */
  const sends = new Map<string, { body: object; id?: string }>();
  const attempt = async (name: string): Promise<void> => {
    const one = sends.get(name) as { body: object; id?: string };
    const headers = { 'idempotency-key': name };
    const answer = await api()('/api/v1/notifications/send', { body: one.body, headers }).catch(() => undefined);
    if (!answer) return;
    expect(answer.status).toBe(202);
    // A client that heard nothing asks again and must hear of the same notification.
    expect(one.id ?? answer.body.notification_id).toBe(answer.body.notification_id);
    one.id = answer.body.notification_id;
  };

  for (const [round, moment] of MOMENTS.entries()) {
    const unheard = [...sends].filter(([, { id }]) => !id).map(([name]) => name);
    const names = Array.from({ length: PER_ROUND }, (_, i) => `round-${round}-${i}`);
    for (const name of names) {
      const notification = { channels: ['sms'], body: name };
      sends.set(name, { body: { recipient: { phone: newPhone() }, notification } });
    }
    const sending = [...unheard, ...names].map(attempt);
    await Promise.any(sending);
    await new Promise((resolve) => setTimeout(resolve, moment));
    const database = await findEmbedded(dataDir);
    await kill('SIGKILL');
    // Every fifth time the database is killed as well.
    if (round % 5 === 4 && database) process.kill(database.pid, 'SIGKILL');
    await Promise.all(sending);
    url = await boot();
  }
  for (const [name, { id }] of sends) if (!id) await attempt(name);

  const seen = async (): Promise<Json[]> =>
    Promise.all([...sends.values()].map(async ({ id }) => (await api()(`/api/v1/notifications/${id}`)).body));
  const settled = await until(
    async () => {
      const all = await seen();
      return (
        all.every(
          ({ status, channels }) => status !== 'queued' && channels[0].attempts.at(-1)?.outcome !== 'in_progress',
        ) && all
      );
    },
    { withinMs: 30_000, what: 'that nothing is left to do' },
  );

  const accepted = new Map<string, number>();
  for (const { callbackUrl } of twilio.messages) {
    const reference = new URL(callbackUrl as string).searchParams.get('ref') as string;
    accepted.set(reference, (accepted.get(reference) ?? 0) + 1);
  }
  const figures = { sent: sends.size, acknowledged: 0, twice: 0, lost: 0, unknown: 0 };
  for (const { channels } of settled) {
    const [message] = channels;
    const times = accepted.get(message.message_id) ?? 0;
    figures.acknowledged++;
    if (times > 1) figures.twice++;
    if (message.outcome_unknown) {
      figures.unknown++;
      expect(message).toMatchObject({ status: 'sent', attempts: [{ number: 1, outcome: 'unknown' }] });
    } else if (times !== 1 || message.attempts.at(-1).outcome !== 'accepted') figures.lost++;
  }
  expect(figures).toEqual({ ...figures, acknowledged: KILLS * PER_ROUND, twice: 0, lost: 0 });
  expect(figures.unknown).toBeGreaterThanOrEqual(1);
  expect(figures.unknown).toBeLessThanOrEqual(KILLS * PER_ROUND);

  // The provider's callbacks, repeated as providers do, settle what was unknown.
  for (const { id } of twilio.messages) expect(await twilio.deliver(id, ['delivered'])).toEqual([200]);
  const ended = await until(
    async () => {
      const all = await seen();
      return (
        all.every(({ status, channels }) => status === 'delivered' || !accepted.has(channels[0].message_id)) && all
      );
    },
    { withinMs: 15_000, what: 'that every accepted message is delivered' },
  );
  for (const { status, channels } of ended)
    if (status !== 'delivered') expect(channels[0]).toMatchObject({ status: 'sent', outcome_unknown: true });
}, 240_000);
