/** The store goes away, says nothing, refuses a statement now and then, or changes its shape under the running code. */
import { expect } from 'vitest';
import { check, settle } from '../lib/checker.ts';
import { send } from '../lib/client.ts';
import { CONCURRENCY } from '../lib/rig.ts';
import { base, pause, type Row, seeded, storm } from '../lib/row.ts';

const PER_SECOND = 60;
/** While the store is gone a client hears of nothing but that, in our own words. */
const ONLY_503 = /^(503 unavailable|409 idempotency_in_progress)$/;

export const postgres: readonly Row[] = [
  {
    id: 'F21',
    title: 'PostgreSQL is killed again and again: callers hear 503 and nothing else, and no 202 is lost',
    quick: true,
    run: async (rig, { n, kills, outage }) => {
      const random = seeded(21);
      const times = Math.min(5, kills);
      const { figures, told } = await storm(rig, { count: n, perSecond: PER_SECOND / 2 }, async (over) => {
        for (let i = 0; i < times && !over.aborted; i++) {
          await pause(500 + random() * 1_500);
          await rig.killPostgres(outage(3));
        }
      });
      base(figures, { unknownAtMost: times * CONCURRENCY * 2 });
      expect([...told.codes].filter((code) => !ONLY_503.test(code))).toEqual([]);
      expect(told.answers.get(0) ?? 0).toBe(0);
      return { figures, more: `kills=${times} refused=${told.answers.get(503) ?? 0}` };
    },
  },
  {
    id: 'F23',
    title: 'PostgreSQL is silent: callers hear 503 within five seconds and never a false 202; afterwards all is well',
    quick: true,
    withinMs: 240_000,
    run: async (rig, { n, outage }) => {
      const { figures, told } = await storm(rig, { count: Math.min(n, 300), perSecond: 30 }, async () => {
        await pause(1_000);
        rig.weather('pg', 'blackhole');
        await pause(Math.max(8_000, outage(20)));
        rig.weather('pg', 'pass');
      });
      base(figures, { unknownAtMost: CONCURRENCY * 2 });
      expect(told.slowestMs()).toBeLessThan(6_000);
      expect([...told.codes].filter((code) => !ONLY_503.test(code))).toEqual([]);
      return { figures, more: `slowest=${Math.round(told.slowestMs())} refused=${told.answers.get(503) ?? 0}` };
    },
  },
  {
    id: 'F25',
    title: 'somebody lists with two hundred requests at once: another tenant sends as before',
    run: async (rig, { n }) => {
      const crowd = await rig.customer();
      await send(rig, crowd, { count: 500, door: 'crowd' });
      const { figures, told } = await storm(rig, { count: n, perSecond: PER_SECOND }, async (over) => {
        const list = async (): Promise<void> => {
          while (!over.aborted) await rig.call(crowd.key, '/api/v1/notifications?limit=100').catch(() => undefined);
        };
        await Promise.all(Array.from({ length: 200 }, list));
      });
      base(figures);
      expect([...told.answers.keys()]).toEqual([202]);
      return { figures };
    },
  },
  {
    id: 'F26',
    title:
      'one statement in twenty fails for a full disk, a deadlock or a conflict: it is tried again, or the caller is told to',
    run: async (rig, { n }) => {
      const codes = ['53100', '40P01', '40001'];
      await rig.postgres.query(`create function fail_some() returns trigger language plpgsql as $$
        declare dice float8 := random() * 20;
        begin
          if dice < 1 then raise exception 'planted' using errcode = case when dice < 0.33 then '${codes[0]}' when dice < 0.66 then '${codes[1]}' else '${codes[2]}' end; end if;
          return null;
        end $$`);
      for (const table of ['messages', 'attempts'])
        await rig.postgres.query(
          `create trigger fail_some before insert on ${table} for each statement execute function fail_some()`,
        );
      try {
        const { figures, told } = await storm(rig, { count: n, perSecond: PER_SECOND });
        base(figures, { unknownAtMost: 0 });
        expect([...told.codes].filter((code) => !ONLY_503.test(code))).toEqual([]);
        return { figures, more: `refused=${told.answers.get(503) ?? 0}` };
      } finally {
        await rig.postgres.query('drop function fail_some() cascade');
      }
    },
  },
  {
    id: 'F27',
    title: 'tables are widened and narrowed under load: nobody hears of it but as a moment to wait',
    quick: true,
    run: async (rig, { n, isFull }) => {
      let changes = 0;
      const { figures, told } = await storm(rig, { count: n, perSecond: PER_SECOND }, async (over) => {
        const change = async (sql: string): Promise<void> => {
          // As a migration does it: it waits two seconds for the lock, and tries again.
          for (;;)
            try {
              await rig.postgres.query(`set lock_timeout = '2s'; ${sql}; reset lock_timeout`);
              changes++;
              return;
            } catch (error) {
              if ((error as { code?: string }).code !== '55P03') throw error;
              await pause(100);
            }
        };
        for (let i = 0; i < (isFull ? 20 : 4) && !over.aborted; i++) {
          for (const table of ['messages', 'attempts', 'events', 'due', 'idempotency', 'connections'])
            await change(`alter table ${table} add column widened_${i} text`);
          await pause(200);
          for (const table of ['messages', 'attempts', 'events', 'due', 'idempotency', 'connections'])
            await change(`alter table ${table} drop column widened_${i}`);
        }
      });
      base(figures);
      expect([...told.codes].filter((code) => !ONLY_503.test(code))).toEqual([]);
      return { figures, more: `changes=${changes} refused=${told.answers.get(503) ?? 0}` };
    },
  },
  {
    id: 'I14',
    title: 'a hundred thousand messages of one tenant wait: another is served as if they were not there',
    quick: true,
    withinMs: 600_000,
    run: async (rig, { n, isFull }) => {
      const waiting = isFull ? 100_000 : 2_000;
      const alone = await storm(rig, { count: n, perSecond: PER_SECOND });
      base(alone.figures);
      const crowd = await rig.customer({ concurrency: 1 });
      for (let sent = 0; sent < waiting; sent += 2_000) {
        const recipients = Array.from({ length: 2_000 }, (_, i) => ({ door: `c-${sent + i}` }));
        const bulk = await rig.call(crowd.key, '/api/v1/notifications/bulk', {
          notification: { channels: ['courier'], body: 'all of you' },
          recipients,
        });
        expect([bulk.status, bulk.body.error]).toEqual([202, undefined]);
      }
      const customer = await rig.customer();
      const told = await send(rig, customer, { count: n, perSecond: PER_SECOND });
      const [row] = await rig.postgres.query<{ left: number }>(
        `select sum(size)::int as left from due where tenant_id = $1 and owner is null`,
        [crowd.tenantId],
      );
      const figures = await check(rig, customer, [told], n);
      await rig.call(
        crowd.key,
        `/api/v1/connections/${crowd.connectionId}`,
        { limits: { per_second: 100_000, concurrency: 64 } },
        'PATCH',
      );
      await settle(rig, isFull ? 900_000 : 120_000);
      const settled = await check(rig, customer, [told], n);
      base(settled);
      expect(row?.left).toBeGreaterThan(0);
      // Twice, and what two cores that do all of this at once are apart from themselves.
      expect(figures.p95).toBeLessThanOrEqual(2 * alone.figures.p95 + 100);
      return {
        figures: { ...settled, p95: figures.p95 },
        more: `alone_p95=${alone.figures.p95} waiting=${waiting} left=${row?.left}`,
      };
    },
  },
];
