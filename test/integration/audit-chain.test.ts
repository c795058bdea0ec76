/** The audit log is added to and nothing else; what somebody with all rights does to it is seen. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verify } from '../../src/verify.ts';
import { type Product, startProduct, until } from '../support/product.ts';

let product: Product;
const act = async (name: string): Promise<void> => {
  expect((await product.api('/api/v1/keys', { body: { name } })).status).toBe(201);
};
const entries = async () => (await product.api('/api/v1/audit')).body.data as { id: string; hash: string | null }[];
const allSealed = () =>
  until(async () => (await entries()).every(({ hash }) => hash !== null), {
    withinMs: 5_000,
    what: 'that all is sealed',
  });
const broken = async () => (await verify(product.database.url)).filter(({ ok }) => !ok);

beforeAll(async () => {
  product = await startProduct();
  for (const name of ['one', 'two', 'three', 'four']) await act(name);
  await allSealed();
});
afterAll(() => product.stop());

it('is sealed within five seconds, each row over the one before, and GET shows the hash', async () => {
  const shown = await entries();
  expect(shown.length).toBeGreaterThanOrEqual(4);
  expect(new Set(shown.map(({ hash }) => hash)).size).toBe(shown.length);
  for (const { hash } of shown) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(await broken()).toEqual([]);
});

it.each([
  ['audit_log', 'an update', `update audit_log set actor_id = 'x'`],
  ['audit_log', 'a delete', 'delete from audit_log'],
  ['audit_log', 'a truncate', 'truncate audit_log'],
  ['audit_chain', 'an update', `update audit_chain set hash = ''`],
  ['audit_chain', 'a delete', 'delete from audit_chain'],
])('%s refuses %s, to the application and to a superuser', async (_table, _what, sql) => {
  await expect(product.database.db.query(sql)).rejects.toThrow(/permission denied/);
  await expect(product.database.query(sql)).rejects.toThrow(/never changed or removed/);
});

it('several processes seal one chain', async () => {
  await Promise.all(['a', 'b', 'c'].map(act));
  const { audit } = product.deps;
  await Promise.all([audit.seal(), audit.seal(), audit.seal()]);
  await allSealed();
  const [row] = await product.database.query<{ gap: number }>(
    'select max(position)::int - count(*)::int as gap from audit_chain',
  );
  expect(row?.gap).toBe(0);
  expect(await broken()).toEqual([]);
});

/** As somebody does who may switch the triggers off. */
const tamper = async (sql: string): Promise<void> => {
  await product.database.query(`set session_replication_role = replica`);
  await product.database.query(sql);
  await product.database.query(`set session_replication_role = origin`);
};

it('a row that was changed is named, and so is what follows one that was removed', async () => {
  const rows = (await entries()).reverse();
  const changed = rows[1]?.id;
  const [{ id }] = (await product.database.query(
    'select id from audit_log where tenant_id = $1 order by id offset 1 limit 1',
    [product.tenantId],
  )) as [{ id: string }];
  await tamper(`update audit_log set detail = '{"status": 999}' where id = '${id}'`);
  const [first] = await broken();
  expect(first).toMatchObject({ id: 'I19', offenders: [changed] });
  await tamper(`delete from audit_log where id = '${id}'`);
  expect((await broken())[0]).toMatchObject({ id: 'I19', offenders: [changed] });
  await tamper(`delete from audit_chain where audit_id = '${id}'`);
  expect((await broken())[0]).toMatchObject({ id: 'I19', offenders: [rows[2]?.id] });
});
