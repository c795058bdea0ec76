/** Every door of the product against every way to come without the right to: one answer, told apart by nothing. */
import { Agent, request as ask } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toWire } from '../../src/lib/ids.ts';
import { ADMIN_KEY } from '../support/product.ts';
import { exchange } from '../support/raw-http.ts';
import { allRoutes } from '../support/routes.ts';
import type { Reply } from '../support/scene.ts';
import { DOORS, type Door, described, filled, nameOf, namesIn } from './doors.ts';
import { type Citizen, startTown, type Town } from './town.ts';

const routes = allRoutes();
const withKey = DOORS.filter(({ auth }) => auth === 'key');
const admin = DOORS.filter(({ auth }) => auth === 'admin');
const pages = DOORS.filter(({ auth }) => auth === 'session');

let town: Town;
let owner: Citizen;
let revoked = '';
let expired = '';
let ofTheGone = '';
const scoped: Record<string, string> = {};

beforeAll(async () => {
  town = await startTown();
  const { product, must, call, query } = town.scene;
  owner = await town.settle('heron');
  const make = async (body: object, key = owner.keys.live) =>
    must(201, call('POST', '/api/v1/keys', { key, body: { name: 'x', ...body } }));
  const one = await make({});
  revoked = one.key;
  await must(200, call('DELETE', `/api/v1/keys/${one.id}`, { key: owner.keys.live }));
  expired = (await make({ expires_at: new Date(Date.now() + 3_600_000).toISOString() })).key;
  await query(`update api_keys set expires_at = clock_now() - interval '1 second' where last_four = $1`, [
    expired.slice(-4),
  ]);
  for (const scope of ['send', 'read', 'manage']) scoped[scope] = (await make({ scopes: [scope] })).key;
  const gone = await product.deps.tenants.create({ name: 'Gone' });
  ofTheGone = gone.liveKey;
  await expect(query('delete from tenants where id = $1', [gone.tenant.id])).rejects.toThrow(/foreign key/);
  await query('delete from api_keys where tenant_id = $1', [gone.tenant.id]);
}, 120_000);
afterAll(() => town?.close());

/** Each call comes from an address of its own, so that the limit on wrong keys stays out of it. */
let callers = 0;
const caller = () => ({ 'x-forwarded-for': `198.18.${(++callers >> 8) & 255}.${callers & 255}` });
const pathOf = (door: Door, mode: 'live' | 'test' = 'live') =>
  filled(door.path, (name) => owner.ids[mode][name] ?? `no-${name}`);
const knock = (door: Door, more: { key?: string; headers?: Record<string, string>; query?: string }): Promise<Reply> =>
  town.scene.call(door.method, pathOf(door) + (more.query ?? ''), {
    ...(more.key === undefined ? {} : { key: more.key }),
    headers: { ...caller(), 'x-request-id': 'request-0001', ...more.headers },
  });

describe('the table', () => {
  it('has a row for every route, and says of each who comes in and with which scope', () => {
    const rows = new Map(DOORS.map((door) => [nameOf(door), door]));
    expect(routes.map(described)).toEqual(routes.map((route) => rows.get(nameOf(route))));
  });
  it('has no row without a route, and none twice', () => {
    const names = DOORS.map(nameOf);
    expect(names.filter((name) => !routes.some((route) => nameOf(route) === name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });
  it('knows what stands in every path', () => {
    const names = new Set(routes.flatMap(({ path }) => namesIn(path)));
    expect([...names].filter((name) => !(name in owner.ids.live))).toEqual([]);
  });
});

describe('a door for keys is shut', () => {
  const wrong = 'ak_live_00000000AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA000000';
  it.each(withKey.map((door) => [nameOf(door), door] as const))('%s', async (_, door) => {
    const bad: [string, Record<string, string>][] = [
      ['none', {}],
      ['wrong', { 'x-api-key': wrong }],
      ['wrong as Bearer', { authorization: `Bearer ${wrong}` }],
      ['right as Basic', { authorization: `Basic ${Buffer.from(`${owner.keys.live}:`).toString('base64')}` }],
      ['right but for its last letter', { 'x-api-key': `${owner.keys.live.slice(0, -1)}~` }],
      ['in another case', { 'x-api-key': owner.keys.live.toUpperCase() }],
      ['with a space inside', { 'x-api-key': `${owner.keys.live.slice(0, 20)} ${owner.keys.live.slice(20)}` }],
      ['with letters of another script', { 'x-api-key': Buffer.from('ключ').toString('latin1') }],
      ['10 KB', { 'x-api-key': 'x'.repeat(10_000) }],
      ['revoked', { 'x-api-key': revoked }],
      ['expired', { 'x-api-key': expired }],
      ['of a tenant that is gone', { 'x-api-key': ofTheGone }],
      ["the operator's", { 'x-api-key': ADMIN_KEY }],
      ['a session', { cookie: `carillon_session=${owner.sessions.live}` }],
    ];
    const seen = new Map<string, string[]>();
    for (const [name, headers] of bad) {
      const { status, text } = await knock(door, { headers });
      seen.set(`${status} ${text}`, [...(seen.get(`${status} ${text}`) ?? []), name]);
    }
    const inQuery = await knock(door, {
      query: `?api_key=${owner.keys.live}&key=${owner.keys.live}&x-api-key=${owner.keys.live}`,
    });
    seen.set(`${inQuery.status} ${inQuery.text}`, [...(seen.get(`${inQuery.status} ${inQuery.text}`) ?? []), 'query']);
    expect([...seen.values()]).toEqual([[...bad.map(([name]) => name), 'query']]);
    const [answer = ''] = seen.keys();
    expect(answer).toMatch(/^401 .*"code":"unauthorized".*X-API-Key/);
  });

  it.each(withKey.map((door) => [nameOf(door), door] as const))('%s to two keys at once', async (_, door) => {
    const both = { 'x-api-key': owner.keys.live, authorization: `Bearer ${owner.keys.test}` };
    for (const headers of [both, { 'x-api-key': `${owner.keys.live}, ${owner.keys.test}` }]) {
      const { status, body } = await knock(door, { headers });
      expect([status, body.error.code]).toEqual([400, 'conflicting_credentials']);
    }
  });

  it.each(
    withKey.map((door) => [nameOf(door), door] as const),
  )('%s without its scope, and open with it', async (_, door) => {
    for (const [scope, key] of Object.entries(scoped)) {
      // An id that is not there: whoever has the scope gets past the door and no further.
      const path = filled(door.path, (name) => (name === 'number' ? '1' : 'nothing-here'));
      const { status, body } = await town.scene.call(door.method, path, { key, headers: caller() });
      if (scope === door.scope) expect([401, 403]).not.toContain(status);
      else expect([scope, status, body.error.code]).toEqual([scope, 403, 'insufficient_scope']);
    }
  });

  it('a key that is revoked between two requests of one connection', async () => {
    const { must, call, product } = town.scene;
    const made = await must(201, call('POST', '/api/v1/keys', { key: owner.keys.live, body: { name: 'kept alive' } }));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    const look = () =>
      new Promise<number>((resolve, reject) => {
        const req = ask(`${product.url}/api/v1/keys`, { agent, headers: { 'x-api-key': made.key } }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode ?? 0));
        });
        req.on('socket', (socket) => sockets.add(socket)).on('error', reject);
        req.end();
      });
    expect(await look()).toBe(200);
    await must(200, call('DELETE', `/api/v1/keys/${made.id}`, { key: owner.keys.live }));
    expect(await look()).toBe(401);
    expect(sockets.size).toBe(1);
    agent.destroy();
  });
});

describe("the operator's door", () => {
  it.each(admin.map((door) => [nameOf(door), door] as const))('%s', async (_, door) => {
    const answers = new Set<string>();
    for (const key of [undefined, 'x', `${ADMIN_KEY}x`, ADMIN_KEY.slice(0, -1), 'x'.repeat(10_000)]) {
      const { status, text } = await knock(door, key === undefined ? {} : { key });
      answers.add(`${status} ${text}`);
    }
    expect([...answers]).toEqual([expect.stringMatching(/^401 .*"code":"unauthorized"/)]);
    for (const key of [owner.keys.live, owner.keys.test, scoped.manage, revoked]) {
      const { status, body } = await knock(door, { key: key ?? '' });
      expect([status, body.error.code]).toEqual([403, 'insufficient_scope']);
    }
    const inQuery = await knock(door, { query: `?key=${ADMIN_KEY}&admin_key=${ADMIN_KEY}` });
    expect(inQuery.status).toBe(401);
    const cookie = await knock(door, { headers: { cookie: `carillon_session=${owner.sessions.live}` } });
    expect(cookie.status).toBe(401);
  });
});

describe('a page of the portal', () => {
  it.each(pages.map((door) => [nameOf(door), door] as const))('%s sends a guest to the door', async (_, door) => {
    const path = pathOf(door, 'test');
    const cookies = [
      '',
      'carillon_session=',
      'carillon_session=nonsense',
      `carillon_session=${'A'.repeat(43)}`,
      `carillon_session=${owner.keys.live}`,
      `__Host-carillon=${owner.sessions.test}`,
      `carillon_guest=${owner.sessions.test}`,
    ];
    for (const cookie of cookies)
      for (const headers of [{ cookie }, { cookie, 'x-api-key': owner.keys.live }] as Record<string, string>[]) {
        const reply = await town.scene.call(door.method, path, {
          ...(door.method === 'POST' ? { raw: 'a=b' } : {}),
          headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded', origin: town.scene.product.url },
        });
        expect([cookie, reply.status]).toEqual([cookie, 303]);
        expect(reply.headers.get('location')).toMatch(/^\/portal\/login(\?next=%2Fportal[^/]*)?$/);
        expect(reply.text).toBe('');
      }
  });

  it('takes no session in the query, in a form, or as a key', async () => {
    const { call } = town.scene;
    expect((await call('GET', `/portal/keys?session=${owner.sessions.test}&token=${owner.sessions.test}`)).status).toBe(
      303,
    );
    expect(
      (await call('GET', '/portal/keys', { headers: { authorization: `Bearer ${owner.sessions.test}` } })).status,
    ).toBe(303);
  });
});

describe('a door of a provider', () => {
  it.each([
    'GET',
    'POST',
  ])('%s without a signature is 401, and 404 where there is no such connection', async (method) => {
    const { call } = town.scene;
    const all = await town.scene.query<{ id: string; adapter: string }>('select id, adapter from connections');
    expect(all.length).toBeGreaterThan(1);
    for (const { id, adapter } of all) {
      const path = `/hooks/${adapter}/${toWire('connection', id)}`;
      for (const headers of [
        {},
        { 'x-api-key': owner.keys.live },
        { cookie: `carillon_session=${owner.sessions.live}` },
      ] as Record<string, string>[]) {
        const reply = await call(method, path, { ...(method === 'POST' ? { raw: '{}' } : {}), headers });
        expect([adapter, [401, 404].includes(reply.status)]).toEqual([adapter, true]);
        expect(['bad_signature', 'not_found']).toContain(reply.text);
      }
    }
    for (const path of ['/hooks/twilio/con_00000000000000000000000000', '/hooks/nobody/x', '/hooks/smtp/..%2f..'])
      expect([path, (await call(method, path)).status]).toEqual([path, 404]);
  });
});

describe('no other spelling opens a door', () => {
  const doors = withKey.filter(({ method }) => method === 'GET');
  it.each(doors.map((door) => [nameOf(door), door] as const))('%s', async (_, door) => {
    const path = pathOf(door);
    const variants = [
      `${path}/`,
      `/${path}`,
      path.replace('/api/', '/api//'),
      path.replace('/api/v1/', '/api%2fv1%2f'),
      path.replace('/api/v1/', '/api/v1/%2e/'),
      path.replace('/api/v1/', '/api/v1/./'),
      path.replace('/api/v1/', '/health/../api/v1/'),
      path.replace('/api/v1/', '/health/live/..%2f..%2fapi/v1/'),
      path.replace('/api/', '/API/'),
      path.replace(/\/(\w)/, (text) => text.toUpperCase()),
      `${path};x=1`,
      `${path}%00`,
      `${path}.json`,
      `http://localhost${path}`,
      `//localhost${path}`,
      `${path}?method=open`,
    ];
    const requests = [
      ...variants.map((variant) => ['GET', variant, ''] as const),
      ['HEAD', path, ''] as const,
      ['OPTIONS', path, ''] as const,
      ['TRACE', path, ''] as const,
      ['POST', path, 'X-HTTP-Method-Override: GET\r\n'] as const,
      ['GET', '/health/live', `X-Original-URL: ${path}\r\nX-Rewrite-URL: ${path}\r\nX-HTTP-Method: GET\r\n`] as const,
    ];
    for (const [method, target, more] of requests) {
      const { status, text } = await exchange(town.scene.product.url, [
        `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${caller()['x-forwarded-for']}\r\n${more}Content-Length: 0\r\nConnection: close\r\n\r\n`,
      ]);
      if (target === '/health/live') expect([status, /heron/.test(text)]).toEqual([200, false]);
      else
        expect([method, target, [400, 401, 404, 405].includes(status) ? 'shut' : status]).toEqual([
          method,
          target,
          'shut',
        ]);
      expect(text).not.toMatch(/heron/i.test(path) ? /"object"|"data"/ : /heron|"object"|"data"/i);
    }
  });

  it('a method in a header changes nothing of what is done', async () => {
    const { call, must } = town.scene;
    const key = owner.keys.live;
    const id = owner.ids.live.key_id;
    for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override'])
      await must(200, call('GET', `/api/v1/keys/${id}`, { key, headers: { [name]: 'DELETE' } }));
    await call('GET', `/api/v1/keys/${id}?_method=DELETE`, { key });
    expect((await must(200, call('GET', `/api/v1/keys/${id}`, { key }))).status).toBe('active');
  });
});
