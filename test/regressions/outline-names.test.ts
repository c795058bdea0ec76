/** The outline of a template was once remembered under a name that two lists of channels could share. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
  const content = { sms: { en: { body: 'Hello {{name}}' } }, voice: { en: { body: 'Hello {{name}}' } } };
  await scene.must(
    201,
    scene.call('POST', '/api/v1/templates', { key: scene.liveKey, body: { template_id: 'outlined', content } }),
  );
});
afterAll(() => scene.close());

const send = (channels: readonly string[]) =>
  scene.call('POST', '/api/v1/notifications/send', {
    key: scene.liveKey,
    body: {
      recipient: { phone: newPhone() },
      notification: { channels, template_id: 'outlined', data: { name: 'Ada' } },
    },
  });

it('a channel whose name is a list of channels is unknown, before and after the list itself was sent', async () => {
  for (const channels of [['sms,voice'], ['sms', 'voice'], ['sms,voice'], ['sms', 'voice']]) {
    const { status, body } = await send(channels);
    if (channels.length === 2) expect([status, body.channels?.length]).toEqual([202, 2]);
    else expect([status, body.error?.code]).toEqual([422, 'channel_unknown']);
  }
});
