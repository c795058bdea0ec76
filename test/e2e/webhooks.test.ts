/** Events are told to the tenants' own servers: signed, at least once, in time, and under one id however often. */
import { EventEmitter, once } from 'node:events';
import { Webhook } from 'standardwebhooks';
import { afterAll, describe, expect, it } from 'vitest';
import { ONE, startHooked } from '../support/hooked.ts';
import type { Json } from '../support/providers/fake.ts';
import type { Delivered } from '../support/receiver.ts';
import { readProjectFile } from '../support/sources.ts';

const { scene, receiver, at, create, archive, send, ended, attemptsOf, close } = await startHooked();
afterAll(close);

/** The check that stands in the README, as it stands there. */
async function readmeCheck(): Promise<(raw: Buffer, header: string, secret: string) => boolean> {
  const code = /```js\n(import \{ createHmac[\s\S]*?)```/.exec(readProjectFile('README.md'))?.[1] ?? '';
  return (await import(`data:text/javascript,${encodeURIComponent(code)}`)).isFromCarillon;
}

describe('a delivery', () => {
  it('tells of what a send became, in its order, as the feed tells it, and is signed so that the public library takes it', async () => {
    const endpoint = await create('/all');
    expect(endpoint.secret).toMatch(/^whsec_/);
    const sent = await send();
    const got = await receiver.when('/all', 2);
    expect(got.map(({ body }) => body.type)).toEqual(['message.sent', 'message.delivered']);
    expect(got.map(({ body }) => body.sequence)).toEqual([1, 2]);
    const check = await readmeCheck();
    for (const { body, raw, headers, id } of got) {
      expect(Object.keys(body)).toEqual(['id', 'type', 'created_at', 'timestamp', 'livemode', 'sequence', 'data']);
      expect([body.id, body.livemode, body.data.notification_id]).toEqual([id, false, sent.notification_id]);
      expect(new Webhook(endpoint.secret).verify(raw.toString(), headers as Record<string, string>)).toEqual(body);
      expect(check(raw, headers['x-signature-256'] ?? '', endpoint.secret)).toBe(true);
      expect(check(Buffer.concat([raw, Buffer.from(' ')]), headers['x-signature-256'] ?? '', endpoint.secret)).toBe(
        false,
      );
      expect(headers['x-carillon-sequence']).toBe(String(body.sequence));
      const { sequence: _, ...event } = body;
      expect(await scene.must(200, at('GET', `/api/v1/events/${id}`))).toEqual(event);
    }
    const [last] = await ended(endpoint, 2, 'delivered');
    const { attempts, body } = await attemptsOf(last);
    expect(attempts).toMatchObject([{ number: 1, status_code: 204, fault: null, answer: '' }]);
    expect(Buffer.from(body)).toEqual(got[1]?.raw);
    const shown = await scene.must(200, at('GET', `/api/v1/webhooks/${endpoint.id}`));
    expect([shown.secret, shown.last_success_at !== null]).toEqual([undefined, true]);
    await archive(endpoint);
  });

  it('that is refused is tried again with the same id and the same bytes', async () => {
    receiver.script('/again', { status: 500 }, { status: 429 }, { status: 404, body: 'x'.repeat(5_000) });
    const endpoint = await create('/again', ONE);
    await send();
    const got = await receiver.when('/again', 4);
    expect(new Set(got.map(({ id }) => id)).size).toBe(1);
    expect(new Set(got.map(({ raw }) => raw.toString())).size).toBe(1);
    const [delivery] = await ended(endpoint, 1, 'delivered');
    const { attempts, tries } = await attemptsOf(delivery);
    expect([tries, attempts.map((one: Json) => one.status_code)]).toEqual([4, [500, 429, 404, 204]]);
    expect(attempts[2].answer).toBe('x'.repeat(4_096));
    await archive(endpoint);
  });

  it('is not led elsewhere by a redirect', async () => {
    receiver.script('/moved', { status: 302, headers: { location: receiver.url('/elsewhere') } });
    const endpoint = await create('/moved', ONE);
    await send();
    await receiver.when('/moved', 2);
    const [delivery] = await ended(endpoint, 1, 'delivered');
    expect((await attemptsOf(delivery)).attempts.map((one: Json) => one.status_code)).toEqual([302, 204]);
    expect(receiver.of('/elsewhere')).toEqual([]);
    await archive(endpoint);
  });

  it('waits as long as Retry-After says', async () => {
    receiver.script('/later', { status: 503, headers: { 'retry-after': '1' } });
    const endpoint = await create('/later', ONE);
    await send();
    const [first, second] = (await receiver.when('/later', 2)) as [Delivered, Delivered];
    expect(second.at - first.at).toBeGreaterThan(950);
    await archive(endpoint);
  });

  it('that hangs is given up in time, and nobody else waits for it', async () => {
    receiver.script('/hang', 'hang');
    const slow = await create('/hang', ONE);
    const quick = await create('/quick', ONE);
    await send();
    const [hung] = (await receiver.when('/hang', 1)) as [Delivered];
    const [other] = (await receiver.when('/quick', 1)) as [Delivered];
    expect(other.at - hung.at).toBeLessThan(600);
    await receiver.when('/hang', 2);
    const [delivery] = await ended(slow, 1, 'delivered');
    expect((await attemptsOf(delivery)).attempts).toMatchObject([
      { fault: 'no_answer', status_code: null },
      { fault: null },
    ]);
    await archive(slow);
    await archive(quick);
  });

  it('whose word was lost with the process is sent again under its id, and only who holds the lease writes', async () => {
    const gates = new EventEmitter();
    receiver.script('/lost', { status: 500, once: once(gates, 'late') }, { status: 204, once: once(gates, 'last') });
    const endpoint = await create('/lost', ONE);
    await send();
    await receiver.when('/lost', 1);
    // As for a process that sleeps through its lease between the call and the word about it.
    await scene.query(
      `update deliveries set run_at = clock_now(), fence = fence + 1 where endpoint_id = (select id from endpoints where url like '%/lost')`,
    );
    const got = await receiver.when('/lost', 2);
    expect(new Set(got.map(({ id }) => id)).size).toBe(1);
    gates.emit('late');
    // Once another delivery has come to its end after it, what the late answer was going to write would be there.
    const other = await create('/after-lost', ONE);
    await send();
    await ended(other, 1, 'delivered');
    gates.emit('last');
    const deliveries = await ended(endpoint, 2, 'delivered');
    const attempts = await Promise.all(deliveries.map(async (one) => (await attemptsOf(one)).attempts));
    expect(attempts.flat().map((one: Json) => one.status_code)).toEqual([204, 204]);
    await archive(endpoint);
    await archive(other);
  });

  it('goes to its own tenant and mode only', async () => {
    const other = await scene.tenant();
    const theirs = await create('/theirs', ONE, other.test_key);
    const live = await create('/live', ONE, scene.liveKey);
    const mine = await create('/mine', ONE);
    await send();
    await receiver.when('/mine', 1);
    await send();
    await receiver.when('/mine', 2);
    expect([receiver.of('/theirs'), receiver.of('/live')]).toEqual([[], []]);
    for (const key of [other.test_key, scene.liveKey])
      expect((await at('GET', `/api/v1/webhooks/${mine.id}`, undefined, key)).status).toBe(404);
    await archive(mine);
    await archive(live, scene.liveKey);
    await archive(theirs, other.test_key);
  });
});

it('attempts are listed as analytics, by success', async () => {
  const endpoint = await create('/analytics', ONE);
  receiver.script('/analytics', { status: 500, body: 'no' });
  await send();
  await receiver.when('/analytics', 2);
  await ended(endpoint, 1, 'delivered');
  const { body } = await at('GET', '/v1/analytics/webhooks?is_success=false&limit=1');
  expect(body).toMatchObject({
    status: 200,
    data: {
      limit: 1,
      offset: 0,
      logs: [
        { url: endpoint.url, status_code: 500, is_success: false, response: 'no', event: 'message.queued', attempt: 1 },
      ],
    },
  });
  await archive(endpoint);
});
