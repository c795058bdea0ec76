/** SQL of what came with messages. A claim moves `run_at` to the end of the lease, so a lapsed lease is due again by itself. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';

export interface ClaimedMedia {
  readonly id: string;
  readonly connectionId: string;
  readonly mime: string;
  readonly providerId: string | null;
  readonly url: string | null;
  readonly filename: string | null;
  readonly sha256: string | null;
  readonly tries: number;
}

export const claimMedia = (sql: Sql, limit: number, leaseSeconds: number): Promise<ClaimedMedia[]> =>
  sql.query(
    `update inbound_media m set run_at = clock_now() + make_interval(secs => $2), tries = m.tries + 1
     where id = any(array(
       select id from inbound_media where status = 'waiting' and run_at <= clock_now() order by run_at limit $1 for update skip locked))
     returning id, connection_id as "connectionId", mime, provider_id as "providerId", url, filename, sha256, tries`,
    [limit, leaseSeconds],
  );

/** The first word counts: who comes late with the same file changes nothing. */
export const storeMedia = (
  sql: Sql,
  { id, mime, sha256, bytes }: { id: string; mime: string; sha256: string; bytes: Buffer },
): Promise<unknown> =>
  sql.query(
    `update inbound_media set status = 'stored', bytes = $2, size = length($2::bytea), mime = $3, sha256 = $4, fault = null where id = $1 and status = 'waiting'`,
    [id, bytes, mime, sha256],
  );

/** `afterSeconds` null: it will not be tried again. */
export const failMedia = (sql: Sql, id: string, fault: string, afterSeconds: number | null): Promise<unknown> =>
  sql.query(
    `update inbound_media set fault = $2, status = case when $3::int is null then 'failed' else 'waiting' end,
       run_at = clock_now() + make_interval(secs => coalesce($3::int, 0)) where id = $1 and status = 'waiting'`,
    [id, fault, afterSeconds],
  );

export interface StoredMedia {
  readonly mime: string;
  readonly filename: string | null;
  readonly status: 'waiting' | 'stored' | 'failed';
  readonly bytes: Buffer | null;
}

export const readMedia = async (sql: Sql, tenantId: string, mode: Mode, id: string): Promise<StoredMedia | undefined> =>
  (
    await sql.query<StoredMedia>(
      `select mime, filename, status, bytes from inbound_media where id = $3 and tenant_id = $1 and mode = $2`,
      [tenantId, mode, id],
    )
  )[0];
