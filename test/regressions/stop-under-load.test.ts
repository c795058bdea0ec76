/** A dispatcher stopped while it claimed once sent what nobody could record any more, and left leases behind. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { behave, type Json } from '../support/providers/fake.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
  scene.twilio.always('*', behave.slow(20));
});
afterAll(() => scene.close());

const enqueue = (phones: readonly string[]): Promise<Json[]> =>
  Promise.all(
    phones.map((phone) =>
      scene.send({ recipient: { phone }, notification: { channels: ['sms'], body: 'Under load' } }),
    ),
  );
const leased = (): Promise<Json[]> => scene.query('select id, owner from due where owner is not null');
const counts = async (): Promise<Json> =>
  (
    await scene.query<Json>(
      `select count(*) filter (where result = 'accepted')::int as accepted, count(*) filter (where result is null)::int as open,
         count(*) filter (where result not in ('accepted'))::int as other from attempts`,
    )
  )[0];

// How far the look has come when it is told to stop: in the claim, in the preparation, in the calls.
it.each([
  0, 1, 2, 3, 5, 8, 12, 20, 40,
])('stopped %i turns after it began to look, it leaves no lease and has recorded all it sent', async (turns) => {
  const { dispatcher } = scene.product.deps.notifications;
  await dispatcher.stop(10_000);
  const phones = Array.from({ length: 20 }, newPhone);
  const sent = await enqueue(phones);
  dispatcher.start();
  for (let i = 0; i < turns; i++) await turn();
  await dispatcher.stop(10_000);
  expect(await leased()).toEqual([]);
  expect(await counts()).toEqual({ accepted: scene.twilio.messages.length, open: 0, other: 0 });
  const requests = scene.twilio.requests.length;
  // What is left is due at once, for whoever comes.
  const [left] = await scene.query<Json>(
    `select count(*)::int as n from due d join messages m on m.id = d.id where m.address = any($1) and d.run_at <= clock_now()`,
    [phones],
  );
  const taken = scene.twilio.messages.filter(({ to }) => phones.includes(to)).length;
  expect(taken + left.n).toBe(phones.length);
  expect(scene.twilio.requests).toHaveLength(requests);
  dispatcher.start();
  for (const { notification_id: id } of sent) await scene.status(id, 'sent');
  expect(phones.map((phone) => scene.twilio.messages.filter(({ to }) => to === phone).length)).toEqual(
    Array(phones.length).fill(1),
  );
});
