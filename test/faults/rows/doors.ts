/** What comes in: callbacks, keys, bulks, repeats; and who goes out: processes that are asked to stop. */
import { expect } from 'vitest';
import { check, settle } from '../lib/checker.ts';
import { send } from '../lib/client.ts';
import { base, dieAt, pause, type Row, storm, until } from '../lib/row.ts';

const PER_SECOND = 60;

export const doors: readonly Row[] = [
  {
    id: 'F12',
    title:
      'processes are replaced one by one under load: each ends by itself in time, and whoever asks again is served',
    quick: true,
    run: async (rig, { n, isFull }) => {
      const ends: { code: number | null; ms: number }[] = [];
      const { figures, told } = await storm(rig, { count: isFull ? n : n * 2, perSecond: PER_SECOND }, async (over) => {
        for (let round = 0; round < (isFull ? 5 : 1) && !over.aborted; round++)
          for (const proc of rig.all) {
            proc.keep = false;
            ends.push(await proc.stop());
            await proc.restart();
          }
      });
      base(figures);
      expect(ends.map(({ code }) => code)).toEqual(ends.map(() => 0));
      const slowest = Math.round(Math.max(...ends.map(({ ms }) => ms)));
      expect(slowest).toBeLessThan(30_000);
      return { figures, more: `ended=${ends.length} slowest_ms=${slowest} unanswered=${told.answers.get(0) ?? 0}` };
    },
  },
  {
    id: 'F13',
    title: 'a process is asked to stop while a store is gone: it ends within thirty seconds all the same',
    run: async (rig, { n }) => {
      const slow: string[] = [];
      let longest = 0;
      for (const edge of ['redis', 'pg'] as const)
        for (const isBusy of [false, true]) {
          await rig.calm();
          const customer = await rig.customer();
          const load = isBusy ? send(rig, customer, { count: 100, perSecond: PER_SECOND, door: 'busy' }) : undefined;
          await pause(300);
          rig.weather(edge, edge === 'pg' ? 'blackhole' : 'refuse');
          for (const proc of rig.all) proc.keep = false;
          const ends = await Promise.all(rig.all.map((proc) => proc.stop()));
          for (const { ms } of ends) longest = Math.max(longest, Math.round(ms));
          if (ends.some(({ ms, code }) => ms > 30_000 || code === null))
            slow.push(`${edge} ${isBusy ? 'busy' : 'idle'}: ${JSON.stringify(ends)}`);
          rig.weather(edge, 'pass');
          await Promise.all(rig.all.map((proc) => proc.restart()));
          await load;
        }
      expect(slow).toEqual([]);
      await settle(rig);
      const { figures } = await storm(rig, { count: n, perSecond: PER_SECOND });
      base(figures);
      return { figures, more: `longest_ms=${longest}` };
    },
    withinMs: 400_000,
  },
  {
    id: 'F35',
    title: 'every callback comes five times, eight at a time: each counts once',
    quick: true,
    run: async (rig, { n }) => {
      const { figures, customer } = await storm(rig, { count: n, perSecond: PER_SECOND }, async () => {
        rig.provider.callbacks = { by: 'reference', times: 5, abreast: 8 };
      });
      base(figures);
      const [row] = await rig.postgres.query<{ told: number }>(
        `select count(*)::int as told from events where tenant_id = $1 and type = 'message.delivered'`,
        [customer.tenantId],
      );
      expect(row?.told).toBe(n);
      return { figures, more: `callbacks=${rig.provider.answers.get(200)} events=${row?.told}` };
    },
  },
  {
    id: 'F38',
    title: 'a callback for a message that is over, or that nobody knows, is answered with 200 and changes nothing',
    run: async (rig, { n }) => {
      const { figures, customer } = await storm(rig, { count: n, perSecond: PER_SECOND });
      base(figures);
      const snapshot = () =>
        rig.postgres.query(`select id, status, outcome, delivered_at from messages where tenant_id = $1 order by id`, [
          customer.tenantId,
        ]);
      const before = await snapshot();
      const hook = `${rig.apis[0].url}/hooks/blindcourier/${customer.connectionId}`;
      const refs = [...rig.provider.taken.keys()].slice(0, 20);
      const late = [
        ...refs.map((ref, i) => ({ id: `late-${i}`, ref, at: new Date().toISOString() })),
        ...refs.map((_, i) => ({ id: `nobody-${i}`, at: new Date().toISOString() })),
      ];
      const headers = { 'content-type': 'application/json', 'x-secret': 'secret-of-the-callbacks' };
      const answers = await Promise.all(
        late.map((body) =>
          fetch(hook, { method: 'POST', headers, body: JSON.stringify(body) }).then(({ status }) => status),
        ),
      );
      await settle(rig);
      expect(answers).toEqual(late.map(() => 200));
      expect(await snapshot()).toEqual(before);
      return {
        figures: await check(rig, customer, [], 0).then((again) => ({ ...figures, broken: again.broken })),
        more: `late=${late.length}`,
      };
    },
  },
  {
    id: 'F43',
    title:
      'a key is replaced and revoked under load: the new one works at once, the old one stops everywhere within five seconds',
    quick: true,
    run: async (rig, { n }) => {
      const customer = await rig.customer();
      const [first] = (await rig.call(customer.key, '/api/v1/keys')).body.data as { id: string; masked: string }[];
      const load = send(rig, customer, { count: n, perSecond: PER_SECOND });
      const rotated = await rig.call(customer.key, `/api/v1/keys/${first?.id}/rotate`, { grace_seconds: 3_600 });
      expect(rotated.status).toBe(201);
      const told = await load;
      expect([...told.answers.keys()]).toEqual([202]);
      const fresh = { ...customer, key: rotated.body.key as string };
      const more = await send(rig, fresh, { count: 50, door: 'fresh' });
      expect([...more.answers.keys()]).toEqual([202]);
      // Both processes have just used the old key, and remember it.
      const last = await send(rig, customer, { count: 10, door: 'last' });
      expect([...last.answers.keys()]).toEqual([202]);
      const revoked = await rig.call(fresh.key, `/api/v1/keys/${first?.id}`, undefined, 'DELETE');
      expect(revoked.status).toBe(200);
      const at = performance.now();
      const asked = async () =>
        Promise.all(
          rig.apis.map((api) =>
            fetch(`${api.url}/api/v1/keys`, { headers: { 'x-api-key': customer.key } }).then(({ status }) => status),
          ),
        );
      // What counts is when a request set out: a busy machine may take its time over it.
      let acceptedMs = 0;
      for (let open = true; open; ) {
        const setOutMs = performance.now() - at;
        open = (await asked()).some((status) => status !== 401);
        if (open) acceptedMs = Math.round(setOutMs);
        expect(acceptedMs).toBeLessThan(5_000);
        await pause(50);
      }
      await settle(rig);
      const figures = await check(rig, customer, [told, more, last], n + 60);
      expect(figures).toMatchObject({ rows: n + 60, outcome: n + 60, lost: 0, dup: 0, broken: [] });
      return { figures, more: `last_accepted_ms=${acceptedMs}` };
    },
  },
  {
    id: 'F48',
    title:
      'a process dies in the middle of a bulk, and workers while they send it: each row once, and the same results to a repeat',
    quick: true,
    run: async (rig, { kills }) => {
      const rows = 1_000;
      const customer = await rig.customer({ concurrency: 20 });
      const recipients = Array.from({ length: rows }, (_, i) => ({ door: `b-${i}` }));
      const body = {
        idempotency_key: `bulk-${Date.now()}`,
        notification: { channels: ['courier'], body: 'row' },
        recipients,
      };
      const results: unknown[] = [];
      const [api] = rig.apis;
      for (const hits of [1, 500, 999]) {
        await api.up();
        const before = api.deaths;
        api.arm('K12', hits);
        await rig.call(customer.key, '/api/v1/notifications/bulk', body).catch(() => undefined);
        await until(() => api.deaths > before);
      }
      await api.up();
      const over = new AbortController();
      for (let i = 0; i < 2; i++) {
        const answer = await rig.call(customer.key, '/api/v1/notifications/bulk', body);
        expect([answer.status, answer.body.error]).toEqual([202, undefined]);
        results.push(answer.body.results);
      }
      // More would find nothing left to die with.
      const deaths = await dieAt(rig.workers, 'K5', Math.min(kills, 10), () => 30, over.signal);
      await settle(rig);
      expect(results[1]).toEqual(results[0]);
      expect((results[0] as unknown[]).length).toBe(rows);
      const figures = await check(rig, customer, [], rows);
      expect(figures).toMatchObject({ rows, outcome: rows, lost: 0, dup: 0, failed: 0, broken: [] });
      expect(figures.unknown).toBeLessThanOrEqual(deaths * 20);
      return { figures: { ...figures, acked: rows }, more: `deaths=${deaths + 3}` };
    },
  },
  {
    id: 'F49',
    title: 'fifty at once under one key are one, over two processes; fifty others under it are refused',
    quick: true,
    run: async (rig) => {
      const customer = await rig.customer();
      const ask = async (i: number, body: string) => {
        const answer = await fetch(`${rig.apis[i % 2]?.url}/api/v1/notifications/send`, {
          method: 'POST',
          headers: { 'x-api-key': customer.key, 'content-type': 'application/json', 'idempotency-key': 'the one' },
          body: JSON.stringify({ recipient: { door: 'one' }, notification: { channels: ['courier'], body } }),
        });
        return { status: answer.status, text: await answer.text() };
      };
      const same = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(i, 'the same')));
      const other = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(i, `another ${i}`)));
      expect(new Set(same.filter(({ status }) => status === 202).map(({ text }) => text)).size).toBe(1);
      expect(same.every(({ status }) => status === 202 || status === 409)).toBe(true);
      expect(new Set(other.map(({ status }) => status))).toEqual(new Set([422]));
      await settle(rig);
      const figures = await check(rig, customer, [], 1);
      expect(figures).toMatchObject({ rows: 1, outcome: 1, lost: 0, dup: 0, calls: 1, broken: [] });
      return {
        figures: { ...figures, acked: 1 },
        more: `in_progress=${same.filter(({ status }) => status === 409).length}`,
      };
    },
  },
];
