/** SQL of endpoints as they are told: who is behind, how far one has come, and how it has fared. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Place } from '../events/index.ts';
import { ENDPOINT, type EndpointRow } from './store.ts';

/** Endpoints that are behind the feed, of those that may still take something; in no order. */
export const behind = async (sql: Sql, window: number, limit: number): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `select e.id from endpoints e
       where e.status = 'active' and (select store_is_known())
         and exists (select from events v where v.tenant_id = e.tenant_id and v.position is not null
           and (v.position, v.id) > (e.position, e.event_id) and v.position < (select event_horizon()))
         and (select count(*) from (select from deliveries d where d.endpoint_id = e.id and d.status = 'waiting' and d.replay_of is null limit $1) open) < $1
       limit $2`,
      [window, limit],
    )
  ).map(({ id }) => id);

/** Endpoints that want to hear now and then that they are still told, and have heard nothing; what is on its way will do. */
export const silent = async (sql: Sql, limit: number): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `select id from endpoints e where status = 'active' and heartbeat_seconds is not null and (select store_is_known())
         and told_at <= clock_now() - make_interval(secs => heartbeat_seconds)
         and not exists (select from deliveries d where d.endpoint_id = e.id and d.status = 'waiting') limit $1`,
      [limit],
    )
  ).map(({ id }) => id);

/** One of them, unless somebody else has it. */
export const takeEndpoint = async (trx: Sql, id: string): Promise<EndpointRow | undefined> =>
  (
    await trx.query<EndpointRow>(
      `select ${ENDPOINT} from endpoints where id = $1 and status = 'active' for update skip locked`,
      [id],
    )
  )[0];

export const moveCursor = (
  trx: Sql,
  { id, sequence, drainPerSecond, drainedTo }: Pick<EndpointRow, 'id' | 'sequence' | 'drainPerSecond' | 'drainedTo'>,
  { position, id: eventId }: Place,
): Promise<unknown> =>
  trx.query(
    `update endpoints set position = $2, event_id = $3, sequence = $4, drain_per_second = $5, drained_to = $6,
       told_at = case when $4 > sequence then clock_now() else told_at end where id = $1`,
    [id, position, eventId, sequence, drainPerSecond, drainedTo],
  );

/** Tells whether it is time to disable it. */
export const noteFailure = async (
  trx: Sql,
  id: string,
  failures: number,
  failingMs: number,
): Promise<{ readonly over: boolean; readonly active: boolean }> =>
  (
    await trx.query<{ over: boolean; active: boolean }>(
      `update endpoints set failures_in_row = failures_in_row + 1, failing_since = coalesce(failing_since, clock_now()) where id = $1
       returning failures_in_row >= $2 and failing_since <= clock_now() - make_interval(secs => $3) as over, status = 'active' as active`,
      [id, failures, failingMs / 1_000],
    )
  )[0] ?? { over: false, active: false };

export const mostFailures = async (sql: Sql, tenantId: string, mode: Mode): Promise<number> =>
  (
    await sql.query<{ most: number }>(
      `select coalesce(max(failures_in_row), 0) as most from endpoints where tenant_id = $1 and mode = $2 and status <> 'archived'`,
      [tenantId, mode],
    )
  )[0]?.most ?? 0;

/** Written at most once a second while all is well. */
export const noteSuccess = (trx: Sql, id: string): Promise<unknown> =>
  trx.query(
    `update endpoints set failures_in_row = 0, failing_since = null, last_success_at = clock_now()
     where id = $1 and (failures_in_row > 0 or last_success_at is null or last_success_at < clock_now() - interval '1 second')`,
    [id],
  );
