/** The provider fails, refuses, floods, or says nothing. */
import { expect } from 'vitest';
import { check, settle } from '../lib/checker.ts';
import { send } from '../lib/client.ts';
import { CONCURRENCY, type Customer, type Rig } from '../lib/rig.ts';
import { base, pause, type Row, seeded, storm, until } from '../lib/row.ts';

/** Until the provider has been asked about all that nobody knew. */
async function answered(rig: Rig, { tenantId }: Customer): Promise<void> {
  for (const end = performance.now() + 60_000; ; await pause(100)) {
    const [row] = await rig.postgres.query<{ open: number }>(
      'select count(*)::int as open from messages where tenant_id = $1 and outcome_unknown',
      [tenantId],
    );
    if (row?.open === 0) return;
    if (performance.now() > end)
      throw new Error(`${row?.open} messages are unknown although the provider can be asked`);
  }
}

const PER_SECOND = 60;

export const providers: readonly Row[] = [
  {
    id: 'F29',
    title:
      'a provider is out of order: it is probed, not hammered, nobody uses up his attempts, and afterwards all arrives',
    quick: true,
    withinMs: 300_000,
    run: async (rig, { n, outage }) => {
      let [began, calls, ended] = [0, 0, 0];
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND, settleMs: 120_000 }, async () => {
        rig.provider.act = () => {
          if (ended > 0) return { do: 'take' };
          began ||= performance.now();
          calls++;
          return { do: 'refuse', status: 500 };
        };
        await until(() => began > 0);
        await pause(outage(60));
        ended = performance.now();
      });
      base(figures);
      // Two workers find out by themselves.
      expect(calls).toBeLessThanOrEqual(Math.max(40, n / 20));
      return { figures, more: `calls_in_outage=${calls}` };
    },
  },
  {
    id: 'F30',
    title: 'a provider asks to wait: nobody calls earlier, and hardly anybody in vain',
    run: async (rig, { n, isFull }) => {
      const seconds = isFull ? 7 : 2;
      const random = seeded(30);
      const asked = new Map<string, number>();
      let early = 0;
      // Each refusal makes a whole connection wait.
      const settleMs = isFull ? 600_000 : 90_000;
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND, settleMs }, async () => {
        rig.provider.act = ({ ref, before, at }) => {
          if (at < (asked.get(ref) ?? 0)) early++;
          if (before > 0 || random() >= 0.09) return { do: 'take' };
          asked.set(ref, at + seconds * 1_000 - 50);
          const asDate = random() < 0.5;
          // A date is of whole seconds: it may be almost one later than asked.
          const after = asDate ? new Date(Date.now() + seconds * 1_000 + 999).toUTCString() : String(seconds);
          return { do: 'refuse', status: 429, headers: { 'retry-after': after } };
        };
      });
      base(figures);
      expect(early).toBe(0);
      expect(figures.calls).toBeLessThanOrEqual(1.1 * n + 20);
      return { figures, more: `asked_to_wait=${asked.size} early=${early}` };
    },
  },
  {
    id: 'F31',
    title:
      'a call that never reached the provider (refused, no such name, no TLS, reset) is known not to have: it goes again',
    quick: true,
    run: async (rig, { n }) => {
      const words = ['refused', 'nowhere', 'tls'];
      const text = (i: number) => (i % 10 < 3 ? `${words[i % 10]} ${i}` : `n ${i}`);
      const random = seeded(31);
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND, text }, async () => {
        rig.weather('provider', () => (random() < 0.3 ? 'reset' : 'pass'), rig.workers);
      });
      base(figures);
      return { figures };
    },
  },
  ...(['seeing', 'blind'] as const).map(
    (adapter): Row => ({
      id: adapter === 'seeing' ? 'F32' : 'F32b',
      title: `a provider takes a message and gives no answer, half of one, or nonsense: ${adapter === 'seeing' ? 'it is asked' : 'that is said, and nothing is sent again'}`,
      quick: true,
      run: async (rig, { n }) => {
        const how = ['reset', 'cut', 'garbage'] as const;
        let injected = 0;
        const { figures, told, customer } = await storm(
          rig,
          { count: n, perSecond: PER_SECOND, adapter, settleMs: 60_000 },
          async () => {
            rig.provider.callbacks = { by: 'id' };
            rig.provider.act = ({ before }) => {
              if (before > 0 || (injected + 1) * 20 > rig.provider.calls.length) return { do: 'take' };
              return { do: 'take and break', how: how[injected++ % 3] as (typeof how)[number] };
            };
          },
        );
        if (adapter === 'blind') {
          expect(figures).toMatchObject({
            acked: n,
            rows: n,
            outcome: n,
            lost: 0,
            dup: 0,
            broken: [],
            unknown: injected,
          });
          return { figures, more: `injected=${injected}` };
        }
        await answered(rig, customer);
        const asked = await check(rig, customer, [told], n);
        base(asked);
        return { figures: asked, more: `injected=${injected}` };
      },
    }),
  ),
  {
    id: 'F33',
    title: 'a provider drips, floods, and sends bombs: that is cut, and others do not feel it',
    run: async (rig, { n }) => {
      const alone = await storm(rig, { count: n, perSecond: PER_SECOND });
      const before = await Promise.all(rig.workers.map((worker) => worker.vitals()));
      const how = ['drip', 'huge', 'bomb'] as const;
      const ill = await rig.customer();
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND }, async (over) => {
        rig.provider.act = ({ to, index }) =>
          to.startsWith('ill') ? { do: 'flood', how: how[index % 3] as (typeof how)[number] } : { do: 'take' };
        await send(rig, ill, { count: 20, door: 'ill', signal: over });
        while (!over.aborted) await pause(50);
        rig.provider.act = () => ({ do: 'take' });
      });
      base(figures);
      const after = await Promise.all(rig.workers.map((worker) => worker.vitals()));
      const grown = Math.max(...after.map(({ rssMb }, i) => rssMb - (before[i]?.rssMb ?? 0)));
      expect(figures.p95).toBeLessThanOrEqual(2 * alone.figures.p95 + 100);
      expect(grown).toBeLessThanOrEqual(50);
      return { figures, more: `alone_p95=${alone.figures.p95} grown_mb=${grown}` };
    },
  },
  {
    id: 'F34',
    title: 'what a provider refuses for good is called once, and has failed',
    run: async (rig, { n }) => {
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND }, async () => {
        rig.provider.act = ({ to }) => (Number(to.slice(2)) % 5 === 0 ? { do: 'refuse', status: 400 } : { do: 'take' });
      });
      base(figures, { failed: n / 5 });
      expect(figures.calls).toBe(n);
      return { figures };
    },
  },
  {
    id: 'F39',
    title: 'the provider of one tenant is dead: another does not notice, and nothing of the first is lost',
    quick: true,
    withinMs: 240_000,
    run: async (rig, { n, isFull }) => {
      const alone = await storm(rig, { count: n, perSecond: PER_SECOND });
      const unlucky = await rig.customer();
      const many = isFull ? 5_000 : 100;
      rig.provider.act = ({ to }) => (to.startsWith('dead') ? { do: 'hang' } : { do: 'take' });
      const doomed = await send(rig, unlucky, { count: many, door: 'dead' });
      const customer = await rig.customer();
      const told = await send(rig, customer, { count: n, perSecond: PER_SECOND });
      const figures = await check(rig, customer, [told], n);
      rig.provider.act = () => ({ do: 'take' });
      await settle(rig, 200_000);
      const settled = await check(rig, customer, [told], n);
      base(settled);
      expect(figures.p95).toBeLessThanOrEqual(2 * alone.figures.p95 + 100);
      const lost = await check(rig, unlucky, [doomed], many);
      expect(lost).toMatchObject({ acked: many, rows: many, outcome: many, lost: 0, dup: 0 });
      return {
        figures: { ...settled, p95: figures.p95 },
        more: `alone_p95=${alone.figures.p95} of_the_dead=${many} unknown_there=${lost.unknown}`,
      };
    },
  },
  {
    id: 'F15',
    title: 'an adapter throws what it should not: those messages alone suffer, and the process lives',
    quick: true,
    run: async (rig, { n }) => {
      const deaths = () => rig.workers.reduce((sum, { deaths: own }) => sum + own, 0);
      const before = deaths();
      const text = (i: number) => (i % 20 === 0 ? `throw ${i}` : i % 20 === 10 ? `reject ${i}` : `n ${i}`);
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND, text });
      base(figures, { failed: Math.ceil(n / 20) });
      expect(deaths() - before).toBe(0);
      return { figures, more: 'deaths=0' };
    },
  },
  {
    id: 'F14',
    title: 'a message that ends its process each time ends itself: all others are delivered',
    withinMs: 240_000,
    run: async (rig, { n }) => {
      const poison = Math.floor(n / 2);
      for (const worker of rig.workers) await worker.restart({}, ['--max-old-space-size=96']);
      const before = rig.workers.reduce((sum, { deaths }) => sum + deaths, 0);
      const text = (i: number) => (i === poison ? 'bloat' : `n ${i}`);
      const { figures } = await storm(rig, {
        count: n,
        perSecond: PER_SECOND,
        text,
        adapter: 'seeing',
        settleMs: 180_000,
      });
      base(figures, { failed: 1 });
      const deaths = rig.workers.reduce((sum, { deaths: own }) => sum + own, 0) - before;
      expect(deaths).toBeLessThanOrEqual(5);
      expect(figures.unknown).toBeLessThanOrEqual(CONCURRENCY);
      return { figures, more: `deaths=${deaths}` };
    },
  },
];
