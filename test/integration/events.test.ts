/** The feed of events: in the order in which they became true, and without a gap, whoever else is writing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEvents, createFeed, liftPositions } from '../../src/features/events/index.ts';
import type { Sql } from '../../src/lib/db.ts';
import type { Principal } from '../../src/lib/http.ts';
import { newId } from '../../src/lib/ids.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/product.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const events = createEvents();
const feedOf = () => createFeed({ db: database.db, tell: async (_sql, _tenant, rows) => rows.map(({ data }) => data) });
const somebody = (): Principal => ({
  tenantId: newId(),
  mode: 'live',
  scopes: ['read'],
  actor: { kind: 'key', id: newId() },
});
const say = (sql: Sql, { tenantId, mode }: Principal, ...words: string[]) =>
  events.emit(
    sql,
    words.map((word) => ({ tenantId, mode, type: 'message.sent' as const, messageId: newId(), data: { word } })),
  );
const words = (page: { readonly data: readonly { readonly data: Record<string, unknown> }[] }) =>
  page.data.map(({ data }) => data.word);

/** Others on the same server may be in the way for a moment. */
const soon = async (ask: () => Promise<unknown[]>): Promise<unknown[]> =>
  until(
    async () => {
      const found = await ask();
      return found.length > 0 && found;
    },
    { what: 'events' },
  );

describe('the feed', () => {
  test('shows nothing that another, still open, could come to stand before', async () => {
    const feed = feedOf();
    const me = somebody();
    await say(database.db, me, 'first');
    let after: string | undefined;
    const next = async () => {
      const page = await feed.list(me, { limit: 100, ...(after ? { after } : {}) });
      after = page.next_cursor ?? undefined;
      return words(page);
    };
    expect(await soon(next)).toEqual(['first']);
    await database.db.transaction(async (trx) => {
      await say(trx, me, 'slow');
      await say(database.db, me, 'quick');
      // It is committed, and later by its id; but what came before it is not yet.
      expect(await next()).toEqual([]);
    });
    expect(await soon(next)).toEqual(['slow', 'quick']);
    expect(await next()).toEqual([]);
  });

  test('loses nothing while many write, however their transactions overlap', async () => {
    const feed = feedOf();
    const me = somebody();
    let writing = true;
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let i = 0; i < 40; i++)
        await database.db.transaction(async (trx) => {
          await say(trx, me, `${writer}/${i}`);
          if (i % 7 === 0) await trx.query('select pg_sleep(0.02)');
        });
    });
    const all = Promise.all(writers).finally(() => {
      writing = false;
    });
    const seen: unknown[] = [];
    let after: string | undefined;
    for (let rest = true; rest; ) {
      rest = writing;
      const page = await feed.list(me, { limit: 7, ...(after ? { after } : {}) });
      after = page.next_cursor ?? undefined;
      seen.push(...words(page));
      rest ||= page.has_more;
    }
    await all;
    expect(seen).toHaveLength(160);
    expect(new Set(seen).size).toBe(160);
  });

  test('is each tenant’s own, and each mode’s', async () => {
    const feed = feedOf();
    const [me, you] = [somebody(), somebody()];
    await say(database.db, me, 'mine');
    await say(database.db, { ...me, mode: 'sandbox' }, 'test');
    await say(database.db, you, 'yours');
    expect(await soon(async () => words(await feed.list(me, { limit: 10 })))).toEqual(['mine']);
    const test = { ...me, mode: 'sandbox' } as const;
    expect(await soon(async () => words(await feed.list(test, { limit: 10 })))).toEqual(['test']);
    const [theirs] = (await soon(async () => (await feed.list(you, { limit: 10 })).data.map(({ id }) => id))) as [
      string,
    ];
    await expect(feed.get(me, theirs)).rejects.toMatchObject({ code: 'not_found' });
    await expect(feed.list(me, { limit: 10, after: theirs })).rejects.toMatchObject({ code: 'not_found' });
  });

  test('of chosen types goes on after what it has passed over', async () => {
    const feed = feedOf();
    const me = somebody();
    await say(database.db, me, 'a', 'b', 'c');
    await soon(async () => words(await feed.list(me, { limit: 3 })));
    const page = await feed.list(me, { limit: 2, type: 'message.read' });
    expect([page.data, page.has_more]).toEqual([[], false]);
    await say(database.db, me, 'd');
    expect(await soon(async () => words(await feed.list(me, { limit: 2, after: page.next_cursor as string })))).toEqual(
      ['d'],
    );
    const two = await feed.list(me, { limit: 3, type: 'message.sent, message.read' });
    expect([words(two), two.has_more]).toEqual([['a', 'b', 'c'], true]);
    expect(words(await feed.list(me, { limit: 3, type: 'message.sent', after: two.next_cursor as string }))).toEqual([
      'd',
    ]);
  });

  test('goes on after what it brought along, in a store whose transactions are counted from the beginning again', async () => {
    const feed = feedOf();
    const me = somebody();
    await say(database.db, me, 'before');
    // As a dump of a much older server brings it.
    await database.query(`update events set position = position + 1000000000000 where tenant_id = $1`, [me.tenantId]);
    await database.db.transaction(liftPositions);
    await say(database.db, me, 'after');
    expect(await soon(async () => words(await feed.list(me, { limit: 1 })))).toEqual(['before']);
    const page = await feed.list(me, { limit: 1 });
    expect(await soon(async () => words(await feed.list(me, { limit: 1, after: page.next_cursor as string })))).toEqual(
      ['after'],
    );
  });
});
