/** What a request with a fallback is refused for: the rules of channels hold for every step, before anything is stored. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

describe('every step is judged before anything is stored', () => {
  const base = {
    recipient: { phone: '+14155550199' },
    notification: { channels: ['sms'], body: 'Hi {{name}}', data: { name: 'A' } },
  };
  it.each<[string, object[], string, string]>([
    ['an unknown channel', [{ channel: 'fax', on: 'failed' }], 'channel_unknown', 'notification.fallback.0.channel'],
    [
      'a channel that is used',
      [{ channel: 'sms', on: 'failed' }],
      'validation_failed',
      'notification.fallback.0.channel',
    ],
    [
      'a channel twice',
      [
        { channel: 'voice', on: 'failed' },
        { channel: 'voice', on: 'failed' },
      ],
      'validation_failed',
      'notification.fallback.1.channel',
    ],
    [
      'no time',
      [{ channel: 'voice', on: 'not_delivered' }],
      'validation_failed',
      'notification.fallback.0.after_seconds',
    ],
    [
      'a time for a failure',
      [{ channel: 'voice', on: 'failed', after_seconds: 60 }],
      'validation_failed',
      'notification.fallback.0.after_seconds',
    ],
    ['a missing address', [{ channel: 'email', on: 'failed' }], 'recipient_field_missing', 'recipient.email'],
    [
      'a template that is required',
      [{ channel: 'whatsapp', on: 'failed' }],
      'template_required',
      'notification.template_id',
    ],
  ])('%s', async (_, fallback, code, param) => {
    const before = await scene.rows();
    const body = { ...base, notification: { ...base.notification, fallback } };
    const reply = await scene.call('POST', '/api/v1/notifications/send', { key: scene.liveKey, body });
    expect([reply.status, reply.body.error.code, reply.body.error.param]).toEqual([422, code, param]);
    const { body: verdict } = await scene.call('POST', '/api/v1/notifications/validate', { key: scene.liveKey, body });
    expect(verdict.findings).toContainEqual(expect.objectContaining({ code, param }));
    expect(await scene.rows()).toEqual(before);
  });

  it('and validate shows what each would send', async () => {
    const body = { ...base, notification: { ...base.notification, fallback: [{ channel: 'voice', on: 'failed' }] } };
    const { body: verdict } = await scene.call('POST', '/api/v1/notifications/validate', { key: scene.liveKey, body });
    expect(verdict).toMatchObject({ valid: true, fallback: [{ channel: 'voice', content: { body: 'Hi A' } }] });
  });
});
