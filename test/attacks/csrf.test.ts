/** Every form of the portal, sent from elsewhere: without the right origin and the token of this very session nothing changes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DOORS, filled, nameOf } from './doors.ts';
import { type Citizen, startTown, type Town } from './town.ts';

let town: Town;
let owner: Citizen;
let other: Citizen;
let before: string;
const state = async (): Promise<string> =>
  JSON.stringify([
    await town.scene.query('select id, name, revoked_at from api_keys order by id'),
    await town.scene.query('select id, name, is_default, archived_at from connections order by id'),
    await town.scene.query('select id, slug, archived_at from templates order by id'),
    await town.scene.query('select id, status from bulks order by id'),
    await town.scene.query('select id, settings, bulk_id from campaign_drafts order by id'),
    await town.scene.query('select id, name, default_country from tenants order by id'),
    await town.scene.query('select id, name, email, password_hash from users order by id'),
    await town.scene.query('select user_id, mode from sessions order by 1, 2'),
    await town.scene.query('select count(*) from messages'),
    await town.scene.query('select count(*) from audit_log'),
  ]);

beforeAll(async () => {
  town = await startTown();
  owner = await town.settle('lapwing');
  other = await town.settle('cuckoo');
  before = await state();
}, 120_000);
afterAll(() => town?.close());

const forms = DOORS.filter(({ method, path }) => method === 'POST' && path.startsWith('/portal/'));

it.each(forms.map((door) => [nameOf(door), door] as const))('%s', async (_, door) => {
  const { scene } = town;
  const { tenants } = scene.product.deps;
  const own = scene.product.url;
  const token = tenants.csrfToken(owner.sessions.test);
  const path = filled(door.path, (name) => owner.ids.test[name] ?? 'x');
  const host = new URL(own).host;
  const attempts: [string, Record<string, string>, string | undefined, string?][] = [
    ['no origin', {}, token],
    ['a null origin', { origin: 'null' }, token],
    ['another site', { origin: 'https://evil.example' }, token],
    ['another port', { origin: own.replace(/\d+$/, '1') }, token],
    ['another scheme', { origin: `https://${host}:1` }, token],
    ['a name that begins as ours', { origin: `http://${host}.evil.example` }, token],
    ['ours before an at sign', { origin: `http://${host}@evil.example` }, token],
    ['what the browser calls cross-site', { origin: own, 'sec-fetch-site': 'cross-site' }, token],
    ['what the browser calls same-site', { origin: own, 'sec-fetch-site': 'same-site' }, token],
    ['a referer instead', { referer: `${own}/portal` }, token],
    ['no token', { origin: own }, undefined],
    ['an empty token', { origin: own }, ''],
    ["another person's token", { origin: own }, tenants.csrfToken(other.sessions.test)],
    ['the token of another session of the same person', { origin: own }, tenants.csrfToken(owner.sessions.live)],
    ["a guest's token", { origin: own }, tenants.csrfToken('a-guest')],
    ['the session itself as token', { origin: own }, owner.sessions.test],
    ['the token in the query alone', { origin: own }, undefined, `?csrf=${encodeURIComponent(token)}`],
    ['the token in a header alone', { origin: own, 'x-csrf-token': token }, undefined],
  ];
  for (const [what, headers, csrf, query = ''] of attempts) {
    const reply = await scene.call('POST', path + query, {
      raw: new URLSearchParams({
        name: 'x',
        mode: 'live',
        scopes: 'send',
        ...(csrf === undefined ? {} : { csrf }),
      }).toString(),
      headers: {
        accept: 'text/html',
        cookie: `carillon_session=${owner.sessions.test}; carillon_guest=a-guest`,
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
    });
    expect([what, reply.status, /<code>csrf<\/code>/.test(reply.text)]).toEqual([what, 403, true]);
  }
  // What a form of another site can send without asking: JSON called text, and no form at all.
  for (const type of ['text/plain', 'application/json', '']) {
    const reply = await scene.call('POST', path, {
      raw: JSON.stringify({ name: 'x', csrf: token }),
      headers: {
        accept: 'text/html',
        cookie: `carillon_session=${owner.sessions.test}`,
        origin: own,
        'content-type': type,
      },
    });
    expect([type, [403, 415].includes(reply.status)]).toEqual([type, true]);
  }
});

it('and nothing has changed', async () => {
  expect(forms.length).toBeGreaterThan(35);
  expect(await state()).toBe(before);
});

describe('what a browser is told', () => {
  it('cookies are out of reach of scripts and of other sites', async () => {
    const { tenants } = town.scene.product.deps;
    expect(tenants).toBeDefined();
    const login = await town.scene.call('GET', '/portal/login', { headers: { accept: 'text/html' } });
    const cookies = login.headers.getSetCookie();
    expect(cookies.length).toBeGreaterThan(0);
    for (const cookie of cookies) expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/);
  });

  it('no answer of any door lets another site read it, frame it, or guess what it is', async () => {
    const { scene } = town;
    for (const door of DOORS.filter(({ method }) => method === 'GET')) {
      const path = filled(door.path, (name) => owner.ids.test[name] ?? 'x');
      const reply = await scene.call('GET', path, {
        headers: {
          origin: 'https://evil.example',
          cookie: `carillon_session=${owner.sessions.test}`,
          ...(door.auth === 'key' ? { 'x-api-key': owner.keys.test } : {}),
        },
      });
      const of = (name: string) => reply.headers.get(name) ?? '';
      expect([door.path, [...reply.headers.keys()].filter((name) => name.startsWith('access-control-'))]).toEqual([
        door.path,
        [],
      ]);
      expect([door.path, of('x-content-type-options')]).toEqual([door.path, 'nosniff']);
      if (!of('content-type').startsWith('text/html')) continue;
      expect([door.path, of('content-security-policy')]).toEqual([
        door.path,
        expect.stringMatching(/frame-ancestors '(none|self)'/),
      ]);
      expect([door.path, of('x-frame-options')]).toEqual([door.path, expect.stringMatching(/^(DENY|SAMEORIGIN)$/)]);
      expect([door.path, of('cache-control')]).toEqual([door.path, 'no-store']);
      if (/'self'/.test(of('content-security-policy').split('frame-ancestors')[1] ?? ''))
        expect([door.path, of('content-security-policy')]).toEqual([
          door.path,
          expect.stringMatching(/^sandbox; default-src 'none'/),
        ]);
      else expect(of('content-security-policy')).not.toMatch(/unsafe|\*|https?:/);
    }
    const preflight = await scene.call('OPTIONS', '/api/v1/notifications/send', {
      headers: {
        origin: 'https://evil.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-api-key',
      },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([405, null]);
  });
});
