/** An attempt whose process died in it once ended as a definite failure when its connection had gone meanwhile. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromWire } from '../../src/lib/ids.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.close());

/** A message over a new connection of its own, due in an hour. */
async function waiting() {
  const connection = await scene.connect('sms', scene.twilio.credentials, { is_default: true });
  const phone = newPhone();
  const key = `crashed ${phone}`;
  const body = {
    recipient: { phone },
    notification: { channels: ['sms'], body: 'Crashed', send_at: new Date(Date.now() + 3_600_000).toISOString() },
    idempotency_key: key,
  };
  const { notification_id: id, channels } = await scene.send(body);
  const uuid = fromWire('message', channels[0].message_id) as string;
  return { id, uuid, key, phone, connection, connectionId: fromWire('connection', connection.id) as string };
}
const callsTo = (phone: string): number =>
  scene.twilio.requests.filter((request) => request.form().To?.[0] === phone).length;

it('an open attempt whose connection was removed since ends as unknown, never as failed, and its key stays taken', async () => {
  const { id, uuid, key, phone, connection } = await waiting();
  await scene.must(204, scene.call('DELETE', `/api/v1/connections/${connection.id}`, { key: scene.liveKey }));
  // A worker took it, spoke to the provider, and died.
  await scene.query(
    'update due set owner = $2, fence = 1, opened = true, opened_at = clock_now(), tries = 1, run_at = clock_now() where id = $1',
    [uuid, randomUUID()],
  );
  scene.product.deps.doorbell.ring('due');
  const lost = await scene.when(
    id,
    'has its attempt closed',
    (one) =>
      on(one, 'sms').attempts[0]?.outcome !== undefined &&
      on(one, 'sms').attempts[0].outcome !== 'pending' &&
      on(one, 'sms').status !== 'queued',
  );
  expect(on(lost, 'sms')).toMatchObject({
    status: 'sent',
    outcome_unknown: true,
    attempts: [{ number: 1, outcome: 'unknown' }],
  });
  // Nobody says anything until the time for receipts is over.
  await scene.query('update due set run_at = clock_now() where id = $1 and owner is null', [uuid]);
  scene.product.deps.doorbell.ring('due');
  expect(on(await scene.status(id, 'failed'), 'sms')).toMatchObject({
    outcome_unknown: true,
    failure: { code: 'outcome_unknown' },
  });
  expect(await scene.query('select outcome from messages where id = $1', [uuid])).toEqual([{ outcome: 'unknown' }]);
  expect(await scene.query('select released_at from idempotency where key = $1', [key])).toEqual([
    { released_at: null },
  ]);
  const retry = await scene.call('POST', `/api/v1/notifications/${id}/retry`, { key: scene.liveKey });
  expect([retry.status, retry.body.error.code]).toEqual([409, 'not_retryable']);
  expect(callsTo(phone)).toBe(0);
});

it('a queued message whose connection cannot be opened here waits instead of failing, and goes once it can', async () => {
  const { id, uuid, phone, connectionId } = await waiting();
  const { connections } = scene.product.deps;
  const [{ secrets }] = (await scene.query<Json>('select secrets from connections where id = $1', [connectionId])) as [
    Json,
  ];
  await scene.query(`update connections set secrets = 'broken', updated_at = clock_now() where id = $1`, [
    connectionId,
  ]);
  await until(async () => (await connections.open([connectionId])).size === 0);
  await scene.hurry();
  const rows = await until(async () => {
    const found = await scene.query<Json>(
      `select owner, run_at > clock_now() + interval '30 seconds' as later from due where id = $1 and owner is null and fence > 0`,
      [uuid],
    );
    const [message] = await scene.query<Json>('select status from messages where id = $1', [uuid]);
    return (found.length > 0 || message?.status !== 'queued') && found;
  });
  expect(rows).toEqual([{ owner: null, later: true }]);
  const held = on(await scene.get(id), 'sms');
  expect(held).toMatchObject({ status: 'queued', attempts_made: 0 });
  expect(callsTo(phone)).toBe(0);
  await scene.query('update connections set secrets = $2, updated_at = clock_now() where id = $1', [
    connectionId,
    secrets,
  ]);
  await until(async () => (await connections.open([connectionId])).size === 1);
  await scene.hurry();
  await scene.status(id, 'sent');
  expect(callsTo(phone)).toBe(1);
});
