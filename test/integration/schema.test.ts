/** The schema as a reviewer reads it, the way back and forth, and status changes that touch no index. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrations } from '../../migrations/index.ts';
import type { State } from '../../src/features/notifications/status.ts';
import { enterMessages, entryLine, updateStates } from '../../src/features/notifications/store.ts';
import type { NewMessage } from '../../src/features/notifications/types.ts';
import { createDb } from '../../src/lib/db.ts';
import { messageIdOf, newId, newNotificationId } from '../../src/lib/ids.ts';
import { createLog } from '../../src/lib/log.ts';
import { migrateDown, migrateUp } from '../../src/lib/migrate.ts';
import { openPostgres, type Postgres } from '../faults/lib/stores.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { printSchema } from '../support/print-schema.ts';
import { until } from '../support/product.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

test('the schema is the one in migrations/schema.txt', async () => {
  // Printed anew by `npm run docs`.
  await expect(await printSchema(database.query)).toMatchFileSnapshot('../../migrations/schema.txt');
});

test('up, down and up again is the same schema, and down leaves nothing', async () => {
  const before = await printSchema(database.query);
  await migrateDown(database.url, migrations);
  const left = (await printSchema(database.query)).split('\n').filter((line) => /^(table|function) /.test(line));
  expect(left.filter((line) => !line.includes('carillon_migrations'))).toEqual([]);
  expect(await migrateUp(database.url, migrations)).toHaveLength(migrations.length);
  expect(await printSchema(database.query)).toBe(before);
});

test('a database of a newer version is refused', async () => {
  await expect(migrateUp(database.url, migrations.slice(0, -1))).rejects.toThrow(/newer version/);
});

describe('a thousand messages', () => {
  // On a server of their own: a transaction open in another database of the same server holds back the tidying of pages
  // here too, because a snapshot reaches back to the oldest one that writes anywhere.
  let own: Postgres;
  beforeAll(async () => {
    own = await openPostgres();
  });
  afterAll(() => own.close());

  test('change their status without touching an index', async () => {
    await liveThrough(own.url);
    const { updates, hot } = await counters(own, 3_000);
    expect(updates).toBe(3_000);
    expect(hot / updates).toBeGreaterThanOrEqual(0.95);
  });
});

/** A thousand messages from accepted to read. */
async function liveThrough(url: string): Promise<void> {
  const now = new Date();
  const messages = Array.from(
    { length: 1_000 },
    (_, i): NewMessage => ({
      id: messageIdOf(newNotificationId(), 0),
      tenantId: newId(),
      mode: 'sandbox',
      channel: 'letter',
      address: `address ${i}`,
      recipient: { name: 'Ada Lovelace', street: `${i} St James's Square` },
      connectionId: newId(),
      templateVersionId: null,
      templateVersion: null,
      bulkId: null,
      bulkRow: null,
      fallback: null,
      templateSlug: null,
      language: null,
      input: { body: `Dear Ada, this is number ${i}.` },
      category: 'transactional',
      lane: 1,
      onUnknown: 'wait',
      createdAt: now,
      expiresAt: new Date(now.getTime() + 86_400_000),
      sendAt: null,
      idempotencyKey: null,
      retryOf: null,
      actorId: 'key',
      ip: '127.0.0.1',
      requestId: 'req',
    }),
  );
  // A connection tells its statistics when it ends, so this one is ours alone.
  const db = createDb({ url, log: createLog('silent'), connections: 1 });
  for (let at = 0; at < messages.length; at += 100)
    await db.batch(
      enterMessages(
        messages.slice(at, at + 100).map((message) => ({ message, line: entryLine(message), born: false })),
        newId(),
        30,
      ),
    );
  const sent: State = {
    status: 'sent',
    outcome: null,
    failureCode: null,
    attempts: 1,
    outcomeUnknown: false,
    nextAttemptAt: null,
    sentAt: now,
    deliveredAt: null,
    failedAt: null,
    readAt: null,
    complainedAt: null,
  };
  const steps: State[] = [
    sent,
    { ...sent, status: 'delivered', outcome: 'delivered', deliveredAt: now },
    { ...sent, status: 'delivered', outcome: 'delivered', deliveredAt: now, readAt: now },
  ];
  // As the recorder does: in batches, each its own commit, the steps of a message close together.
  for (let at = 0; at < messages.length; at += 50)
    for (const step of steps)
      await updateStates(
        db,
        messages.slice(at, at + 50).map(({ id }) => ({ id, ...step })),
      );
  await db.close();
}

/** Of the partitions, once so many updates are counted. */
const counters = ({ query }: Pick<Postgres, 'query'>, expected: number): Promise<{ updates: number; hot: number }> =>
  until(
    async () => {
      const [row] = await query<{ updates: number; hot: number }>(
        `select sum(n_tup_upd)::int as updates, sum(n_tup_hot_upd)::int as hot from pg_stat_user_tables where relname like 'messages\\_%'`,
      );
      return row && row.updates >= expected && row;
    },
    { what: 'the statistics' },
  );
