/** Who goes first when many wait: urgent before common, and tenants in turns. Counted in messages, not in seconds. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ADMIN_KEY, until } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

const CONCURRENCY = 4;
let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  // Owned by the platform, so that tenants meet on it.
  await scene.must(
    201,
    scene.call('POST', '/api/admin/connections', {
      key: ADMIN_KEY,
      body: {
        channel: 'sms',
        credentials: scene.twilio.credentials,
        limits: { concurrency: CONCURRENCY, per_second: 10_000 },
      },
    }),
  );
  scene.twilio.always('*', behave.slow(25));
});
afterAll(() => scene.product.stop());

const bulk = async (rows: number, text: string, key = scene.liveKey): Promise<Json> =>
  scene.must(
    202,
    scene.call('POST', '/api/v1/notifications/bulk', {
      key,
      body: { channels: ['sms'], body: text, recipients: Array.from({ length: rows }, () => ({ phone: newPhone() })) },
    }),
  );
/** The texts that have reached the provider, in order. */
const arrived = (): string[] => scene.twilio.requests.map((request) => request.form().Body?.[0] ?? '');
const count = (text: string): number => arrived().filter((one) => one === text).length;

it('an urgent message passes a campaign: no more goes before it than was under way', async () => {
  await bulk(300, 'campaign');
  await until(() => count('campaign') >= 20, { what: 'that the campaign is under way' });
  const before = count('campaign');
  await scene.send({
    recipient: { phone: newPhone() },
    notification: { channels: ['sms'], body: 'code', category: 'otp' },
  });
  await until(() => count('code') === 1, { what: 'that the code arrives' });
  const between = arrived().slice(0, arrived().indexOf('code')).length - before;
  expect(between).toBeLessThanOrEqual(3 * CONCURRENCY);
  await until(() => count('campaign') === 300, { withinMs: 20_000, what: 'that the campaign is through' });
});

it('a tenant with a few messages does not wait for another with many on the same connection', async () => {
  const few = await scene.tenant('Few');
  await bulk(400, 'many');
  await until(() => count('many') >= 20, { what: 'that the many are under way' });
  await bulk(10, 'few', few.live_key);
  const before = count('many');
  await until(() => count('few') === 10, { what: 'that the few are through' });
  // In turns, by what a claim may take at once; far from all that waits.
  expect(count('many') - before).toBeLessThanOrEqual(150);
  await until(() => count('many') === 400, { withinMs: 20_000, what: 'that the many are through' });
});
