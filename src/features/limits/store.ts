/** SQL of the buckets, of the processes that share them, and of the codes that addresses were sent. */
import type { Sql, Statement } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';

export interface BucketAsk {
  readonly subject: string;
  readonly mode: Mode;
  readonly requests: number;
  readonly seconds: number;
  readonly held: number;
  readonly want: number;
  readonly lot: number;
}

export interface BucketAnswer {
  readonly subject: string;
  readonly mode: Mode;
  readonly granted: number;
  readonly left: number;
}

const ASKS = `jsonb_to_recordset($1) as i(subject uuid, mode text, requests float8, seconds float8, held float8, want float8, lot float8)`;

/** So that two processes that see a tenant for the first time at once lend out of one bucket. */
export const openBuckets = (asks: readonly BucketAsk[]): Statement => ({
  text: `insert into rate_buckets (subject, mode, tokens, at)
     select subject, mode, requests, clock_now() from ${ASKS} order by subject, mode on conflict do nothing`,
  values: [JSON.stringify(asks)],
});

/** Says that this process is there; gives the number of those that were there lately. */
export const greet = (process: string): Statement => ({
  text: `with me as (
       insert into rate_members (id, seen_at) values ($1, clock_now()) on conflict (id) do update set seen_at = excluded.seen_at
     )
     select 1 + count(*)::int as members from rate_members where id <> $1 and seen_at > clock_now() - interval '15 seconds'`,
  values: [process],
});

/**
 * Takes back what was held, then lends: to each its share of what is there, and the last crumbs whole. A bucket never holds
 * more than its limit.
 */
export const lend = (asks: readonly BucketAsk[], process: string): Statement => ({
  text: `with old as materialized (
       select b.subject, b.mode, b.tokens, b.at from rate_buckets b join ${ASKS} on (b.subject, b.mode) = (i.subject, i.mode)
       order by b.subject, b.mode for update of b
     ), pool as (
       select old.subject, old.mode, i.want, i.lot, greatest(old.at, clock_now()) as at,
         least(i.requests, old.tokens + greatest(0, extract(epoch from clock_now() - old.at)::float8) * i.requests / i.seconds + i.held) as tokens
       from old join ${ASKS} on (old.subject, old.mode) = (i.subject, i.mode)
     ), members as (
       select 1 + count(*) as n from rate_members where id <> $2 and seen_at > clock_now() - interval '15 seconds'
     ), lent as (
       select pool.*, greatest(0, least(want, greatest(tokens / n, least(tokens, lot)))) as granted from pool, members
     )
     update rate_buckets b set tokens = lent.tokens - lent.granted, at = lent.at
     from lent where (b.subject, b.mode) = (lent.subject, lent.mode)
     returning b.subject, b.mode, lent.granted, b.tokens as left`,
  values: [JSON.stringify(asks), process],
});

export const leave = (sql: Sql, process: string): Promise<unknown> =>
  sql.query('delete from rate_members where id = $1', [process]);

/** What has not been asked for is full, and need not be written down. */
export async function purgeBuckets(sql: Sql): Promise<void> {
  await sql.query(`delete from rate_buckets where at < clock_now() - interval '2 hours' and tokens >= 0`, []);
  await sql.query(`delete from rate_members where seen_at < clock_now() - interval '1 hour'`, []);
}

const RECENT = `interval '1 hour'`;

/** Counts one more for each address; gives those for which there was room. Each address once. */
export const countSends = (tenantId: string, addresses: readonly string[], perHour: number): Statement => ({
  text: `insert into otp_sends as o (tenant_id, address, times)
     select $1, decode(i, 'hex'), array[clock_now()] from unnest($2::text[]) as i order by 2
     on conflict (tenant_id, address) do update
       set times = array(select t from unnest(o.times) t where t > clock_now() - ${RECENT} order by t) || clock_now()
       where (select count(*) from unnest(o.times) t where t > clock_now() - ${RECENT}) < $3
     returning encode(address, 'hex') as address`,
  values: [tenantId, addresses, perHour],
});

/** Takes back the last count of each. */
export const uncountSends = (tenantId: string, addresses: readonly string[]): Statement => ({
  text: `update otp_sends set times = times[:cardinality(times) - 1]
     where tenant_id = $1 and address = any(array(select decode(i, 'hex') from unnest($2::text[]) as i))`,
  values: [tenantId, addresses],
});

/** Seconds until there is room for one more. */
export const roomAfter = (tenantId: string, addresses: readonly string[], perHour: number): Statement => ({
  text: `select encode(address, 'hex') as address,
       greatest(1, ceil(extract(epoch from ${RECENT} + coalesce(
         (select t from unnest(times) t order by t desc offset $3 - 1 limit 1), clock_now()) - clock_now())))::int as seconds
     from otp_sends where tenant_id = $1 and address = any(array(select decode(i, 'hex') from unnest($2::text[]) as i))`,
  values: [tenantId, addresses, perHour],
});

export async function purgeSends(sql: Sql): Promise<void> {
  await sql.query(
    `delete from otp_sends where times[cardinality(times)] is null or times[cardinality(times)] < clock_now() - ${RECENT}`,
    [],
  );
}
