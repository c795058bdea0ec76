/** A bulk as the API and the portal show it. Pure. */
import { toWire } from '../../lib/ids.ts';
import { resultsUrl } from './keep.ts';
import type { BulkStatus } from './schema.ts';
import type { BulkRow, Tallies } from './store.ts';

export interface BulkView {
  readonly bulk_id: string;
  readonly name?: string;
  readonly status: BulkStatus;
  readonly accepted: number;
  readonly rejected: number;
  readonly counts: {
    readonly queued: number;
    readonly sent: number;
    readonly delivered: number;
    readonly failed: number;
  };
  readonly rate_per_second: number;
  readonly estimated_finish_at?: string;
  readonly created_at: string;
  readonly send_at?: string;
  readonly released_at?: string;
  readonly finished_at?: string;
  readonly results_url: string;
  readonly livemode: boolean;
}

/** `perSecond`: what its connections allow, for an estimate before the first message was sent. */
export function bulkView(
  row: BulkRow,
  tallies: Tallies | undefined,
  now: Date,
  perSecond: number | undefined,
): BulkView {
  const { queued = 0, sent = 0, delivered = 0, failed = 0, recent = 0, seconds = 0 } = tallies ?? {};
  const status = statusOf(row, queued, now);
  const rate = seconds > 0 ? recent / Math.max(1, seconds) : 0;
  const finished = row.finishedAt ?? (status === 'completed' ? (tallies?.lastAt ?? row.releasedAt) : null);
  const finish = finished ? undefined : estimate(row, status, queued, rate > 0 ? rate : perSecond, now);
  return {
    bulk_id: toWire('bulk', row.id),
    ...(row.name === null ? {} : { name: row.name }),
    status,
    accepted: row.accepted,
    rejected: row.rejected,
    counts: { queued, sent, delivered, failed },
    rate_per_second: Math.round(rate * 10) / 10,
    ...(finish ? { estimated_finish_at: finish.toISOString() } : {}),
    created_at: row.createdAt.toISOString(),
    ...(row.sendAt ? { send_at: row.sendAt.toISOString() } : {}),
    ...(row.releasedAt ? { released_at: row.releasedAt.toISOString() } : {}),
    ...(finished ? { finished_at: finished.toISOString() } : {}),
    results_url: resultsUrl(row.id),
    livemode: row.mode === 'live',
  };
}

function statusOf({ status, receivedNow, sendAt }: BulkRow, queued: number, now: Date): BulkStatus {
  if (status === 'receiving') return receivedNow ? 'receiving' : 'interrupted';
  if (status === 'cancelled') return 'cancelled';
  if (queued === 0) return 'completed';
  if (status === 'paused') return 'paused';
  return sendAt && sendAt > now ? 'scheduled' : 'running';
}

/** What remains at this pace, from now or from when it begins; nothing where nobody knows. */
function estimate(
  { sendAt }: BulkRow,
  status: BulkStatus,
  queued: number,
  rate: number | undefined,
  now: Date,
): Date | undefined {
  if ((status !== 'running' && status !== 'scheduled') || !rate) return undefined;
  const from = sendAt && sendAt > now ? sendAt : now;
  return new Date(from.getTime() + (queued / rate) * 1_000);
}
