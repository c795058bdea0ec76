/** A newcomer's first hour in the portal, on the real product, by forms alone: what works here needs no script. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Visitor } from '../support/browsing.ts';
import { apiAt, type Product, startProduct, until } from '../support/product.ts';

describe('the first hour in the portal', () => {
  let product: Product;
  let visitor: Visitor;
  let key = '';
  let notificationId = '';
  beforeAll(async () => {
    product = await startProduct({ env: { SIGNUP: 'open' } });
    visitor = new Visitor(product.url);
  });
  afterAll(() => product?.stop());

  test('signing up shows a test key, once', async () => {
    await visitor.open('/portal');
    expect(visitor.at).toMatch(/^\/portal\/login/);
    await visitor.open('/portal/signup');
    const form = { organization: 'Northwind Books', name: 'Ada', email: 'ada@northwind.example' };
    await visitor.submit('/portal/signup', { ...form, password: 'short' });
    expect(visitor.status).toBe(422);
    expect(visitor.text).toContain('id="e-password"');
    await visitor.submit('/portal/signup', { ...form, password: 'a bell for every book' });
    expect(visitor.at).toBe('/portal/welcome');
    key = visitor.find(/ak_test_\w+/);
    await visitor.open('/portal/welcome');
    expect(visitor.at).toBe('/portal');
    expect(visitor.text).not.toContain(key);
  });

  test('the command on the page sends, and the activity shows it delivered', async () => {
    const api = apiAt(product.url, key);
    const { status, body } = await api('/api/v1/notifications/send', {
      body: {
        recipient: { email: 'delivered@sandbox.test' },
        notification: {
          channels: ['email'],
          subject: 'First bell',
          body: 'It rings, {{name}}.',
          data: { name: 'Ada' },
        },
      },
    });
    expect(status).toBe(202);
    notificationId = body.notification_id;
    await until(
      async () =>
        (await visitor.open('/portal/activity?recipient=delivered@sandbox.test')).words.includes(
          'delivered@sandbox.test delivered',
        ),
      { what: 'the activity to show it' },
    );
    await visitor.open(`/portal/messages/${notificationId}`);
    expect(visitor.words).toContain('It rings, Ada.');
    expect(visitor.words).toContain('Attempt 1 was taken by the provider');
    expect(visitor.text).toContain(`href="/portal/activity"`);
  });

  test('the activity takes the first and the last day there is, and refuses days there are not', async () => {
    await visitor.open('/portal/activity?from=1970-01-01&to=9999-12-31');
    expect(visitor.status).toBe(200);
    expect(visitor.words).toContain('delivered@sandbox.test');
    for (const query of ['from=2026-13-01', 'to=9999-99-99', 'from=2026-03-02&to=2026-03-01', 'from=0000-01-01'])
      expect([query, (await visitor.open(`/portal/activity?${query}`)).status]).toEqual([query, 422]);
  });

  test('a message that became too long says so where its text would be', async () => {
    const { status, body } = await apiAt(product.url, key)('/api/v1/notifications/send', {
      body: {
        recipient: { phone: '+14155550123' },
        notification: {
          channels: ['sms'],
          template_id: 'appointment_reminder',
          data: { name: 'Ada '.repeat(1_000), date: 'Monday', time: '9:30' },
        },
      },
    });
    expect(status).toBe(202);
    await visitor.open(`/portal/messages/${body.notification_id}`);
    expect(visitor.words).toMatch(/cannot be shown, because it could not be finished: \S.*(long|characters)/);
  });

  test('the bare address leads to the portal', async () => {
    const answer = await fetch(`${product.url}/`, { redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/portal']);
  });

  test('home ticks off what was done', async () => {
    await visitor.open('/portal');
    expect(visitor.words).toContain('1 of 4 done');
  });

  test('the outbox shows it as the person would have seen it, and plays their answer', async () => {
    await visitor.open('/portal/outbox');
    const item = visitor.find(/href="(\/portal\/outbox\/msg_\w+)"/);
    await visitor.open(item);
    expect(visitor.words).toContain('First bell');
    await visitor.submit(`${item}/play`, { what: 'complained' });
    expect(visitor.words).toContain('signed door');
    await until(
      async () => (await visitor.open(`/portal/messages/${notificationId}`)).words.includes('marked it as unwanted'),
      {
        what: 'the complaint in the timeline',
      },
    );
  });

  test('a template is written, previewed, saved and sent', async () => {
    await visitor.open('/portal/templates');
    expect(visitor.words).toContain('New template');
    await visitor.open('/portal/templates/new');
    const written = {
      name: 'Invoice due',
      template_id: 'invoice_due',
      category: 'transactional',
      x_subject: 'Invoice {{number}}',
      x_body: 'Dear {{name}}, please pay.',
      data: '{"name":"Grace"}',
    };
    await visitor.submit('/portal/templates/new', { ...written, preview: '1' });
    expect(visitor.words).toContain('Dear Grace, please pay.');
    expect(visitor.words).toMatch(/sample data lacks: number/);
    await visitor.submit('/portal/templates/new', { ...written, save: 'active' }, '/portal/templates');
    expect(visitor.at).toMatch(/^\/portal\/templates\/invoice_due\?version=1/);
    const api = apiAt(product.url, key);
    const body = {
      recipient: { email: 'grace@example.com' },
      notification: { channels: ['email'], template_id: 'invoice_due', data: { name: 'Grace', number: '7' } },
    };
    expect((await api('/api/v1/notifications/send', { body })).status).toBe(202);
    await visitor.open('/portal/templates/invoice_due/edit');
    await visitor.submit(
      '/portal/templates/invoice_due/edit',
      {
        ...written,
        x_body: 'Dear {{name}}, please do pay.',
        save: 'draft',
      },
      '/portal/templates/invoice_due',
    );
    expect(visitor.words).toContain('It is a draft');
    await visitor.open('/portal/templates/invoice_due/compare?from=1&to=2');
    expect(visitor.words).toContain('please do pay.');
    await visitor.open('/portal/templates/invoice_due');
    await visitor.submit('/portal/templates/invoice_due/activate', { version: '2' });
    expect(visitor.words).toContain('version 2 is active');
  });

  test('a connection is made in live mode, tested with a reason when it fails, and removed', async () => {
    await visitor.open('/portal/channels');
    await visitor.submit('/portal/mode', { mode: 'live' });
    await visitor.open('/portal/connections/new?channel=email');
    await visitor.submit('/portal/connections', { name: 'Mail', c_port: '587', c_security: 'starttls' });
    expect(visitor.text).toContain('id="e-c_host"');
    await visitor.submit('/portal/connections', {
      name: 'Mail',
      c_host: 'smtp.invalid',
      c_port: '587',
      c_security: 'starttls',
      c_username: 'u',
      c_password: 'never-shown-again',
      c_from_address: 'a@northwind.example',
    });
    const path = visitor.at.split('?')[0] ?? '';
    expect(path).toMatch(/^\/portal\/connections\/con_/);
    expect(visitor.text).not.toContain('never-shown-again');
    await visitor.submit(`${path}/test`);
    expect(visitor.words).toMatch(/could not be reached|not public|unavailable/);
    await visitor.open(path);
    await visitor.submit(`${path}/remove`);
    expect(visitor.words).toContain('The connection is removed');
  });

  test('a key is made, works, is rotated, is revoked and works no more', async () => {
    await visitor.open('/portal/keys');
    await visitor.submit('/portal/keys', [
      ['name', 'Billing'],
      ['mode', 'test'],
      ['scopes', 'read'],
    ]);
    const made = visitor.find(/ak_test_\w+/);
    expect((await apiAt(product.url, made)('/api/v1/notifications')).status).toBe(200);
    expect((await apiAt(product.url, made)('/api/v1/notifications/send', { body: {} })).status).toBe(403);
    await visitor.submit('/portal/mode', { mode: 'test' });
    await visitor.open('/portal/keys');
    const id = visitor.find(/Billing[\s\S]*?\/portal\/keys\/(key_\w+)\/rotate/);
    await visitor.submit(`/portal/keys/${id}/rotate`, { grace: '0' });
    const rotated = visitor.find(/ak_test_\w+/);
    expect((await apiAt(product.url, made)('/api/v1/notifications')).status).toBe(401);
    expect((await apiAt(product.url, rotated)('/api/v1/notifications')).status).toBe(200);
    await visitor.open('/portal/keys');
    const fresh = [...visitor.text.matchAll(/\/portal\/keys\/(key_\w+)\/revoke/g)]
      .map(([, found]) => found)
      .find((found) => found !== id);
    expect(fresh).toBeDefined();
  });

  test('who did what is on record, with what it was done to', async () => {
    const session = await product.deps.tenants.session(visitor.cookies.get('carillon_session') ?? '');
    if (!session) throw new Error('not signed in');
    const { data } = await product.deps.audit.list(session.principal, { limit: 50 });
    const made = data.find(({ action }) => action === 'key.created');
    expect(made).toMatchObject({ surface: 'portal', actor: { kind: 'user' } });
    expect(made?.target).toMatch(/^key_/);
    expect(data.map(({ action }) => action)).toEqual(
      expect.arrayContaining([
        'template.created',
        'template.updated',
        'template.activated',
        'connection.created',
        'connection.archived',
        'key.rotated',
        'outbox.played',
      ]),
    );
  });

  test('another tenant sees none of it', async () => {
    const other = new Visitor(product.url);
    await other.open('/portal/signup');
    await other.submit('/portal/signup', {
      organization: 'Southwind',
      name: 'Eve',
      email: 'eve@southwind.example',
      password: 'quite another bell',
    });
    expect(other.at).toBe('/portal/welcome');
    expect((await other.open(`/portal/messages/${notificationId}`)).status).toBe(404);
    expect((await other.open('/portal/activity')).words).toContain('Nothing was sent yet');
    expect((await other.open('/portal/templates/invoice_due')).status).toBe(404);
  });

  test('signing out ends the session on the server', async () => {
    const stolen = new Visitor(product.url);
    for (const [name, value] of visitor.cookies) stolen.cookies.set(name, value);
    await visitor.open('/portal');
    await visitor.submit('/portal/logout');
    expect(visitor.words).toContain('You are signed out.');
    await stolen.open('/portal/keys');
    expect(stolen.at).toMatch(/^\/portal\/login/);
    await visitor.submit('/portal/login', { email: 'ada@northwind.example', password: 'a bell for every book' });
    expect(visitor.at).toBe('/portal');
  });
});
