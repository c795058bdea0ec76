/** What is told to the tenants' own servers, while these fail, or whoever tells it dies. */
import { Webhook } from 'standardwebhooks';
import { expect } from 'vitest';
import { toWire } from '../../../src/lib/ids.ts';
import type { Say } from '../../support/receiver.ts';
import { check, settle } from '../lib/checker.ts';
import { send } from '../lib/client.ts';
import { CONCURRENCY, type Customer, HOOKS, type Rig } from '../lib/rig.ts';
import { base, dieAt, type Row, seeded, storm, until } from '../lib/row.ts';

const PER_SECOND = 60;
let paths = 0;

/** An endpoint of the customer, at a path of its own. */
async function endpoint(rig: Rig, { key }: Customer, name: string, types?: readonly string[]) {
  const path = `/${name}-${paths++}`;
  const { status, body } = await rig.call(key, '/api/v1/webhooks', {
    url: rig.receiver.url(path),
    ...(types ? { event_types: types } : {}),
  });
  expect(status).toBe(201);
  return { path, id: body.id as string, secret: body.secret as string };
}

/** Wire ids of what the customer was to be told. */
const events = async (rig: Rig, { tenantId }: Customer, types: readonly string[]): Promise<string[]> =>
  (
    await rig.postgres.query<{ id: string }>(
      `select id from events where tenant_id = $1 and type = any($2) and position is not null order by id`,
      [tenantId, types],
    )
  ).map(({ id }) => toWire('event', id));

/** Waits until nothing of this customer is to be told any more. */
async function told(rig: Rig, { tenantId }: Customer, withinMs = 90_000): Promise<void> {
  for (const end = performance.now() + withinMs; ; ) {
    const [row] = await rig.postgres.query<{ waiting: number; behind: number }>(
      `select (select count(*)::int from deliveries d join endpoints e on e.id = d.endpoint_id
           where d.tenant_id = $1 and d.status = 'waiting' and e.status = 'active') as waiting,
         (select count(*)::int from endpoints e where tenant_id = $1 and status = 'active' and exists (
           select from events v where v.tenant_id = $1 and v.position is not null and (v.position, v.id) > (e.position, e.event_id))) as behind`,
      [tenantId],
    );
    if (row?.waiting === 0 && row.behind === 0) return;
    if (performance.now() > end) throw new Error(`not told within ${withinMs} ms: ${JSON.stringify(row)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const byId = (rig: Rig, path: string): Map<string, { at: number; raw: string }[]> => {
  const found = new Map<string, { at: number; raw: string }[]>();
  for (const { id, at, raw } of rig.receiver.of(path))
    found.set(id, [...(found.get(id) ?? []), { at, raw: raw.toString() }]);
  return found;
};

const OK: Say = { status: 204 };
const SENT = ['message.sent'];
const ALL = ['message.sent', 'message.delivered', 'message.failed', 'message.bounced', 'message.read'];

export const webhooks: readonly Row[] = [
  {
    id: 'F41',
    title:
      'servers of tenants fail, hang, redirect, are busy or gone: each is tried again on its schedule, and the others do not notice',
    quick: true,
    run: async (rig) => {
      const n = 40;
      const customer = await rig.customer();
      const at = async (name: string, rule: (before: number) => Say) => {
        const made = await endpoint(rig, customer, name, SENT);
        rig.receiver.always(made.path, (_, before) => rule(before));
        return made;
      };
      const well = await at('well', () => OK);
      const flaky = await at('flaky', (before) => (before < 3 ? { status: 500 } : OK));
      const busy = await at('busy', (before) => (before < 1 ? { status: 429, headers: { 'retry-after': '2' } } : OK));
      const moved = await at('moved', (before) =>
        before < 1 ? { status: 302, headers: { location: rig.receiver.url('/led-astray') } } : OK,
      );
      const hanging = await at('hanging', (before) => (before < 1 ? 'hang' : OK));
      const gone = await at('gone', () => ({ status: 410 }));
      const load = await send(rig, customer, { count: n, perSecond: PER_SECOND });
      await settle(rig);
      await told(rig, customer);
      const figures = await check(rig, customer, [load], n);
      base(figures);
      const expected = await events(rig, customer, SENT);
      expect(expected).toHaveLength(n);
      const calls = (times: number) => expected.map(() => times);
      for (const [{ path }, times] of [
        [well, 1],
        [flaky, 4],
        [busy, 2],
        [moved, 2],
        [hanging, 2],
      ] as const) {
        const got = byId(rig, path);
        expect([path, [...got.keys()].sort()]).toEqual([path, [...expected].sort()]);
        expect([path, [...got.values()].map((all) => all.length)]).toEqual([path, calls(times)]);
        for (const all of got.values()) expect(new Set(all.map(({ raw }) => raw)).size).toBe(1);
      }
      expect(rig.receiver.of('/led-astray')).toEqual([]);
      // Never earlier than the schedule, less its jitter; later by a sweep, and by whoever has its two places.
      for (const all of byId(rig, flaky.path).values())
        for (const [i, { at }] of all.entries())
          if (i > 0) expect(at - (all[i - 1]?.at ?? 0)).toBeGreaterThanOrEqual((HOOKS.delaysMs[i] ?? 0) * 0.8);
      for (const [first, second] of byId(rig, busy.path).values())
        expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(2_000);
      const late = rig.receiver.of(well.path).map(({ at, body }) => at - Date.parse(body.created_at));
      const slowest = Math.max(...late);
      expect(slowest).toBeLessThan(5_000);
      const { body } = await rig.call(customer.key, `/api/v1/webhooks/${gone.id}`);
      expect([body.status, body.disabled_reason]).toEqual(['disabled', 'gone']);
      expect(rig.receiver.of(gone.path).length).toBeLessThanOrEqual(4);
      expect(await events(rig, customer, ['endpoint.disabled'])).toHaveLength(1);
      return { figures, more: `events=${n} endpoints=6 slowest_well_ms=${slowest}` };
    },
  },
  {
    id: 'F42',
    title:
      'a worker dies after the server of a tenant has answered and before that is written down: every event comes, a repeat under its id',
    quick: true,
    run: async (rig, { n, kills }) => {
      let deaths = 0;
      let path = '';
      const random = seeded(9);
      const { figures, customer } = await storm(rig, { count: n, perSecond: PER_SECOND }, async (over, who) => {
        ({ path } = await endpoint(rig, who, 'killed', ALL));
        deaths = await dieAt(rig.workers, 'K9', kills, () => 1 + Math.floor(random() * 20), over);
      });
      // A worker that dies has messages in its hands as well.
      base(figures, { unknownAtMost: deaths * CONCURRENCY });
      expect(deaths).toBeGreaterThan(0);
      await told(rig, customer);
      const got = byId(rig, path);
      const since = await rig.postgres.query<{ id: string }>(
        `select event_id as id from deliveries where tenant_id = $1 order by sequence`,
        [customer.tenantId],
      );
      const expected = await events(rig, customer, ALL);
      // From the first that the endpoint was told of, which was made while the load began.
      const first = expected.length - since.length;
      expect(first).toBeLessThan(n / 4);
      expect([...got.keys()].sort()).toEqual(since.map(({ id }) => toWire('event', id)).sort());
      const repeats = [...got.values()].filter((all) => all.length > 1);
      expect(repeats.length).toBeGreaterThan(0);
      for (const all of repeats) expect(new Set(all.map(({ raw }) => raw)).size).toBe(1);
      return { figures, more: `deaths=${deaths} events=${got.size} repeats=${repeats.length}` };
    },
  },
  {
    id: 'F43b',
    title: 'the secret of an endpoint is changed under load: whoever still has the old one verifies everything',
    quick: true,
    run: async (rig, { n }) => {
      const customer = await rig.customer();
      const { path, id, secret } = await endpoint(rig, customer, 'rotated', SENT);
      const load = send(rig, customer, { count: n, perSecond: PER_SECOND });
      await until(() => rig.receiver.of(path).length > n / 4);
      const rotated = await rig.call(customer.key, `/api/v1/webhooks/${id}/rotate`, undefined, 'POST');
      expect(rotated.status).toBe(200);
      const answered = await load;
      await settle(rig);
      await told(rig, customer);
      const figures = await check(rig, customer, [answered], n);
      base(figures);
      const got = rig.receiver.of(path);
      expect(got).toHaveLength(n);
      const verified = (by: string) =>
        got.filter(({ raw, headers }) => {
          try {
            return new Webhook(by).verify(raw.toString(), headers as Record<string, string>);
          } catch {
            return false;
          }
        }).length;
      const [old, fresh] = [verified(secret), verified(rotated.body.secret)];
      expect(old).toBe(n);
      expect(fresh).toBeGreaterThan(0);
      expect(fresh).toBeLessThan(n);
      return { figures, more: `verified_by_old=${old} by_new=${fresh}` };
    },
  },
  {
    id: 'F44',
    title: 'everything is asked for again while new events come: each comes once more, and the new ones once',
    quick: true,
    run: async (rig, { n, isFull }) => {
      const count = isFull ? Math.min(n, 1_000) : 150;
      const customer = await rig.customer();
      const { path, id } = await endpoint(rig, customer, 'again', SENT);
      const before = await send(rig, customer, { count, perSecond: PER_SECOND, door: 'old' });
      await settle(rig);
      await told(rig, customer);
      const old = await events(rig, customer, SENT);
      expect([...byId(rig, path).values()].map((all) => all.length)).toEqual(old.map(() => 1));
      const load = send(rig, customer, { count, perSecond: PER_SECOND, door: 'new' });
      await until(() => rig.receiver.of(path).length > count);
      const replayed = await rig.call(customer.key, `/api/v1/webhooks/${id}/replay`, { status: 'all' });
      expect(replayed.status).toBe(202);
      const after = await load;
      await settle(rig);
      await told(rig, customer);
      const figures = await check(rig, customer, [before, after], count * 2);
      base(figures);
      const got = byId(rig, path);
      const all = await events(rig, customer, SENT);
      expect([...got.keys()].sort()).toEqual([...all].sort());
      // Those that came in between were over already, or not.
      expect(old.filter((one) => got.get(one)?.length !== 2)).toEqual([]);
      const twice = [...got.values()].filter((each) => each.length === 2).length;
      expect([twice, Math.max(...[...got.values()].map((each) => each.length))]).toEqual([replayed.body.deliveries, 2]);
      return { figures, more: `replayed=${replayed.body.deliveries}` };
    },
  },
];
