/** A long history makes no question dearer: counted in pages and partitions that are read, not in time. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Sql } from '../../src/lib/db.ts';
import { fromWire, toWire } from '../../src/lib/ids.ts';
import { type Product, startProduct } from '../support/product.ts';

describe('a long history', () => {
  let product: Product;
  beforeAll(async () => {
    product = await startProduct();
    await product.database.query(`do $$ declare month timestamptz; tab text; begin
      for i in 2..7 loop
        month := (date_trunc('month', now() at time zone 'utc') - make_interval(months => i)) at time zone 'utc';
        foreach tab in array array['messages', 'attempts'] loop
          execute format('create table %I partition of %I for values from (%L) to (%L)', tab || '_' || to_char(month at time zone 'utc', 'YYYYMM'),
            tab, uuid_at(month), uuid_at((month at time zone 'utc' + interval '1 month') at time zone 'utc'));
        end loop;
      end loop; end $$`);
  });
  afterAll(() => product.stop());

  /** Messages and their attempts from `from` to `to`, spread over six months. */
  const fill = (from: number, to: number) =>
    product.database.query(
      `with s as (
         select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7000' || '8' || lpad(to_hex(i), 14, '0') || '1')::uuid as id, at
         from generate_series($1::int, $2::int) i, lateral (select now() - interval '180 days' * ((i * 7919) % 200000) / 200000.0 as at) t
       ), m as (
         insert into messages (id, tenant_id, mode, channel, address, recipient, connection_id, input, category, lane, on_unknown,
           created_at, expires_at, actor_id, status, outcome, attempts)
         select id, $3, 'sandbox', 'sms', '+14155550123', '{}', $3, '{}', 'transactional', 1, 'wait', at, at, 'a', 'delivered', 'delivered', 1 from s
       )
       insert into attempts (message_id, number, tenant_id, connection_id, fence, started_at, finished_at, result)
       select id, 1, $3, $3, 1, at, at, 'accepted' from s`,
      [from, to, fromWire('tenant', product.tenantId) ?? product.tenantId],
    );

  /** Pages of the store that a request touches, and the partitions that it reads. */
  async function cost(path: string): Promise<{ pages: number; partitions: number }> {
    const { db } = product.deps;
    const read = db.read.bind(db);
    let pages = 0;
    const names = new Set<string>();
    const explained = (sql: Sql): Sql => ({
      async query(text, values = []) {
        const [row] = await sql.query(`explain (analyze, buffers, format json) ${text}`, values);
        const { Plan } = row['QUERY PLAN'][0];
        pages += Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks'];
        const visit = (node: Record<string, unknown>): void => {
          const name = node['Relation Name'];
          if (typeof name === 'string' && Number(node['Actual Loops']) > 0) names.add(name);
          for (const child of (node.Plans ?? []) as Record<string, unknown>[]) visit(child);
        };
        visit(Plan);
        return sql.query(text, values);
      },
    });
    const watched = vi
      .spyOn(db, 'read')
      .mockImplementation((tenant, work) => read(tenant, (sql) => work(explained(sql))));
    const { status } = await product.api(path);
    watched.mockRestore();
    expect(status).toBe(200);
    return { pages, partitions: [...names].filter((name) => /_\d{6}$/.test(name)).length };
  }

  it('makes neither a page of the list nor a look-up dearer: as many pages and months are read of 200,000 messages as of 10,000', async () => {
    const one = async (): Promise<string> => {
      const [row] = await product.database.query<{ id: string }>(
        'select id from messages order by id offset 5000 limit 1',
      );
      return `/api/v1/notifications/${toWire('notification', `${row?.id.slice(0, 35)}0`)}`;
    };
    const paths = async () => ({
      list: '/api/v1/notifications?limit=20',
      old: `/api/v1/notifications?limit=20&to=${new Date(Date.now() - 90 * 86_400_000).toISOString()}`,
      address: '/api/v1/notifications?limit=20&recipient=%2B14155550123',
      look: await one(),
    });
    const costs = async () => {
      await product.database.query('analyze messages');
      await product.database.query('analyze attempts');
      const all: Record<string, { pages: number; partitions: number }> = {};
      // More often than a statement is planned anew, so that the plan for any values is judged too.
      for (const [name, path] of Object.entries(await paths()))
        for (let i = 0; i < 8; i++) all[name] = await cost(path);
      return all;
    };
    await fill(1, 10_000);
    const few = await costs();
    await fill(10_001, 200_000);
    const many = await costs();
    for (const [name, { pages, partitions }] of Object.entries(many)) {
      expect(partitions, name).toBeLessThanOrEqual(Math.max(few[name]?.partitions ?? 0, 4));
      // A deeper tree is a page more for each row that is looked for.
      expect(pages, `${name}: ${JSON.stringify([few[name], many[name]])}`).toBeLessThanOrEqual(
        (few[name]?.pages ?? 0) * 1.5 + 100,
      );
    }
    expect(many.look?.partitions).toBeLessThanOrEqual(2);
  }, 90_000);
});
