import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fromWire } from '../../src/lib/ids.ts';
import { drum, opened, pigeon, startProvider } from '../support/pigeon.ts';
import { ADMIN_KEY, createWorld, type World } from '../support/world.ts';

let world: World;
let provider: Awaited<ReturnType<typeof startProvider>>;
let key: string;
let testKey: string;
let tenantId: string;

beforeAll(async () => {
  provider = await startProvider();
  world = await createWorld({ channels: [pigeon, drum], egressAllow: [provider.pair] });
});
afterAll(async () => {
  await world.close();
  await provider.close();
});
// Each test has a tenant of its own, and the platform none of its connections.
beforeEach(async () => {
  await world.database.query('delete from connections where tenant_id is null');
  const made = await world.tenants.create({ name: 'Acme' });
  key = made.liveKey;
  testKey = made.testKey;
  tenantId = made.tenant.id;
  provider.state.mode = 'answer';
});

const TOKEN = 'secret-token-of-the-coop';
const credentials = (changes: object = {}) => ({ loft: '12345', api_token: TOKEN, from: '+4930123456', ...changes });
const connect = (body: object = {}, as = key) =>
  world.call('POST', '/api/v1/connections', {
    key: as,
    body: { channel: 'pigeon', credentials: credentials(), ...body },
  });
const dove = (changes: object = {}) =>
  connect({ adapter: 'dovecote', credentials: { host: 'doves.example.com', password: 'first', ...changes } });
const get = (id: string, as = key) => world.call('GET', `/api/v1/connections/${id}`, { key: as });
const patch = (id: string, body: object, as = key) =>
  world.call('PATCH', `/api/v1/connections/${id}`, { key: as, body });
const uuid = (wire: string): string => fromWire('connection', wire) ?? '';
const open = async (wire: string, options = {}) =>
  (await world.connections.open([uuid(wire)], options)).get(uuid(wire));

describe('making a connection', () => {
  it('stores it sealed and shows settings, masks and the callback address', async () => {
    const { status, body } = await connect({ name: 'Roof' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      object: 'connection',
      channel: 'pigeon',
      adapter: 'coop',
      name: 'Roof',
      livemode: true,
      settings: { loft: '12345', from: '+4930123456' },
      secrets: { api_token: { set: true, last_four: 'coop' }, signing_secret: { set: false } },
      is_default: true,
      position: 0,
      health: { status: 'unknown', note: null, at: null, since: null, until: null, cause: null, waiting: 0 },
      callback_url: `https://bells.example.com/hooks/coop/${body.id}`,
    });
    expect((await get(body.id)).body).toEqual(body);
    for (const text of [body, await world.database.query('select * from connections')])
      expect(JSON.stringify(text)).not.toContain(TOKEN);
  });

  it('names each faulty credential by its path, and stores nothing', async () => {
    const { status, body } = await connect({
      credentials: { loft: 'abc', from: '030123', speed: 'warp', extra: 1, api_token: '' },
    });
    expect([status, body.error.code]).toEqual([422, 'validation_failed']);
    const faults = Object.fromEntries(
      body.error.details.fields.map(({ path, message }: { path: string; message: string }) => [path, message]),
    );
    expect(Object.keys(faults).sort()).toEqual(
      ['api_token', 'extra', 'from', 'loft', 'speed'].map((name) => `credentials.${name}`),
    );
    expect(faults['credentials.loft']).toContain('digits only');
    expect(faults['credentials.speed']).toContain('slow, fast');
    const missing = await connect({ credentials: {} });
    expect(missing.body.error.details.fields.map(({ path }: { path: string }) => path)).toEqual([
      'credentials.loft',
      'credentials.api_token',
      'credentials.from',
    ]);
    expect((await world.call('GET', '/api/v1/connections', { key })).body.data).toEqual([]);
  });

  it('refuses a channel and an adapter that are not there, and says which are', async () => {
    const channel = await connect({ channel: 'smoke' });
    expect([channel.status, channel.body.error.code]).toEqual([422, 'channel_unknown']);
    expect(channel.body.error.message).toContain('pigeon, drum');
    const adapter = await connect({ adapter: 'tam' });
    expect([adapter.status, adapter.body.error.param]).toEqual([422, 'adapter']);
    expect(adapter.body.error.message).toContain('coop, dovecote');
  });

  it('refuses addresses that are not public, and plain http unless the operator allows it', async () => {
    for (const base_url of [
      'https://localhost',
      'https://127.0.0.1',
      'https://127.1',
      'https://2130706433',
      'https://[::1]:8443',
      'https://169.254.169.254/latest',
      'https://db.internal',
      'https://single',
      'http://api.example.com',
      `https://127.0.0.1:${provider.port + 1}`,
    ]) {
      const { status, body } = await connect({ credentials: credentials({ base_url }) });
      expect([status, body.error.code, body.error.param], base_url).toEqual([
        422,
        'url_not_allowed',
        'credentials.base_url',
      ]);
    }
    for (const base_url of ['ftp://x.example.com', 'https://user:pw@x.example.com', 'https://x.example.com/?a=1'])
      expect((await connect({ credentials: credentials({ base_url }) })).body.error.code).toBe('validation_failed');
    for (const host of ['127.0.0.1', 'mail.local', '10.0.0.1', '::1'])
      expect((await dove({ host })).body.error).toMatchObject({ code: 'url_not_allowed', param: 'credentials.host' });
    expect((await dove({ host: '127.0.0.1', port: provider.port })).status).toBe(201);
    expect((await connect({ credentials: credentials({ base_url: provider.url }) })).status).toBe(201);
  });

  it('is for live keys with the scope: a test key is told why, a reader is 403', async () => {
    const { status, body } = await connect({}, testKey);
    expect([status, body.error.code]).toEqual([422, 'live_mode_required']);
    const { body: reader } = await world.call('POST', '/api/v1/keys', { key, body: { name: 'r', scopes: ['read'] } });
    expect((await connect({}, reader.key)).status).toBe(403);
    expect((await connect({}, 'nonsense')).status).toBe(401);
  });
});

describe('the default of a channel', () => {
  it('is the first, until another is made it, and passes on when removed', async () => {
    const [a, b, c] = [(await connect()).body.id, (await connect()).body.id, (await dove()).body.id];
    const defaults = async () =>
      (await world.call('GET', '/api/v1/connections', { key })).body.data
        .filter((item: { is_default: boolean }) => item.is_default)
        .map(({ id }: { id: string }) => id);
    const chosen = async () => (await world.connections.routes(tenantId, 'live')).get('pigeon')?.connectionId;
    expect([await defaults(), await chosen()]).toEqual([[a], uuid(a)]);
    await patch(c, { is_default: true });
    expect([await defaults(), await chosen()]).toEqual([[c], uuid(c)]);
    await patch(b, { position: 9 });
    expect((await world.call('DELETE', `/api/v1/connections/${c}`, { key })).status).toBe(204);
    expect([await defaults(), await chosen()]).toEqual([[a], uuid(a)]);
    expect((await get(c)).status).toBe(404);
    await world.call('DELETE', `/api/v1/connections/${a}`, { key });
    expect([await defaults(), await chosen()]).toEqual([[b], uuid(b)]);
    await world.call('DELETE', `/api/v1/connections/${b}`, { key });
    expect(await chosen()).toBeUndefined();
  });

  it('stays one when many are made at once', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, () => connect({ is_default: true })));
    expect(made.map(({ status }) => status)).toEqual(Array(6).fill(201));
    const { body } = await world.call('GET', '/api/v1/connections', { key });
    expect(body.data.filter((item: { is_default: boolean }) => item.is_default)).toHaveLength(1);
    expect(new Set(body.data.map((item: { position: number }) => item.position)).size).toBe(6);
  });
});

describe('changing a connection', () => {
  it('keeps credentials that are not given, and takes away an optional one given as null', async () => {
    const { body } = await connect({ credentials: credentials({ signing_secret: 'x'.repeat(24) }) });
    const changed = await patch(body.id, { name: 'Tower', credentials: { loft: '54321', signing_secret: null } });
    expect(changed.body).toMatchObject({
      name: 'Tower',
      settings: { loft: '54321', from: '+4930123456' },
      secrets: { api_token: { set: true, last_four: 'coop' }, signing_secret: { set: false } },
    });
    expect((await open(body.id))?.credentials).toMatchObject({ api_token: TOKEN, loft: '54321' });
    const required = await patch(body.id, { credentials: { api_token: null } });
    expect([required.status, required.body.error.param]).toEqual([422, 'credentials.api_token']);
    expect((await patch(body.id, { credentials: { wings: 2 } })).status).toBe(422);
    expect((await patch(body.id, { is_default: false })).status).toBe(422);
    expect((await patch(body.id, { credentials: { base_url: 'https://10.0.0.1' } })).body.error.code).toBe(
      'url_not_allowed',
    );
  });

  it('sends no stored secret to a new address', async () => {
    const { body } = await connect();
    const moved = await patch(body.id, { credentials: { base_url: 'https://thief.example.com' } });
    expect([moved.status, moved.body.error.param]).toEqual([422, 'credentials.api_token']);
    const known = await patch(body.id, { credentials: { base_url: 'https://eu.example.com', api_token: TOKEN } });
    expect(known.status).toBe(200);
    const same = await patch(body.id, { credentials: { base_url: 'https://eu.example.com', loft: '99999' } });
    expect(same.status).toBe(200);
  });

  it('is not possible from elsewhere: another tenant and the other mode get 404 everywhere', async () => {
    const { body } = await connect();
    const stranger = (await world.tenants.create({ name: 'Other' })).liveKey;
    for (const as of [stranger, testKey]) {
      expect((await get(body.id, as)).status).toBe(404);
      expect((await patch(body.id, { name: 'Mine' }, as)).status).toBe(404);
      expect((await world.call('DELETE', `/api/v1/connections/${body.id}`, { key: as })).status).toBe(404);
      expect((await world.call('POST', `/api/v1/connections/${body.id}/test`, { key: as })).status).toBe(404);
      const list = await world.call('GET', '/api/v1/connections', { key: as });
      expect(JSON.stringify(list.body)).not.toContain(body.id);
    }
    expect((await get(body.id)).body).toEqual(body);
  });

  it('is in the audit, without a secret', async () => {
    const { body } = await connect();
    await patch(body.id, { credentials: { api_token: 'another-secret-token-12345' } });
    await world.call('DELETE', `/api/v1/connections/${body.id}`, { key });
    const rows = (await world.call('GET', '/api/v1/audit', { key })).body.data;
    expect(rows.slice(0, 3).map(({ action, target }: { action: string; target: string }) => [action, target])).toEqual([
      ['connection.archived', body.id],
      ['connection.updated', body.id],
      ['connection.created', body.id],
    ]);
    expect(JSON.stringify(await world.database.query('select * from audit_log'))).not.toContain('another-secret');
  });
});

describe('testing a connection', () => {
  const test = (id: string) => world.call('POST', `/api/v1/connections/${id}/test`, { key });
  const near = (changes: object = {}) => connect({ credentials: credentials({ base_url: provider.url, ...changes }) });

  it('asks the provider and remembers that it works', async () => {
    const { body } = await near({ api_token: provider.state.token });
    const { status, body: result } = await test(body.id);
    expect([status, result.ok, result.note]).toEqual([200, true, 'Connected to the loft.']);
    expect((await get(body.id)).body.health).toMatchObject({ status: 'ok', note: 'Connected to the loft.' });
  });

  it('tells the owner why it does not, in the words of the provider too', async () => {
    const { body } = await near();
    const { status, body: result } = await test(body.id);
    expect([status, result.error.code]).toEqual([422, 'connection_failed']);
    expect(result.error.message).toContain('credentials');
    expect(result.error.details).toEqual({
      fault: 'credentials_invalid',
      provider_code: '401',
      provider_message: 'token <unknown> to us',
    });
    expect((await get(body.id)).body.health.status).toBe('failing');
  });

  it('says that there was no answer, without telling why there was no connection', async () => {
    const { body } = await near();
    provider.state.mode = 'drop';
    const dropped = await test(body.id);
    expect(dropped.body.error).toMatchObject({
      code: 'connection_failed',
      details: { provider_code: 'NO_CONNECTION' },
    });
  });
});

describe('the sandbox', () => {
  it('has a connection for every channel from the first use, one even if many ask at once', async () => {
    const asked = await Promise.all(Array.from({ length: 5 }, () => world.connections.routes(tenantId, 'sandbox')));
    const ids = new Set(asked.map((routes) => routes.get('pigeon')?.connectionId));
    expect(ids.size).toBe(1);
    expect([...(asked[0]?.keys() ?? [])]).toEqual(['pigeon', 'drum']);
    const rows = await world.database.query(
      `select channel from connections where tenant_id = $1 and mode = 'sandbox' order by channel`,
      [tenantId],
    );
    expect(rows).toEqual([{ channel: 'drum' }, { channel: 'pigeon' }]);
  });

  it('gives each tenant secrets and an account of its own', async () => {
    const other = (await world.tenants.create({ name: 'Other' })).tenant.id;
    const found = [];
    for (const id of [tenantId, other]) {
      const connection = (await world.connections.routes(id, 'sandbox')).get('pigeon')?.connectionId ?? '';
      const it = (await world.connections.open([connection])).get(connection);
      expect(it).toMatchObject({ mode: 'sandbox', owner: 'tenant', tenantId: id });
      expect(it?.credentials).toMatchObject({ from: '+14155550100', base_url: 'https://api.coop.example.com' });
      expect(await world.connections.byAccount('coop', it?.account ?? '')).toEqual([connection]);
      found.push(it?.credentials.api_token, it?.credentials.signing_secret, it?.account);
    }
    expect(new Set(found).size).toBe(6);
  });

  it('never lends its connections to live sends, nor live ones to the sandbox', async () => {
    await world.connections.routes(tenantId, 'sandbox');
    expect((await world.connections.routes(tenantId, 'live')).size).toBe(0);
    const { body } = await connect();
    const sandbox = await world.connections.routes(tenantId, 'sandbox');
    expect(sandbox.get('pigeon')?.connectionId).not.toBe(uuid(body.id));
  });

  it('has no way out: its connections reach nobody', async () => {
    const id = (await world.connections.routes(tenantId, 'sandbox')).get('pigeon')?.connectionId ?? '';
    const connection = (await world.connections.open([id])).get(id);
    await expect(connection?.http({ url: provider.url })).rejects.toMatchObject({ fault: { providerCode: 'SANDBOX' } });
    await expect(connection?.net.dial('127.0.0.1', provider.port)).rejects.toMatchObject({
      fault: { providerCode: 'SANDBOX' },
    });
  });

  it('cannot be changed, tested or removed by hand', async () => {
    await world.connections.routes(tenantId, 'sandbox');
    const { body } = await world.call('GET', '/api/v1/connections', { key: testKey });
    const { id } = body.data[0];
    for (const [method, path, sent] of [
      ['PATCH', '', { name: 'x' }],
      ['DELETE', '', undefined],
      ['POST', '/test', undefined],
    ] as const) {
      const answer = await world.call(method, `/api/v1/connections/${id}${path}`, { key: testKey, body: sent });
      expect([answer.status, answer.body.error.code]).toEqual([422, 'live_mode_required']);
    }
  });
});

describe('limits', () => {
  it('are shown, stand above what the adapter allows, and go back to it with null', async () => {
    const plain = await connect();
    expect(plain.body.limits).toEqual({ per_second: null, concurrency: null });
    const adapter = (await open(plain.body.id))?.adapter;
    expect((await open(plain.body.id))?.pace).toEqual({
      perSecond: adapter?.perSecond,
      concurrency: adapter?.concurrency,
    });
    const { status, body } = await connect({ limits: { per_second: 0.5, concurrency: 4_096 } });
    expect([status, body.limits]).toEqual([201, { per_second: 0.5, concurrency: 4_096 }]);
    expect((await open(body.id))?.pace).toEqual({ perSecond: 0.5, concurrency: 4_096 });
    const changed = await patch(body.id, { limits: { per_second: null } });
    expect(changed.body.limits).toEqual({ per_second: null, concurrency: 4_096 });
    expect((await get(body.id)).body).toEqual(changed.body);
    expect((await open(body.id))?.pace).toEqual({ perSecond: adapter?.perSecond, concurrency: 4_096 });
  });

  it('are felt without opening the client again, by other processes within five seconds', async () => {
    const { body } = await dove();
    const before = await open(body.id);
    expect(before?.client).toBeDefined();
    await patch(body.id, { limits: { concurrency: 3 } });
    const after = await open(body.id);
    expect(after?.pace.concurrency).toBe(3);
    expect(after?.client).toBe(before?.client);
    await world.database.query('update connections set per_second = 9 where id = $1', [uuid(body.id)]);
    world.clock.advance(5_000);
    const later = await open(body.id);
    expect(later?.pace).toEqual({ perSecond: 9, concurrency: 3 });
    expect(later?.client).toBe(before?.client);
    expect(before?.client).toMatchObject({ closed: false });
  });

  it.each([
    [{ per_second: 0 }, 'limits.per_second'],
    [{ per_second: 100_001 }, 'limits.per_second'],
    [{ per_second: '5' }, 'limits.per_second'],
    [{ concurrency: 0 }, 'limits.concurrency'],
    [{ concurrency: 1.5 }, 'limits.concurrency'],
    [{ concurrency: 4_097 }, 'limits.concurrency'],
    [{ burst: 1 }, 'limits.burst'],
  ])('outside their bounds are refused: %j', async (limits, path) => {
    const made = await connect({ limits });
    expect([made.status, made.body.error.param]).toEqual([422, path]);
    const { body } = await connect();
    expect((await patch(body.id, { limits })).status).toBe(422);
    expect((await get(body.id)).body).toEqual(body);
    // The portal and the command line come in behind the schema of the API.
    const principal = { tenantId, mode: 'live', scopes: ['manage'], actor: { kind: 'operator', id: 'op' } } as const;
    await expect(world.connections.patch(principal, body.id, { limits: limits as object })).rejects.toMatchObject({
      code: 'validation_failed',
      details: { fields: [{ path }] },
    });
  });

  it("of the platform's own are the operator's to set, and tenants see the pace", async () => {
    const admin = (method: 'POST' | 'PATCH', path: string, body: object) =>
      world.call(method, `/api/admin/connections${path}`, { key: ADMIN_KEY, body });
    const made = await admin('POST', '', { channel: 'pigeon', credentials: credentials(), limits: { per_second: 3 } });
    const throughput = async () => (await world.call('GET', '/api/v1/gateways', { key })).body.data[0].throughput;
    expect(await throughput()).toBe(3);
    expect((await admin('PATCH', `/${made.body.id}`, { limits: { per_second: 40 } })).status).toBe(200);
    expect(await throughput()).toBe(40);
    const own = (await connect()).body.id;
    expect((await admin('PATCH', `/${own}`, { limits: { per_second: 1 } })).status).toBe(404);
    const strange = await world.call('PATCH', `/api/admin/connections/${made.body.id}`, { key, body: {} });
    expect(strange.status).toBe(403);
  });
});

describe('gateways and the platform', () => {
  const provide = (body: object = {}) =>
    world.call('POST', '/api/admin/connections', {
      key: ADMIN_KEY,
      body: { channel: 'pigeon', credentials: credentials({ from: '+4940111111' }), ...body },
    });
  const gateways = async (as: string) => (await world.call('GET', '/api/v1/gateways', { key: as })).body;

  it('list what a tenant may send through, its own first, without provider or credentials', async () => {
    const platform = (await provide()).body;
    const shared = await gateways(key);
    expect(shared).toEqual({
      object: 'list',
      has_more: false,
      next_cursor: null,
      data: [
        {
          id: platform.id,
          object: 'gateway',
          channel: 'pigeon',
          label: 'Pigeon',
          status: 'unknown',
          sender: '+4940111111',
          throughput: 7,
          is_default: true,
        },
      ],
    });
    expect(JSON.stringify(shared)).not.toMatch(/coop|Coop|secret/);
    const own = (await connect({ name: 'Roof' })).body;
    const both = (await gateways(key)).data;
    expect(both.map((item: { label: string; is_default: boolean }) => [item.label, item.is_default])).toEqual([
      ['Roof', true],
      ['Pigeon', false],
    ]);
    const route = await world.connections.routes(tenantId, 'live');
    expect(route.get('pigeon')?.connectionId).toBe(uuid(own.id));
  });

  it('show a test key one sandbox route for every channel', async () => {
    await provide();
    const { data } = await gateways(testKey);
    expect(data.map(({ channel }: { channel: string }) => channel)).toEqual(['pigeon', 'drum']);
  });

  it("keep the platform's own out of the tenants' hands, and felt at once when made or removed", async () => {
    expect((await world.connections.routes(tenantId, 'live')).size).toBe(0);
    const { body } = await provide();
    expect((await world.connections.routes(tenantId, 'live')).size).toBe(1);
    expect((await open(body.id))?.tenantId).toBeUndefined();
    expect((await get(body.id)).status).toBe(404);
    expect((await patch(body.id, { name: 'Mine' })).status).toBe(404);
    expect((await world.call('DELETE', `/api/admin/connections/${body.id}`, { key })).status).toBe(403);
    const list = await world.call('GET', '/api/admin/connections', { key: ADMIN_KEY });
    expect(list.body.data.map(({ id }: { id: string }) => id)).toEqual([body.id]);
    expect((await world.call('DELETE', `/api/admin/connections/${body.id}`, { key: ADMIN_KEY })).status).toBe(204);
    expect((await world.connections.routes(tenantId, 'live')).size).toBe(0);
  });
});

describe('an open connection', () => {
  it('has its credentials with defaults, its callback address, and what the contract asks for', async () => {
    const { body } = await connect();
    const it = await open(body.id);
    expect(it).toMatchObject({ id: uuid(body.id), tenantId, mode: 'live', owner: 'tenant', account: '12345' });
    expect(it?.channel.id).toBe('pigeon');
    expect(it?.credentials).toEqual({
      ...credentials(),
      base_url: 'https://api.coop.example.com',
      speed: 'slow',
    });
    expect(it?.callbackUrl()).toBe(`https://bells.example.com/hooks/coop/${body.id}`);
    expect(it?.callbackUrl('msg_1')).toBe(`https://bells.example.com/hooks/coop/${body.id}?ref=msg_1`);
    expect((await world.connections.open([uuid(body.id), '00000000-0000-7000-8000-000000000000'])).size).toBe(1);
  });

  it('keeps one client while its credentials stay the same, and gets a new one when they change', async () => {
    const { body } = await dove();
    const before = opened.length;
    const first = await open(body.id);
    expect(opened).toHaveLength(before);
    expect(first?.client).toBe((await open(body.id))?.client);
    world.clock.advance(6_000);
    await patch(body.id, { name: 'Renamed' });
    expect((await open(body.id))?.client).toBe(first?.client);
    expect(opened).toHaveLength(before + 1);
    await patch(body.id, { credentials: { password: 'second' } });
    const second = await open(body.id);
    expect((second?.client as { token: string }).token).toBe('second');
    expect(first?.client).toMatchObject({ closed: false });
    expect(opened).toHaveLength(before + 2);
  });

  it('feels a change by another process within five seconds', async () => {
    const { body } = await dove();
    await open(body.id);
    await world.database.query(`update connections set settings = settings || '{"port": 1234}' where id = $1`, [
      uuid(body.id),
    ]);
    world.clock.advance(5_000);
    expect((await open(body.id))?.credentials.port).toBe(1_234);
  });

  it('is gone for sends once removed, and still there for late callbacks', async () => {
    const { body } = await connect();
    await open(body.id);
    await world.call('DELETE', `/api/v1/connections/${body.id}`, { key });
    expect(await open(body.id)).toBeUndefined();
    expect((await open(body.id, { archived: true }))?.archived).toBe(true);
  });

  it('does not open with secrets of another row; that is audited, and typing them in again heals it', async () => {
    const [a, b] = [(await connect()).body.id, (await connect()).body.id];
    await world.database.query(
      `update connections set secrets = (select secrets from connections where id = $2) where id = $1`,
      [uuid(a), uuid(b)],
    );
    world.clock.advance(5_000);
    expect([...(await world.connections.open([uuid(a), uuid(b)])).keys()]).toEqual([uuid(b)]);
    const rows = (await world.call('GET', '/api/v1/audit', { key })).body.data;
    expect(rows[0]).toMatchObject({ action: 'connection.secrets_unreadable', target: a });
    expect((await get(a)).body.secrets.api_token).toEqual({ set: false });
    expect((await world.call('POST', `/api/v1/connections/${a}/test`, { key })).body.error.code).toBe(
      'connection_failed',
    );
    expect((await patch(a, { credentials: { api_token: TOKEN } })).status).toBe(200);
    expect((await open(a))?.credentials.api_token).toBe(TOKEN);
  });

  it('says whether a failed call may have arrived', async () => {
    const { body } = await connect({ credentials: credentials({ base_url: provider.url }) });
    const it = await open(body.id);
    const call = (url: string) => it?.http({ url, method: 'POST', json: {} }).catch((error: unknown) => error);
    expect(await call('https://127.0.0.1')).toMatchObject({
      fault: { kind: 'provider_unavailable', providerCode: 'BLOCKED_ADDRESS' },
    });
    await expect(it?.net.dial('10.0.0.1', 25)).rejects.toMatchObject({
      fault: { kind: 'provider_unavailable', providerCode: 'BLOCKED_ADDRESS' },
    });
    provider.state.mode = 'drop';
    expect(await call(provider.url)).toMatchObject({ fault: { kind: 'outcome_unknown' } });
  });

  it('remembers how it fares, written once while nothing changes', async () => {
    const { body } = await connect();
    const id = uuid(body.id);
    const health = async () => (await get(body.id)).body.health;
    const REFUSED = { status: 'failing', fault: 'credentials_invalid' } as const;
    world.connections.health(id, { status: 'ok' });
    world.connections.health(id, { ...REFUSED, note: 'refused' });
    await world.connections.closeAll();
    const failing = await health();
    expect(failing).toMatchObject({
      status: 'failing',
      note: 'refused',
      since: failing.at,
      cause: { code: 'credentials_invalid', owner: 'tenant' },
    });
    world.connections.health(id, { ...REFUSED, note: 'refused again' });
    await world.connections.closeAll();
    expect(await health()).toEqual(failing);
    world.connections.health(id, { status: 'ok' });
    await world.connections.closeAll();
    expect(await health()).toMatchObject({ status: 'ok', note: null, cause: null });
    expect((await get(body.id)).body.updated_at).toBe(body.updated_at);
  });
});
