/** SQL of looking at deliveries, and of sending some again. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';

export interface DeliveryRow {
  readonly id: string;
  readonly mode: Mode;
  readonly endpointId: string;
  readonly eventId: string;
  readonly type: string;
  readonly format: string;
  readonly sequence: number;
  readonly status: 'waiting' | 'delivered' | 'failed';
  readonly tries: number;
  readonly runAt: Date;
  readonly replayOf: string | null;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
}

const ROW = `id, mode, endpoint_id as "endpointId", event_id as "eventId", event_type as type, format, sequence, status, tries, run_at as "runAt",
  replay_of as "replayOf", created_at as "createdAt", ended_at as "endedAt"`;

export interface Wanted {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly endpointId: string | null;
  readonly status: string | null;
  readonly type: string | null;
  readonly limit: number;
  readonly before: string | undefined;
}

export const listDeliveries = (sql: Sql, wanted: Wanted): Promise<DeliveryRow[]> =>
  sql.query(
    `select ${ROW} from deliveries where tenant_id = $1 and mode = $2 ${wanted.endpointId === null ? 'and $3::uuid is null' : 'and endpoint_id = $3'}
       and ($4::text is null or status = $4) and ($5::text is null or event_type = $5) and ($7::uuid is null or id < $7)
     order by id desc limit $6`,
    [wanted.tenantId, wanted.mode, wanted.endpointId, wanted.status, wanted.type, wanted.limit, wanted.before ?? null],
  );

export const findDelivery = async (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
): Promise<(DeliveryRow & { readonly body: string }) | undefined> =>
  (
    await sql.query<DeliveryRow & { body: string }>(
      `select ${ROW}, body from deliveries where tenant_id = $1 and mode = $2 and id = $3`,
      [tenantId, mode, id],
    )
  )[0];

export interface AttemptRow {
  readonly number: number;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly statusCode: number | null;
  readonly fault: string | null;
  readonly answer: string | null;
}

export const listAttempts = (sql: Sql, tenantId: string, deliveryId: string): Promise<AttemptRow[]> =>
  sql.query(
    `select number, started_at as "startedAt", duration_ms as "durationMs", status_code as "statusCode", fault, answer
     from delivery_attempts where tenant_id = $1 and delivery_id = $2 order by number`,
    [tenantId, deliveryId],
  );

/** Of what told of an event first, one new delivery each with the same bytes; returns their ids. */
const replayFrom = (source: string): string =>
  `insert into deliveries (id, tenant_id, mode, endpoint_id, event_id, event_type, format, sequence, body, replay_of)
   select n.id, o.tenant_id, o.mode, o.endpoint_id, o.event_id, o.event_type, o.format, o.sequence, o.body, o.id from ${source}`;

export const replayOne = (sql: Sql, rootId: string, id: string): Promise<DeliveryRow[]> =>
  sql.query(`${replayFrom('deliveries o cross join (select $2::uuid as id) n where o.id = $1')} returning ${ROW}`, [
    rootId,
    id,
  ]);

export interface Range {
  readonly endpointId: string;
  readonly since: Date | null;
  readonly until: Date | null;
  readonly failedOnly: boolean;
}

/** The next of them after one, oldest first. What failed, and is on its way again or has arrived since, is not asked for twice. */
export const replayable = async (
  sql: Sql,
  { endpointId, since, until, failedOnly }: Range,
  after: string | null,
  limit: number,
): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `select id from deliveries o where endpoint_id = $1 and replay_of is null and event_type not in ('endpoint.test', 'endpoint.heartbeat') and status <> 'waiting'
         and ($2::timestamptz is null or created_at >= $2) and ($3::timestamptz is null or created_at < $3)
         and ($5::uuid is null or id > $5)
         and (not $4 or status = 'failed' and not exists (select from deliveries r where r.replay_of = o.id and r.status <> 'failed'))
       order by id limit $6`,
      [endpointId, since, until, failedOnly, after, limit],
    )
  ).map(({ id }) => id);

export const replayMany = (
  sql: Sql,
  pairs: readonly { readonly root: string; readonly id: string }[],
): Promise<unknown> =>
  sql.query(replayFrom('jsonb_to_recordset($1) as n(root uuid, id uuid) join deliveries o on o.id = n.root'), [
    JSON.stringify(pairs),
  ]);

/** Attempts, the newest first, as the analytics of webhooks show them. */
export interface LogRow {
  readonly url: string;
  readonly statusCode: number | null;
  readonly durationMs: number;
  readonly fault: string | null;
  readonly answer: string | null;
  readonly type: string;
  readonly attempt: number;
  readonly startedAt: Date;
  readonly deliveryId: string;
}

const OF_TENANT = `delivery_attempts a join deliveries d on d.id = a.delivery_id join endpoints e on e.id = d.endpoint_id
  where a.tenant_id = $1 and d.mode = $2 and ($3::boolean is null or (a.status_code between 200 and 299) is true = $3)`;

export async function listLog(
  sql: Sql,
  {
    tenantId,
    mode,
    success,
    limit,
    offset,
  }: { tenantId: string; mode: Mode; success: boolean | null; limit: number; offset: number },
): Promise<{ total: number; rows: LogRow[] }> {
  const [count] = await sql.query<{ total: number }>(`select count(*)::int as total from ${OF_TENANT}`, [
    tenantId,
    mode,
    success,
  ]);
  const rows = await sql.query<LogRow>(
    `select e.url, a.status_code as "statusCode", a.duration_ms as "durationMs", a.fault, a.answer, d.event_type as type, a.number as attempt,
       a.started_at as "startedAt", d.id as "deliveryId"
     from ${OF_TENANT} order by a.delivery_id desc, a.number desc limit $4 offset $5`,
    [tenantId, mode, success, limit, offset],
  );
  return { total: count?.total ?? 0, rows };
}
