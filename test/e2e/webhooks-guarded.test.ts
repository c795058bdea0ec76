/** Webhooks reach no private address, tell nobody what listens there, and are kept no longer than is wished. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiAt, until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { type SmtpFake, startSmtp } from '../support/providers/smtp.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
let receiver: Receiver;
let mailbox: SmtpFake;
let inner: Server;
let reached = 0;
beforeAll(async () => {
  inner = createServer((_, response) => response.end('inside')).listen(0, '127.0.0.1');
  inner.on('connection', () => {
    reached++;
  });
  [receiver, mailbox] = await Promise.all([startReceiver(), startSmtp()]);
  const { username, password } = mailbox.credentials as Json;
  scene = await startScene({
    egress: [receiver.host],
    env: {
      SIGNUP: 'open',
      SYSTEM_SMTP_URL: `smtp://${username ? `${encodeURIComponent(username)}:${encodeURIComponent(password)}@` : ''}127.0.0.1:${mailbox.port}?from=bells@example.com`,
    },
    timing: { webhooks: { delaysMs: [0, 50, 50], jitter: 0, timeoutMs: 700, leaseSeconds: 2, window: 3 } },
  });
});
afterAll(async () => {
  await scene.close();
  await Promise.all([receiver.close(), mailbox.close()]);
  inner.close();
});

const at = (method: string, path: string, body?: unknown, key = scene.testKey) =>
  scene.call(method, path, { key, ...(body === undefined ? {} : { body }) });
const create = (path: string, key = scene.testKey): Promise<Json> =>
  scene.must(201, at('POST', '/api/v1/webhooks', { url: receiver.url(path), event_types: ['message.queued'] }, key));
const send = (key = scene.testKey) =>
  scene.send({ recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'Hello' } }, key);
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

describe('an address that is not public', () => {
  it('is refused when it is saved, and nothing is stored', async () => {
    const endpoint = await create('/saved');
    for (const url of [
      `http://127.0.0.1:${portOf(inner)}/`,
      'https://169.254.169.254/latest',
      'http://shop.example/hook',
      'https://name:word@shop.example/',
      'https://localhost/',
      'nothing',
    ]) {
      const made = await at('POST', '/api/v1/webhooks', { url });
      expect([url, made.status, made.body.error.code]).toEqual([url, 422, 'url_not_allowed']);
      const changed = await at('PATCH', `/api/v1/webhooks/${endpoint.id}`, { url });
      expect([url, changed.status, changed.body.error.param]).toEqual([url, 422, 'url']);
    }
    expect((await scene.must(200, at('GET', '/api/v1/webhooks'))).data).toMatchObject([{ url: endpoint.url }]);
    await at('DELETE', `/api/v1/webhooks/${endpoint.id}`);
  });

  it('is not called when a name has come to lead there; the attempt says so, and an open port looks like a closed one', async () => {
    const [open, closed] = [await create('/open'), await create('/closed')];
    const gone = createServer().listen(0, '127.0.0.1');
    await until(() => gone.listening);
    const closedPort = portOf(gone);
    await new Promise((resolve) => gone.close(resolve));
    await scene.query(`update endpoints set url = 'http://127.0.0.1:${portOf(inner)}/' where url like '%/open'`);
    await scene.query(`update endpoints set url = 'http://127.0.0.1:${closedPort}/' where url like '%/closed'`);
    const answers = [];
    for (const { id } of [open, closed]) {
      const {
        delivery_id: _,
        duration_ms: __,
        ...said
      } = await scene.must(200, at('POST', `/api/v1/webhooks/${id}/test`));
      answers.push(said);
    }
    expect(answers[0]).toMatchObject({ is_success: false, status_code: null, fault: 'blocked_address', answer: null });
    expect(answers[1]).toEqual(answers[0]);
    await send();
    const failed = await until(async () => {
      const { data } = await scene.must(
        200,
        at('GET', `/api/v1/webhook_deliveries?endpoint_id=${open.id}&status=failed&event_type=message.queued`),
      );
      return data[0];
    });
    const { attempts } = await scene.must(200, at('GET', `/api/v1/webhook_deliveries/${failed.id}`));
    expect(attempts.map(({ fault }: Json) => fault)).toEqual(['blocked_address', 'blocked_address', 'blocked_address']);
    expect(reached).toBe(0);
    for (const { id } of [open, closed]) await at('DELETE', `/api/v1/webhooks/${id}`);
  });
});

it('when an endpoint is switched off, the confirmed people of its tenant get a mail that names it, and nobody else does', async () => {
  const { tenants } = scene.product.deps;
  const made = await tenants.signUp({
    email: 'owner@people.example',
    password: 'a bell for every window',
    name: 'Ada',
    organization: 'Bakery',
  });
  const tenantId = made.tenant.id;
  await scene.query('update users set confirmed_at = clock_now() where id = $1', [made.user.id]);
  await scene.query(
    `insert into users (id, tenant_id, email, name) values (gen_random_uuid(), $1, 'unconfirmed@people.example', 'Bob')`,
    [tenantId],
  );
  const endpoint = await create('/off', made.key);
  receiver.always('/off', { status: 410 });
  await send(made.key);
  const isAbout = ({ raw }: Json) => JSON.stringify(raw.toString()).includes(endpoint.id);
  await until(() => mailbox.mails.some(isAbout), { what: 'the mail' });
  expect(mailbox.mails.filter(isAbout)).toHaveLength(1);
  expect(mailbox.attempts.filter((to) => to === 'unconfirmed@people.example')).toEqual([]);
});

it('needs the scope: who may read sees endpoints and deliveries, and changes nothing', async () => {
  const endpoint = await create('/scoped');
  const { key } = await scene.must(201, at('POST', '/api/v1/keys', { name: 'reader', scopes: ['read'] }));
  const asReader = apiAt(scene.product.url, key);
  const path = `/api/v1/webhooks/${endpoint.id}`;
  expect((await asReader(path)).status).toBe(200);
  expect((await asReader('/api/v1/webhook_deliveries')).status).toBe(200);
  for (const [method, target, body] of [
    ['POST', '/api/v1/webhooks', { url: 'https://shop.example' }],
    ['PATCH', path, { name: 'x' }],
    ['DELETE', path, undefined],
    ['POST', `${path}/rotate`, undefined],
    ['POST', `${path}/test`, undefined],
    ['POST', `${path}/replay`, {}],
  ] as const)
    expect([target, (await asReader(target, { method, body })).status]).toEqual([target, 403]);
  await at('DELETE', path);
});

it('a secret is in no answer but the first, in no row of the audit, and stands in the store sealed', async () => {
  const endpoint = await create('/secret');
  const secret = endpoint.secret.slice('whsec_'.length);
  for (const path of [`/api/v1/webhooks/${endpoint.id}`, '/api/v1/webhooks', '/api/v1/audit?limit=100'])
    expect((await at('GET', path)).text).not.toContain(secret);
  for (const table of ['endpoints', 'endpoint_secrets', 'audit_log', 'deliveries'])
    expect(JSON.stringify(await scene.query(`select * from ${table}`))).not.toContain(secret);
  const { db } = scene.product.deps;
  await expect(
    db.read(scene.product.tenantId, (sql) => sql.query('select sealed from endpoint_secrets')),
  ).rejects.toThrow(/permission denied/);
  await at('DELETE', `/api/v1/webhooks/${endpoint.id}`);
  expect(
    await scene.query('select 1 from endpoint_secrets s join endpoints e on e.id = s.endpoint_id where e.url like $1', [
      '%/secret',
    ]),
  ).toEqual([]);
});

it('an endpoint that falls behind has a few deliveries waiting; the rest waits in the feed, and nothing is missing', async () => {
  receiver.always('/behind', { status: 503, headers: { 'retry-after': '3' } });
  const endpoint = await create('/behind');
  for (let i = 0; i < 8; i++) await send();
  await receiver.when('/behind', 3);
  const witness = await create('/ahead');
  await send();
  await receiver.when('/ahead', 1);
  const { data } = await scene.must(200, at('GET', `/api/v1/webhook_deliveries?endpoint_id=${endpoint.id}`));
  // Below the window of three it takes three more.
  expect(data.length).toBeLessThan(6);
  receiver.always('/behind', undefined);
  const before = receiver.of('/behind').length;
  const got = (await receiver.when('/behind', before + 9)).slice(before);
  expect(got.map(({ body }) => body.sequence).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (const { id } of [endpoint, witness]) await at('DELETE', `/api/v1/webhooks/${id}`);
});

it('of a store that came out of a backup nothing from before is told until the operator has looked, and what is new is', async () => {
  const { custody } = scene.product.deps;
  const endpoint = await create('/restored');
  await scene.must(200, at('POST', `/api/v1/webhooks/${endpoint.id}/pause`));
  const old = await send();
  // As a dump leaves it that is loaded elsewhere.
  await scene.query('update custody set written_by = written_by - 1');
  await custody.check();
  expect(custody.isQuarantined()).toBe(true);
  await scene.must(200, at('POST', `/api/v1/webhooks/${endpoint.id}/resume`, {}));
  const fresh = await send();
  const told = async (count: number) =>
    (await receiver.when('/restored', count)).map(({ body }) => body.data.notification_id);
  expect(await told(1)).toEqual([fresh.notification_id]);
  await custody.release({ kind: 'operator', id: 'operator' }, { all: true });
  expect(await told(2)).toEqual([fresh.notification_id, old.notification_id]);
  await at('DELETE', `/api/v1/webhooks/${endpoint.id}`);
});

it('deliveries that ended are forgotten after RETENTION_DAYS, with their attempts; those that wait stay', async () => {
  const endpoint = await create('/kept');
  await send();
  await receiver.when('/kept', 1);
  await until(async () => {
    const { data } = await scene.must(200, at('GET', `/api/v1/webhook_deliveries?endpoint_id=${endpoint.id}`));
    return data[0]?.status === 'delivered';
  });
  await scene.must(200, at('POST', `/api/v1/webhooks/${endpoint.id}/pause`));
  const [{ id }] = (await scene.must(200, at('GET', `/api/v1/webhook_deliveries?endpoint_id=${endpoint.id}`))).data;
  await scene.must(202, at('POST', `/api/v1/webhook_deliveries/${id}/replay`));
  const ofIt = `from deliveries d where endpoint_id = (select id from endpoints where url like '%/kept')`;
  const attempts = () => scene.query(`select 1 from delivery_attempts a where a.delivery_id in (select d.id ${ofIt})`);
  await scene.product.database.advance('100 days');
  await scene.product.deps.webhooks.purge(0);
  expect(await attempts()).toHaveLength(1);
  await scene.product.deps.webhooks.purge(35);
  expect(await attempts()).toEqual([]);
  expect(await scene.query(`select status, replay_of is not null as replay ${ofIt}`)).toEqual([
    { status: 'waiting', replay: true },
  ]);
});
