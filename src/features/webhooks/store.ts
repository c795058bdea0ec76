/** SQL of endpoints. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { type Place, RAW_TYPE } from '../events/index.ts';

export interface EndpointRow {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly name: string;
  readonly url: string;
  /** Null: all but message.queued. */
  readonly eventTypes: readonly string[] | null;
  /** `rules`: it is told of what rules send to it, whatever it subscribes to. */
  readonly routing: 'subscriptions' | 'rules';
  /** `native`, `messages`, or that of a provider whose words are passed on. */
  readonly format: string;
  readonly status: 'active' | 'paused' | 'disabled' | 'archived';
  readonly disabledReason: 'failing' | 'gone' | null;
  readonly position: number;
  readonly eventId: string;
  readonly sequence: number;
  readonly drainPerSecond: number | null;
  readonly drainedTo: Date | null;
  readonly heartbeatSeconds: number | null;
  readonly failuresInRow: number;
  readonly failingSince: Date | null;
  readonly lastSuccessAt: Date | null;
  readonly overlapUntil: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const ROW = `id, tenant_id as "tenantId", mode, name, url, event_types as "eventTypes", routing, format, status, disabled_reason as "disabledReason",
  position, event_id as "eventId", sequence, drain_per_second as "drainPerSecond", drained_to as "drainedTo", heartbeat_seconds as "heartbeatSeconds",
  failures_in_row as "failuresInRow", failing_since as "failingSince", last_success_at as "lastSuccessAt",
  case when overlap_until > clock_now() then overlap_until end as "overlapUntil", created_at as "createdAt", updated_at as "updatedAt"`;

export interface NewEndpoint {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly name: string;
  readonly url: string;
  readonly eventTypes: readonly string[] | null;
  readonly routing: EndpointRow['routing'];
  readonly format: string;
  readonly heartbeatSeconds: number | null;
  readonly after: Place;
}

/** `undefined`: there are so many already. */
export const insertEndpoint = async (trx: Sql, row: NewEndpoint, most: number): Promise<EndpointRow | undefined> =>
  (
    await trx.query<EndpointRow>(
      `insert into endpoints (id, tenant_id, mode, name, url, event_types, position, event_id, heartbeat_seconds, routing, format)
       select $1, $2, $3, $4, $5, $6, $7, $8, $10, $11, $12
       where (select count(*) from endpoints where tenant_id = $2 and mode = $3 and status <> 'archived') < $9 returning ${ROW}`,
      [
        row.id,
        row.tenantId,
        row.mode,
        row.name,
        row.url,
        row.eventTypes,
        row.after.position,
        row.after.id,
        most,
        row.heartbeatSeconds,
        row.routing,
        row.format,
      ],
    )
  )[0];

export const findEndpoint = async (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
  lock: 'for update' | '' = '',
): Promise<EndpointRow | undefined> =>
  (
    await sql.query<EndpointRow>(
      `select ${ROW} from endpoints where tenant_id = $1 and mode = $2 and id = $3 and status <> 'archived' ${lock}`,
      [tenantId, mode, id],
    )
  )[0];

export const listEndpoints = (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  limit: number,
  before: string | undefined,
): Promise<EndpointRow[]> =>
  sql.query<EndpointRow>(
    `select ${ROW} from endpoints where tenant_id = $1 and mode = $2 and status <> 'archived' and ($4::uuid is null or id < $4)
     order by id desc limit $3`,
    [tenantId, mode, limit, before ?? null],
  );

export interface Waiting {
  readonly id: string;
  /** Deliveries that are not over, and events that none were made of yet. */
  readonly count: number;
  /** There are more than were counted. */
  readonly more: boolean;
  /** Of events it is not known yet whether they are for it: so many at most. */
  readonly atMost: boolean;
}

/** What each endpoint has yet to hear. Of either kind no more than `most` rows are looked at, by index. */
export const countWaiting = (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  ids: readonly string[],
  most: number,
): Promise<Waiting[]> =>
  sql.query(
    `select e.id, (open.count + feed.wanted)::int as count, open.count = $4 or feed.looked = $4 as more,
       feed.wanted > 0 and (e.routing = 'rules' or e.format not in ('native', 'messages')) as "atMost" from endpoints e
     cross join lateral (
       select count(*) from (select from deliveries d where d.endpoint_id = e.id and d.status = 'waiting' limit $4) d
     ) open cross join lateral (
       select count(*) as looked, count(*) filter (where v.mode = e.mode
         and case when (v.type = $5) <> (e.format not in ('native', 'messages')) then false when e.routing = 'rules' or v.type = $5 then true
           when e.event_types is null then v.type <> 'message.queued' else v.type = any(e.event_types) end) as wanted
       from (select v.mode, v.type from events v where v.tenant_id = e.tenant_id and v.position is not null
         and (v.position, v.id) > (e.position, e.event_id) order by v.position, v.id limit $4) v
     ) feed where e.tenant_id = $1 and e.mode = $2 and e.id = any($3)`,
    [tenantId, mode, ids, most, RAW_TYPE],
  );

/** All of them; there are fifty at most. */
export const allEndpoints = (sql: Sql, tenantId: string, mode: Mode): Promise<EndpointRow[]> =>
  sql.query<EndpointRow>(
    `select ${ROW} from endpoints where tenant_id = $1 and mode = $2 and status <> 'archived' order by id`,
    [tenantId, mode],
  );

/** Who has an endpoint that wants the words of providers as they came. */
export const rawReaders = (sql: Sql): Promise<{ tenantId: string; mode: Mode }[]> =>
  sql.query(
    `select distinct tenant_id as "tenantId", mode from endpoints where format not in ('native', 'messages') and status <> 'archived'`,
  );

export const updateEndpoint = async (
  trx: Sql,
  row: Pick<EndpointRow, 'id' | 'name' | 'url' | 'eventTypes' | 'routing' | 'format' | 'heartbeatSeconds'>,
): Promise<EndpointRow> =>
  (
    await trx.query<EndpointRow>(
      `update endpoints set name = $2, url = $3, event_types = $4, heartbeat_seconds = $5, routing = $6, format = $7, updated_at = clock_now()
       where id = $1 returning ${ROW}`,
      [row.id, row.name, row.url, row.eventTypes, row.heartbeatSeconds, row.routing, row.format],
    )
  )[0] as EndpointRow;

/** Pausing, and disabling with its reason. */
export const stopEndpoint = async (
  trx: Sql,
  id: string,
  status: 'paused' | 'disabled',
  reason: 'failing' | 'gone' | null = null,
): Promise<EndpointRow> =>
  (
    await trx.query<EndpointRow>(
      `update endpoints set status = $2, disabled_reason = $3, updated_at = clock_now() where id = $1 returning ${ROW}`,
      [id, status, reason],
    )
  )[0] as EndpointRow;

/** What was open when it stopped is due again, in its order, and no faster than is asked for. What is under way stays so. */
export async function resumeEndpoint(trx: Sql, id: string, perSecond: number | null): Promise<EndpointRow> {
  const [drained] = await trx.query<{ last: Date | null }>(
    `with open as (
       select id, row_number() over (order by sequence, id) - 1 as place from deliveries
       where endpoint_id = $1 and status = 'waiting' and (owner is null or run_at <= clock_now())
     ), due as (
       update deliveries d set run_at = clock_now() + make_interval(secs => coalesce(open.place::float8 / $2::int, 0)), owner = null
       from open where d.id = open.id returning d.run_at
     ) select max(run_at) as last from due`,
    [id, perSecond],
  );
  const [row] = await trx.query<EndpointRow>(
    `update endpoints set status = 'active', disabled_reason = null, failures_in_row = 0, failing_since = null, drain_per_second = $2,
       drained_to = $3, updated_at = clock_now() where id = $1 returning ${ROW}`,
    [id, perSecond, perSecond === null ? null : (drained?.last ?? null)],
  );
  return row as EndpointRow;
}

/** What waits is not sent any more; the log of what was stays. */
export async function archiveEndpoint(trx: Sql, id: string): Promise<void> {
  await trx.query(`update endpoints set status = 'archived', updated_at = clock_now() where id = $1`, [id]);
  await trx.query('delete from endpoint_secrets where endpoint_id = $1', [id]);
  await trx.query(
    `update deliveries set status = 'failed', ended_at = clock_now(), owner = null where endpoint_id = $1 and status = 'waiting'`,
    [id],
  );
}

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
      `select ${ROW} from endpoints where id = $1 and status = 'active' for update skip locked`,
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

export const setOverlap = async (trx: Sql, id: string, seconds: number): Promise<EndpointRow> =>
  (
    await trx.query<EndpointRow>(
      `update endpoints set overlap_until = clock_now() + make_interval(secs => $2), updated_at = clock_now() where id = $1 returning ${ROW}`,
      [id, seconds],
    )
  )[0] as EndpointRow;
