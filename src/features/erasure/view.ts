/** An erasure as it is shown, and what its steps add up to. */
import { toWire } from '../../lib/ids.ts';
import type { ErasureView } from './schema.ts';
import type { Counts, ErasureRow } from './store.ts';

export const add = (counts: Counts, done: Partial<Counts>): Counts =>
  Object.fromEntries(
    Object.entries(counts).map(([name, count]) => [name, count + (done[name as keyof Counts] ?? 0)]),
  ) as unknown as Counts;

export const view = ({ id, counts, position, failure, createdAt, finishedAt }: ErasureRow): ErasureView => ({
  id: toWire('erasure', id),
  object: 'erasure',
  status: finishedAt ? 'completed' : 'running',
  phase: finishedAt ? null : position.phase,
  failure,
  counts,
  created_at: createdAt.toISOString(),
  finished_at: finishedAt?.toISOString() ?? null,
});
