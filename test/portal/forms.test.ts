/** The portal's forms: nothing is changed but by them, and what they change is asked of the doors below. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Served, servePortal } from './fixtures.ts';
import { cookieOf, get, post } from './visits.ts';

let full: Served;
beforeAll(async () => {
  full = await servePortal();
});
afterAll(() => full.close());

describe('a change', () => {
  const change = { name: 'x', scopes: 'read', mode: 'test' };
  test.each([
    ['another origin', { origin: 'https://elsewhere.example' }, undefined, 'did not come from here'],
    ['a form on another site', { 'sec-fetch-site': 'cross-site' }, undefined, 'did not come from here'],
    ['an origin that hides itself', { origin: 'null' }, undefined, 'did not come from here'],
    ['a token of another session', {}, 'somebody-else', 'too old'],
    ['no token', {}, '', 'too old'],
  ])('is refused with %s', async (_, headers, holder, words) => {
    const before = full.calls.made.length;
    const token = holder === undefined ? undefined : holder && full.fixtures.csrfToken(holder);
    const answer = await post(full, '/portal/keys', change, {
      headers: headers as Record<string, string>,
      ...(token === undefined ? {} : { token }),
    });
    expect(answer.status).toBe(403);
    const text = await answer.text();
    expect(text).toContain(words);
    expect(text.includes('too old')).toBe(words === 'too old');
    expect(full.calls.made.length).toBe(before);
  });

  test('is refused when the browser names no origin at all', async () => {
    const body = new URLSearchParams({ ...change, csrf: full.fixtures.csrfToken('test-session') });
    const answer = await fetch(`${full.url}/portal/keys`, { method: 'POST', headers: cookieOf('test'), body });
    expect(answer.status).toBe(403);
    const text = await answer.text();
    expect(text).toContain('Origin header is missing');
    expect(text).not.toContain('too old');
  });

  test('is refused before the session is looked at when a guest asks for it', async () => {
    const answer = await post(full, '/portal/keys', change, { who: 'guest' });
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe('/portal/login');
  });
});

describe('accounts', () => {
  const form = { organization: 'Northwind', name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' };

  test('sign up: faults stand beside their fields, and what was typed stays, but for the password', async () => {
    const answer = await post(full, '/portal/signup', { ...form, email: 'ada', password: 'short' }, { who: 'guest' });
    const text = await answer.text();
    expect(answer.status).toBe(422);
    expect(text).toContain('id="e-password"');
    expect(text).toContain('id="e-email"');
    expect(text).toContain('value="Northwind"');
    expect(text).not.toContain('value="short"');
  });

  test('sign up: the key is shown once, and never again', async () => {
    const answer = await post(full, '/portal/signup', form, { who: 'guest' });
    expect(answer.headers.get('location')).toBe('/portal/welcome');
    const cookies = answer.headers.getSetCookie();
    expect(cookies[0]).toMatch(/^carillon_session=test-session; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/);
    const jar = cookies.map((one) => one.split(';')[0]).join('; ');
    expect(jar).not.toContain('ak_test_');
    const welcome = await fetch(`${full.url}/portal/welcome`, { headers: { cookie: jar } });
    const text = await welcome.text();
    expect(text).toContain('ak_test_4fK9xQ2bSECRETw7Zp');
    expect(text).toContain('curl -s');
    expect(welcome.headers.getSetCookie()[0]).toMatch(/^carillon_once=; .*Max-Age=0/);
    const again = await get(full, '/portal/welcome');
    expect(again.headers.get('location')).toBe('/portal');
    // Another session cannot open it.
    const stolen = await fetch(`${full.url}/portal/welcome`, {
      redirect: 'manual',
      headers: { cookie: jar.replace('test-session', 'live-session') },
    });
    expect(stolen.headers.get('location')).toBe('/portal');
  });

  test('under https the cookies are __Host- and Secure', async () => {
    const served = await servePortal({ publicUrl: 'https://notify.example.com' });
    const body = new URLSearchParams({ ...form, csrf: served.fixtures.csrfToken('a-guest') });
    const answer = await fetch(`${served.url}/portal/signup`, {
      method: 'POST',
      redirect: 'manual',
      headers: { origin: 'https://notify.example.com', cookie: '__Host-carillon_guest=a-guest' },
      body,
    });
    for (const cookie of answer.headers.getSetCookie())
      expect(cookie).toMatch(/^__Host-.*; Path=\/; HttpOnly; .*; Secure$/);
    expect(answer.headers.getSetCookie()).toHaveLength(2);
    await served.close();
  });

  test('a closed house says so and makes no account', async () => {
    const served = await servePortal({ signUp: 'closed' });
    expect(await (await get(served, '/portal/signup', 'guest')).text()).toContain('Sign-up is closed');
    await post(served, '/portal/signup', form, { who: 'guest' });
    expect(served.calls.made).toEqual([]);
    await served.close();
  });

  test('sign in: a wrong password keeps the address; a right one leads where one wanted to go, within this portal', async () => {
    const wrong = await post(full, '/portal/login', { email: 'ada@example.com', password: 'no' }, { who: 'guest' });
    expect(wrong.status).toBe(401);
    expect(await wrong.text()).toContain('value="ada@example.com"');
    const go = async (next: string) =>
      (await post(full, '/portal/login', { ...form, next }, { who: 'guest' })).headers.get('location');
    expect(await go('/portal/keys?cursor=x')).toBe('/portal/keys?cursor=x');
    for (const next of [
      'https://elsewhere.example',
      '//elsewhere.example',
      '/portal//x',
      '/portal/\\x',
      '/api/v1',
      'javascript:alert(1)',
    ])
      expect(await go(next)).toBe('/portal');
  });

  test('a sign-in link is not spent by looking at it', async () => {
    const before = full.calls.made.length;
    expect((await get(full, '/portal/enter?token=good-link', 'guest')).status).toBe(200);
    expect(full.calls.made.length).toBe(before);
    const used = await post(full, '/portal/enter', { token: 'old-link' }, { who: 'guest' });
    expect(used.headers.get('location')).toBe('/portal/login?note=link_used');
    const good = await post(full, '/portal/enter', { token: 'good-link' }, { who: 'guest' });
    expect(good.headers.getSetCookie()[0]).toContain('carillon_session=test-session');
  });

  test('a note is one of ours, whatever the address says', async () => {
    const text = await (await get(full, '/portal/keys?note=You+have+won')).text();
    expect(text).not.toContain('You have won');
    expect(await (await get(full, '/portal/keys?note=key_revoked')).text()).toContain('The key is revoked');
    expect((await get(full, '/portal/keys?note=constructor')).status).toBe(200);
  });
});

describe('pages that change things', () => {
  const last = (served: Served) => served.calls.made.filter(({ verb }) => !verb.startsWith('audit ')).at(-1);

  test('are written down, each under the name the API gives it', () => {
    const silent = full.portal.routes
      .filter(({ method, auth, audit }) => method === 'POST' && auth === 'session' && !audit)
      .map(({ path }) => path);
    // Signing out and switching the mode change nothing of the tenant's; drawing the editor again saves nothing; a
    // letter sent again is the same letter; and a password is written down in the transaction that changes it.
    expect(silent.sort()).toEqual([
      '/portal/confirm/resend',
      '/portal/logout',
      '/portal/mode',
      '/portal/settings/password',
      '/portal/templates/:template_id/edit',
      '/portal/templates/letter',
      '/portal/templates/new',
    ]);
  });

  test('a person: the address goes to whichever channel reads it, and one that none reads is said', async () => {
    const none = await post(full, '/portal/settings/erase', { address: 'Ada', sure: 'yes' });
    expect(none.status).toBe(422);
    expect(await none.text()).toContain('an address that a channel reads');
    const done = await post(full, '/portal/settings/erase', { address: ' +14155550123 ', sure: 'yes' });
    expect(done.headers.get('location')).toBe('/portal/settings?note=erased');
    expect(last(full)?.args).toMatchObject([{ recipient: { phone: '+14155550123', email: '+14155550123' } }]);
  });

  test('a key: scopes are asked for, the mode is the one chosen, and the secret travels sealed', async () => {
    const none = await post(full, '/portal/keys', { name: 'Shop', mode: 'live' });
    expect(none.status).toBe(422);
    expect(await none.text()).toContain('Tick at least one');
    const made = await post(full, '/portal/keys', [
      ['name', 'Shop'],
      ['mode', 'live'],
      ['scopes', 'send'],
      ['scopes', 'read'],
      ['scopes', 'root'],
    ]);
    expect(made.headers.get('location')).toMatch(/^\/portal\/keys\/key_\w+\/shown$/);
    expect(made.headers.getSetCookie().join()).not.toContain('SECRET');
    expect(last(full)).toMatchObject({
      verb: 'keys.create',
      args: [{ mode: 'live' }, { name: 'Shop', scopes: ['send', 'read'] }],
    });
    const key = full.fixtures.keys[0]?.id ?? '';
    await post(full, `/portal/keys/${key}/rotate`, { grace: '3600' });
    expect(last(full)).toEqual({ verb: 'keys.rotate', args: [key, { grace_seconds: 3600 }] });
    await post(full, `/portal/keys/${key}/revoke`, {});
    expect(last(full)).toEqual({ verb: 'keys.revoke', args: [key] });
  });

  test('a key: its name, addresses and limit are changed together, and what is wrong stands beside its field', async () => {
    const page = `/portal/keys/${full.fixtures.keys[0]?.id}`;
    const typed = { name: 'Shop', allowed_ips: '203.0.113.7\n 2001:db8::/32,10.0.0.1', requests: '100', seconds: '60' };
    const saved = await post(full, page, typed);
    expect(saved.headers.get('location')).toMatch(/^\/portal\/keys\?/);
    const command = {
      allowed_ips: ['203.0.113.7', '2001:db8::/32', '10.0.0.1'],
      rate_limit: { requests: 100, seconds: 60 },
    };
    expect(last(full)).toMatchObject({ verb: 'keys.update', args: [expect.any(String), { name: 'Shop', ...command }] });
    await post(full, page, { name: 'Shop', allowed_ips: ' ', requests: '', seconds: '' });
    expect(last(full)).toMatchObject({ args: [expect.any(String), { allowed_ips: null, rate_limit: null }] });
    for (const [wrong, says] of [
      [{ ...typed, allowed_ips: 'x' }, 'Must be an IP address.'],
      [{ ...typed, seconds: '' }, 'A limit needs both numbers.'],
    ] as const) {
      const answer = await post(full, page, wrong);
      expect(answer.status).toBe(422);
      expect(await answer.text()).toContain(says);
    }
  });

  test('a connection: values get their types, faults their fields, and a secret is never put back into the page', async () => {
    const bad = await post(
      full,
      '/portal/connections',
      { adapter: 'smtp', c_port: '25', c_password: 'hush-hush' },
      { who: 'live' },
    );
    const text = await bad.text();
    expect(bad.status).toBe(422);
    expect(text).toContain('id="e-c_host"');
    expect(text).toContain('value="25"');
    expect(text).not.toContain('hush-hush');
    await post(
      full,
      '/portal/connections',
      {
        adapter: 'smtp',
        name: 'Mail',
        c_host: 'smtp.example.com',
        c_port: '25',
        c_from_address: 'a@b.example',
      },
      { who: 'live' },
    );
    expect(last(full)).toMatchObject({
      verb: 'connections.create',
      args: [{ channel: 'email', adapter: 'smtp', name: 'Mail', credentials: { host: 'smtp.example.com', port: 25 } }],
    });
    const id = full.fixtures.connections[0]?.id ?? '';
    await post(
      full,
      `/portal/connections/${id}`,
      { name: 'Mail', c_host: 'smtp2.example.com', c_password: '', c_from_name: '' },
      { who: 'live' },
    );
    const { credentials } = (last(full)?.args as [string, { credentials: Record<string, unknown> }])[1];
    expect(credentials).toMatchObject({ host: 'smtp2.example.com', from_name: null });
    expect(credentials).not.toHaveProperty('password');
    const page = await (await get(full, `/portal/connections/${id}`, 'live')).text();
    expect(page).toContain('ends in x9Qa');
  });

  test('limits of a connection: a number is set, an emptied one goes back to what the adapter allows', async () => {
    const id = full.fixtures.connections[0]?.id ?? '';
    await post(
      full,
      `/portal/connections/${id}`,
      { name: 'Mail', per_second: '2.5', concurrency: '' },
      { who: 'live' },
    );
    expect(last(full)).toMatchObject({
      verb: 'connections.patch',
      args: [id, { limits: { per_second: 2.5, concurrency: null } }],
    });
    const page = await (await get(full, `/portal/connections/${id}`, 'live')).text();
    expect(page).toMatch(/name="per_second" type="number"[^>]*placeholder="20"/);
    expect(page).toMatch(/name="concurrency" type="number"[^>]*max="4096"/);
  });

  test('a failed test of a connection shows the reason', async () => {
    const id = full.fixtures.connections[2]?.id ?? '';
    const answer = await post(full, `/portal/connections/${id}/test`, {}, { who: 'live' });
    expect(await answer.text()).toContain('The provider refused the credentials. Renew them');
  });

  test('a template: only the buttons that say so save', async () => {
    const draft = {
      channel: 'sms',
      language: 'en',
      x_body: 'Hi {{name}}',
      draft: '{"sms":{"en":{"body":"old"}},"email":{"en":{"subject":"S","body":"B"}}}',
      data: '{"name":"Ada"}',
      name: 'N',
      category: 'otp',
    };
    const before = full.calls.made.length;
    const looked = await post(full, '/portal/templates/order_shipped/edit', draft);
    expect(looked.status).toBe(200);
    expect(await looked.text()).toContain('Hi Ada');
    expect(full.calls.made.length).toBe(before);
    const saved = await post(full, '/portal/templates/order_shipped', { ...draft, save: 'draft' });
    expect(saved.status).toBe(303);
    expect(last(full)).toMatchObject({
      verb: 'templates.update',
      args: [
        'order_shipped',
        {
          draft: true,
          category: 'otp',
          content: { sms: { en: { body: 'Hi {{name}}' } }, email: { en: { subject: 'S' } } },
        },
      ],
    });
    const refused = await post(full, '/portal/templates', { ...draft, template_id: 'Not A Slug', save: 'active' });
    expect(await refused.text()).toContain('id="e-template_id"');
    const json = await post(full, '/portal/templates', {
      ...draft,
      channel: 'whatsapp',
      x_template: '{',
      save: 'active',
    });
    expect(await json.text()).toContain('This is not JSON yet');
  });

  test('a rollout: share and limit are read as numbers, and a wrong one says so beside its field', async () => {
    const page = await (await get(full, '/portal/templates/order_shipped')).text();
    expect(page).toContain('action="/portal/templates/order_shipped/rollout"');
    expect(page).toContain('value="12.5"');
    expect(page).toContain('12,804');
    const typed = { version: '3', percent: '25', limit: '2.5', min_sent: '100' };
    const saved = await post(full, '/portal/templates/order_shipped/rollout', typed);
    expect(saved.headers.get('location')).toBe('/portal/templates/order_shipped?note=rollout_saved');
    expect(last(full)).toEqual({
      verb: 'templates.rollOut',
      args: ['order_shipped', { version: 3, percent: 25, failure_limit: { percent: 2.5, min_sent: 100 } }],
    });
    const before = full.calls.made.length;
    const wrong = await post(full, '/portal/templates/order_shipped/rollout', {
      ...typed,
      percent: '101',
      min_sent: '0',
    });
    expect(wrong.status).toBe(422);
    const text = await wrong.text();
    expect(text).toContain('id="e-percent"');
    expect(text).toContain('id="e-min_sent"');
    expect(text).toContain('value="101"');
    expect(full.calls.made.length).toBe(before);
  });

  test('a rollout is rolled back by one button of a plain form', async () => {
    const page = await (await get(full, '/portal/templates/order_shipped')).text();
    expect(page).toContain('action="/portal/templates/order_shipped/rollback"');
    const done = await post(full, '/portal/templates/order_shipped/rollback', {});
    expect(done.headers.get('location')).toBe('/portal/templates/order_shipped?note=rolled_back');
    expect(last(full)).toEqual({ verb: 'templates.rollBack', args: ['order_shipped'] });
  });

  test('a message: cancel and send again are asked of the door, and written down', async () => {
    const id = full.fixtures.notifications[1]?.notification_id ?? '';
    const again = await post(full, `/portal/messages/${id}/retry`, {});
    expect(again.headers.get('location')).toBe(
      `/portal/messages/${full.fixtures.notifications[0]?.notification_id}?note=retried`,
    );
    expect(full.calls.made.map(({ verb }) => verb)).toContain('audit notification.retried');
    await post(full, `/portal/messages/${id}/cancel`, {});
    expect(full.calls.made.map(({ verb }) => verb)).toContain('cancel');
  });

  test('the outbox: only answers on the list are played', async () => {
    const id = full.fixtures.messages[0]?.part.message_id ?? '';
    expect((await post(full, `/portal/outbox/${id}/play`, { what: 'explode' })).status).toBe(422);
    await post(full, `/portal/outbox/${id}/play`, { what: 'bounced' });
    expect(full.calls.made.filter(({ verb }) => verb === 'react').at(-1)?.args).toEqual([id, 'bounced']);
  });

  test('the letter of an e-mail stands alone in a sandbox without scripts and network', async () => {
    const id = full.fixtures.messages.find(({ part }) => part.channel === 'email')?.part.message_id;
    const { headers } = await get(full, `/portal/outbox/${id}/letter`);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^sandbox; default-src 'none'/);
    expect(policy).toContain("frame-ancestors 'self'");
    expect(policy).not.toContain('script-src');
    expect((await get(full, `/portal/outbox/${id}/letter`, 'guest')).status).toBe(303);
  });

  test('filters of the activity reach the door as days in UTC, and stay in the links', async () => {
    await get(
      full,
      '/portal/activity?recipient=ada@example.com&from=2026-03-01&to=2026-03-02&status=failed&channel=&template_id=',
    );
    expect(full.calls.made.filter(({ verb }) => verb === 'list').at(-1)?.args).toEqual([
      {
        recipient: 'ada@example.com',
        status: 'failed',
        from: '2026-03-01T00:00:00.000Z',
        to: '2026-03-02T23:59:59.999Z',
        limit: 50,
      },
    ]);
    const text = await (await get(full, '/portal/activity?recipient=a%26b&from=2026-03-01')).text();
    expect(text.replaceAll('&#x3D;', '=')).toContain(
      'href="/portal/activity?recipient=a%26b&amp;status=failed&amp;from=2026-03-01"',
    );
  });
});
