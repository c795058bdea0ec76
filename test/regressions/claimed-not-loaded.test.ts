/** What was claimed while the store hiccuped was once left open until the lease ended, and then called unknown although it had never left. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { until } from '../support/product.ts';
import { newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

it('a claim whose messages cannot be read is given back, and goes once when they can', async () => {
  const phone = newPhone();
  const { notification_id: id } = await scene.send({
    recipient: { phone },
    notification: { channels: ['sms'], body: 'Later', send_at: new Date(Date.now() + 60_000).toISOString() },
  });
  const { db } = scene.product.deps;
  const ask = db.query;
  let failed = 0;
  const spy = vi.spyOn(db, 'query').mockImplementation(((text: string, values?: readonly unknown[]) => {
    const isLoad = /from messages/.test(text) && failed < 2;
    if (!isLoad) return ask(text, values);
    failed++;
    return Promise.reject(new Error('the store hiccups'));
  }) as typeof ask);
  await scene.query('update due set run_at = clock_now() where run_at > clock_now() and owner is null');
  await until(() => failed === 2, { what: 'that it was claimed twice in vain' });
  spy.mockRestore();
  const sent = await scene.status(id, 'sent');
  expect(on(sent, 'sms').attempts).toMatchObject([{ number: 1, outcome: 'accepted' }]);
  expect(scene.twilio.messages.filter(({ to }) => to === phone)).toHaveLength(1);
});
