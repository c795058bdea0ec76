/** Rollouts between processes: what each sees of a change and when, and that figures are counted once whoever counts. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { channels } from '../../channels/index.ts';
import { createRegistry } from '../../src/channel-kit/index.ts';
import { createAudit } from '../../src/features/audit/index.ts';
import { createWatch } from '../../src/features/notifications/rollouts.ts';
import { createTemplates, type Templates } from '../../src/features/templates/index.ts';
import type { Principal } from '../../src/lib/http.ts';
import { newId } from '../../src/lib/ids.ts';
import { createLog } from '../../src/lib/log.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let here: Templates;
/** The same product in another process. */
let elsewhere: Templates;
/** Moves only as a test moves it. */
let nowMs = Date.now() + 5_000;
const clock = { now: () => new Date(nowMs) };
let principal: Principal;

beforeAll(async () => {
  database = await createTestDatabase();
  const registry = createRegistry(channels);
  const audit = createAudit({ db: database.db, clock });
  const deps = { db: database.db, registry, clock, log: createLog('silent'), audit };
  here = createTemplates(deps);
  elsewhere = createTemplates(deps);
});
afterAll(() => database.close());

beforeEach(async () => {
  const tenantId = newId();
  await database.query(`insert into tenants (id, name) values ($1, 'Acme')`, [tenantId]);
  principal = { tenantId, mode: 'live', scopes: ['manage', 'read'], actor: { kind: 'key', id: newId() } };
  const words = (body: string) => ({ content: { sms: { en: { body } } } });
  await here.create(principal, { template_id: 'news', ...words('Old') });
  await here.update(principal, 'news', { ...words('New'), draft: true });
});

const limit = { percent: 50, min_sent: 4 };
const begin = (percent: number) => here.rollOut(principal, 'news', { version: 2, percent, failure_limit: limit });
const mine = async (templates: Templates) => {
  const found = (await templates.runningRollouts()).find(({ tenantId }) => tenantId === principal.tenantId);
  if (!found) throw new Error('no rollout runs');
  return found;
};
const versionFor = async (templates: Templates, person: string) =>
  templates.pick(await templates.resolve(principal.tenantId, 'news'), () => person)?.number;

describe('another process', () => {
  test('sees a rollout and its end within five seconds; the one that made it at once', async () => {
    expect([await versionFor(here, 'a'), await versionFor(elsewhere, 'a')]).toEqual([1, 1]);
    await begin(99.99);
    expect([await versionFor(here, 'a'), await versionFor(elsewhere, 'a')]).toEqual([2, 1]);
    nowMs += 5_000;
    expect(await versionFor(elsewhere, 'a')).toBe(2);
    await here.rollBack(principal, 'news');
    expect([await versionFor(here, 'a'), await versionFor(elsewhere, 'a')]).toEqual([1, 2]);
    nowMs += 5_000;
    expect(await versionFor(elsewhere, 'a')).toBe(1);
  });

  test('gives a person the same version', async () => {
    await begin(50);
    nowMs += 5_000;
    for (let i = 0; i < 50; i++)
      expect(await versionFor(elsewhere, `person ${i}`)).toBe(await versionFor(here, `person ${i}`));
  });

  test('starts none beside the one that runs, and both changes made at once are one rollout', async () => {
    const settled = await Promise.allSettled([
      begin(10),
      elsewhere.rollOut(principal, 'news', { version: 2, percent: 20 }),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(await database.query('select 1 from rollouts where tenant_id = $1', [principal.tenantId])).toHaveLength(1);
  });
});

describe('figures', () => {
  const failed = (n: number) => ({ mode: 'live', side: 'to', sent: n, failed: n }) as const;

  test('that two have counted from one position are added once', async () => {
    await begin(10);
    const [one, two] = [await mine(here), await mine(elsewhere)];
    const place = { position: 7, id: newId() };
    await here.tallyRollout(one, { place, counts: [failed(2)] });
    await elsewhere.tallyRollout(two, { place, counts: [failed(2)] });
    expect((await here.rollout(principal, 'news'))?.counts.to).toMatchObject({ sent: 2, failed: 2 });
  });

  test('beyond the limit end the rollout in the write that adds them, once, with a row in the audit log', async () => {
    await begin(10);
    const [one, two] = [await mine(here), await mine(elsewhere)];
    const counted = { place: { position: 7, id: newId() }, counts: [failed(4)] };
    expect([await here.tallyRollout(one, counted), await elsewhere.tallyRollout(two, counted)]).toEqual([true, false]);
    expect(await here.rollout(principal, 'news')).toMatchObject({ status: 'rolled_back', ended_by: 'carillon' });
    expect(
      await database.query(`select action, target from audit_log where tenant_id = $1`, [principal.tenantId]),
    ).toEqual([{ action: 'template.rolled_back', target: 'news' }]);
  });

  test('that come after somebody has ended it by hand change nothing', async () => {
    await begin(10);
    const known = await mine(here);
    await here.rollBack(principal, 'news');
    expect(await here.tallyRollout(known, { place: { position: 7, id: newId() }, counts: [failed(9)] })).toBe(false);
    expect((await here.rollout(principal, 'news'))?.reason).toBe('Somebody asked for it.');
  });

  test('are judged again when the limit was tightened, without another message', async () => {
    await begin(10);
    await here.tallyRollout(await mine(here), { place: { position: 7, id: newId() }, counts: [failed(3)] });
    await here.rollOut(principal, 'news', { version: 2, percent: 10, failure_limit: { percent: 50, min_sent: 3 } });
    const known = await mine(here);
    expect(await here.tallyRollout(known, { place: known.place, counts: [] })).toBe(true);
  });
});

describe('watching', () => {
  /** Messages of a version, each with the event that settles it. */
  async function settle(versionId: string, count: number, status: 'sent' | 'failed'): Promise<void> {
    for (let i = 0; i < count; i++) {
      const id = newId();
      await database.query(
        `insert into messages (id, tenant_id, mode, channel, address, recipient, connection_id, template_version_id, input,
           category, lane, on_unknown, created_at, expires_at, actor_id, status, failure_code, sent_at)
         values ($1, $2, 'live', 'sms', '+1', '{}', $1, $3, '{}', 'transactional', 1, 'wait', clock_now(), clock_now(), 'k',
           $4, case when $4 = 'failed' then 'content_invalid' end, case when $4 = 'sent' then clock_now() end)`,
        [id, principal.tenantId, versionId, status],
      );
      await event(id, `message.${status}`);
    }
  }
  const event = (messageId: string, type: string) =>
    database.query(
      `insert into events (id, tenant_id, mode, type, message_id, data) values ($1, $2, 'live', $3, $4, '{}')`,
      [newId(), principal.tenantId, type, messageId],
    );

  test('reads on from where it stopped, page by page, and counts no message twice', async () => {
    await begin(10);
    const { versions } = await mine(here);
    await settle(versions.to, 2, 'sent');
    await settle(versions.from, 3, 'sent');
    nowMs = Date.now() + 5_000;
    const watch = createWatch({ db: database.db, clock, templates: here });
    expect(await watch()).toBe(0);
    const counts = async () => (await here.rollout(principal, 'news'))?.counts;
    expect(await counts()).toMatchObject({ to: { sent: 2, failed: 0 }, from: { sent: 3, failed: 0 } });

    // More than it reads at once, of which nothing is a rollout's, and one failure behind.
    for (let i = 0; i < 5; i++) {
      const ids = Array.from({ length: 1_000 }, newId);
      await database.query(
        `insert into events (id, tenant_id, mode, type, message_id, data)
         select id, $2, 'live', 'message.queued', id, '{}' from unnest($1::uuid[]) as id`,
        [ids, principal.tenantId],
      );
    }
    await settle(versions.to, 1, 'failed');
    expect(await watch()).toBe(0);
    expect((await counts())?.to.failed).toBe(0);
    nowMs = Date.now() + 10_000;
    expect(await watch()).toBe(1);
    expect(await watch()).toBe(0);
    expect(await counts()).toMatchObject({ to: { sent: 3, failed: 1 }, from: { sent: 3, failed: 0 } });
  });

  test('leaves out what an earlier rollout of the same version sent, however late it fails', async () => {
    await begin(10);
    const { versions } = await mine(here);
    await settle(versions.to, 1, 'sent');
    const [old] = await database.query('select id from messages where tenant_id = $1', [principal.tenantId]);
    await here.rollBack(principal, 'news');
    await begin(10);
    await database.query(`update messages set status = 'failed', failure_code = 'provider_rejected' where id = $1`, [
      old?.id,
    ]);
    await event(old?.id ?? '', 'message.failed');
    nowMs = Date.now() + 5_000;
    await createWatch({ db: database.db, clock, templates: here })();
    expect((await here.rollout(principal, 'news'))?.counts.to).toMatchObject({ sent: 0, failed: 0 });
  });
});
