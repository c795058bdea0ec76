/** The pipeline on every back end of this run: the queue is a hint and the store the truth, whoever of them comes and goes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromWire } from '../../src/lib/ids.ts';
import { backends } from '../support/backends.ts';
import { type Product, startProduct, until } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { newPhone, on, type Scene, startScene } from '../support/scene.ts';

describe.each(backends())('two workers and the queue on %s', (backend) => {
  let scene: Scene;
  /** Another process's worth of worker on the same database. */
  let second: Product;
  beforeAll(async () => {
    scene = await startScene({ backend, timing: { leaseSeconds: 3 } });
    await scene.connectAll();
    second = await startProduct({
      role: 'worker',
      backend,
      database: scene.product.database,
      timing: { leaseSeconds: 3, sweepMs: 200, random: () => 0 },
      env: { EGRESS_ALLOW: scene.product.deps.config.egressAllow.join(), PUBLIC_URL: scene.product.url },
    });
  });
  afterAll(async () => {
    await second.stop();
    await scene.close();
  });

  const sms = (phone: string, more: object = {}) =>
    scene.send({ recipient: { phone }, notification: { channels: ['sms'], body: 'A word', ...more } });
  const accepted = (phone: string): number => scene.twilio.messages.filter(({ to }) => to === phone).length;

  it('a hundred sends at once are a hundred acceptances, one each, with two workers at work', async () => {
    const phones = Array.from({ length: 100 }, newPhone);
    const sent = await Promise.all(phones.map((phone) => sms(phone)));
    expect(new Set(sent.map(({ notification_id }: Json) => notification_id)).size).toBe(100);
    for (const { notification_id: id } of sent) await scene.status(id, 'sent');
    expect(phones.map(accepted)).toEqual(Array(100).fill(1));
    expect(await scene.query(`select result, count(*) from attempts group by 1`)).toEqual([
      { result: 'accepted', count: expect.anything() },
    ]);
  });

  it('a message is taken by one worker only, however often it is rung for', async () => {
    const phone = newPhone();
    scene.twilio.script(phone, behave.slow(300));
    const { notification_id: id } = await sms(phone);
    for (let ring = 0; ring < 50; ring++) scene.product.deps.doorbell.ring('due');
    await scene.status(id, 'sent');
    expect(accepted(phone)).toBe(1);
  });

  it('a ring that never came is made good by the sweep', async () => {
    const phone = newPhone();
    const later = new Date(Date.now() + 60_000).toISOString();
    const { notification_id: id } = await sms(phone, { send_at: later });
    // What was rung for it has been heard when this one, which came after it, is on its way.
    await scene.status((await sms(newPhone())).notification_id, 'sent');
    await scene.query('update due set run_at = clock_now() where run_at > clock_now() and owner is null');
    await scene.status(id, 'sent');
  });

  it('a ring for what is over calls nobody', async () => {
    const phone = newPhone();
    const { notification_id: id } = await sms(phone);
    await scene.status(id, 'sent');
    await until(async () => (await scene.query('select 1 from due where run_at <= clock_now()')).length === 0);
    for (let ring = 0; ring < 50; ring++) scene.product.deps.doorbell.ring('due');
    const after = newPhone();
    await scene.status((await sms(after)).notification_id, 'sent');
    expect(accepted(phone)).toBe(1);
  });

  it('a worker that sleeps through its lease writes nothing: the outcome is unknown, and a receipt settles it', async () => {
    const phone = newPhone();
    scene.twilio.script(phone, behave.slow(500));
    const { notification_id: id } = await sms(phone);
    await until(() => scene.twilio.requests.some((request) => request.form().To?.[0] === phone));
    // The lease lapses while the call is under way: another worker takes the message over.
    await scene.query(
      `update due set run_at = clock_now() where owner is not null and id in (select id from messages where address = $1)`,
      [phone],
    );
    const lost = await scene.when(id, 'is unknown', (one) => on(one, 'sms').outcome_unknown === true);
    expect(on(lost, 'sms').attempts).toMatchObject([{ number: 1, outcome: 'unknown' }]);
    const message = await until(() => scene.twilio.messages.find(({ to }) => to === phone));
    await scene.twilio.deliver(message.id, ['delivered']);
    const done = on(await scene.status(id, 'delivered'), 'sms');
    expect(done.attempts).toMatchObject([{ number: 1, outcome: 'accepted' }]);
    expect(accepted(phone)).toBe(1);
  });

  it('an error of an adapter concerns its own message alone', async () => {
    const [bad, good] = [newPhone(), newPhone()];
    scene.twilio.script(bad, behave.answer(201, '{"sid":'));
    const first = await sms(bad);
    const next = await sms(good);
    await scene.status(next.notification_id, 'sent');
    await scene.when(first.notification_id, 'is unknown', (one) => on(one, 'sms').outcome_unknown === true);
  });

  it('a 202 is in the store before it is on the wire: message, due row, key and event', async () => {
    const key = `durable-${newPhone()}`;
    const { channels } = await scene.send({
      recipient: { phone: newPhone() },
      notification: { channels: ['sms'], body: 'Durable', send_at: new Date(Date.now() + 3_600_000).toISOString() },
      idempotency_key: key,
    });
    const [row] = await scene.query<Json>(
      `select (select count(*) from messages m where m.idempotency_key = $1) as messages,
         (select count(*) from due d join messages m on m.id = d.id where m.idempotency_key = $1) as due,
         (select count(*) from idempotency where key = $1) as keys,
         (select count(*) from events where message_id = $2 and type = 'message.queued') as events`,
      [key, fromWire('message', channels[0].message_id)],
    );
    expect(Object.values(row).map(Number)).toEqual([1, 1, 1, 1]);
  });

  it('a message held by nobody can be cancelled, one in the hands of a worker cannot', async () => {
    const phone = newPhone();
    scene.twilio.script(phone, behave.slow(700));
    const { notification_id: id } = await sms(phone);
    await until(() => scene.twilio.requests.some((request) => request.form().To?.[0] === phone));
    const cancel = await scene.call('DELETE', `/api/v1/notifications/${id}`, { key: scene.liveKey });
    expect([cancel.status, cancel.body.error.code]).toEqual([409, 'not_cancellable']);
    await scene.status(id, 'sent');
  });
});
