/** Retry pressed twice once made two notifications. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { behave, type Json } from '../support/providers/fake.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

async function failed(phone: string): Promise<string> {
  scene.twilio.script(phone, behave.refuse(21211));
  const { notification_id: id } = await scene.send({
    recipient: { phone },
    notification: { channels: ['sms'], body: 'Again, please' },
  });
  await scene.status(id, 'failed');
  return id;
}
const retry = (id: string): Promise<Json> =>
  scene.must(202, scene.call('POST', `/api/v1/notifications/${id}/retry`, { key: scene.liveKey }));
const accepted = (phone: string): number => scene.twilio.messages.filter(({ to }) => to === phone).length;

it('retry pressed twice, one after the other, makes one notification', async () => {
  const phone = newPhone();
  const id = await failed(phone);
  const { notification_id: again } = await retry(id);
  await scene.status(again, 'sent');
  expect((await retry(id)).notification_id).toBe(again);
  expect(await scene.query('select count(*)::int as n from messages where address = $1', [phone])).toEqual([{ n: 2 }]);
  expect(accepted(phone)).toBe(1);
});

it('retry pressed five times at once makes one notification', async () => {
  const phone = newPhone();
  const id = await failed(phone);
  const answers = await Promise.all(Array.from({ length: 5 }, () => retry(id)));
  const ids = new Set(answers.map(({ notification_id }) => notification_id));
  expect(ids.size).toBe(1);
  await scene.status([...ids][0] as string, 'sent');
  expect(await scene.query('select count(*)::int as n from messages where address = $1', [phone])).toEqual([{ n: 2 }]);
  expect(accepted(phone)).toBe(1);
});

it('a retry that has failed as well can be retried, and each time as one notification', async () => {
  const phone = newPhone();
  const id = await failed(phone);
  scene.twilio.script(phone, behave.refuse(21211));
  const { notification_id: second } = await retry(id);
  await scene.status(second, 'failed');
  const { notification_id: third } = await retry(id);
  expect(third).not.toBe(second);
  await scene.status(third, 'sent');
  expect((await retry(id)).notification_id).toBe(third);
});
