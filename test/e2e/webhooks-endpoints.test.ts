/** What an endpoint may be: gone, paused, down, rotated, failing, silent, tried. Whatever it was, it gets what it is due. */
import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, describe, expect, it } from 'vitest';
import { ONE, startHooked } from '../support/hooked.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import type { Delivered } from '../support/receiver.ts';

const { scene, receiver, at, create, archive, send, ended, close } = await startHooked();
afterAll(close);

describe('an endpoint', () => {
  it('that answers 410 is disabled at once; the feed says so, its events wait, and resumed it gets them all', async () => {
    receiver.always('/gone', { status: 410 });
    const endpoint = await create('/gone', ONE);
    await send();
    const disabled = await until(async () => {
      const now = await scene.must(200, at('GET', `/api/v1/webhooks/${endpoint.id}`));
      return now.status === 'disabled' && now;
    });
    expect(disabled.disabled_reason).toBe('gone');
    const feed = await until(async () => {
      const { data } = await scene.must(200, at('GET', '/api/v1/events?type=endpoint.disabled'));
      return data.length > 0 && data;
    });
    expect(feed.at(-1).data).toMatchObject({ id: endpoint.id, status: 'disabled', disabled_reason: 'gone' });
    const before = receiver.of('/gone').length;
    await send();
    await send();
    expect((await at('POST', `/api/v1/webhooks/${endpoint.id}/pause`)).status).toBe(409);
    receiver.always('/gone', undefined);
    await scene.must(200, at('POST', `/api/v1/webhooks/${endpoint.id}/resume`, {}));
    const got = (await receiver.when('/gone', before + 3)).slice(before);
    expect(got.map(({ body }) => body.sequence).sort()).toEqual([1, 2, 3]);
    await archive(endpoint);
  });

  it('that was paused is told of everything when it is resumed, in order, without a gap, and no faster than it wishes', async () => {
    const endpoint = await create('/paused', ONE);
    await send();
    await receiver.when('/paused', 1);
    await scene.must(200, at('POST', `/api/v1/webhooks/${endpoint.id}/pause`));
    const ids = [];
    for (let i = 0; i < 12; i++) ids.push((await send()).notification_id);
    // What comes after shows that the worker has looked.
    const witness = await create('/witness', ONE);
    await send();
    await receiver.when('/witness', 1);
    expect(receiver.of('/paused')).toHaveLength(1);
    const resumed = await scene.must(
      200,
      at('POST', `/api/v1/webhooks/${endpoint.id}/resume`, { drain_per_second: 20 }),
    );
    expect([resumed.status, resumed.drain_per_second]).toEqual(['active', 20]);
    const got = await receiver.when('/paused', 14);
    expect(got.map(({ body }) => body.sequence).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 14 }, (_, i) => i + 1),
    );
    const bySequence = [...got].sort((a, b) => a.body.sequence - b.body.sequence);
    expect(bySequence.slice(1, 13).map(({ body }) => body.data.notification_id)).toEqual(ids);
    expect((bySequence[13] as Delivered).at - (bySequence[1] as Delivered).at).toBeGreaterThan(500);
    await archive(endpoint);
    await archive(witness);
  });

  it('that was down for the whole schedule gets everything by one replay, under the same ids', async () => {
    receiver.always('/down', { status: 503 });
    const endpoint = await create('/down', ONE);
    for (let i = 0; i < 3; i++) await send();
    const failed = await ended(endpoint, 3, 'failed');
    expect(failed.map(({ tries }) => tries)).toEqual([8, 8, 8]);
    const ids = new Set(failed.map(({ event_id }) => event_id));
    const before = receiver.of('/down').length;
    receiver.always('/down', undefined);
    const replay = () => scene.must(202, at('POST', `/api/v1/webhooks/${endpoint.id}/replay`, {}));
    expect(await replay()).toMatchObject({ deliveries: 3, has_more: false });
    const got = (await receiver.when('/down', before + 3)).slice(before);
    expect(new Set(got.map(({ id }) => id))).toEqual(ids);
    await ended(endpoint, 3, 'delivered');
    // It has arrived: a second call has nothing to do.
    expect(await replay()).toMatchObject({ deliveries: 0 });
    await archive(endpoint);
  });

  it('may ask for what it has had already: one, or all of a time', async () => {
    const endpoint = await create('/twice', ONE);
    await send();
    const [delivery] = (await ended(endpoint, 1, 'delivered')) as [Json];
    const replayed = await scene.must(202, at('POST', `/api/v1/webhook_deliveries/${delivery.id}/replay`));
    expect([replayed.replay_of, replayed.event_id]).toEqual([delivery.id, delivery.event_id]);
    const [first, second] = (await receiver.when('/twice', 2)) as [Delivered, Delivered];
    expect([second.id, second.raw]).toEqual([first.id, first.raw]);
    expect(
      await scene.must(
        202,
        at('POST', `/api/v1/webhooks/${endpoint.id}/replay`, { status: 'all', since: delivery.created_at }),
      ),
    ).toMatchObject({ deliveries: 1 });
    await receiver.when('/twice', 3);
    await archive(endpoint);
  });

  it('with a new secret is signed for with the old one as well, for a day', async () => {
    const endpoint = await create('/rotated', ONE);
    const rotated = await scene.must(200, at('POST', `/api/v1/webhooks/${endpoint.id}/rotate`));
    expect(rotated.secret).not.toBe(endpoint.secret);
    expect(rotated.previous_secret_ends_at).not.toBeNull();
    await send();
    const [one] = (await receiver.when('/rotated', 1)) as [Delivered];
    const verify = (secret: string, { raw, headers }: Delivered) =>
      new Webhook(secret).verify(raw.toString(), headers as Record<string, string>);
    for (const secret of [endpoint.secret, rotated.secret]) expect(verify(secret, one)).toEqual(one.body);
    const key = Buffer.from(rotated.secret.slice(6), 'base64');
    expect(one.headers['x-signature-256']).toBe(`sha256=${createHmac('sha256', key).update(one.raw).digest('hex')}`);
    await scene.query(`update endpoint_secrets set ends_at = clock_now() where ends_at is not null`);
    await send();
    const two = (await receiver.when('/rotated', 2))[1] as Delivered;
    expect(() => verify(endpoint.secret, two)).toThrow();
    expect(verify(rotated.secret, two)).toEqual(two.body);
    await archive(endpoint);
  });

  it('that has failed 24 times in a row for five days is disabled, and its people are told', async () => {
    receiver.always('/failing', { status: 500 });
    const endpoint = await create('/failing', ONE);
    await scene.query(
      `update endpoints set failures_in_row = 22, failing_since = clock_now() - interval '5 days' where url like '%/failing'`,
    );
    await send();
    await receiver.when('/failing', 2);
    await until(async () => {
      const { status, disabled_reason } = await scene.must(200, at('GET', `/api/v1/webhooks/${endpoint.id}`));
      return status === 'disabled' && disabled_reason === 'failing';
    });
    expect(receiver.of('/failing')).toHaveLength(2);
    const { data } = await scene.must(200, at('GET', '/api/v1/audit', undefined, scene.testKey));
    expect(
      data.find(({ action, target }: Json) => action === 'webhook.disabled' && target === endpoint.id)?.detail,
    ).toEqual({
      reason: 'failing',
      failures_in_row: 24,
    });
    await archive(endpoint);
  });
});

it('who asks for a heartbeat gets one after silence, with the next number, and none while there is something to tell', async () => {
  const endpoint = await create('/heart', { ...ONE, heartbeat_seconds: 60 });
  await send();
  await receiver.when('/heart', 1);
  await ended(endpoint, 1, 'delivered');
  await scene.query(`update endpoints set told_at = told_at - interval '60 seconds' where url like '%/heart'`);
  const [, beat] = (await receiver.when('/heart', 2)) as [Delivered, Delivered];
  expect(beat.body).toMatchObject({ type: 'endpoint.heartbeat', sequence: 2, livemode: false });
  new Webhook(endpoint.secret).verify(beat.raw.toString(), beat.headers as Record<string, string>);
  await send();
  const all = await receiver.when('/heart', 3);
  expect(all.map(({ body }) => [body.type, body.sequence]).slice(2)).toEqual([['message.queued', 3]]);
  const { heartbeat_seconds } = await scene.must(
    200,
    at('PATCH', `/api/v1/webhooks/${endpoint.id}`, { heartbeat_seconds: null }),
  );
  expect(heartbeat_seconds).toBeNull();
  await archive(endpoint);
});

describe('a test', () => {
  it('calls at once and says what came of it; the event is in no feed', async () => {
    const endpoint = await create('/tested', ONE);
    receiver.script('/tested', { status: 418, body: 'a teapot' });
    const test = () => at('POST', `/api/v1/webhooks/${endpoint.id}/test`);
    expect(await scene.must(200, test())).toMatchObject({
      is_success: false,
      status_code: 418,
      answer: 'a teapot',
      fault: null,
    });
    expect(await scene.must(200, test())).toMatchObject({ is_success: true, status_code: 204 });
    expect(receiver.of('/tested').map(({ body }) => body.type)).toEqual(['endpoint.test', 'endpoint.test']);
    expect((await at('GET', `/api/v1/events/${receiver.of('/tested')[0]?.id}`)).status).toBe(404);
    expect((await scene.must(200, at('GET', `/api/v1/webhooks/${endpoint.id}`))).failures_in_row).toBe(0);
    await archive(endpoint);
  });

  it('is refused after twenty within a minute', async () => {
    const { test_key: key } = await scene.tenant();
    const endpoint = await create('/much', ONE, key);
    const test = () => at('POST', `/api/v1/webhooks/${endpoint.id}/test`, undefined, key);
    const statuses = (await Promise.all(Array.from({ length: 22 }, test))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    expect(statuses.filter((status) => status === 429)).toHaveLength(2);
  });
});
