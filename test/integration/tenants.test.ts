import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateKey } from '../../src/features/tenants/key.ts';
import { toWire } from '../../src/lib/ids.ts';
import { ADMIN_KEY, createWorld, type World } from '../support/world.ts';

let world: World;
let liveKey: string;
let testKey: string;
let tenantId: string;
let otherKey: string;

beforeAll(async () => {
  world = await createWorld();
  const made = await world.tenants.create({ name: 'Acme' });
  ({ liveKey, testKey } = made);
  tenantId = made.tenant.id;
  otherKey = (await world.tenants.create({ name: 'Bell Ltd' })).liveKey;
});
afterAll(() => world.close());

const create = async (key: string, body: object = {}) =>
  (await world.call('POST', '/api/v1/keys', { key, body: { name: 'Program', ...body } })).body;

describe('who is calling', () => {
  it('takes one key in X-API-Key, as a Bearer token, or the same in both', async () => {
    for (const headers of [
      { 'x-api-key': liveKey },
      { authorization: `Bearer ${liveKey}` },
      { authorization: `bearer  ${liveKey}`, 'x-api-key': liveKey },
      { 'x-api-key': `${liveKey}, ${liveKey}` },
    ])
      expect((await world.call('GET', '/api/v1/keys', { headers })).status).toBe(200);
  });

  it('answers everything that is not a working key with one and the same 401, which names the header', async () => {
    const strangers = [
      undefined,
      '',
      'x',
      `${liveKey}x`,
      liveKey.toLowerCase(),
      liveKey.replace('_live_', '_test_'),
      `${liveKey.slice(0, -1)}${liveKey.endsWith('0') ? '1' : '0'}`,
      generateKey('live').text,
      'a'.repeat(10_000),
      'ak_live_ \t with spaces',
      "ak_live_' or 1=1 --",
      Buffer.from('ключ-🔔').toString('latin1'),
      '%00%ff',
    ];
    const messages = new Set<string>();
    for (const key of strangers) {
      const { status, body } = await world.call('GET', '/api/v1/keys', key === undefined ? {} : { key });
      expect([status, body.error.code, body.error.type], String(key).slice(0, 40)).toEqual([
        401,
        'unauthorized',
        'authentication_error',
      ]);
      messages.add(body.error.message);
    }
    expect(messages.size).toBe(1);
    expect([...messages][0]).toContain('X-API-Key');
  });

  it('refuses two different keys with 400, whichever way they came', async () => {
    for (const headers of [
      { 'x-api-key': liveKey, authorization: `Bearer ${testKey}` },
      { 'x-api-key': `${liveKey}, ${testKey}` },
    ]) {
      const { status, body } = await world.call('GET', '/api/v1/keys', { headers });
      expect([status, body.error.code]).toEqual([400, 'conflicting_credentials']);
    }
  });

  it('does not take a key from the query string', async () => {
    expect((await world.call('GET', `/api/v1/keys?api_key=${liveKey}&key=${liveKey}`)).status).toBe(401);
  });

  it('does not ask the store about a key whose checksum is wrong', async () => {
    const closed = await createWorld();
    await closed.close();
    await expect(closed.tenants.authenticate({ 'x-api-key': `${liveKey.slice(0, -6)}000000` })).rejects.toMatchObject({
      code: 'unauthorized',
    });
  });

  it('knows a key whose digest was changed in the store no more', async () => {
    const { key, id } = await create(liveKey);
    await world.database.query(`update api_keys set digest = '\\x00' where last_four = $1`, [key.slice(-4)]);
    expect((await world.call('GET', `/api/v1/keys/${id}`, { key })).status).toBe(401);
  });
});

describe('keys', () => {
  it('shows a new key once, then only prefix, public part and last four', async () => {
    const made = await create(liveKey, { scopes: ['send', 'read'] });
    expect(made.key).toMatch(/^ak_live_[0-9A-Za-z]{57}$/);
    expect(made).toMatchObject({ object: 'api_key', livemode: true, scopes: ['send', 'read'], status: 'active' });
    const { body } = await world.call('GET', `/api/v1/keys/${made.id}`, { key: liveKey });
    expect(body.key).toBeUndefined();
    expect(body.masked).toBe(`${made.key.slice(0, 16)}…${made.key.slice(-4)}`);
    const dump = JSON.stringify(await world.database.query('select * from api_keys'));
    expect(dump).not.toContain(made.key.slice(16, 59));
  });

  it('stops a revoked key at once, also one that was just used', async () => {
    const { key, id } = await create(liveKey);
    expect((await world.call('GET', '/api/v1/keys', { key })).status).toBe(200);
    const revoked = await world.call('DELETE', `/api/v1/keys/${id}`, { key: liveKey });
    expect([revoked.status, revoked.body.status]).toEqual([200, 'revoked']);
    expect((await world.call('GET', '/api/v1/keys', { key })).status).toBe(401);
    const again = await world.call('DELETE', `/api/v1/keys/${id}`, { key: liveKey });
    expect(again.body.revoked_at).toBe(revoked.body.revoked_at);
  });

  it('notices a revocation by another process within five seconds', async () => {
    const { key, id } = await create(liveKey);
    expect((await world.call('GET', '/api/v1/keys', { key })).status).toBe(200);
    await world.database.query(`update api_keys set revoked_at = now() where last_four = $1`, [key.slice(-4)]);
    world.clock.advance(5_000);
    expect((await world.call('GET', `/api/v1/keys/${id}`, { key })).status).toBe(401);
  });

  it('ends a key at its expiry, and refuses an expiry in the past', async () => {
    const { key } = await create(liveKey, { expires_at: new Date(Date.now() + 3_600_000).toISOString() });
    expect((await world.call('GET', '/api/v1/keys', { key })).status).toBe(200);
    world.clock.advance(3_600_000);
    await world.database.advance('1 hour');
    expect((await world.call('GET', '/api/v1/keys', { key })).status).toBe(401);
    const past = await world.call('POST', '/api/v1/keys', {
      key: liveKey,
      body: { name: 'Late', expires_at: '2020-01-01T00:00:00Z' },
    });
    expect([past.status, past.body.error.param]).toEqual([422, 'expires_at']);
  });

  it('rotates: same name and scopes, the old one ends at once', async () => {
    const old = await create(liveKey, { name: 'Shop', scopes: ['read', 'manage'] });
    const { status, body } = await world.call('POST', `/api/v1/keys/${old.id}/rotate`, { key: liveKey, body: {} });
    expect(status).toBe(201);
    expect(body).toMatchObject({ name: 'Shop', scopes: ['read', 'manage'], livemode: true, expires_at: null });
    expect((await world.call('GET', '/api/v1/keys', { key: body.key })).status).toBe(200);
    expect((await world.call('GET', '/api/v1/keys', { key: old.key })).status).toBe(401);
    const again = await world.call('POST', `/api/v1/keys/${old.id}/rotate`, { key: liveKey, body: {} });
    expect([again.status, again.body.error.code]).toEqual([409, 'conflict']);
  });

  it('rotates with a grace: both work until it is over', async () => {
    const old = await create(liveKey);
    const path = `/api/v1/keys/${old.id}/rotate`;
    expect((await world.call('POST', path, { key: liveKey, body: { grace_seconds: 86_401 } })).status).toBe(422);
    const { body } = await world.call('POST', path, { key: liveKey, body: { grace_seconds: 600 } });
    for (const key of [old.key, body.key]) expect((await world.call('GET', '/api/v1/keys', { key })).status).toBe(200);
    world.clock.advance(600_000);
    await world.database.advance('10 minutes');
    expect((await world.call('GET', '/api/v1/keys', { key: old.key })).status).toBe(401);
    expect((await world.call('GET', '/api/v1/keys', { key: body.key })).status).toBe(200);
  });

  it('lets a key without the scope look at nothing and hand out nothing', async () => {
    const { key: reader } = await create(liveKey, { scopes: ['read'] });
    const { status, body } = await world.call('GET', '/api/v1/keys', { key: reader });
    expect([status, body.error.code]).toEqual([403, 'insufficient_scope']);
    const { key: manager } = await create(liveKey, { scopes: ['manage'] });
    expect(await create(manager)).toMatchObject({ scopes: ['manage'] });
    const beyond = await world.call('POST', '/api/v1/keys', { key: manager, body: { name: 'x', scopes: ['send'] } });
    expect([beyond.status, beyond.body.error.code]).toEqual([403, 'insufficient_scope']);
    const full = await create(liveKey);
    const rotated = await world.call('POST', `/api/v1/keys/${full.id}/rotate`, { key: manager, body: {} });
    expect(rotated.status).toBe(403);
    expect((await world.call('GET', '/api/v1/keys', { key: full.key })).status).toBe(200);
  });

  it('keeps live and test apart: the other mode is not there', async () => {
    const live = await create(liveKey);
    const test = await create(testKey);
    expect(test.key).toMatch(/^ak_test_/);
    expect((await world.call('GET', `/api/v1/keys/${live.id}`, { key: testKey })).status).toBe(404);
    expect((await world.call('DELETE', `/api/v1/keys/${test.id}`, { key: liveKey })).status).toBe(404);
    const { body } = await world.call('GET', '/api/v1/keys?limit=100', { key: testKey });
    expect(body.data.every((key: { livemode: boolean }) => !key.livemode)).toBe(true);
  });

  it('shows a tenant nothing of another: look, revoke and rotate are 404', async () => {
    const { id, key } = await create(liveKey);
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['DELETE', '', undefined],
      ['POST', '/rotate', {}],
    ] as const)
      expect((await world.call(method, `/api/v1/keys/${id}${path}`, { key: otherKey, body })).status).toBe(404);
    expect((await world.call('GET', '/api/v1/keys', { key })).status).toBe(200);
    const { body } = await world.call('GET', '/api/v1/keys?limit=100', { key: otherKey });
    expect(body.data).toHaveLength(1);
  });

  it('pages through a list without a gap or a repeat', async () => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await world.call('GET', `/api/v1/keys?limit=3${cursor && `&cursor=${cursor}`}`, {
        key: liveKey,
      });
      expect(body.object).toBe('list');
      expect(body.has_more).toBe(body.next_cursor !== null);
      seen.push(...body.data.map(({ id }: { id: string }) => id));
      cursor = body.next_cursor;
    } while (cursor);
    const [row] = await world.database.query<{ n: number }>(
      `select count(*)::int as n from api_keys where tenant_id = $1 and mode = 'live'`,
      [tenantId],
    );
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(row?.n ?? 0);
  });

  it('names every fault of a body', async () => {
    const { status, body } = await world.call('POST', '/api/v1/keys', {
      key: liveKey,
      body: { name: '', scopes: ['fly'], extra: 1 },
    });
    expect([status, body.error.code]).toEqual([422, 'validation_failed']);
    const paths = body.error.details.fields.map(({ path }: { path: string }) => path);
    expect(paths.sort()).toEqual(['extra', 'name', 'scopes.0']);
    expect((await world.call('GET', '/api/v1/keys/key_nonsense', { key: liveKey })).status).toBe(404);
  });

  it('notes when a key was last used, at most once a minute', async () => {
    const { key, id } = await create(liveKey);
    await world.call('GET', '/api/v1/keys', { key });
    await world.tenants.close();
    const used = async () => (await world.call('GET', `/api/v1/keys/${id}`, { key: liveKey })).body.last_used_at;
    const first = await used();
    expect(first).not.toBeNull();
    await world.call('GET', '/api/v1/keys', { key });
    await world.tenants.close();
    expect(await used()).toBe(first);
    world.clock.advance(60_000);
    await world.call('GET', '/api/v1/keys', { key });
    await world.tenants.close();
    expect(await used()).not.toBe(first);
  });

  it('leaves an audit row for each change, readable by its tenant alone and only with the scope', async () => {
    const { id } = await create(liveKey);
    await world.call('DELETE', `/api/v1/keys/${id}`, { key: liveKey, headers: { 'x-request-id': 'request-0001' } });
    const { status, body } = await world.call('GET', '/api/v1/audit?limit=2', { key: liveKey });
    expect(status).toBe(200);
    expect(body.data[0]).toMatchObject({
      object: 'audit_entry',
      action: 'key.revoked',
      target: id,
      surface: 'api',
      request_id: 'request-0001',
      ip: '127.0.0.1',
    });
    expect(body.data[0].actor.id).toMatch(/^key_/);
    expect(body.data[1]).toMatchObject({ action: 'key.created', target: id });
    const next = await world.call('GET', `/api/v1/audit?cursor=${body.next_cursor}`, { key: liveKey });
    expect(next.body.data[0].id < body.data[1].id).toBe(true);
    const other = await world.call('GET', '/api/v1/audit', { key: otherKey });
    expect(JSON.stringify(other.body)).not.toContain(id);
    const { key: reader } = await create(liveKey, { scopes: ['read'] });
    expect((await world.call('GET', '/api/v1/audit', { key: reader })).status).toBe(403);
  });
});

describe('the store', () => {
  it('shows the reading role no row of another tenant, even without a condition', async () => {
    const rows = await world.db.read(tenantId, (trx) =>
      trx.query<{ tenant_id: string }>('select tenant_id from api_keys'),
    );
    expect(new Set(rows.map((row) => row.tenant_id))).toEqual(new Set([tenantId]));
    const nobody = await world.db.read('', (trx) => trx.query('select 1 from api_keys'));
    expect(nobody).toHaveLength(0);
    await expect(world.db.read(tenantId, (trx) => trx.query('select 1 from sessions'))).rejects.toThrow(/permission/);
  });
});

describe('operators', () => {
  it('make a tenant with two keys that work', async () => {
    const { status, body } = await world.call('POST', '/api/admin/tenants', {
      key: ADMIN_KEY,
      body: { name: 'Chime', default_country: 'FR', default_language: 'fr' },
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ object: 'tenant', name: 'Chime', default_country: 'FR', default_language: 'fr' });
    for (const key of [body.live_key, body.test_key])
      expect((await world.call('GET', '/api/v1/keys', { key })).status).toBe(200);
    const list = await world.call('GET', '/api/admin/tenants?limit=1', {
      headers: { authorization: `Bearer ${ADMIN_KEY}` },
    });
    expect(list.body.data[0]).toMatchObject({ id: body.id, default_country: 'FR' });
  });

  it('are told from tenants: no key 401, a wrong one 401, a tenant key 403', async () => {
    expect((await world.call('GET', '/api/admin/tenants')).status).toBe(401);
    expect((await world.call('GET', '/api/admin/tenants', { key: `${ADMIN_KEY}x` })).status).toBe(401);
    expect((await world.call('GET', '/api/admin/tenants', { key: liveKey })).status).toBe(403);
    expect((await world.call('GET', '/api/v1/keys', { key: ADMIN_KEY })).status).toBe(401);
    const bad = await world.call('POST', '/api/admin/tenants', {
      key: ADMIN_KEY,
      body: { name: ' ', default_country: 'Germany' },
    });
    expect(bad.status).toBe(422);
  });

  it('have no address while no ADMIN_KEY is set', async () => {
    const without = await createWorld({ adminKey: undefined });
    expect((await without.call('GET', '/api/admin/tenants', { key: '' })).status).toBe(404);
    await without.close();
  });
});

describe('tenants', () => {
  it('are made whole or not at all: who registered joins the transaction', async () => {
    const own = await createWorld();
    const seen: string[] = [];
    own.tenants.onTenantCreated(async (trx, tenant) => {
      await trx.query('select 1');
      seen.push(tenant.name);
      if (tenant.name === 'Broken') throw new Error('no starters');
    });
    await own.tenants.create({ name: 'Whole' });
    await expect(own.tenants.create({ name: 'Broken' })).rejects.toThrow('no starters');
    expect(seen).toEqual(['Whole', 'Broken']);
    expect(await own.database.query('select name from tenants')).toEqual([{ name: 'Whole' }]);
    await own.close();
  });

  it('get one to try things with on an empty installation, once, also when two processes start', async () => {
    const own = await createWorld();
    const made = (await Promise.all([own.tenants.ensureDemo(), own.tenants.ensureDemo()])).filter(Boolean);
    expect(made).toHaveLength(1);
    const key = made[0]?.testKey ?? '';
    expect((await own.call('GET', '/api/v1/keys', { key })).body.data).toHaveLength(1);
    expect(await own.tenants.ensureDemo()).toBeUndefined();
    const token = await own.tenants.redeem(await own.tenants.signInLink(made[0]?.userId ?? ''));
    expect((await own.tenants.session(token))?.user.email).toBe('owner@demo.test');
    await own.close();
  });

  it('have the defaults of the installation until they set their own', async () => {
    const { tenant, liveKey: key } = await world.tenants.create({ name: 'Default' });
    const principal = await world.tenants.authenticate({ 'x-api-key': key });
    expect((await world.tenants.tenant(tenant.id)).defaultCountry).toBe('DE');
    await world.tenants.updateTenant(principal, { defaultCountry: 'AT', defaultLanguage: 'de-AT', name: 'Own' });
    expect(await world.tenants.tenant(tenant.id)).toEqual({
      id: tenant.id,
      name: 'Own',
      defaultCountry: 'AT',
      defaultLanguage: 'de-AT',
      otpPerHour: 5,
    });
    await world.tenants.updateTenant(principal, { defaultCountry: null });
    expect(await world.tenants.tenant(tenant.id)).toMatchObject({ name: 'Own', defaultCountry: 'DE' });
    await expect(world.tenants.updateTenant(principal, { defaultCountry: 'Austria' })).rejects.toMatchObject({
      param: 'default_country',
    });
    expect(toWire('tenant', tenant.id)).toMatch(/^ten_/);
  });
});
