/** A fallback within a bulk keeps to what was decided about the bulk, and to its sums. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
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

/** A night that lies twelve hours from now. */
const hour = (from: number): string => `${String((new Date().getUTCHours() + from) % 24).padStart(2, '0')}:00`;
const QUIET = { from: hour(11), to: hour(13), zone: 'UTC' };

/** A voice call that was handed over, of a bulk in this state, and then fails. */
async function failed(status: 'running' | 'paused' | 'cancelled'): Promise<{ id: string; bulkId: string }> {
  const phone = newPhone();
  const { notification_id: id } = await scene.send({
    recipient: { phone },
    notification: { channels: ['voice'], body: 'Hello', fallback: [{ channel: 'sms', on: 'failed' }] },
  });
  await scene.status(id, 'sent');
  const bulkId = randomUUID();
  await scene.query(
    `with b as (
       insert into bulks (id, tenant_id, mode, status, request, actor_id, created_at)
       select $2, tenant_id, mode, $3, '{}', actor_id, clock_now() from messages where id = $1
     ) update messages set bulk_id = $2, bulk_row = 7, quiet_hours = $4 where id = $1`,
    [fromWire('message', (await scene.get(id)).channels[0].message_id), bulkId, status, JSON.stringify(QUIET)],
  );
  const call = await until(() => scene.twilio.messages.find(({ to }) => to === phone));
  await scene.twilio.deliver(call.id, ['failed']);
  return { id, bulkId };
}
const sums = async (bulkId: string): Promise<Json> =>
  (
    await scene.query(
      'select sum(queued)::int as queued, sum(sent)::int as sent, sum(failed)::int as failed from bulk_tallies where bulk_id = $1',
      [bulkId],
    )
  )[0];

it('a step is a message of the bulk, and of its sums', async () => {
  const { id, bulkId } = await failed('running');
  await scene.when(id, 'has gone on', (one) => on(one, 'sms')?.status === 'sent');
  expect(
    await scene.query(`select bulk_row as row, quiet_hours as quiet from messages where bulk_id = $1 order by id`, [
      bulkId,
    ]),
  ).toEqual([
    { row: 7, quiet: QUIET },
    { row: 7, quiet: QUIET },
  ]);
  // The call had been counted as sent before it was of the bulk.
  expect(await sums(bulkId)).toEqual({ queued: 0, sent: 0, failed: 1 });
});

it('a step of a paused bulk waits until it is resumed', async () => {
  const { id, bulkId } = await failed('paused');
  const waiting = await scene.when(id, 'has a step', (one) => on(one, 'sms') !== undefined);
  expect(on(waiting, 'sms').status).toBe('queued');
  expect(await scene.query('select held from due where bulk_id = $1', [bulkId])).toEqual([{ held: true }]);
  await scene.query('update due set held = false where bulk_id = $1', [bulkId]);
  await scene.when(id, 'has gone on', (one) => on(one, 'sms').status === 'sent');
});

it('nothing more of a cancelled bulk begins', async () => {
  const { id } = await failed('cancelled');
  const done = await scene.status(id, 'failed');
  expect(done.fallback).toMatchObject([{ status: 'not_needed' }]);
  expect(done.channels).toHaveLength(1);
  expect(
    await scene.query('select 1 from messages where id = $1', [`${fromWire('notification', id)?.slice(0, 35)}2`]),
  ).toEqual([]);
});
