/** Accounts over HTTP with a mail server: confirming, forgetting, inviting, changing; each link once, for one person. */
import PostalMime from 'postal-mime';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Product, startProduct, until } from '../support/product.ts';
import { type SmtpFake, startSmtp } from '../support/providers/smtp.ts';
import { createVisitor, type Page, type Visitor } from '../support/visitor.ts';

// Each stretched password costs a third of a second of a whole core, on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 60_000 });

const PASSWORD = 'seven brass bells ring';
const ANOTHER = 'nine copper kettles sing';
let counter = 0;
const address = () => `person${counter++}@example.com`;

let smtp: SmtpFake;
let product: Product;
const boot = (env: Record<string, string> = {}) =>
  startProduct({ role: 'api', env: { TRUSTED_PROXIES: '1', SIGNUP: 'open', ...env } });
const visitor = (ip?: string) => createVisitor(product.url, ip);

beforeAll(async () => {
  smtp = await startSmtp();
  const { username, password } = smtp.credentials;
  product = await boot({
    SYSTEM_SMTP_URL: `smtp://${username}:${password}@127.0.0.1:${smtp.port}?from=bells@example.com`,
  });
});
afterAll(async () => {
  await product?.stop();
  await smtp?.close();
});
beforeEach(() => {
  smtp.mails.length = 0;
});

/** The next letter to somebody, and the path of its link. */
async function letterTo(email: string, subject: RegExp) {
  return until(
    async () => {
      for (const { raw, to } of smtp.mails) {
        const mail = await PostalMime.parse(raw);
        if (!to.includes(email) || !subject.test(mail.subject ?? '')) continue;
        const link = /https?:\/\/\S+/.exec(mail.text ?? '')?.[0] ?? '';
        return { mail, link, path: link.replace(product.url, '') };
      }
      return undefined;
    },
    { what: `a letter to ${email}` },
  );
}
const tokenOf = (path: string) => new URL(path, 'http://x').searchParams.get('token') ?? '';

async function signUp(email = address(), more: Record<string, string> = {}, who: Visitor = visitor()) {
  const page = await who.post('/portal/signup', {
    organization: 'Acme',
    name: 'Ada',
    email,
    password: PASSWORD,
    ...more,
  });
  return { who, email, page };
}
const signIn = (email: string, password: string, who = visitor()) => who.post('/portal/login', { email, password });
const isIn = async (who: Visitor) => (await who.get('/portal/settings')).status === 200;
const liveKey = (who: Visitor) =>
  who.post('/portal/keys', { name: 'Live', mode: 'live', scopes: 'send' }, '/portal/keys');

function isOurs(page: Page) {
  expect(page.headers.get('cache-control')).toBe('no-store');
  expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  expect(page.text).not.toMatch(/<script(?! src=)/);
}

describe('confirming an address', () => {
  it('signing up sends one letter, in text and HTML, from the sender of the setting', async () => {
    const { email, page } = await signUp();
    expect(page.to).toBe('/portal/welcome');
    const { mail, link } = await letterTo(email, /confirm/i);
    expect(link).toMatch(new RegExp(`^${product.url}/portal/confirm\\?token=[\\w-]{43}$`));
    expect(mail.html).toContain(link.replace('=', '&#x3D;'));
    expect(mail.from?.address).toBe('bells@example.com');
    expect(mail.headers.find(({ key }) => key === 'auto-submitted')?.value).toBe('auto-generated');
    expect(`${mail.text}${mail.html}`).not.toMatch(/Ada|Acme/);
    expect(JSON.stringify(await product.database.query('select * from one_time_links'))).not.toContain(tokenOf(link));
  });

  it('until the button is pressed live keys are refused with the way out, and test keys are not', async () => {
    const { who, email } = await signUp();
    expect((await who.get('/portal')).text).toContain('Confirm your address');
    const refused = await liveKey(who);
    expect(refused.status).toBe(422);
    expect(refused.text).toContain('Open the link in the mail');
    const test = await who.post('/portal/keys', { name: 'T', mode: 'test', scopes: 'send' }, '/portal/keys');
    expect(test.to).toMatch(/^\/portal\/keys\/[\w/]*shown$/);

    const { path } = await letterTo(email, /confirm/i);
    // A mail scanner looks; it confirms nothing.
    const scanner = visitor();
    const looked = await scanner.get(path);
    expect(looked.text).toContain(email);
    isOurs(looked);
    expect((await liveKey(who)).status).toBe(422);

    expect((await who.post('/portal/confirm', { token: tokenOf(path) }, path)).to).toBe('/portal?note=confirmed');
    expect((await who.get('/portal')).text).not.toContain('Confirm your address');
    expect((await liveKey(who)).to).toMatch(/^\/portal\/keys\/[\w/]*shown$/);
    expect(
      await product.database.query(`select count(*)::int as n from audit_log where action = 'address.confirmed'`),
    ).toEqual([{ n: 1 }]);
  });

  it('a link confirms once, for one of two, within the day, its own person only', async () => {
    const { who, email } = await signUp();
    const other = await signUp();
    const { path } = await letterTo(email, /confirm/i);
    const fields = { token: tokenOf(path), csrf: who.csrf(await who.get(path)) };
    const both = await Promise.all([who.send('/portal/confirm', fields), who.send('/portal/confirm', fields)]);
    expect(both.map(({ status }) => status).sort()).toEqual([303, 404]);
    expect((await who.post('/portal/confirm', { token: tokenOf(path) }, '/portal')).status).toBe(404);
    expect((await other.who.get('/portal')).text).toContain('Confirm your address');

    const late = await letterTo(other.email, /confirm/i);
    // Of another purpose it is nothing.
    expect((await visitor().get(`/portal/reset?token=${tokenOf(late.path)}`)).status).toBe(404);
    await product.database.advance('24 hours 1 minute');
    expect((await visitor().get(late.path)).status).toBe(404);
    expect((await visitor().post('/portal/confirm', { token: tokenOf(late.path) }, '/portal/login')).status).toBe(404);
  });

  it('the letter can be asked for again, three times in a quarter of an hour', async () => {
    const { who, email } = await signUp();
    await letterTo(email, /confirm/i);
    smtp.mails.length = 0;
    for (let i = 0; i < 3; i++)
      expect((await who.post('/portal/confirm/resend', { next: '/portal/keys' }, '/portal/keys')).to).toBe(
        '/portal/keys?note=confirm_sent',
      );
    expect((await who.post('/portal/confirm/resend', {}, '/portal')).to).toBe('/portal?note=confirm_wait');
    const { path } = await letterTo(email, /confirm/i);
    expect((await who.post('/portal/confirm', { token: tokenOf(path) }, path)).to).toBe('/portal?note=confirmed');
    expect((await visitor().send('/portal/confirm/resend', {})).to).toBe('/portal/login');
  });

  it('a mail server that refuses the address fails no sign-up', async () => {
    const refused = await signUp(`unknown@${counter++}.example.com`);
    expect(refused.page.to).toBe('/portal/welcome');
    expect(await isIn(refused.who)).toBe(true);
  });
});

describe('a forgotten password', () => {
  it('gets the same answer whether there is an account or not', async () => {
    const { email } = await signUp();
    const ask = async (who: string) => {
      const guest = visitor();
      const sent = await guest.post('/portal/forgot', { email: who });
      const seen = await guest.get(sent.to ?? '');
      isOurs(seen);
      return { status: sent.status, to: sent.to, text: seen.text.replace(/name="csrf" value="[^"]+"/g, '') };
    };
    const known = await ask(email);
    expect(known).toMatchObject({ status: 303, to: '/portal/forgot?note=reset_asked' });
    for (const stranger of [address(), 'nobody', '', '\0', 'a'.repeat(3_000), "' or 1=1 --"])
      expect(await ask(stranger)).toEqual(known);
    await letterTo(email, /new password/i);
    expect(smtp.mails.filter(({ raw }) => raw.includes('new password'))).toHaveLength(1);
  });

  it('the link sets a password once, ends every other session and link, and tells the person', async () => {
    const { who, email } = await signUp();
    const elsewhere = visitor();
    await signIn(email, PASSWORD, elsewhere);
    const operator = await product.deps.tenants.linkFor(email, 'sign_in');
    await visitor().post('/portal/forgot', { email: email.toUpperCase() });
    const { path } = await letterTo(email, /new password/i);
    const token = tokenOf(path);

    const guest = visitor();
    const form = await guest.get(path);
    expect(form.text).toContain(email);
    const weak = await guest.post('/portal/reset', { token, password: 'short' }, path);
    expect(weak).toMatchObject({ status: 422 });
    expect(weak.text).toContain('at least 12 characters');
    expect(await isIn(who)).toBe(true);

    const csrf = guest.csrf(await guest.get(path));
    const both = await Promise.all([
      guest.send('/portal/reset', { csrf, token, password: ANOTHER }),
      guest.send('/portal/reset', { csrf, token, password: `${ANOTHER} too` }),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([303, 404]);
    expect(await isIn(guest)).toBe(true);
    expect(await isIn(who)).toBe(false);
    expect(await isIn(elsewhere)).toBe(false);
    expect((await visitor().post('/portal/reset', { token, password: PASSWORD }, '/portal/login')).status).toBe(404);
    await expect(product.deps.tenants.redeem(tokenOf(operator))).rejects.toMatchObject({ code: 'not_found' });
    expect((await signIn(email, PASSWORD)).status).toBe(401);
    const won = both[0]?.status === 303 ? ANOTHER : `${ANOTHER} too`;
    expect((await signIn(email, won)).to).toBe('/portal');
    await letterTo(email, /was changed/);
    // Who read the letter reads the mail of the address.
    expect((await guest.get('/portal')).text).not.toContain('Confirm your address');
  });

  it('two links of one person spent at the same moment leave one password, without a fault of ours', async () => {
    const { email } = await signUp();
    const tokens = await Promise.all(
      [1, 2].map(async () => tokenOf(await product.deps.tenants.linkFor(email, 'reset'))),
    );
    const results = await Promise.allSettled(
      tokens.map((token) => product.deps.tenants.reset({ token, password: ANOTHER, ip: '1.1.1.1' })),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'not_found' });
  });

  it('the link is too old after 30 minutes', async () => {
    const { email } = await signUp();
    const url = await product.deps.tenants.linkFor(email, 'reset');
    await product.database.advance('31 minutes');
    expect((await visitor().get(url.replace(product.url, ''))).text).toContain('too old');
  });

  it('ten letters an hour from one caller, five to one mailbox; the second is not told', async () => {
    const { email } = await signUp();
    await letterTo(email, /confirm/i);
    smtp.mails.length = 0;
    const guest = visitor();
    for (let i = 0; i < 10; i++) expect((await guest.post('/portal/forgot', { email })).status).toBe(303);
    const refused = await guest.post('/portal/forgot', { email });
    expect(refused.status).toBe(429);
    expect((await visitor().post('/portal/forgot', { email })).status).toBe(303);
    await until(() => smtp.mails.length >= 5);
    await product.deps.tenants.close();
    expect(smtp.mails).toHaveLength(5);
  });

  it('a form from elsewhere changes nothing', async () => {
    const { who } = await signUp();
    const csrf = who.csrf(await who.get('/portal/settings'));
    for (const path of [
      '/portal/forgot',
      '/portal/reset',
      '/portal/confirm',
      '/portal/confirm/resend',
      '/portal/settings/profile',
      '/portal/settings/organization',
      '/portal/settings/password',
      '/portal/settings/sign-out',
    ]) {
      expect((await who.send(path, { csrf }, { origin: 'https://evil.example' })).status).toBe(403);
      expect((await who.send(path, {})).status).toBe(403);
      expect((await who.send(path, { csrf }, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    }
    expect(await isIn(who)).toBe(true);
  });
});

describe('settings', () => {
  it('names and defaults are changed, a wrong one is refused at its field, and markup stays text', async () => {
    const { who } = await signUp();
    const hostile = `<b>"Bell's"</b>`;
    expect((await who.post('/portal/settings/profile', { name: hostile }, '/portal/settings')).status).toBe(303);
    const organization = { organization: 'Bells', default_country: 'at', default_language: 'de' };
    expect((await who.post('/portal/settings/organization', organization, '/portal/settings')).status).toBe(303);
    const page = await who.get('/portal/settings');
    isOurs(page);
    expect(page.text).toContain('value="AT"');
    expect(page.text).toContain('value="Bells"');
    expect(page.text).not.toContain(hostile);
    for (const [path, fields, field] of [
      ['profile', { name: ' ' }, 'e-name'],
      ['organization', { ...organization, default_country: 'XYZ' }, 'e-default_country'],
      ['organization', { ...organization, default_language: 'German!' }, 'e-default_language'],
      ['organization', { ...organization, organization: '' }, 'e-organization'],
    ] as const) {
      const refused = await who.post(`/portal/settings/${path}`, fields, '/portal/settings');
      expect(refused.status).toBe(422);
      expect(refused.text).toContain(`id="${field}"`);
    }
  });

  it('the password is changed with the old one only, signs others out, and a stolen cookie dies with it', async () => {
    const { who, email } = await signUp();
    const elsewhere = visitor();
    await signIn(email, PASSWORD, elsewhere);
    const change = (fields: Record<string, string>) =>
      who.post('/portal/settings/password', fields, '/portal/settings');
    expect((await change({ old_password: 'wrong', password: ANOTHER })).text).toContain('id="e-old_password"');
    expect((await change({ old_password: PASSWORD, password: 'short' })).text).toContain('id="e-password"');
    const stolen = visitor();
    for (const [name, value] of who.cookies) stolen.cookies.set(name, value);
    expect((await change({ old_password: PASSWORD, password: ANOTHER })).to).toBe('/portal/settings?note=password_set');
    expect(await isIn(who)).toBe(true);
    expect(await isIn(elsewhere)).toBe(false);
    expect(await isIn(stolen)).toBe(false);
    expect((await signIn(email, ANOTHER)).to).toBe('/portal');
    await letterTo(email, /was changed/);
  });

  it('five wrong old passwords are enough', async () => {
    const { who } = await signUp();
    const change = (old: string) =>
      who.post('/portal/settings/password', { old_password: old, password: ANOTHER }, '/portal/settings');
    for (let i = 0; i < 5; i++) expect((await change('wrong')).status).toBe(422);
    expect((await change(PASSWORD)).status).toBe(429);
  });

  it('signing out everywhere ends every session', async () => {
    const { who, email } = await signUp();
    const elsewhere = visitor();
    await signIn(email, PASSWORD, elsewhere);
    expect((await who.post('/portal/settings/sign-out', {}, '/portal/settings')).to).toContain('/portal/login');
    expect(await isIn(who)).toBe(false);
    expect(await isIn(elsewhere)).toBe(false);
  });
});

describe('limits', () => {
  it('ten accounts an hour from one caller, whatever the last part of an IPv6 address is', async () => {
    const ten = await Promise.all(
      Array.from({ length: 10 }, (_, i) => signUp(address(), {}, visitor(`2001:db8:1:2::${i}`))),
    );
    expect(ten.map(({ page }) => page.to)).toEqual(Array(10).fill('/portal/welcome'));
    const { page } = await signUp(address(), {}, visitor('2001:db8:1:2:ffff::1'));
    expect(page.status).toBe(429);
    expect(page.text).toContain('Too many accounts');
    expect((await signUp(address(), {}, visitor('2001:db8:1:3::1'))).page.to).toBe('/portal/welcome');
  });

  it('a thousand wrong keys a minute from one caller are answered with 429, and right keys still pass', async () => {
    const { tenants } = product.deps;
    const wrong = { 'x-api-key': 'ak_test_nobodys' };
    const code = (headers: Record<string, string>, ip: string) =>
      Promise.resolve(tenants.authenticate(headers, ip)).then(
        () => 'in',
        (error: { code: string }) => error.code,
      );
    for (let i = 0; i < 1_000; i++) expect(await code(wrong, '198.51.100.7')).toBe('unauthorized');
    expect(await code(wrong, '198.51.100.7')).toBe('rate_limited');
    expect(await code({}, '198.51.100.7')).toBe('unauthorized');
    expect(await code({ 'x-api-key': product.testKey }, '198.51.100.7')).toBe('in');
    expect(await code(wrong, '198.51.100.8')).toBe('unauthorized');
    const answer = await product.api('/api/v1/keys', {
      key: 'ak_test_nobodys',
      headers: { 'x-forwarded-for': '198.51.100.7' },
    });
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});
