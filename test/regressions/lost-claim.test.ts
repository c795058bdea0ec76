/** Attempts were once opened for rows that another worker had taken meanwhile. A claim and its attempt are one write now. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { claimDue, type TakenRow } from '../../src/features/notifications/claim.ts';
import { type Product, startProduct } from '../support/product.ts';
import { newPhone } from '../support/scene.ts';

let product: Product;
beforeAll(async () => {
  product = await startProduct({ role: 'api' });
});
afterAll(() => product.stop());

const claim = (owner: string): Promise<TakenRow[]> =>
  claimDue(product.deps.db, owner, { rooms: [], defaultRoom: 10, limit: 10, leaseSeconds: 30 });
async function waiting(count: number): Promise<void> {
  await product.database.query('delete from due');
  for (let i = 0; i < count; i++)
    await product.api('/api/v1/notifications/send', {
      body: { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'Whose is it?' } },
    });
}
const due = (ids: readonly string[]) =>
  product.database.query<{ owner: string; opened: boolean; tries: number }>(
    'select owner, opened, tries from due where id = any($1)',
    [ids],
  );

it('a claim opens the attempt of every row that it takes, in the same write', async () => {
  await waiting(2);
  const mine = randomUUID();
  const rows = await claim(mine);
  expect(rows).toHaveLength(2);
  expect(await due(rows.map(({ id }) => id))).toEqual([
    { owner: mine, opened: true, tries: 1 },
    { owner: mine, opened: true, tries: 1 },
  ]);
});

it('what one worker has taken no other is given before the lease ends', async () => {
  await waiting(3);
  const [one, two] = await Promise.all([claim(randomUUID()), claim(randomUUID())]);
  const ids = [...one, ...two].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length + (await claim(randomUUID())).length).toBe(3);
});

it('a lapsed lease is given out with the news that its attempt may have been made', async () => {
  await waiting(1);
  const [first] = await claim(randomUUID());
  await product.database.query('update due set run_at = clock_now() where id = $1', [first?.id]);
  const [second] = await claim(randomUUID());
  expect(first?.openSince).toBeNull();
  expect(second).toMatchObject({ id: first?.id, fence: (first?.fence ?? 0) + 1, tries: 1 });
  expect(second?.openSince).toBeInstanceOf(Date);
});
