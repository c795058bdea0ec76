/** A provider's second word about an attempt that it had taken back once failed the message that was already sent anew. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NewReceipt } from '../../src/features/notifications/index.ts';
import { fromWire } from '../../src/lib/ids.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

async function sent() {
  const phone = newPhone();
  const { notification_id: id, channels } = await scene.send({
    recipient: { phone },
    notification: { channels: ['sms'], body: 'Said twice' },
  });
  await scene.status(id, 'sent');
  const message = scene.twilio.messages.find(({ to }) => to === phone) as Json;
  return { id, phone, sid: message.id as string, uuid: fromWire('message', channels[0].message_id) as string };
}
const applied = (): Promise<unknown> =>
  until(async () => (await scene.query('select 1 from inbound_requests where applied_at is null')).length === 0);

it('a late refusal of the first attempt changes nothing once the second was accepted', async () => {
  const { id, phone, sid, uuid } = await sent();
  await scene.twilio.deliver(sid, ['undelivered'], { code: '30003' });
  await scene.when(id, 'waits again', (one) => on(one, 'sms').next_attempt_at !== undefined);
  await scene.hurry();
  await scene.when(id, 'was taken again', (one) => on(one, 'sms').attempts[1]?.outcome === 'accepted');
  const before = on(await scene.get(id), 'sms');
  for (const code of ['30003', '30005']) {
    // A word of its own each time: the provider's key is made of the id and the status.
    await scene.query(`delete from receipts where message_id = $1 and key like '%:failed'`, [uuid]);
    await scene.twilio.deliver(sid, ['failed'], { code });
    await applied();
    const after = on(await scene.get(id), 'sms');
    expect(after).toMatchObject({ status: 'sent', attempts_made: before.attempts_made });
    expect(after.failure).toBeUndefined();
    expect(after.next_attempt_at).toBeUndefined();
    expect(after.attempts.map(({ outcome }: Json) => outcome)).toEqual(['refused_later', 'accepted']);
    expect(await scene.query('select 1 from due where id = $1', [uuid])).toEqual([]);
  }
  const second = scene.twilio.messages.find((one) => one.to === phone && one.id !== sid) as Json;
  await scene.twilio.deliver(second.id, ['delivered']);
  await scene.status(id, 'delivered');
});

it.each([
  ['passing', 'provider_unavailable'],
  ['lasting', 'recipient_invalid'],
] as const)('two refusals of one attempt in one batch, the second %s, schedule exactly one retry', async (_, fault) => {
  const { id, sid, uuid } = await sent();
  const [{ connection_id: connectionId }] = (await scene.query<Json>(
    'select connection_id from messages where id = $1',
    [uuid],
  )) as [Json];
  const refusal = (key: string, kind: NewReceipt['fault']): NewReceipt => ({
    connectionId,
    key: `${sid}:${key}`,
    inboundId: uuid,
    messageId: uuid,
    providerId: sid,
    receipt: 'failed',
    fault: kind,
    providerCode: null,
    providerMessage: null,
    at: null,
  });
  const { db, notifications } = scene.product.deps;
  await db.transaction((trx) =>
    notifications.receipts.ingest(trx, [refusal('1', 'provider_unavailable'), refusal('2', fault)]),
  );
  const waiting = on(await scene.get(id), 'sms');
  expect(waiting.next_attempt_at).toBeDefined();
  expect(waiting.attempts.map(({ outcome }: Json) => outcome)).toEqual(['refused_later']);
  expect(await scene.query('select owner from due where id = $1', [uuid])).toEqual([{ owner: null }]);
  await scene.hurry();
  await scene.when(id, 'was taken again', (one) => on(one, 'sms').attempts[1]?.outcome === 'accepted');
  const done = on(await scene.get(id), 'sms');
  expect(done.attempts).toHaveLength(2);
  expect(done).toMatchObject({ status: 'sent', attempts_made: 2 });
  expect(done.next_attempt_at).toBeUndefined();
});
