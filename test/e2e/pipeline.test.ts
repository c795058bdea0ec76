/** A message's way through the whole house, on every back end there is. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { backends } from '../support/backends.ts';
import { type Product, startProduct, until } from '../support/product.ts';

describe.each(backends())('the pipeline on %s', (backend) => {
  let product: Product;
  beforeAll(async () => {
    product = await startProduct({ backend });
  });
  afterAll(() => product.stop());

  const send = (recipient: object, notification: object) =>
    product.api('/api/v1/notifications/send', { body: { recipient, notification } });
  const settled = (id: string, status: string) =>
    until(
      async () => {
        const { body } = await product.api(`/api/v1/notifications/${id}`);
        return body.status === status && body;
      },
      { what: `${id} ${status}` },
    );

  test.each([
    ['email', { email: 'delivered@sandbox.test' }, { subject: 'Hello', body: 'It works.' }],
    ['sms', { phone: '+15005550006' }, { body: 'It works.' }],
    ['voice', { phone: '+15005550006' }, { body: 'It works.' }],
  ])('a test message by %s is accepted as queued and ends delivered', async (channel, recipient, content) => {
    const { status, body } = await send(recipient, { channels: [channel], ...content });
    expect(status).toBe(202);
    expect(body.status).toBe('queued');
    expect(body.livemode).toBe(false);
    const seen = await settled(body.notification_id, 'delivered');
    expect(seen.channels[0].channel).toBe(channel);
  });

  test('a bounce ends failed, with the reason', async () => {
    const { body } = await send(
      { email: 'bounced@sandbox.test' },
      { channels: ['email'], subject: 'Hello', body: 'It works.' },
    );
    const seen = await settled(body.notification_id, 'failed');
    expect(seen.channels[0].failure.code).toMatch(/\w/);
    expect(seen.channels[0].failure.message).toMatch(/\w/);
  });

  test('fifty sent at once are all delivered, once each', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        send({ email: `person-${i}@example.com` }, { channels: ['email'], subject: 'Hello', body: `Number ${i}` }),
      ),
    );
    expect(answers.every(({ status }) => status === 202)).toBe(true);
    for (const { body } of answers) {
      const seen = await settled(body.notification_id, 'delivered');
      expect(seen.channels[0].attempts ?? seen.attempts).toHaveLength(1);
    }
  });
});
