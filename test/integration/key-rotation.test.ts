/** Encryption keys come and go while messages are sent, and nothing that was sealed is lost. */
import { Webhook } from 'standardwebhooks';
import { afterAll, expect, it } from 'vitest';
import { examine } from '../../src/doctor.ts';
import { keyStates, rotate } from '../../src/keys.ts';
import { readConfig } from '../../src/lib/config.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { apiAt, type Product, startProduct, until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { startTwilio } from '../support/providers/twilio.ts';
import { startReceiver } from '../support/receiver.ts';
import { newPhone } from '../support/scene.ts';

const key = (id: string, fill: number): string => `${id}:${Buffer.alloc(32, fill).toString('base64')}`;
const [OLD, NEW] = [key('old', 1), key('new', 2)];
const twilio = await startTwilio();
const receiver = await startReceiver();
const database: TestDatabase = await createTestDatabase();
let product: Product | undefined;
afterAll(async () => {
  await product?.stop();
  await database.close();
  await twilio.close();
  await receiver.close();
});

async function startWith(keys: string): Promise<Product> {
  await product?.stop();
  product = undefined;
  product = await startProduct({
    database,
    timing: { sweepMs: 100 },
    env: { ENCRYPTION_KEYS: keys, EGRESS_ALLOW: `${new URL(twilio.url).host},${receiver.host}` },
  });
  return product;
}
const doctor = async (keys: string) =>
  (await examine(readConfig({ DATABASE_URL: database.url, ENCRYPTION_KEYS: keys }))).find(
    ({ name }) => name === 'keys',
  );
const CONNECTIONS = 250;

it('rotates under load without a failed send; then the old key may go, and everything still opens', async () => {
  const first = await startWith(OLD);
  const csrf = first.deps.vault.derive('csrf');
  const { liveKey } = first;
  let api = apiAt(first.url, liveKey);
  for (let i = 0; i < 3; i++)
    expect(
      (await api('/api/v1/connections', { body: { channel: 'sms', credentials: twilio.credentials } })).status,
    ).toBe(201);
  const [{ tenant_id }] = (await database.query('select tenant_id from connections limit 1')) as [
    { tenant_id: string },
  ];
  const hook = (await api('/api/v1/webhooks', { body: { url: receiver.url('/hook') } })).body;
  const { deps } = first;
  const others = Array.from({ length: CONNECTIONS }, () =>
    deps.connections.create(
      { tenantId: tenant_id, mode: 'live', scopes: ['manage'], actor: { kind: 'operator', id: 'operator' } },
      { channel: 'sms', credentials: twilio.credentials },
    ),
  );
  await Promise.all(others);

  const second = await startWith(`${NEW},${OLD}`);
  api = apiAt(second.url, liveKey);
  expect(await doctor(`${NEW},${OLD}`)).toMatchObject({
    ok: true,
    text: expect.stringContaining('carillon keys rotate'),
  });
  let rotating = true;
  const sent: Promise<Json>[] = [];
  const load = (async () => {
    while (rotating || sent.length < 30) {
      sent.push(
        api('/api/v1/notifications/send', {
          body: { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'On' } },
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const { resealed, unreadable, keys } = await rotate(second.deps);
  rotating = false;
  await load;
  expect(resealed).toBeGreaterThan(CONNECTIONS);
  expect(unreadable).toBe(0);
  expect(keys).toEqual([
    { id: 'new', rows: resealed, loaded: true, newest: true },
    { id: 'old', rows: 0, loaded: true, newest: false },
  ]);
  const ids = (await Promise.all(sent)).map(({ status, body }) => {
    expect(status).toBe(202);
    return body.notification_id;
  });
  const statuses = async () =>
    Promise.all(ids.map(async (id) => (await api(`/api/v1/notifications/${id}`)).body.status));
  await until(async () => (await statuses()).every((status) => status !== 'queued'));
  expect(new Set(await statuses())).toEqual(new Set(['sent']));

  const third = await startWith(NEW);
  expect(third.deps.vault.derive('csrf')).toEqual(csrf);
  expect(await keyStates(third.deps)).toEqual([{ id: 'new', rows: resealed, loaded: true, newest: true }]);
  expect(await doctor(NEW)).toMatchObject({ ok: true });
  const rows = (await database.query('select id from connections')) as { id: string }[];
  expect(
    (
      await third.deps.connections.open(
        rows.map(({ id }) => id),
        { archived: true },
      )
    ).size,
  ).toBe(rows.length);
  api = apiAt(third.url, liveKey);
  expect((await api(`/api/v1/webhooks/${hook.id}/test`, { method: 'POST' })).body.is_success).toBe(true);
  for (const { raw, headers } of receiver.of('/hook').slice(-1))
    new Webhook(hook.secret).verify(raw.toString(), headers as Record<string, string>);
  const { body } = await api('/api/v1/notifications/send', {
    body: { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'On' } },
  });
  await until(async () => (await api(`/api/v1/notifications/${body.notification_id}`)).body.status === 'sent');
}, 60_000);

it('does not start without the key that is needed, says so, and the doctor says so too', async () => {
  await expect(startWith(OLD)).rejects.toThrow(/ENCRYPTION_KEYS does not hold the key/);
  expect(await doctor(OLD)).toMatchObject({ ok: false, text: expect.stringMatching(/unknown key "new"/) });
  await expect(startWith(key('new', 3))).rejects.toThrow(/ENCRYPTION_KEYS does not hold the key/);
});

it('warns of rows that are sealed with a key that is not loaded', async () => {
  await startWith(NEW);
  await database.query(
    `update connections set secrets = replace(secrets, 'v1.new.', 'v1.lost.') where id = (select min(id::text)::uuid from connections)`,
  );
  expect(await doctor(NEW)).toMatchObject({
    ok: false,
    text: expect.stringMatching(/1 of \d+ connections|1 row\(s\) are sealed with lost/),
  });
  expect((await rotate((product as Product).deps)).unreadable).toBe(1);
});
