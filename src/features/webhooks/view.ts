/** An endpoint as it looks outside, and what its format allows. */
import type { Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import { toWire } from '../../lib/ids.ts';
import type { EndpointItem } from './schema.ts';
import type { EndpointRow } from './store.ts';
import { isOurs } from './words.ts';

/** A bot that was written for a provider would not know what a heartbeat is. */
export function checkBeat(format: string, heartbeatSeconds: number | null): void {
  if (!isOurs(format) && heartbeatSeconds !== null)
    throw new ApiError('validation_failed', `heartbeat_seconds: is not for the format ${format}. Send null.`, {
      param: 'heartbeat_seconds',
    });
}

/** What a provider could send whose words this format passes on. */
export const sampleOf = ({ channels }: Registry, format: string): string =>
  channels
    .flatMap(({ adapters }) => adapters)
    .find(({ webhook }) => webhook?.passthrough?.format === format)
    ?.webhook?.passthrough?.sample.toString() ?? '{}';

export const show = (row: EndpointRow): EndpointItem => ({
  id: toWire('endpoint', row.id),
  object: 'webhook',
  livemode: row.mode === 'live',
  name: row.name,
  url: row.url,
  event_types: row.eventTypes ? [...row.eventTypes] : null,
  routing: row.routing,
  format: row.format as EndpointItem['format'],
  // What is archived is found by nobody.
  status: row.status as EndpointItem['status'],
  disabled_reason: row.disabledReason,
  drain_per_second: row.drainPerSecond,
  heartbeat_seconds: row.heartbeatSeconds,
  failures_in_row: row.failuresInRow,
  failing_since: row.failingSince?.toISOString() ?? null,
  last_success_at: row.lastSuccessAt?.toISOString() ?? null,
  previous_secret_ends_at: row.overlapUntil?.toISOString() ?? null,
  created_at: row.createdAt.toISOString(),
  updated_at: row.updatedAt.toISOString(),
});
