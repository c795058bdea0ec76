/** SQL of erasures themselves. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';

export interface Position {
  readonly phase: 'direct' | 'scan' | 'callbacks' | 'drafts' | 'settle';
  /** Of the list of scans. */
  readonly scan: number;
  readonly after: string | null;
  /** Something had to be left for another round. */
  readonly left: boolean;
}
export interface Counts {
  readonly notifications: number;
  readonly messages: number;
  readonly cancelled: number;
  readonly callbacks: number;
  readonly mentions: number;
}
export interface ErasureRow {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly sealed: string | null;
  /** Of the addresses, one a channel. */
  readonly digests: readonly string[];
  readonly position: Position;
  readonly counts: Counts;
  /** Why it does not go on. */
  readonly failure: string | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

const ROW = `id, tenant_id as "tenantId", mode, sealed, digests, position, counts, failure, created_at as "createdAt", finished_at as "finishedAt"`;

export const insertErasure = (
  sql: Sql,
  row: Omit<ErasureRow, 'failure' | 'createdAt' | 'finishedAt'>,
): Promise<unknown> =>
  sql.query(
    `insert into erasures (id, tenant_id, mode, sealed, digests, position, counts) values ($1, $2, $3, $4, $5, $6, $7)`,
    [row.id, row.tenantId, row.mode, row.sealed, row.digests, JSON.stringify(row.position), JSON.stringify(row.counts)],
  );

export const findErasure = async (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
): Promise<ErasureRow | undefined> =>
  (
    await sql.query<ErasureRow>(`select ${ROW} from erasures where tenant_id = $1 and mode = $2 and id = $3`, [
      tenantId,
      mode,
      id,
    ])
  )[0];

/** One that is due, or this one; nobody else works on it until the end of the transaction. */
export const claimErasure = async (sql: Sql, id: string | null): Promise<(ErasureRow & { now: Date }) | undefined> =>
  (
    await sql.query<ErasureRow & { now: Date }>(
      `select ${ROW}, clock_now() as now from erasures where finished_at is null and ($1::uuid is null and next_at <= clock_now() or id = $1)
       order by next_at limit 1 for update skip locked`,
      [id],
    )
  )[0];

export const saveErasure = (
  sql: Sql,
  { id, position, counts }: Pick<ErasureRow, 'id' | 'position' | 'counts'>,
  waitSeconds: number,
): Promise<unknown> =>
  sql.query(
    `update erasures set position = $2, counts = $3, failure = null, next_at = clock_now() + make_interval(secs => $4) where id = $1`,
    [id, JSON.stringify(position), JSON.stringify(counts), waitSeconds],
  );

export const finishErasure = (sql: Sql, id: string, counts: Counts): Promise<unknown> =>
  sql.query(`update erasures set sealed = null, failure = null, counts = $2, finished_at = clock_now() where id = $1`, [
    id,
    JSON.stringify(counts),
  ]);

/** It does not go on: the others do meanwhile, and an operator can see why. */
export const putOffErasure = (sql: Sql, id: string, failure: string | null, seconds: number): Promise<unknown> =>
  sql.query(
    `update erasures set failure = $2, next_at = clock_now() + make_interval(secs => $3) where id = $1 and finished_at is null`,
    [id, failure, seconds],
  );

/** Those that do not go on. */
export const stuckErasures = (sql: Sql): Promise<{ id: string; failure: string }[]> =>
  sql.query(`select id, failure from erasures where finished_at is null and failure is not null order by id limit 20`);

export const rememberErased = (
  sql: Sql,
  erasureId: string,
  tenantId: string,
  messageIds: readonly string[],
): Promise<unknown> =>
  sql.query(
    `insert into erased_messages (message_id, tenant_id, erasure_id) select id, $2, $1 from unnest($3::uuid[]) as id on conflict do nothing`,
    [erasureId, tenantId, messageIds],
  );

/** Emptied messages that providers may still speak of, after this one. */
export const erasedAfter = async (
  sql: Sql,
  after: string | null,
  erasureId: string | null,
  limit: number,
): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `select message_id as id from erased_messages where ($1::uuid is null or message_id > $1) and ($2::uuid is null or erasure_id = $2)
       order by message_id limit $3`,
      [after, erasureId, limit],
    )
  ).map(({ id }) => id);

/** Providers say no more of what is older. */
export const forgetErased = (sql: Sql, days: number): Promise<unknown> =>
  sql.query(`delete from erased_messages where erased_at < clock_now() - make_interval(days => $1)`, [days]);
