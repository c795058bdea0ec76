import { afterAll, beforeAll, expect, it } from 'vitest';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let tenants: World['tenants'];
beforeAll(async () => {
  world = await createWorld();
  tenants = world.tenants;
});
afterAll(() => world.close());

const PASSWORD = 'seven brass bells ring';
let counter = 0;
const form = (changes: object = {}) => ({
  email: `person${counter++}@example.com`,
  password: PASSWORD,
  name: 'Ada',
  organization: 'Acme',
  ...changes,
});

it('signing up gives a tenant, an owner who is signed in, and a test key that works', async () => {
  const { token, key, tenant, user } = await tenants.signUp(form({ email: ' Ada@Example.com ' }));
  expect(key).toMatch(/^ak_test_/);
  expect((await world.call('GET', '/api/v1/keys', { key })).body.data).toHaveLength(1);
  const session = await tenants.session(token);
  expect(session).toMatchObject({ tenant, user, principal: { mode: 'sandbox', actor: { kind: 'user', id: user.id } } });
  const dump = JSON.stringify(await world.database.query('select * from sessions, users'));
  expect(dump).not.toContain(token);
  expect(dump).not.toContain(PASSWORD);
});

it('an address that has an account is refused at its field, also when two sign up at once', async () => {
  const one = form();
  const both = await Promise.allSettled([
    tenants.signUp(one),
    tenants.signUp({ ...one, email: one.email.toUpperCase() }),
  ]);
  const [refused] = both.filter((result) => result.status === 'rejected');
  expect(both.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  expect(refused?.reason).toMatchObject({ code: 'conflict', param: 'email' });
});

it('a weak password or a broken field is named, and nothing is made', async () => {
  const before = await world.database.query('select count(*) from tenants');
  for (const [changes, path] of [
    [{ password: 'short' }, 'password'],
    [{ password: 'PasswordPassword1' }, 'password'],
    [{ password: '123456789012' }, 'password'],
    [{ password: PASSWORD.repeat(50) }, 'password'],
    [{ email: 'nobody' }, 'email'],
    [{ email: 'a@b.com, c@d.com' }, 'email'],
    [{ organization: ' ' }, 'organization'],
    [{ name: 'two\nlines' }, 'name'],
  ] as const) {
    const fault = await tenants.signUp(form(changes)).catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: 'validation_failed', details: { fields: [{ path }] } });
  }
  expect(await world.database.query('select count(*) from tenants')).toEqual(before);
});

it('nobody can sign up where it is closed or by invitation', async () => {
  for (const signUp of ['closed', 'invite'] as const) {
    const closed = await createWorld({ signUp });
    await expect(closed.tenants.signUp(form())).rejects.toMatchObject({ code: 'sign_up_closed', status: 403 });
    await closed.close();
  }
});

it('an unknown account and a wrong password get the same answer in the same time', async () => {
  const { email } = form();
  await tenants.signUp(form({ email }));
  const attempt = async (who: string, ip: string) => {
    const began = performance.now();
    const error = await tenants
      .signIn({ email: who, password: 'not the right one', ip })
      .catch((fault: unknown) => fault);
    return { ms: performance.now() - began, text: (error as Error).message, code: (error as { code: string }).code };
  };
  const known = [await attempt(email, '1'), await attempt(email, '2'), await attempt(email, '3')];
  const unknown = [await attempt('no@body.test', '1'), await attempt('no@body.test', '2'), await attempt('\0', '3')];
  expect(new Set([...known, ...unknown].map(({ text, code }) => code + text)).size).toBe(1);
  const fastest = (tries: { ms: number }[]) => Math.min(...tries.map(({ ms }) => ms));
  expect(fastest(unknown)).toBeGreaterThan(fastest(known) * 0.5);
});

it('after five wrong tries not even the right password is looked at, until somebody comes from elsewhere', async () => {
  const { email } = form();
  await tenants.signUp(form({ email }));
  const signIn = (password: string, ip = '9.9.9.9') => tenants.signIn({ email, password, ip });
  for (let i = 0; i < 5; i++) await expect(signIn('wrong')).rejects.toMatchObject({ code: 'unauthorized' });
  await expect(signIn(PASSWORD)).rejects.toMatchObject({ code: 'rate_limited', status: 429 });
  await expect(signIn(PASSWORD, '8.8.8.8')).resolves.toHaveProperty('token');
});

it('a session ends by signing out, after 30 idle minutes, and 12 hours after it began', async () => {
  const { token } = await tenants.signUp(form());
  await world.database.advance('29 minutes');
  expect(await tenants.session(token)).toBeDefined();
  await world.database.advance('29 minutes');
  expect(await tenants.session(token)).toBeDefined();
  await world.database.advance('31 minutes');
  expect(await tenants.session(token)).toBeUndefined();

  const { token: busy } = await tenants.signUp(form());
  for (let i = 0; i < 25; i++) {
    await world.database.advance('28 minutes');
    expect(await tenants.session(busy)).toBeDefined();
  }
  await world.database.advance('25 minutes');
  expect(await tenants.session(busy)).toBeUndefined();

  const { token: left } = await tenants.signUp(form());
  await tenants.signOut(left);
  expect(await tenants.session(left)).toBeUndefined();
  for (const token of ['', 'x', 'a'.repeat(43), '\0'.repeat(43)]) expect(await tenants.session(token)).toBeUndefined();
});

it('signing out everywhere ends every session of that person and no other', async () => {
  const mine = form();
  const { token, user } = await tenants.signUp(mine);
  const { token: second } = await tenants.signIn({ email: mine.email, password: PASSWORD, ip: '1.1.1.1' });
  const { token: other } = await tenants.signUp(form());
  await tenants.signOutEverywhere(user.id);
  expect(await tenants.session(token)).toBeUndefined();
  expect(await tenants.session(second)).toBeUndefined();
  expect(await tenants.session(other)).toBeDefined();
});

it('the mode belongs to the session and is told to the server', async () => {
  const { token } = await tenants.signUp(form());
  await tenants.setMode(token, 'live');
  const session = await tenants.session(token);
  expect(session?.principal.mode).toBe('live');
  if (!session) return;
  const made = await tenants.keys.create(session.principal, { name: 'From the portal' });
  expect(made.key).toMatch(/^ak_live_/);
});

it('a sign-in link works once, within the hour, for one of two who try', async () => {
  const { user } = await tenants.signUp(form());
  const link = await tenants.signInLink(user.id);
  const results = await Promise.allSettled([tenants.redeem(link), tenants.redeem(link)]);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  await expect(tenants.redeem(link)).rejects.toMatchObject({ code: 'not_found' });
  const late = await tenants.signInLink(user.id);
  await world.database.advance('61 minutes');
  await expect(tenants.redeem(late)).rejects.toMatchObject({ code: 'not_found' });
  await expect(tenants.signInLink('00000000-0000-7000-8000-000000000000')).rejects.toMatchObject({ code: 'not_found' });
});

it('a form token fits its own session only', async () => {
  const token = tenants.csrfToken('a'.repeat(43));
  expect(tenants.checkCsrf('a'.repeat(43), token)).toBe(true);
  expect(tenants.checkCsrf('b'.repeat(43), token)).toBe(false);
  expect(tenants.checkCsrf('a'.repeat(43), undefined)).toBe(false);
  expect(tenants.checkCsrf('a'.repeat(43), '')).toBe(false);
});
