/** SQL of the questions people ask: lists, counts, the last day. The tenant and the mode stand in every key. */
import type { Sql, Statement } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { firstIdAt, lastMessageIdOf } from '../../lib/ids.ts';
import type { Status } from './status.ts';
import { MESSAGE } from './store.ts';
import type { Message } from './types.ts';

export interface Filter {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly channel?: string;
  readonly address?: string;
  readonly status?: string;
  readonly templateSlug?: string;
  readonly bulkId?: string;
  readonly from?: Date;
  readonly to?: Date;
}

function where(
  { tenantId, mode, channel, address, status, templateSlug, bulkId, from, to }: Filter,
  before: string | undefined,
): { text: string; values: unknown[] } {
  const values: unknown[] = [tenantId, mode];
  const parts = ['tenant_id = $1', 'mode = $2'];
  const and = (condition: string, value: unknown) => {
    if (value === undefined) return;
    values.push(value);
    parts.push(condition.replace('?', `$${values.length}`));
  };
  and('channel = ?', channel);
  and('address = ?', address);
  and('status = ?', status);
  and('template_slug = ?', templateSlug);
  and('bulk_id = ?', bulkId);
  // The id of a bulk was made before those of its messages.
  and('id > ?', bulkId);
  and('id >= ?', from && firstIdAt(from));
  and('id < ?', to && firstIdAt(to));
  and('id < ?', before);
  return { text: parts.join(' and '), values };
}

/** Ids of matching messages, newest first. */
export const findMessages = async (
  sql: Sql,
  filter: Filter,
  before: string | undefined,
  limit: number,
): Promise<string[]> => {
  const { text, values } = where(filter, before);
  return (
    await sql.query<{ id: string }>(
      `select id from messages where ${text} order by id desc limit $${values.length + 1}`,
      [...values, limit],
    )
  ).map(({ id }) => id);
};

/**
 * All messages of these notifications, oldest first, one short range each (`offset 0`): joined with anything else the ranges are
 * taken for long ones, and everything the tenant has is read.
 */
export const messagesIn = (tenantId: string, mode: Mode, notificationIds: readonly string[]): Statement => ({
  text: `select ${MESSAGE} from unnest($3::uuid[], $4::uuid[]) as n(first, last) cross join lateral (
      select * from messages where id > n.first and id <= n.last and tenant_id = $1 and mode = $2 offset 0
    ) m left join template_versions v on v.id = m.template_version_id order by m.id`,
  values: [tenantId, mode, notificationIds, notificationIds.map(lastMessageIdOf)],
});

export const messagesOfMany = (
  sql: Sql,
  tenantId: string,
  mode: Mode,
  notificationIds: readonly string[],
): Promise<Message[]> => {
  const { text, values } = messagesIn(tenantId, mode, notificationIds);
  return sql.query(text, values);
};

/** What went to one address by one connection, from a place on. */
export const messagesTo = (
  sql: Sql,
  to: { tenantId: string; mode: Mode; channel: string; address: string; connectionId: string },
  from: string | undefined,
  order: 'asc' | 'desc',
  limit: number,
): Promise<Message[]> =>
  sql.query(
    `select ${MESSAGE} from (
       select * from messages where tenant_id = $1 and address = $2 and mode = $3 and channel = $4 and connection_id = $5
         and ($6::uuid is null or id ${order === 'asc' ? '>' : '<'} $6) order by id ${order} limit $7
     ) m left join template_versions v on v.id = m.template_version_id order by m.id ${order}`,
    [to.tenantId, to.address, to.mode, to.channel, to.connectionId, from ?? null, limit],
  );

/** Messages by status among the newest `max` that match. */
export const countMessages = (sql: Sql, filter: Filter, max: number): Promise<{ status: Status; count: number }[]> => {
  const { text, values } = where(filter, undefined);
  return sql.query(
    `select status, count(*)::int as count from (select status from messages where ${text} order by id desc limit $${values.length + 1}) m group by status`,
    [...values, max],
  );
};

export interface DayRow {
  readonly channel: string;
  readonly hour: Date;
  readonly status: Status;
  readonly failureCode: string | null;
  readonly count: number;
}

/** The last 24 hours, at most the newest `max` messages. */
export const lastDay = (sql: Sql, tenantId: string, mode: Mode, since: Date, max: number): Promise<DayRow[]> =>
  sql.query(
    `select channel, date_trunc('hour', created_at, 'UTC') as hour, status, failure_code as "failureCode", count(*)::int as count
     from (select channel, created_at, status, failure_code from messages where tenant_id = $1 and mode = $2 and id >= $3 order by id desc limit $4) m
     group by 1, 2, 3, 4`,
    [tenantId, mode, firstIdAt(since), max],
  );

/** What waits, and for how long past its time. As the writer: due rows carry no policy. */
export const queueAge = async (sql: Sql, tenantId: string): Promise<{ waiting: number; oldestSeconds: number }> => {
  const [row] = await sql.query<{ waiting: number; oldest: number | null }>(
    `select coalesce(sum(size), 0)::int as waiting, extract(epoch from clock_now() - min(run_at))::int as oldest
     from (select run_at, size from due where connection_id in (select id from connections where tenant_id = $1 or owner = 'platform')
       and tenant_id = $1 and owner is null and not held and run_at <= clock_now() limit 100000) d`,
    [tenantId],
  );
  return { waiting: row?.waiting ?? 0, oldestSeconds: Math.max(0, row?.oldest ?? 0) };
};

/** Messages of this tenant that wait for the operator. */
export const quarantinedCount = async (sql: Sql, tenantId: string): Promise<number> => {
  const [row] = await sql.query<{ count: number }>(
    `select coalesce(sum(size), 0)::int as count from due where tenant_id = $1 and quarantined and kind <> 'deadline'`,
    [tenantId],
  );
  return row?.count ?? 0;
};
