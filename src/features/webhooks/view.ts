/** An endpoint as answers and events show it. Pure. */
import { toWire } from '../../lib/ids.ts';
import type { EndpointItem } from './schema.ts';
import type { EndpointRow } from './store.ts';

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
