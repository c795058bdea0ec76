/** Everything at once, for long: the row that stands for the nights nobody watches. */
import { expect } from 'vitest';
import { CONCURRENCY } from '../lib/rig.ts';
import { base, pause, type Row, seeded, storm } from '../lib/row.ts';

const MINUTES = Number(process.env.FAULTS_SOAK_MINUTES ?? 10);
const PER_SECOND = 40;

export const soak: readonly Row[] = [
  {
    id: 'F52',
    title:
      'processes, stores and the provider fail together, minute after minute: nothing is lost, nothing goes twice, nothing grows',
    withinMs: MINUTES * 60_000 + 300_000,
    run: async (rig) => {
      const random = seeded(52);
      const lasts = MINUTES * 60_000;
      const count = Math.floor((lasts / 1_000) * PER_SECOND);
      let [kills, flushes, stores, outages] = [0, 0, 0, 0];
      const sizes: number[] = [];
      const { figures, told } = await storm(
        rig,
        { count, perSecond: PER_SECOND, abreast: 32, settleMs: 180_000 },
        async (over) => {
          const every = async (ms: number, act: () => Promise<unknown>): Promise<void> => {
            while (!over.aborted) {
              await pause(ms * (0.5 + random()));
              if (!over.aborted) await act();
            }
          };
          // The provider is out of order for a tenth of the time.
          rig.provider.act = () =>
            Math.floor(performance.now() / 3_000) % 10 === 0 ? { do: 'refuse', status: 500 } : { do: 'take' };
          await Promise.all([
            every(8_000, async () => {
              const victim = rig.all[Math.floor(random() * rig.all.length)] as (typeof rig.all)[number];
              await victim.up();
              await victim.kill();
              kills++;
            }),
            every(7_000, async () => {
              await rig.redis?.command('FLUSHALL').catch(() => undefined);
              flushes++;
            }),
            every(60_000, async () => {
              await rig.killPostgres(2_000);
              stores++;
            }),
            every(45_000, async () => {
              await rig.killRedis(3_000);
              outages++;
            }),
            every(20_000, async () => {
              const [probe] = rig.workers;
              await probe.up();
              // It may be killed while it is asked.
              const vitals = await probe.vitals().catch(() => undefined);
              if (vitals) sizes.push(vitals.rssMb);
            }),
          ]);
        },
      );
      const died = kills + stores * rig.workers.length;
      base({ ...figures, failed: 0 }, { unknownAtMost: died * CONCURRENCY });
      expect(told.contradictions).toEqual([]);
      expect(Math.max(...sizes)).toBeLessThan(300);
      return {
        figures,
        more: `minutes=${MINUTES} kills=${kills} flushes=${flushes} postgres=${stores} redis=${outages} bound=${died * CONCURRENCY} rss_mb=${Math.min(...sizes)}..${Math.max(...sizes)}`,
      };
    },
  },
];
