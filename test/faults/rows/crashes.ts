/** A process dies, at a point that has a name. */
import { expect } from 'vitest';
import { CONCURRENCY } from '../lib/rig.ts';
import { base, dieAt, type Row, seeded, storm, until } from '../lib/row.ts';

/** Enough a second that a batch has company, and slow enough that every death falls into the load. */
const PER_SECOND = 60;
const some = (seed: number, max: number): (() => number) => {
  const random = seeded(seed);
  return () => 1 + Math.floor(random() * max);
};

export const crashes: readonly Row[] = [
  {
    id: 'F1',
    title: 'an API process dies before the commit: whoever asks again is served once',
    run: async (rig, { n, kills }) => {
      let deaths = 0;
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND }, async (over) => {
        deaths = await dieAt(rig.apis, 'K1', kills, some(1, 20), over);
      });
      base(figures);
      expect(deaths).toBeGreaterThan(0);
      return { figures, more: `deaths=${deaths}` };
    },
  },
  {
    id: 'F2',
    title: 'an API process dies between the commit and the 202: the repeat gets the first answer, and says so',
    quick: true,
    run: async (rig, { n, kills }) => {
      let deaths = 0;
      const { figures, told } = await storm(rig, { count: n, perSecond: PER_SECOND }, async (over) => {
        deaths = await dieAt(rig.apis, 'K2', kills, some(2, 20), over);
      });
      base(figures);
      const replayed = [...told.acked.values()].filter((ack) => ack.replayed).length;
      expect(deaths).toBeGreaterThan(0);
      expect(replayed).toBeGreaterThanOrEqual(deaths);
      return { figures, more: `deaths=${deaths} replayed=${replayed}` };
    },
  },
  {
    id: 'F3',
    title: 'an API process dies with its ring unheard: the sweep finds what it accepted',
    run: async (rig, { n, kills }) => {
      let deaths = 0;
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND }, async (over) => {
        deaths = await dieAt(rig.apis, 'K3', kills, some(3, 20), over);
      });
      base(figures);
      expect(deaths).toBeGreaterThan(0);
      // Two sweeps, and what the machine needs to start a process anew.
      expect(figures.p95).toBeLessThan(2_500);
      return { figures, more: `deaths=${deaths}` };
    },
  },
  {
    id: 'F4',
    title: 'a worker dies with a claim in its hands: another takes it when the lease is over',
    run: async (rig, { n, kills }) => {
      let deaths = 0;
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND, adapter: 'seeing' }, async (over) => {
        deaths = await dieAt(rig.workers, 'K4', kills, some(4, 10), over);
      });
      base(figures);
      expect(deaths).toBeGreaterThan(0);
      return { figures, more: `deaths=${deaths}` };
    },
  },
  ...(['seeing', 'blind'] as const).map(
    (adapter): Row => ({
      id: adapter === 'seeing' ? 'F5' : 'F5b',
      title: `a worker dies before a byte has left, ${adapter === 'seeing' ? 'and the provider can be asked: everything goes once' : 'and nobody can be asked: it is said to be unknown, and not sent again'}`,
      run: async (rig, { n, kills }) => {
        let deaths = 0;
        const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND, adapter }, async (over) => {
          deaths = await dieAt(rig.workers, 'K5', kills, some(5, 40), over);
        });
        base(figures, { unknownAtMost: adapter === 'blind' ? deaths * CONCURRENCY : 0 });
        expect(deaths).toBeGreaterThan(0);
        if (adapter === 'blind') expect(figures.unknown).toBeGreaterThan(0);
        return { figures, more: `deaths=${deaths} bound=${deaths * CONCURRENCY}` };
      },
    }),
  ),
  ...(
    [
      ['F6', 'seeing', 'reference', undefined],
      ['F6b', 'blind', 'id', undefined],
      ['F6c', 'blind', 'id', 'resend'],
    ] as const
  ).map(
    ([id, adapter, by, onUnknown]): Row => ({
      id,
      title: {
        F6: 'a worker dies after the provider has taken the message, which can be asked: everything is known, and went once',
        F6b: 'a worker dies after a blind provider has taken the message: unknown, and never sent twice',
        F6c: 'the same, and the caller has asked to send again: nothing stays unknown, and no more is sent twice than was unknown',
      }[id],
      quick: id === 'F6b',
      run: async (rig, { n, kills }) => {
        let deaths = 0;
        const lucky = some(6, 30);
        let next = lucky();
        const load = { count: n, perSecond: PER_SECOND, adapter, ...(onUnknown ? { onUnknown } : {}) };
        const { figures } = await storm(rig, load, async () => {
          rig.provider.callbacks = { by };
          rig.provider.act = () => {
            if (--next > 0 || deaths >= kills) return { do: 'take' };
            next = 20 + lucky();
            deaths++;
            return { do: 'take and kill' };
          };
        });
        expect(deaths).toBeGreaterThan(0);
        const bound = deaths * CONCURRENCY;
        if (id === 'F6') base(figures);
        else if (id === 'F6b') base(figures, { unknownAtMost: bound });
        else {
          // Taken twice is what was asked for; each is an attempt that is on record as unknown.
          const [row] = await rig.postgres.query<{ unknown: number }>(
            `select count(*)::int as unknown from attempts where result = 'unknown'
               and tenant_id = (select tenant_id from messages order by id desc limit 1)`,
          );
          expect(figures).toMatchObject({ acked: n, rows: n, outcome: n, lost: 0, unknown: 0, broken: [] });
          expect(figures.dup).toBeLessThanOrEqual(row?.unknown ?? 0);
        }
        return { figures, more: `deaths=${deaths} bound=${bound}` };
      },
    }),
  ),
  ...(['seeing', 'blind'] as const).map(
    (adapter): Row => ({
      id: adapter === 'seeing' ? 'F7' : 'F7b',
      title: `a worker dies with the answer read and not written down: ${adapter === 'seeing' ? 'the provider is asked' : 'its callback settles it'}`,
      run: async (rig, { n, kills }) => {
        let deaths = 0;
        const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND, adapter }, async (over) => {
          deaths = await dieAt(rig.workers, 'K7', kills, some(7, 40), over);
        });
        // Of what the worker had in hand beside it, a part had not left: nobody will ever call back about that.
        base(figures, { unknownAtMost: adapter === 'blind' ? deaths * (CONCURRENCY - 1) : 0 });
        expect(deaths).toBeGreaterThan(0);
        return { figures, more: `deaths=${deaths}` };
      },
    }),
  ),
  {
    id: 'F8',
    title: 'a worker dies after it has written a result down: nothing is called twice',
    run: async (rig, { n, kills }) => {
      let deaths = 0;
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND, adapter: 'seeing' }, async (over) => {
        deaths = await dieAt(rig.workers, 'K8', kills, some(8, 40), over);
      });
      base(figures);
      expect(deaths).toBeGreaterThan(0);
      expect(figures.calls).toBe(n);
      return { figures, more: `deaths=${deaths}` };
    },
  },
  {
    id: 'F45',
    title: 'an API process dies with a callback stored and unanswered: the provider repeats it, and it counts once',
    quick: true,
    run: async (rig, { n, kills }) => {
      let deaths = 0;
      const { figures, customer } = await storm(rig, { count: n, perSecond: PER_SECOND }, async (over) => {
        deaths = await dieAt(rig.apis, 'K10', kills, some(10, 30), over);
      });
      base(figures);
      expect(deaths).toBeGreaterThan(0);
      const [row] = await rig.postgres.query<{ delivered: number; told: number }>(
        `select (select count(*)::int from messages where tenant_id = $1 and status = 'delivered') as delivered,
           (select count(*)::int from events where tenant_id = $1 and type = 'message.delivered') as told`,
        [customer.tenantId],
      );
      expect(row).toEqual({ delivered: n, told: n });
      return { figures, more: `deaths=${deaths}` };
    },
  },
  {
    id: 'F9',
    title: 'any process is killed every few seconds: nothing is lost, nothing goes twice, and what was in hand is said',
    quick: true,
    run: async (rig, { n, isFull, outage }) => {
      const random = seeded(9);
      let kills = 0;
      const { figures } = await storm(rig, { count: isFull ? n : n * 2, perSecond: PER_SECOND }, async (over) => {
        for (const end = performance.now() + outage(60); performance.now() < end && !over.aborted; ) {
          await new Promise((resolve) => setTimeout(resolve, 1_000 + random() * 2_000));
          const victim = rig.all[Math.floor(random() * rig.all.length)] as (typeof rig.all)[number];
          await victim.up();
          await victim.kill();
          kills++;
        }
      });
      base(figures, { unknownAtMost: kills * CONCURRENCY });
      return { figures, more: `kills=${kills} bound=${kills * CONCURRENCY}` };
    },
  },
  {
    id: 'F10',
    title: 'a worker sleeps through its lease and wakes: its results do not count, and nothing goes twice',
    quick: true,
    run: async (rig, { n }) => {
      const [sleeper] = rig.workers;
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND }, async (over) => {
        await until(() => rig.provider.calls.some(({ process }) => process === sleeper.name), over);
        // In the middle of a call, so that there is a result to come home with.
        rig.provider.act = ({ process }) => ({ do: 'take', afterMs: process === sleeper.name ? 300 : 5 });
        const before = rig.provider.calls.length;
        await until(() => rig.provider.calls.slice(before).some(({ process }) => process === sleeper.name), over);
        sleeper.signal('SIGSTOP');
        await new Promise((resolve) => setTimeout(resolve, 9_000));
        sleeper.signal('SIGCONT');
      });
      const rejected = sleeper.log().match(/"recorded":"lease_lost"/g)?.length ?? 0;
      base(figures, { unknownAtMost: CONCURRENCY });
      expect(rejected).toBeGreaterThan(0);
      return { figures, more: `rejected=${rejected}` };
    },
  },
  {
    id: 'F11',
    title: 'an adapter blocks its process longer than the lease: nothing goes twice',
    run: async (rig, { n }) => {
      const text = (i: number) => (i === Math.floor(n / 2) ? 'block' : `n ${i}`);
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND, text });
      base(figures, { unknownAtMost: 2 * CONCURRENCY });
      return { figures };
    },
  },
];
