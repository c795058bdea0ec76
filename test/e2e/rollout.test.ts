/** A new version for a share of the people: who gets it, what becomes of it, and how it goes back, for live and test keys. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newEmail, newPhone, ORDER, on, orderUpdate, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

const BASE = '/api/v1/templates';
const words = (body: string) => ({ content: { sms: { en: { body } }, email: { en: { subject: 'News', body } } } });
let made = 0;

/** A template with an active version 1 and a version 2 that is a draft. */
async function twoVersions(first: object = words('Old {{name}}'), second: object = words('New {{name}}')) {
  const slug = `news_${made++}`;
  await scene.template({ template_id: slug, ...first });
  await edit(slug, { ...second, draft: true });
  return slug;
}
const edit = (slug: string, body: object): Promise<Json> =>
  scene.must(200, scene.call('PUT', `${BASE}/${slug}`, { key: scene.liveKey, body }));
const rollOut = (slug: string, body: object, key = scene.liveKey) =>
  scene.call('POST', `${BASE}/${slug}/rollout`, { key, body: { version: 2, percent: 50, ...body } });
const rolledOut = (slug: string, body: object = {}, key = scene.liveKey): Promise<Json> =>
  scene.must(200, rollOut(slug, body, key));
const rollout = (slug: string, key = scene.liveKey): Promise<Json> =>
  scene.must(200, scene.call('GET', `${BASE}/${slug}/rollout`, { key }));
const rollBack = (slug: string, key = scene.liveKey) => scene.call('POST', `${BASE}/${slug}/rollback`, { key });
const active = async (slug: string): Promise<number> =>
  (await scene.must(200, scene.call('GET', `${BASE}/${slug}`, { key: scene.liveKey }))).version;

interface Told {
  readonly id: string;
  readonly version: number;
}
/** Sends to one person, and says which version it is. */
async function tell(
  slug: string,
  phone: string,
  { key = scene.testKey, channel = 'sms', data = { name: 'Ada' } } = {},
) {
  const { notification_id: id } = await scene.send(
    { recipient: { phone }, notification: { channels: [channel], template_id: slug, data } },
    key,
  );
  return { id, version: on(await scene.get(id, key), channel).template_version } as Told;
}
/** Sends to new people until so many got the new version. */
async function tellUntil(slug: string, wanted: number, how: Parameters<typeof tell>[2] = {}): Promise<Told[]> {
  const told: Told[] = [];
  for (let i = 0; i < 200 && told.filter(({ version }) => version === 2).length < wanted; i++)
    told.push(await tell(slug, newPhone(), how));
  return told;
}
const ended = (slug: string, status: string, key = scene.liveKey): Promise<Json> =>
  until(
    async () => {
      const now = await rollout(slug, key);
      return now.status === status && now;
    },
    { what: `that the rollout of ${slug} is ${status}` },
  );

describe('the share', () => {
  it('gives each person one version, at every send and on every channel, and takes it from nobody when it is raised', async () => {
    const slug = await twoVersions();
    expect(await rolledOut(slug)).toMatchObject({
      object: 'rollout',
      status: 'running',
      version: 2,
      from_version: 1,
      percent: 50,
      failure_limit: { percent: 5, min_sent: 50 },
      reason: null,
    });
    const people = Array.from({ length: 24 }, newPhone);
    const first = new Map<string, number>();
    for (const phone of people) first.set(phone, (await tell(slug, phone)).version);
    expect(new Set(first.values())).toEqual(new Set([1, 2]));

    for (const phone of people) {
      const { notification_id: id } = await scene.send(
        {
          recipient: { phone, email: newEmail() },
          notification: { channels: ['sms', 'email'], template_id: slug, data: { name: 'Ada' } },
        },
        scene.testKey,
      );
      const { channels } = await scene.get(id, scene.testKey);
      expect(channels.map((one: Json) => one.template_version)).toEqual([first.get(phone), first.get(phone)]);
    }

    await rolledOut(slug, { percent: 80 });
    for (const phone of people)
      expect((await tell(slug, phone)).version).toBeGreaterThanOrEqual(first.get(phone) as number);
    expect(await active(slug)).toBe(1);
  });

  it('of 100 makes it the active version, and one call goes back', async () => {
    const slug = await twoVersions();
    await rolledOut(slug);
    expect(await rolledOut(slug, { percent: 100 })).toMatchObject({ status: 'completed', percent: 100 });
    expect(await active(slug)).toBe(2);
    const { id } = await tell(slug, newPhone());
    expect((await scene.must(200, rollBack(slug))).version).toBe(1);
    expect((await tell(slug, newPhone())).version).toBe(1);
    expect(on(await scene.get(id, scene.testKey), 'sms').template_version).toBe(2);
  });

  it('ends when a version is published for everybody', async () => {
    const slug = await twoVersions();
    await rolledOut(slug);
    expect((await edit(slug, words('Newest {{name}}'))).version).toBe(3);
    expect(await rollout(slug)).toMatchObject({ status: 'rolled_back', reason: 'Version 3 was activated.' });
    for (let i = 0; i < 10; i++) expect((await tell(slug, newPhone())).version).toBe(3);
  });

  it('lets data be judged by the version that the person gets', async () => {
    const slug = await twoVersions(words('Old {{name}}'), words('New {{first_name}}'));
    await rolledOut(slug);
    const seen = new Set<string>();
    for (let i = 0; i < 40 && seen.size < 2; i++) {
      const body = {
        recipient: { phone: newPhone() },
        notification: { channels: ['sms'], template_id: slug, data: { name: 'Ada' } },
      };
      const valid = await scene.must(
        200,
        scene.call('POST', '/api/v1/notifications/validate', { key: scene.testKey, body }),
      );
      const reply = await scene.call('POST', '/api/v1/notifications/send', { key: scene.testKey, body });
      if (valid.valid) expect(valid.channels[0].content.body).toBe('Old Ada');
      else expect(reply.body.error.details.missing).toEqual(['first_name']);
      expect(reply.status).toBe(valid.valid ? 202 : 422);
      seen.add(String(reply.status));
    }
    expect(seen).toEqual(new Set(['202', '422']));
  });
});

describe('a version that fails', () => {
  it('goes back by itself when its provider refuses it, and the refused messages keep it', async () => {
    const bound = (name: string) => {
      const { whatsapp } = structuredClone(orderUpdate.content);
      whatsapp.en.template.name = name;
      return { content: { whatsapp } };
    };
    const slug = await twoVersions(bound('order_update'), bound('nobody_approved_this'));
    await rolledOut(slug, { failure_limit: { percent: 20, min_sent: 5 } });
    const told = await tellUntil(slug, 5, { key: scene.liveKey, channel: 'whatsapp', data: ORDER });

    const now = await ended(slug, 'rolled_back');
    expect(now).toMatchObject({ ended_by: 'carillon', failure_limit: { percent: 20, min_sent: 5 } });
    expect(now.reason).toMatch(/^\d+ of \d+ live messages failed \(100 %\); the limit is 20 %\.$/);
    expect(now.counts.to).toMatchObject({ version: 2, sent: now.counts.to.failed, failure_rate: 100 });
    expect(now.counts.from.failed).toBe(0);
    expect(await active(slug)).toBe(1);
    for (const { id, version } of told) {
      const done = await scene.when(id, 'is settled', ({ status }) => status !== 'queued');
      expect(on(done, 'whatsapp').template_version).toBe(version);
      expect(done.status === 'failed').toBe(version === 2);
    }
    for (let i = 0; i < 10; i++)
      expect((await tell(slug, newPhone(), { channel: 'whatsapp', data: ORDER })).version).toBe(1);

    const { data } = await scene.must(200, scene.call('GET', '/api/v1/audit', { key: scene.liveKey }));
    expect(data.find((row: Json) => row.action === 'template.rolled_back' && row.target === slug)).toMatchObject({
      actor: { kind: 'operator', id: 'carillon' },
      detail: { reason: now.reason },
    });
  });

  it('goes back by itself under a test key too, and live figures stay apart', async () => {
    const slug = await twoVersions(words('Old {{name}}'), words('{{name}}'.repeat(200)));
    await rolledOut(slug, { failure_limit: { percent: 50, min_sent: 3 } });
    await tellUntil(slug, 3, { data: { name: 'x'.repeat(100) } });
    const now = await ended(slug, 'rolled_back', scene.testKey);
    expect(now.reason).toContain('test messages failed');
    expect(now.counts.to.failed).toBeGreaterThanOrEqual(3);
    expect((await rollout(slug)).counts.to).toEqual({ version: 2, sent: 0, failed: 0, failure_rate: null });
    expect((await tell(slug, newPhone())).version).toBe(1);
  });

  it('is not blamed for addresses that do not exist', async () => {
    const slug = await twoVersions();
    await rolledOut(slug, { percent: 99.99, failure_limit: { percent: 0, min_sent: 1 } });
    const mail = async (email: string, status: string) => {
      const { notification_id: id } = await scene.send({
        recipient: { email },
        notification: { channels: ['email'], template_id: slug, data: { name: 'Ada' } },
      });
      await scene.status(id, status);
    };
    for (let i = 0; i < 4; i++) {
      const email = newEmail();
      scene.smtp.script(email, { do: 'refuse', reply: '550 5.1.1 no such user', at: 'rcpt' });
      await mail(email, 'failed');
    }
    await mail(newEmail(), 'sent');
    await mail(newEmail(), 'sent');
    const now = await until(async () => {
      const { counts, status } = await rollout(slug);
      return counts.to.sent + counts.from.sent === 2 && { counts, status };
    });
    expect(now).toMatchObject({ status: 'running', counts: { to: { failed: 0 }, from: { failed: 0 } } });
  });
});

describe('one call', () => {
  it.each([
    ['live', () => scene.liveKey],
    ['test', () => scene.testKey],
  ])('ends a rollout under a %s key: nobody gets the new version from then on', async (_, keyOf) => {
    const key = keyOf();
    const slug = await twoVersions();
    await rolledOut(slug, { percent: 50 }, key);
    const told = await tellUntil(slug, 3, { key });
    expect((await scene.must(200, rollBack(slug, key))).version).toBe(1);
    expect(await rollout(slug, key)).toMatchObject({ status: 'rolled_back', reason: 'Somebody asked for it.' });
    for (let i = 0; i < 10; i++) expect((await tell(slug, newPhone(), { key })).version).toBe(1);
    for (const { id, version } of told) expect(on(await scene.get(id, key), 'sms').template_version).toBe(version);
    // It may be tried again, as another rollout.
    const before = await rollout(slug, key);
    expect((await rolledOut(slug, {}, key)).id).not.toBe(before.id);
  });

  it('without a rollout goes back step by step through what was active, and says when there is nothing before', async () => {
    const slug = await twoVersions();
    await edit(slug, words('Third {{name}}'));
    await edit(slug, words('Fourth {{name}}'));
    expect((await scene.must(200, rollBack(slug))).version).toBe(3);
    // Version 2 was a draft that nobody ever got.
    expect((await scene.must(200, rollBack(slug))).version).toBe(1);
    const refused = await rollBack(slug);
    expect([refused.status, refused.body.error.code]).toEqual([409, 'conflict']);
    expect(await active(slug)).toBe(1);
  });
});

describe('what cannot be rolled out', () => {
  it('is refused with the reason, and changes nothing', async () => {
    const slug = await twoVersions();
    await edit(slug, { ...words('Third {{name}}'), draft: true });
    expect((await scene.call('GET', `${BASE}/${slug}/rollout`, { key: scene.liveKey })).status).toBe(404);
    expect((await rollOut(slug, { version: 9 })).status).toBe(404);
    expect((await rollOut('no_such_template', {})).status).toBe(404);
    expect((await rollOut(slug, { version: 1 })).status).toBe(409);
    for (const body of [{ percent: 101 }, { percent: -1 }, { percent: '50' }, { version: 1.5 }, { surprise: true }])
      expect((await rollOut(slug, body)).status).toBe(422);
    expect((await rollOut(slug, { failure_limit: { percent: 5, min_sent: 0 } })).status).toBe(422);
    expect((await scene.call('GET', `${BASE}/${slug}/rollout`, { key: scene.liveKey })).status).toBe(404);

    await rolledOut(slug);
    const second = await rollOut(slug, { version: 3 });
    expect([second.status, second.body.error.code]).toEqual([409, 'conflict']);
    expect(await rollout(slug)).toMatchObject({ status: 'running', version: 2 });

    const draft = `news_${made++}`;
    await scene.template({ template_id: draft, ...words('Draft'), draft: true });
    expect((await rollOut(draft, { version: 1 })).status).toBe(409);
  });

  it('or back by another tenant: it is as if there were none', async () => {
    const slug = await twoVersions();
    await rolledOut(slug);
    const { live_key: key } = await scene.tenant();
    expect((await rollOut(slug, { percent: 90 }, key)).status).toBe(404);
    expect((await rollBack(slug, key)).status).toBe(404);
    expect((await scene.call('GET', `${BASE}/${slug}/rollout`, { key })).status).toBe(404);
    expect(await rollout(slug)).toMatchObject({ status: 'running', percent: 50 });
  });
});
