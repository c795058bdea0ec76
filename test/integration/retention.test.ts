/** What is kept for how long: months that are over go whole, work in them never does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Product, startProduct, until } from '../support/product.ts';

const DAYS = 35;
const sms = { recipient: { phone: '+14155550123' }, notification: { channels: ['sms'], body: 'Hello' } };
const deliver = async ({ api }: Product): Promise<string> => {
  const { body } = await api('/api/v1/notifications/send', { body: sms });
  const id = body.notification_id as string;
  await until(async () => (await api(`/api/v1/notifications/${id}`)).body.status === 'delivered', { what: 'delivery' });
  return id;
};
const count = async ({ database }: Product, table: string): Promise<number> =>
  Number((await database.query<{ count: string }>(`select count(*) from ${table}`))[0]?.count);

describe('what is older than RETENTION_DAYS', () => {
  let product: Product;
  beforeAll(async () => {
    product = await startProduct({ env: { RETENTION_DAYS: String(DAYS) } });
  });
  afterAll(() => product.stop());

  it('stays while a worker still has work in its month, is gone after that, and new messages are taken as before', async () => {
    const { api, database, deps } = product;
    const id = await deliver(product);
    await until(async () => (await count(product, 'inbound_requests where applied_at is null')) === 0);
    await database.query(
      `insert into due (id, tenant_id, connection_id, lane, run_at)
       select id, tenant_id, connection_id, lane, clock_now() + interval '1 year' from messages`,
    );
    await database.advance('100 days');
    await deps.notifications.purge(DAYS);
    expect((await api(`/api/v1/notifications/${id}`)).body.status).toBe('delivered');
    expect(await count(product, 'receipts')).toBeGreaterThan(0);

    await database.query('delete from due');
    // The callbacks of that month were read, so the hourly housekeeping takes them too.
    await until(
      async () => {
        deps.doorbell.ring('housekeeping');
        return (await api(`/api/v1/notifications/${id}`)).status === 404;
      },
      { what: 'the end of that month' },
    );
    const tables = ['messages', 'attempts', 'receipts', 'provider_refs', 'events', 'inbound_requests'];
    // What a sweep has yet to visit goes with a later round.
    for (const table of tables)
      await until(
        async () => {
          deps.doorbell.ring('housekeeping');
          return (await count(product, table)) === 0;
        },
        { what: `an empty ${table}` },
      );
    await until(async () => (await api('/api/v1/notifications/send', { body: sms })).status === 202, {
      what: 'a month of its own for new messages',
    });
  });

  it('waits for who is using it, rather than holding others up', async () => {
    const { database, deps } = product;
    await until(async () => (await count(product, 'messages')) > 0);
    await until(async () => (await count(product, 'due')) === 0);
    const kept = await count(product, 'messages');
    await database.query('begin');
    await database.query('select from messages for share');
    await deps.notifications.purge(DAYS);
    await database.query('commit');
    expect(await count(product, 'messages')).toBe(kept);
  });

  it('is kept for ever with 0', async () => {
    const kept = await count(product, 'messages');
    expect(await product.deps.notifications.purge(0)).toBe(0);
    expect(await product.deps.inbound.purge(0)).toBe(0);
    expect(await count(product, 'messages')).toBe(kept);
  });
});
