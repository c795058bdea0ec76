/** SQL of the secrets of endpoints, sealed as they are. */
import type { Sql } from '../../lib/db.ts';

export const insertSecret = (
  trx: Sql,
  row: { readonly id: string; readonly tenantId: string; readonly endpointId: string; readonly sealed: string },
): Promise<unknown> =>
  trx.query('insert into endpoint_secrets (id, tenant_id, endpoint_id, sealed) values ($1, $2, $3, $4)', [
    row.id,
    row.tenantId,
    row.endpointId,
    row.sealed,
  ]);

/** Those that have no end yet get one; those whose time is over go. */
export async function endSecrets(trx: Sql, endpointId: string, seconds: number): Promise<void> {
  await trx.query('delete from endpoint_secrets where endpoint_id = $1 and ends_at <= clock_now()', [endpointId]);
  await trx.query(
    `update endpoint_secrets set ends_at = clock_now() + make_interval(secs => $2) where endpoint_id = $1 and ends_at is null`,
    [endpointId, seconds],
  );
}

export const liveSecrets = (
  sql: Sql,
  endpointIds: readonly string[],
): Promise<{ id: string; tenantId: string; endpointId: string; sealed: string }[]> =>
  sql.query(
    `select id, tenant_id as "tenantId", endpoint_id as "endpointId", sealed from endpoint_secrets
     where endpoint_id = any($1) and (ends_at is null or ends_at > clock_now()) order by endpoint_id, id desc`,
    [endpointIds],
  );
