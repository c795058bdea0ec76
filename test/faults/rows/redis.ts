/** The queue goes away, loses what it holds, or says the same fifty times. It is a doorbell: what is due stands in PostgreSQL. */
import { Queue } from 'bullmq';
import { expect } from 'vitest';
import { queuePrefix } from '../../../src/lib/queue.ts';
import { quantile } from '../lib/client.ts';
import { base, pause, type Row, seeded, storm } from '../lib/row.ts';
import type { OwnRedis } from '../lib/stores.ts';

const PER_SECOND = 60;

export const redis: readonly Row[] = [
  {
    id: 'F16',
    title: 'the queue is emptied ten times: nothing was in it that anybody needs',
    quick: true,
    needs: 'redis',
    run: async (rig, { n }) => {
      const random = seeded(16);
      let flushed = 0;
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND }, async () => {
        for (; flushed < 10; flushed++) {
          await pause(((n / PER_SECOND) * 1_000 * (0.5 + random())) / 12);
          await rig.redis?.command('FLUSHALL');
        }
      });
      base(figures);
      return { figures, more: `flushed=${flushed}` };
    },
  },
  {
    id: 'F17',
    title: 'Redis is killed and comes back empty: no request is refused, none waits for it, all is delivered',
    quick: true,
    needs: 'redis',
    run: async (rig, { n, outage }) => {
      const { figures, told } = await storm(rig, { count: n, perSecond: PER_SECOND }, async () => {
        await pause(500);
        await rig.killRedis(outage(10));
      });
      base(figures);
      expect([...told.answers.keys()]).toEqual([202]);
      const p99 = Math.round(quantile(told.latencies, 0.99));
      expect(p99).toBeLessThan(500);
      return { figures, more: `accept_p99=${p99}` };
    },
  },
  ...(['silent', 'slow', 'full'] as const).map(
    (how): Row => ({
      id: { silent: 'F18', slow: 'F18b', full: 'F18c' }[how],
      title: `Redis is ${how}: no request waits for it, and all is delivered`,
      needs: 'redis',
      run: async (rig, { n, outage }) => {
        const { figures, told } = await storm(rig, { count: n, perSecond: PER_SECOND }, async () => {
          await pause(500);
          if (how === 'silent') rig.weather('redis', 'blackhole');
          else if (how === 'slow') rig.weather('redis', { delayMs: 200 });
          else await rig.redis?.command('CONFIG', 'SET', 'maxmemory', '1');
          await pause(outage(30));
          rig.weather('redis', 'pass');
          await rig.redis?.command('CONFIG', 'SET', 'maxmemory', '0');
        });
        base(figures);
        expect([...told.answers.keys()]).toEqual([202]);
        const p99 = Math.round(quantile(told.latencies, 0.99));
        expect(p99).toBeLessThan(500);
        return { figures, more: `accept_p99=${p99}` };
      },
    }),
  ),
  {
    id: 'F19',
    title: 'the bell is rung far more often than there is work: every message is sent once',
    needs: 'redis',
    run: async (rig, { n }) => {
      const queue = new Queue('carillon', {
        prefix: await queuePrefix(rig.postgres.url),
        connection: { host: '127.0.0.1', port: (rig.redis as OwnRedis).port },
      });
      try {
        const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND }, async (over) => {
          while (!over.aborted) {
            const rings = Array.from({ length: 50 }, () => ({
              name: 'due',
              data: {},
              opts: { removeOnComplete: true },
            }));
            await queue.addBulk(rings);
            await pause(50);
          }
        });
        base(figures);
        expect(figures.calls).toBe(n);
        return { figures };
      } finally {
        await queue.close();
      }
    },
  },
];
