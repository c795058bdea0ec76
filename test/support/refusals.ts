/** What must be true of every refusal at the send door: its answer, and that it left nothing behind. */
import { expect } from 'vitest';
import type { Json } from './providers/fake.ts';
import type { Scene } from './scene.ts';

export const SEND = '/api/v1/notifications/send';
export const PHONE = '+14155550123';
export const send = (recipient: object, notification: object, more: object = {}): object => ({
  recipient,
  notification,
  ...more,
});
export const sms = (more: object = {}): object => send({ phone: PHONE }, { channels: ['sms'], body: 'x', ...more });
export const mail = (email: string, more: object = {}): object =>
  send({ email }, { channels: ['email'], subject: 's', body: 'b', ...more });

/** Posts `body` (a text or bytes go as they are) and expects the refusal. Returns the error. */
export async function refused(
  scene: Scene,
  status: number,
  code: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Json> {
  const before = await scene.rows();
  const given = typeof body === 'string' || Buffer.isBuffer(body) ? { raw: body as string } : { body };
  const reply = await scene.call('POST', SEND, { key: scene.testKey, ...given, headers });
  expect([reply.status, reply.body?.error?.code, reply.text]).toEqual([status, code, reply.text]);
  expect(reply.text).not.toMatch(/at .*\.(ts|js):\d+|select |insert |ajv|knex/i);
  const after = await scene.rows();
  expect([after.messages, after.idempotency]).toEqual([before.messages, before.idempotency]);
  return reply.body.error;
}
