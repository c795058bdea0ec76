/** A batch once held two results of one row, the late one of a lapsed lease and the current one, and applied both. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEvents } from '../../src/features/events/index.ts';
import { type Claimed, claimDue } from '../../src/features/notifications/claim.ts';
import { createRecorder, type Result } from '../../src/features/notifications/record.ts';
import { loadMessages } from '../../src/features/notifications/store.ts';
import type { Message } from '../../src/features/notifications/types.ts';
import { type Product, startProduct } from '../support/product.ts';
import { newPhone } from '../support/scene.ts';

let product: Product;
beforeAll(async () => {
  // Nobody but the test takes anything.
  product = await startProduct({ role: 'api' });
});
afterAll(() => product.stop());

async function claimTwice(owner: string): Promise<readonly [Claimed, Claimed]> {
  const { db } = product.deps;
  const take = async (): Promise<Claimed> => {
    const [row] = await claimDue(db, owner, { rooms: [], defaultRoom: 1, limit: 1, leaseSeconds: 30 });
    if (!row) throw new Error('nothing was due');
    return { ...row, dueId: row.id, number: row.tries, deadline: false };
  };
  const late = await take();
  await product.database.query('update due set run_at = clock_now() where id = $1', [late.id]);
  return [late, await take()];
}

const resultOf = (claimed: Claimed, before: Message, result: 'accepted' | 'refused'): Result => ({
  claimed,
  before,
  attempt: {
    messageId: claimed.id,
    tenantId: claimed.tenantId,
    connectionId: claimed.connectionId,
    fence: claimed.fence,
    startedAt: claimed.now,
    number: 1,
    result,
    fault: result === 'refused' ? 'provider_rejected' : null,
    providerCode: null,
    providerMessage: null,
    providerId: null,
    retryAt: null,
  },
  words: [
    result === 'accepted'
      ? { word: 'accepted', at: claimed.now }
      : { word: 'failed', at: claimed.now, code: 'provider_rejected' },
  ],
});

it.each([
  'first',
  'last',
])('of two results of one row only the current fence is applied, the late one coming %s', async (place) => {
  const sent = await product.api('/api/v1/notifications/send', {
    body: { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'Twice claimed' } },
  });
  expect(sent.status).toBe(202);
  const owner = randomUUID();
  const [late, current] = await claimTwice(owner);
  expect([current.id, current.fence]).toEqual([late.id, late.fence + 1]);
  const { db, idempotency, registry, suppressions } = product.deps;
  const [message] = await loadMessages(db, [late.id]);
  const results = [resultOf(late, message as Message, 'refused'), resultOf(current, message as Message, 'accepted')];
  const verdicts = ['lease_lost', 'recorded'];
  if (place === 'last') for (const list of [results, verdicts]) list.reverse();
  expect(
    await createRecorder({ db, events: createEvents(), idempotency, registry, suppressions, owner })(results),
  ).toEqual(verdicts);
  const { query } = product.database;
  expect(await query('select status, outcome from messages where id = $1', [late.id])).toEqual([
    { status: 'sent', outcome: null },
  ]);
  expect(await query('select result, fault from attempts where message_id = $1', [late.id])).toEqual([
    { result: 'accepted', fault: null },
  ]);
  expect(await query('select 1 from due where id = $1', [late.id])).toEqual([]);
});
