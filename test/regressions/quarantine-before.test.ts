/** A range that a claim had cut has an id of later: releasing what was accepted before a time left its messages behind. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

it('release by time goes by when messages were accepted, not by when their range was cut', async () => {
  const send_at = new Date(Date.now() + 3_600_000).toISOString();
  const body = { channels: ['sms'], body: 'Hi', send_at, recipients: [{ phone: newPhone() }, { phone: newPhone() }] };
  await scene.must(202, scene.call('POST', '/api/v1/notifications/bulk', { key: scene.liveKey, body }));
  const [{ at }] = (await scene.query("select (now() + interval '1 minute') as at")) as [{ at: Date }];
  await scene.query("update due set id = uuid_at(now() + interval '1 hour') where kind = 'range'");
  const { custody } = scene.product.deps;
  const operator = { kind: 'operator', id: 'operator' } as const;
  expect(await custody.begin(operator)).toEqual({ messages: 2 });
  const { has_more, messages, groups } = await custody.list();
  expect({ has_more, messages, groups: groups.length }).toEqual({ has_more: false, messages: 2, groups: 1 });
  expect(Date.parse(groups[0]?.newest_at as string)).toBeLessThan(at.getTime());
  expect(await custody.release(operator, { before: at.toISOString() })).toEqual({ messages: 2 });
});
