/** An erasure that could not be unsealed failed at every tick, first in line, and kept all others from going on. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { examine } from '../../src/doctor.ts';
import { readConfig } from '../../src/lib/config.ts';
import { ENCRYPTION_KEYS, until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

const get = (id: string) =>
  scene.must(200, scene.call('GET', `/api/v1/recipients/erasures/${id}`, { key: scene.liveKey }));
const erase = async (recipient: object): Promise<Json> =>
  (await scene.call('POST', '/api/v1/recipients/erase', { key: scene.liveKey, body: { recipient } })).body;
const uuidOf = async (n: number) =>
  ((await scene.query('select id from erasures order by id offset $1', [n])) as Json[])[0].id;

it('an erasure whose key has gone is set aside with its reason, and the others go on', async () => {
  const [lost, other] = [await erase({ phone: newPhone() }), await erase({ phone: newPhone() })];
  const sealed = 'v1.gone.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA';
  const begin = JSON.stringify({ phase: 'direct', scan: 0, after: null, left: false });
  const again = `update erasures set finished_at = null, position = $2, next_at = now() - $3::interval, sealed = $4 where id = $1`;
  const real = scene.product.deps.vault.seal(
    JSON.stringify({ addresses: ['+1'], pattern: 'nothing-of-the-kind', loose: 'x', values: [], digits: [] }),
    `${scene.product.tenantId}|erasures|${await uuidOf(1)}|sealed`,
  );
  await scene.query(again, [await uuidOf(0), begin, '1 hour', sealed]);
  await scene.query(again, [await uuidOf(1), begin, '1 minute', real]);
  await until(async () => (await get(other.id)).status === 'completed', { what: 'that the other one is done' });
  expect(await get(lost.id)).toMatchObject({ status: 'running', failure: expect.stringMatching(/unknown key "gone"/) });
  const url = scene.product.database.url;
  const findings = await examine(readConfig({ DATABASE_URL: url, ENCRYPTION_KEYS, HOST: '127.0.0.1' }));
  expect(findings.find(({ name }) => name === 'erasures')).toMatchObject({
    ok: false,
    text: expect.stringContaining(lost.id),
  });
  await scene.query('delete from erasures where failure is not null');
}, 30_000);

it("what waits in a range is cancelled; what was in somebody's hands when a backup was made keeps nothing waiting", async () => {
  const phones = [newPhone(), newPhone()];
  const send_at = new Date(Date.now() + 3_600_000).toISOString();
  const bulk = {
    channels: ['sms'],
    body: 'Hi',
    send_at,
    recipients: [...phones, newPhone()].map((phone) => ({ phone })),
  };
  await scene.must(202, scene.call('POST', '/api/v1/notifications/bulk', { key: scene.liveKey, body: bulk }));
  expect(await scene.query('select kind from due')).toEqual([{ kind: 'range' }]);
  expect(await erase({ phone: phones[0] })).toMatchObject({
    status: 'completed',
    counts: { messages: 1, cancelled: 1 },
  });
  await scene.query('update due set opened = true, opened_at = now(), held = true, quarantined = true');
  expect(await erase({ phone: phones[1] })).toMatchObject({
    status: 'completed',
    counts: { messages: 1, cancelled: 0 },
  });
}, 30_000);

it('while it waits for another it looks now and then, not all the time', async () => {
  const phone = newPhone();
  await scene.send({
    recipient: { phone },
    notification: { channels: ['sms'], body: 'B', send_at: new Date(Date.now() + 3_600_000).toISOString() },
  });
  // A worker that does not come back within these five seconds.
  await scene.query(
    `update due set owner = gen_random_uuid(), opened = true, opened_at = now(), run_at = now() + interval '1 hour' where kind = 'message'`,
  );
  await scene.query(`
    create sequence looks;
    create function count_look() returns trigger language plpgsql security definer as $$ begin perform nextval('looks'); return null; end $$;
    create trigger looks after update on erasures for each row
      when (old.position->>'phase' = 'settle' and new.position->>'phase' = 'settle') execute function count_look()`);
  const body = await erase({ phone });
  expect(body).toMatchObject({ status: 'running', phase: 'settle' });
  const [{ looks }] = (await scene.query('select last_value::int as looks from looks')) as [{ looks: number }];
  expect(looks).toBeGreaterThan(1);
  expect(looks).toBeLessThan(30);
}, 30_000);
