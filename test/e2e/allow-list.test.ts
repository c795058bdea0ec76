/** A key that may be used from some addresses only, over the real product behind one trusted proxy and behind none. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_KEY, type Product, startProduct, until } from '../support/product.ts';
import { allRoutes } from '../support/routes.ts';

const LIST = '/api/v1/notifications';
let product: Product;
let exposed: Product;
beforeAll(async () => {
  product = await startProduct({ role: 'api', env: { TRUSTED_PROXIES: '1' } });
  exposed = await startProduct({ role: 'api', database: product.database });
});
afterAll(async () => {
  await exposed.stop();
  await product.stop();
});

const from = (ip: string) => ({ 'x-forwarded-for': ip });
const make = async (allowed_ips: string[] | null) =>
  (await product.api('/api/v1/keys', { body: { name: 'Server', allowed_ips } })).body;
const statusOf = async (key: string, ip: string, on = product) =>
  (await on.api(LIST, { key, headers: from(ip) })).status;

describe('a key with a list', () => {
  test('is taken from its addresses alone, in either way of writing them', async () => {
    const { key, allowed_ips } = await make(['203.0.113.0/24', '2001:db8::/32']);
    expect(allowed_ips).toEqual(['203.0.113.0/24', '2001:db8::/32']);
    for (const ip of ['203.0.113.9', '::ffff:203.0.113.9', '2001:db8:1::1']) expect(await statusOf(key, ip)).toBe(200);
    for (const ip of ['203.0.114.9', '::ffff:203.0.114.9', '2001:db9::1', 'nonsense', '::1']) {
      const answer = await product.api(LIST, { key, headers: from(ip) });
      expect([answer.status, answer.body.error.code, answer.body.error.type]).toEqual([
        403,
        'ip_not_allowed',
        'permission_error',
      ]);
    }
  });

  test('is 403 from elsewhere on every route that takes a key, as it is 429 when its limit is used up', async () => {
    const made = await product.api('/api/v1/keys', {
      body: { name: 'Few', allowed_ips: ['203.0.113.9'], rate_limit: { requests: 1, seconds: 3_600 } },
    });
    const { key } = made.body;
    expect(await statusOf(key, '203.0.113.9')).toBe(200);
    const routes = allRoutes().filter(({ auth }) => auth === 'key');
    expect(routes.length).toBeGreaterThan(20);
    for (const { method, path, body } of routes)
      for (const [ip, status, code] of [
        ['198.51.100.1', 403, 'ip_not_allowed'],
        ['203.0.113.9', 429, 'rate_limited'],
      ] as const) {
        const address = path.replace(/:(\w+)/g, 'x');
        const answer = await product.api(address, { method, key, headers: from(ip), ...(body ? { body: {} } : {}) });
        expect([answer.status, answer.body?.error?.code], `${method} ${path}`).toEqual([status, code]);
      }
  });

  test('is not fooled by what a client writes into X-Forwarded-For', async () => {
    const { key } = await make(['203.0.113.9']);
    // What the one trusted proxy has added stands last.
    expect(await statusOf(key, '203.0.113.9, 198.51.100.1')).toBe(403);
    expect(await statusOf(key, '198.51.100.1, 203.0.113.9')).toBe(200);
    // Without a trusted proxy the header is nobody's word.
    expect(await statusOf(key, '203.0.113.9', exposed)).toBe(403);
    const local = await make(['127.0.0.1', '::1']);
    expect(await statusOf(local.key, '203.0.113.9', exposed)).toBe(200);
  });

  test('an empty list and null are open', async () => {
    for (const list of [[], null]) {
      const { key, allowed_ips } = await make(list);
      expect(allowed_ips).toBeNull();
      expect(await statusOf(key, '198.51.100.1')).toBe(200);
    }
  });

  test('keeps its list and its limit when it is rotated', async () => {
    const made = await product.api('/api/v1/keys', {
      body: { name: 'Server', allowed_ips: ['203.0.113.9'], rate_limit: { requests: 9, seconds: 60 } },
    });
    const { body } = await product.api(`/api/v1/keys/${made.body.id}/rotate`, { body: {} });
    expect(body).toMatchObject({ allowed_ips: ['203.0.113.9'], rate_limit: { requests: 9, seconds: 60 } });
    expect(await statusOf(body.key, '198.51.100.1')).toBe(403);
    expect(await statusOf(body.key, '203.0.113.9')).toBe(200);
  });
});

describe('changing a key', () => {
  const patch = (id: string, body: object, call: object = {}) =>
    product.api(`/api/v1/keys/${id}`, { method: 'PATCH', body, ...call });

  test('changes what is named and nothing else, is felt at once here and within five seconds elsewhere, and is audited', async () => {
    const { key, id } = await make(null);
    expect(await statusOf(key, '127.0.0.1', exposed)).toBe(200);
    const { status, body } = await patch(id, { name: ' Billing ', allowed_ips: ['203.0.113.9/32'] });
    expect([status, body.name, body.allowed_ips, body.scopes]).toEqual([
      200,
      'Billing',
      ['203.0.113.9'],
      ['send', 'read', 'manage'],
    ]);
    expect(body.key).toBeUndefined();
    expect(await statusOf(key, '198.51.100.1')).toBe(403);
    await until(async () => (await statusOf(key, '198.51.100.1', exposed)) === 403, { withinMs: 6_000 });
    expect((await patch(id, { allowed_ips: null })).body).toMatchObject({ name: 'Billing', allowed_ips: null });
    const { data } = (await product.api('/api/v1/audit?limit=2')).body;
    expect(data.map(({ action, target }: { action: string; target: string }) => [action, target])).toEqual([
      ['key.updated', id],
      ['key.updated', id],
    ]);
  });

  test('a key cannot lock itself out; another one may be given any list', async () => {
    const { key, id } = await make(null);
    const own = { key, headers: from('203.0.113.9') };
    const refused = await patch(id, { allowed_ips: ['198.51.100.0/24'] }, own);
    expect([refused.status, refused.body.error.code, refused.body.error.param]).toEqual([
      409,
      'conflict',
      'allowed_ips',
    ]);
    expect(await statusOf(key, '203.0.113.9')).toBe(200);
    expect((await patch(id, { allowed_ips: ['203.0.113.0/24'] }, own)).status).toBe(200);
    expect((await patch(id, { allowed_ips: ['198.51.100.0/24'] })).status).toBe(200);
  });

  test('refuses what is no range, an empty change, a key that has ended, of the other mode, or without the scope', async () => {
    const { key, id } = await make(null);
    const bad = await patch(id, { allowed_ips: ['10.0.0.1', 'example.com'] });
    expect([bad.status, bad.body.error.details.fields[0].path]).toEqual([422, 'allowed_ips.1']);
    for (const body of [{}, { rate_limit: { requests: 0, seconds: 1 } }, { rate_limit: 5 }, { scopes: ['read'] }])
      expect((await patch(id, body)).status, JSON.stringify(body)).toBe(422);
    expect((await patch(id, { name: 'x' }, { key: product.liveKey })).status).toBe(404);
    const reader = (await product.api('/api/v1/keys', { body: { name: 'r', scopes: ['read'] } })).body.key;
    expect((await patch(id, { name: 'x' }, { key: reader })).status).toBe(403);
    await product.api(`/api/v1/keys/${id}`, { method: 'DELETE' });
    expect((await patch(id, { name: 'x' })).status).toBe(409);
    expect(await statusOf(key, '127.0.0.1')).toBe(401);
  });
});

test('the operator alone sets the limits of a tenant', async () => {
  const { data } = (await product.api('/api/admin/tenants', { key: ADMIN_KEY })).body;
  const path = `/api/admin/tenants/${data[0].id}/limits`;
  expect((await product.api(path, { key: ADMIN_KEY })).body).toMatchObject({
    object: 'tenant_limits',
    tenant_id: data[0].id,
    rate_limit: { requests: 3_000_000, seconds: 60 },
    otp_per_hour: 5,
    own: { rate_limit: false, otp_per_hour: false },
  });
  const set = (body: object, key = ADMIN_KEY) => product.api(path, { method: 'PATCH', body, key });
  expect((await set({ otp_per_hour: 9 })).body).toMatchObject({
    otp_per_hour: 9,
    own: { rate_limit: false, otp_per_hour: true },
  });
  expect((await set({ otp_per_hour: null })).body.own.otp_per_hour).toBe(false);
  expect((await set({ otp_per_hour: -1 })).status).toBe(422);
  expect((await set({ otp_per_hour: 9 }, product.liveKey)).status).toBe(403);
  expect(
    (await product.api('/api/admin/tenants/ten_01KJ8W00000000000000000000/limits', { key: ADMIN_KEY })).status,
  ).toBe(404);
});
