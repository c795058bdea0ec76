/** The routes of contacts, outcome by outcome: made, found, changed, merged, taken apart. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/providers/fake.ts';
import { newEmail, newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.close());

const at = (method: string, path: string, body?: unknown, key = scene.testKey) =>
  scene.call(method, path, { key, ...(body === undefined ? {} : { body }) });
const PATH = '/api/v1/contacts';
const create = (body: object): Promise<Json> => scene.must(201, at('POST', PATH, body));
const get = (id: string): Promise<Json> => scene.must(200, at('GET', `${PATH}/${id}`));
const find = async (query: string): Promise<string[]> =>
  (await scene.must(200, at('GET', `${PATH}?${query}`))).data.map(({ id }: Json) => id);
const namesOf = ({ identities }: Json) => identities.map(({ kind, value }: Json) => `${kind} ${value}`).sort();
let count = 0;
const newId = () => `crm-${count++}`;

describe('a contact', () => {
  it('is kept as it was said, known by its addresses and by other names, each in its place', async () => {
    const [phone, email, external_id] = [newPhone(), newEmail(), newId()];

    const identities = [{ kind: 'slack_user', value: 'U1', scope: 'T1' }];
    const made = await create({
      external_id,
      name: 'Ada Lovelace',
      phone,
      email: email.toUpperCase(),
      identities,
      metadata: { tier: 'gold' },
    });
    expect(made).toMatchObject({ external_id, name: 'Ada Lovelace', phone, metadata: { tier: 'gold' }, merges: [] });
    expect(namesOf(made)).toEqual([`email ${email.toLowerCase()}`, `phone ${phone}`, 'slack_user U1'].sort());
    expect(await get(made.id)).toEqual(made);
    // The same name in another workspace is somebody else.
    await create({ identities: [{ kind: 'slack_user', value: 'U1', scope: 'T2' }] });
  });

  it('is found by a part of its name, by an address, by your id and by another name', async () => {
    const [phone, email, external_id] = [newPhone(), newEmail(), newId()];
    const { id } = await create({
      external_id,
      name: 'Grace Murray Hopper',
      phone,
      email,
      identities: [{ kind: 'slack_user', value: 'UGRACE', scope: 'T1' }],
    });
    for (const query of [
      'search=murray',
      `search=${encodeURIComponent(phone)}`,
      `search=${encodeURIComponent(email)}`,
      'search=ugrace',
      `external_id=${external_id}`,
    ])
      expect([query, await find(query)]).toEqual([query, [id]]);
    expect(await find('search=nobody%25')).toEqual([]);
  });

  it('is changed field by field; an address that is taken back is forgotten, unless somebody wrote from it', async () => {
    const [one, two] = [newPhone(), newPhone()];
    const { id } = await create({ name: 'Ada', phone: one, metadata: { a: 1 } });
    const changed = await scene.must(200, at('PATCH', `${PATH}/${id}`, { phone: two, name: null }));
    expect(changed).toMatchObject({ phone: two, name: null, metadata: { a: 1 } });
    expect(namesOf(changed)).toEqual([`phone ${two}`]);
    await create({ phone: one });
    const told = await scene.must(
      200,
      at('PATCH', `${PATH}/${id}`, { identities: [{ kind: 'slack_user', value: 'U9', scope: 'T9' }] }),
    );
    expect(namesOf(told)).toEqual([`phone ${two}`, 'slack_user U9']);
  });

  it('is listed newest first, a page at a time, in its own mode', async () => {
    const made = [await create({ name: 'page' }), await create({ name: 'page' }), await create({ name: 'page' })];
    const first = await scene.must(200, at('GET', `${PATH}?search=page&limit=2`));
    const rest = await scene.must(200, at('GET', `${PATH}?search=page&limit=2&cursor=${first.next_cursor}`));
    expect([...first.data, ...rest.data].map(({ id }: Json) => id)).toEqual(made.map(({ id }) => id).reverse());
    expect([first.has_more, rest.has_more]).toEqual([true, false]);
    const live = await at('GET', `${PATH}/${made[0]?.id}`, undefined, scene.liveKey);
    expect(live.status).toBe(404);
  });

  it('that is deleted is gone with its names, which are free again', async () => {
    const phone = newPhone();
    const { id } = await create({ phone, external_id: newId() });
    await scene.must(204, at('DELETE', `${PATH}/${id}`));
    expect((await at('GET', `${PATH}/${id}`)).status).toBe(404);
    await create({ phone });
  });

  it.each([
    ['an external id that another has', () => ({ external_id: 'taken' })],
    ['a telephone number that another has', () => ({ phone: '+14155559999' })],
    [
      'a name that another has in the same place',
      () => ({ identities: [{ kind: 'slack_user', value: 'TAKEN', scope: 'T' }] }),
    ],
  ])('with %s is a conflict that names the other', async (_, body) => {
    const [has] = await find('external_id=taken');
    const other =
      has ??
      (
        await create({
          external_id: 'taken',
          phone: '+14155559999',
          identities: [{ kind: 'slack_user', value: 'TAKEN', scope: 'T' }],
        })
      ).id;
    const refused = await at('POST', PATH, body());
    expect([refused.status, refused.body.error.code, refused.body.error.details.contact_id]).toEqual([
      409,
      'conflict',
      other,
    ]);
    const { id } = await create({ name: 'x' });
    expect((await at('PATCH', `${PATH}/${id}`, body())).status).toBe(409);
    expect(namesOf(await get(id))).toEqual([]);
  });

  it.each([
    [{ phone: '0301234' }, 422],
    [{ email: 'nobody' }, 422],
    [{ identities: [{ kind: 'slack_user', value: 'U1' }] }, 422],
    [{ identities: [{ kind: 'slack_user', value: 'U1', connection_id: 'con_00000000000000000000000000' }] }, 404],
    [{ nickname: 'x' }, 422],
  ])('is refused as %j', async (body, status) => {
    expect((await at('POST', PATH, body)).status).toBe(status);
  });
});

describe('a merge', () => {
  it('makes one contact of two, loses nothing, and can be undone', async () => {
    const [phone, email, external_id] = [newPhone(), newEmail(), newId()];
    const into = await create({ name: 'Ada', phone, metadata: { a: 1, b: 1 } });
    const from = await create({ external_id, name: 'A. Lovelace', email, metadata: { b: 2, c: 2 } });
    const merged = await scene.must(200, at('POST', `${PATH}/${into.id}/merge`, { contact_id: from.id }));
    expect(merged).toMatchObject({
      id: into.id,
      external_id,
      name: 'Ada',
      phone,
      email,
      metadata: { a: 1, b: 1, c: 2 },
    });
    expect(merged.merges).toMatchObject([{ contact_id: from.id, name: 'A. Lovelace' }]);
    expect(namesOf(merged)).toEqual([`email ${email}`, `phone ${phone}`].sort());
    expect((await get(from.id)).id).toBe(into.id);
    expect(await find(`external_id=${external_id}`)).toEqual([into.id]);
    expect(await find('search=A.%20Lovelace')).toEqual([into.id]);

    await scene.must(200, at('POST', `${PATH}/${into.id}/merges/${merged.merges[0].id}/undo`));
    const strip = ({ updated_at: _, ...contact }: Json) => contact;
    expect([strip(await get(into.id)), strip(await get(from.id))]).toEqual([strip(into), strip(from)]);
    const twice = await at('POST', `${PATH}/${into.id}/merges/${merged.merges[0].id}/undo`);
    expect(twice.status).toBe(404);
    const log = (await scene.must(200, at('GET', '/api/v1/audit?limit=5'))).data.map(({ action }: Json) => action);
    expect(log).toEqual(expect.arrayContaining(['contact.merged', 'contact.unmerged']));
  });

  it('of a contact that others were merged into brings them along, and back', async () => {
    const [a, b, c] = [await create({ name: 'a' }), await create({ name: 'b' }), await create({ name: 'c' })];
    const first = await scene.must(200, at('POST', `${PATH}/${b.id}/merge`, { contact_id: c.id }));
    const second = await scene.must(200, at('POST', `${PATH}/${a.id}/merge`, { contact_id: b.id }));
    expect((await get(c.id)).id).toBe(a.id);
    const early = await at('POST', `${PATH}/${b.id}/merges/${first.merges[0].id}/undo`);
    expect([early.status, early.body.error.code]).toEqual([409, 'conflict']);
    await scene.must(200, at('POST', `${PATH}/${a.id}/merges/${second.merges[0].id}/undo`));
    expect([(await get(c.id)).id, (await get(b.id)).id]).toEqual([b.id, b.id]);
    await scene.must(200, at('POST', `${PATH}/${b.id}/merges/${first.merges[0].id}/undo`));
    expect((await get(c.id)).id).toBe(c.id);
  });

  it('with itself, with a part, or with nobody is refused', async () => {
    const [a, b] = [await create({}), await create({})];
    const merge = async (id: string, contact_id: string) =>
      (await at('POST', `${PATH}/${id}/merge`, { contact_id })).status;
    expect(await merge(a.id, a.id)).toBe(409);
    expect(await merge(a.id, 'ctc_00000000000000000000000000')).toBe(404);
    expect(await merge(a.id, b.id)).toBe(200);
    expect(await merge(a.id, b.id)).toBe(409);
  });
});
