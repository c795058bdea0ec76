/** SIGNUP and SYSTEM_SMTP_URL in their other settings: by invitation, without mail, closed. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ADMIN_KEY, type Product, startProduct, until } from '../support/product.ts';
import { type SmtpFake, startSmtp } from '../support/providers/smtp.ts';
import { createVisitor, type Visitor } from '../support/visitor.ts';

// Each stretched password costs a third of a second of a whole core, on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 60_000 });

const PASSWORD = 'seven brass bells ring';
const ANOTHER = 'nine copper kettles sing';
let counter = 0;
const address = () => `guest${counter++}@example.com`;
const tokenOf = (path: string) => new URL(path, 'http://x').searchParams.get('token') ?? '';
const liveKey = (who: Visitor) =>
  who.post('/portal/keys', { name: 'Live', mode: 'live', scopes: 'send' }, '/portal/keys');

let smtp: SmtpFake;
beforeAll(async () => {
  smtp = await startSmtp();
});
afterAll(() => smtp?.close());

const within = async (env: Record<string, string>, work: (here: Product) => Promise<void>) => {
  const here = await startProduct({ role: 'api', env: { TRUSTED_PROXIES: '1', SIGNUP: 'open', ...env } });
  try {
    await work(here);
  } finally {
    await here.stop();
  }
};
const invite = (here: Product, email: string, key: string | null = ADMIN_KEY) =>
  here.api('/api/admin/invitations', { body: { email }, key });

it('by invitation: nobody without one, the invited address once, confirmed, for one of two', async () => {
  const { username, password } = smtp.credentials;
  const url = `smtp://${username}:${password}@127.0.0.1:${smtp.port}?from=bells@example.com`;
  await within({ SIGNUP: 'invite', SYSTEM_SMTP_URL: url }, async (here) => {
    const guest = createVisitor(here.url);
    const closed = await guest.get('/portal/signup');
    expect(closed.text).toContain('carillon invite');
    expect(closed.text).not.toContain('<form');
    const email = address();
    expect((await invite(here, email, here.testKey)).status).toBe(403);
    expect((await invite(here, email, null)).status).toBe(401);
    expect((await invite(here, 'nobody')).status).toBe(422);
    const { status, body } = await invite(here, email);
    expect(status).toBe(201);
    expect(body).toMatchObject({ object: 'invitation', email, mailed: true });
    const path = (body.url as string).replace(here.url, '');
    const token = tokenOf(path);
    await until(() => smtp.mails.some(({ to, raw }) => to.includes(email) && raw.includes('invited')));

    const form = { organization: 'Acme', name: 'Ada', password: PASSWORD };
    const page = await guest.get(path);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.text).toContain(`value="${email}"`);
    const foreign = await guest.post('/portal/signup', { ...form, token, email: address() }, path);
    expect(foreign.status).toBe(422);
    expect(foreign.text).toContain('Must be the address that was invited');
    const csrf = guest.csrf(page);
    const [one, two] = [createVisitor(here.url), createVisitor(here.url)];
    for (const who of [one, two]) for (const [name, value] of guest.cookies) who.cookies.set(name, value);
    const results = await Promise.all(
      [one, two].map((who) => who.send('/portal/signup', { ...form, csrf, token, email })),
    );
    expect(results.map(({ status }) => status).sort()).toEqual([303, 422]);
    const winner = results[0]?.status === 303 ? one : two;
    expect((await winner.get('/portal')).text).not.toContain('Confirm your address');
    expect((await liveKey(winner)).to).toMatch(/^\/portal\/keys\/[\w/]*shown$/);
    expect((await createVisitor(here.url).get(path)).text).toContain('used already');
    expect((await invite(here, email)).status).toBe(409);

    const late = await invite(here, address());
    await here.database.advance('7 days 1 minute');
    expect((await createVisitor(here.url).get((late.body.url as string).replace(here.url, ''))).text).toContain(
      'too old',
    );
  });
});

it('without mail: nothing is to be confirmed, pages name the operator, whose link sets a password', async () => {
  await within({}, async (here) => {
    const who = createVisitor(here.url);
    expect((await who.get('/portal/signup')).text).toContain('not verified');
    const email = address();
    await who.post('/portal/signup', { organization: 'Acme', name: 'Ada', email, password: PASSWORD });
    expect((await who.get('/portal')).text).not.toContain('Confirm your address');
    expect((await liveKey(who)).to).toMatch(/^\/portal\/keys\/[\w/]*shown$/);
    const guest = createVisitor(here.url);
    const forgot = await guest.get('/portal/forgot');
    expect(forgot.text).toContain('carillon user link');
    const path = (await here.deps.tenants.linkFor(email, 'reset')).replace(here.url, '');
    expect((await guest.post('/portal/reset', { token: tokenOf(path), password: ANOTHER }, path)).status).toBe(303);
    expect((await guest.get('/portal/settings')).status).toBe(200);
    expect((await who.get('/portal/settings')).status).toBe(303);
    await expect(here.deps.tenants.linkFor(address(), 'reset')).rejects.toMatchObject({ code: 'not_found' });
  });
});

it('closed: the page says so, and no invitation is made that nobody could use', async () => {
  await within({ SIGNUP: 'closed' }, async (here) => {
    const guest = createVisitor(here.url);
    expect((await guest.get('/portal/signup')).text).toContain('Sign-up is closed here');
    expect((await invite(here, address())).body.error.code).toBe('sign_up_closed');
  });
});
