/** Attempts were once opened for rows that another worker had taken meanwhile, and one that stood already failed the batch. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Claimed, claimDue, openAttempts } from '../../src/features/notifications/claim.ts';
import { type Product, startProduct } from '../support/product.ts';
import { newPhone } from '../support/scene.ts';

let product: Product;
beforeAll(async () => {
  product = await startProduct({ role: 'api' });
});
afterAll(() => product.stop());

const claim = (owner: string): Promise<Claimed[]> =>
  claimDue(product.deps.db, owner, { rooms: [], defaultRoom: 10, limit: 10, leaseSeconds: 30 });
async function claimed(owner: string, count: number): Promise<Claimed[]> {
  await product.database.query('delete from due');
  for (let i = 0; i < count; i++)
    await product.api('/api/v1/notifications/send', {
      body: { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'Whose is it?' } },
    });
  const rows = await claim(owner);
  expect(rows).toHaveLength(count);
  return rows;
}
const first = ({ id, connectionId, fence }: Claimed) => ({
  messageId: id,
  number: 1,
  tenantId: product.tenantId,
  connectionId,
  fence,
});
const attemptsOf = async (rows: readonly Claimed[]): Promise<string[]> =>
  (
    await product.database.query<{ id: string }>(
      'select message_id as id from attempts where message_id = any($1) order by 1',
      [rows.map(({ id }) => id)],
    )
  ).map(({ id }) => id);

it('no attempt is opened for a row that another worker has claimed since', async () => {
  const [mine, other] = [randomUUID(), randomUUID()];
  const rows = await claimed(mine, 2);
  const [lost, kept] = rows as [Claimed, Claimed];
  await product.database.query('update due set owner = $1, fence = fence + 1 where id = $2', [other, lost.id]);
  expect([...(await openAttempts(product.deps.db, mine, rows.map(first)))]).toEqual([kept.id]);
  expect(await attemptsOf(rows)).toEqual([kept.id]);
});

it('no attempt is opened for a row that this worker has claimed again since', async () => {
  const mine = randomUUID();
  const rows = await claimed(mine, 1);
  await product.database.query('update due set fence = fence + 1 where id = $1', [rows[0]?.id]);
  expect(await openAttempts(product.deps.db, mine, rows.map(first))).toEqual(new Set());
  expect(await attemptsOf(rows)).toEqual([]);
});

it('no attempt is opened under a fence that is right in the name of another owner', async () => {
  const rows = await claimed(randomUUID(), 1);
  expect(await openAttempts(product.deps.db, randomUUID(), rows.map(first))).toEqual(new Set());
  expect(await attemptsOf(rows)).toEqual([]);
});

it('an attempt that stands already is left out, and fails nobody else of its batch', async () => {
  const mine = randomUUID();
  const rows = await claimed(mine, 3);
  const [standing] = rows as [Claimed];
  await openAttempts(product.deps.db, mine, [first(standing)]);
  const opened = await openAttempts(product.deps.db, mine, rows.map(first));
  expect(opened).toEqual(new Set(rows.slice(1).map(({ id }) => id)));
  expect(await attemptsOf(rows)).toEqual(rows.map(({ id }) => id).sort());
});
