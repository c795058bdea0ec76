/** What the audit log says of changes to keys and credentials: who, from where, what it was and what it is, and no secret. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '../support/providers/fake.ts';
import { type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.close());

const call = (method: string, path: string, body?: object) =>
  scene.call(method, path, { key: scene.liveKey, ...(body ? { body } : {}) });
const newest = async (): Promise<Json> => (await call('GET', '/api/v1/audit?limit=1')).body.data[0];

it('a connection: made, changed and removed', async () => {
  const credentials = { ...scene.twilio.credentials, auth_token: 'first-secret-that-is-long-enough-1111' };
  const made = (await call('POST', '/api/v1/connections', { channel: 'sms', credentials })).body;
  const created = await newest();
  expect(created).toMatchObject({
    action: 'connection.created',
    target: made.id,
    actor: { kind: 'key' },
    ip: '127.0.0.1',
  });
  expect(created.detail.after).toMatchObject({
    channel: 'sms',
    secrets: { auth_token: { set: true, last_four: '1111' } },
  });
  expect(created.detail.before).toBeUndefined();

  const change = { name: 'Renamed', credentials: { auth_token: 'second-secret-that-is-long-enough-2222' } };
  expect((await call('PATCH', `/api/v1/connections/${made.id}`, change)).status).toBe(200);
  expect((await newest()).detail).toMatchObject({
    before: { name: made.name, secrets: { auth_token: { last_four: '1111' } } },
    after: { name: 'Renamed', secrets: { auth_token: { last_four: '2222' } } },
  });
  expect(Object.keys((await newest()).detail.after).sort()).toEqual(['name', 'secrets']);
  // A short secret shows nothing of itself; that it was typed in is said all the same.
  expect((await newest()).detail.credentials_given).toEqual(['auth_token']);

  expect((await call('DELETE', `/api/v1/connections/${made.id}`)).status).toBe(204);
  expect(await newest()).toMatchObject({ action: 'connection.archived', detail: { before: { name: 'Renamed' } } });
});

it('a key: made, replaced and revoked', async () => {
  const made = (await call('POST', '/api/v1/keys', { name: 'Shop', scopes: ['send'] })).body;
  expect((await newest()).detail.after).toMatchObject({ name: 'Shop', scopes: ['send'], status: 'active' });
  const next = (await call('POST', `/api/v1/keys/${made.id}/rotate`, {})).body;
  expect((await newest()).detail).toMatchObject({ before: { id: made.id }, after: { id: next.id } });
  expect((await call('DELETE', `/api/v1/keys/${next.id}`)).status).toBe(200);
  expect((await newest()).detail).toMatchObject({ before: { status: 'active' }, after: { status: 'revoked' } });

  const all = JSON.stringify(await scene.query('select * from audit_log'));
  for (const secret of ['first-secret', 'second-secret', made.key, next.key]) expect(all).not.toContain(secret);
});
