/**
 * Waits until nothing is under way, then asks the store and the provider what became of it all: one line of figures a row, and
 * every invariant of `carillon verify` as a query over the whole store.
 */

import { fromWire, toWire } from '../../../src/lib/ids.ts';
import { INVARIANTS, offendersOf } from '../../../src/verify.ts';
import { quantile, type Told } from './client.ts';
import type { Customer, Rig } from './rig.ts';

export interface Figures {
  /** Asked to send. */
  readonly n: number;
  readonly acked: number;
  readonly rows: number;
  /** Messages that something became of, or of which it is said that nobody knows. */
  readonly outcome: number;
  /** Acknowledged and not there, or given up without a word, or told to be taken by a provider that never saw them. */
  readonly lost: number;
  /** Taken more than once by the provider. */
  readonly dup: number;
  readonly unknown: number;
  readonly failed: number;
  /** Broken invariants of the store, as `I3: promise`. */
  readonly broken: readonly string[];
  readonly calls: number;
  /** From the 202 to the provider, milliseconds. */
  readonly p95: number;
  /** Of every API process still up, milliseconds. */
  readonly maxLoopLag: number;
}

const SETTLE_MS = 90_000;

/** Resolves when nothing is due but deadlines, every callback was taken and read, and the provider owes nothing. */
export async function settle(rig: Rig, withinMs = SETTLE_MS): Promise<void> {
  const end = performance.now() + withinMs;
  for (;;) {
    const [row] = await rig.postgres.query<{ due: number; inbound: number }>(
      `select (select count(*)::int from due where kind <> 'deadline' and not held) as due,
        (select count(*)::int from inbound_requests where applied_at is null) as inbound`,
    );
    if (row?.due === 0 && row.inbound === 0 && rig.provider.owed === 0) return;
    if (performance.now() > end)
      throw new Error(`not settled within ${withinMs} ms: ${JSON.stringify({ ...row, owed: rig.provider.owed })}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function check(rig: Rig, customer: Customer, told: readonly Told[], n: number): Promise<Figures> {
  const messages = await rig.postgres.query<{
    id: string;
    status: string;
    outcome: string | null;
    unknown: boolean;
    bulk: boolean;
  }>(
    `select id, status, outcome, outcome_unknown as unknown, bulk_id is not null as bulk from messages where tenant_id = $1`,
    [customer.tenantId],
  );
  const byId = new Map(messages.map((message) => [message.id, message]));
  const acks = told.flatMap(({ acked }) => [...acked.values()]);
  let lost = 0;
  for (const { messageId } of acks) if (!byId.has(fromWire('message', messageId) as string)) lost++;
  let [dup, unknown, outcome, failed] = [0, 0, 0, 0];
  for (const { id, status, outcome: end, unknown: isUnknown } of messages) {
    const times = rig.provider.taken.get(toWire('message', id)) ?? 0;
    if (times > 1) dup++;
    const isSaid = isUnknown || end === 'unknown';
    if (isSaid) unknown++;
    if (status === 'failed') failed++;
    if (end !== null || isSaid || status === 'sent') outcome++;
    if (status === 'queued' || (times === 0 && !isSaid && status !== 'failed')) lost++;
  }
  const waits = acks.flatMap(({ messageId, at }) => {
    const called = rig.provider.firstCall.get(messageId);
    return called === undefined ? [] : [Math.max(0, called - at)];
  });
  const vitals = await Promise.all(rig.apis.map((api) => api.vitals()));
  return {
    n,
    acked: acks.length,
    rows: messages.length,
    outcome,
    lost,
    dup,
    unknown,
    failed,
    broken: await brokenPromises(rig),
    calls: rig.provider.calls.length,
    p95: Math.round(quantile(waits, 0.95)),
    maxLoopLag: Math.max(...vitals.map(({ maxLoopLagMs }) => maxLoopLagMs)),
  };
}

export async function brokenPromises(rig: Rig): Promise<string[]> {
  // Thousands of rows came in moments ago, and nobody has counted them yet.
  await rig.postgres.query('analyze');
  const broken: string[] = [];
  for (const { id, promise, sql } of INVARIANTS) {
    const rows = await rig.postgres.query(offendersOf(sql, 3));
    if (rows.length > 0) broken.push(`${id}: ${promise} (${rows.map((row) => row.id).join(', ')})`);
  }
  return broken;
}

/** `F16 N=300 acked=300 …`, as it is printed and kept. */
export const line = (id: string, figures: Figures, more: string): string => {
  const { n, acked, rows, outcome, lost, dup, unknown, failed, broken, calls, p95, maxLoopLag } = figures;
  return [
    `${id} N=${n} acked=${acked} rows=${rows} outcome=${outcome} lost=${lost} dup=${dup} unknown=${unknown} failed=${failed}`,
    `broken=${broken.length} calls=${calls} p95=${p95} lag=${maxLoopLag}`,
    more,
  ]
    .filter(Boolean)
    .join(' ');
};
