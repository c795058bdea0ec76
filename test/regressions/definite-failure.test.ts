/** A key was once freed, and retry offered, while an earlier attempt may have arrived; or never freed, when two failed at once. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEvents } from '../../src/features/events/index.ts';
import { releaseFailed } from '../../src/features/notifications/record.ts';
import { applyWords } from '../../src/features/notifications/words.ts';
import type { Db, Sql } from '../../src/lib/db.ts';
import { fromWire } from '../../src/lib/ids.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

const released = async (key: string): Promise<boolean | undefined> =>
  (
    await scene.query<{ free: boolean }>('select released_at is not null as free from idempotency where key = $1', [
      key,
    ])
  )[0]?.free;

it('after an unknown and then a refused attempt the message has failed, but its key stays taken and it cannot be retried', async () => {
  const phone = newPhone();
  const key = `unknown then refused ${phone}`;
  const body = {
    recipient: { phone },
    notification: { channels: ['sms'], body: 'Once or twice', on_unknown: 'resend' },
    idempotency_key: key,
  };
  scene.twilio.script(phone, behave.malformed(), behave.refuse(21610));
  const { notification_id: id } = await scene.send(body);
  await scene.when(id, 'waits again', (one) => on(one, 'sms').next_attempt_at !== undefined);
  await scene.hurry();
  const failed = on(await scene.status(id, 'failed'), 'sms');
  expect(failed.attempts.map(({ outcome }: Json) => outcome)).toEqual(['unknown', 'refused']);
  expect(await released(key)).toBe(false);
  expect((await scene.send(body)).notification_id).toBe(id);
  const retry = await scene.call('POST', `/api/v1/notifications/${id}/retry`, { key: scene.liveKey });
  expect([retry.status, retry.body.error.code]).toEqual([409, 'not_retryable']);
  // The one of the first attempt, whose answer was cut, and no other.
  expect(scene.twilio.messages.filter(({ to }) => to === phone)).toHaveLength(1);
});

it('a message refused at every attempt frees its key', async () => {
  const phone = newPhone();
  const key = `refused ${phone}`;
  scene.twilio.script(phone, behave.refuse(21610));
  const { notification_id: id } = await scene.send({
    recipient: { phone },
    notification: { channels: ['sms'], body: 'Refused' },
    idempotency_key: key,
  });
  await scene.status(id, 'failed');
  expect(await released(key)).toBe(true);
});

it('two messages of one notification that fail at the same time in two transactions free its key', async () => {
  const phone = newPhone();
  const key = `both at once ${phone}`;
  const { channels } = await scene.send({
    recipient: { phone },
    notification: {
      channels: ['sms', 'voice'],
      body: 'Both fail',
      send_at: new Date(Date.now() + 3_600_000).toISOString(),
    },
    idempotency_key: key,
  });
  const { db, idempotency } = scene.product.deps as { db: Db; idempotency: Scene['product']['deps']['idempotency'] };
  let arrived = 0;
  let open: () => void = () => undefined;
  const bothHaveFailed = new Promise<void>((resolve) => {
    open = resolve;
  });
  const fail = (messageId: string) =>
    db.transaction(async (trx: Sql) => {
      const word = { word: 'failed', at: new Date(), code: 'provider_rejected' } as const;
      const folded = await applyWords(trx, { events: createEvents() }, new Map([[messageId, [word]]]));
      if (++arrived === 2) open();
      await bothHaveFailed;
      await releaseFailed(trx, idempotency, folded);
    });
  await Promise.all(channels.map(({ message_id }: Json) => fail(fromWire('message', message_id) as string)));
  expect(await released(key)).toBe(true);
});
