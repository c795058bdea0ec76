/** A bug of a plugin, after the provider was spoken to, was once taken for a refusal, and the message sent again by hand. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import type { Json } from '../support/providers/fake.ts';
import { on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene({ env: { PLUGINS: join(projectRoot, 'test/support/plugins/parrot.js') } });
  await scene.connect('parrot', { url: scene.twilio.url });
});
afterAll(() => scene.close());

const said = (): number => scene.twilio.requests.filter(({ path }) => path === '/said').length;
const say = (body: string): Promise<Json> =>
  scene.send({ recipient: { perch: 'p1' }, notification: { channels: ['parrot'], body } });

it('an adapter that throws an error of its own after it spoke to the provider leaves the outcome unknown', async () => {
  const before = said();
  const { notification_id: id } = await say('after');
  const found = await scene.when(id, 'is unknown', (one) => on(one, 'parrot').outcome_unknown === true);
  expect(on(found, 'parrot')).toMatchObject({ status: 'sent', attempts: [{ number: 1, outcome: 'unknown' }] });
  expect(said()).toBe(before + 1);
  const retry = await scene.call('POST', `/api/v1/notifications/${id}/retry`, { key: scene.liveKey });
  expect([retry.status, retry.body.error.code]).toEqual([409, 'not_retryable']);
});

it('an adapter that throws an error of its own before it spoke has failed for certain', async () => {
  const before = said();
  const { notification_id: id } = await say('dumb');
  expect(on(await scene.status(id, 'failed'), 'parrot')).toMatchObject({
    failure: { code: 'response_unexpected' },
    attempts: [{ number: 1, outcome: 'refused' }],
  });
  expect(said()).toBe(before);
});
