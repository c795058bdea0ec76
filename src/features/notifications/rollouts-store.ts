/** What became of the messages of a rollout. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Place } from '../events/index.ts';

export interface Outcomes {
  readonly mode: Mode;
  readonly versionId: string;
  readonly type: 'message.sent' | 'message.failed';
  readonly failureCode: string | null;
  /** A provider had taken it before it failed. */
  readonly wasSent: boolean;
  readonly count: number;
}

export interface OutcomePage {
  readonly size: number;
  /** Of the last event that was looked at; null: there was none. */
  readonly place: Place | null;
  readonly outcomes: readonly Outcomes[];
}

/** Written into the statement, so that the planner knows how few they are among millions. */
export const PAGE = 5_000;

/**
 * The tenant's next events after a position, and of those that settle messages of these versions the sums. The messages are
 * asked for how they are now, because an event tells of its moment only, and one by one (`offset 0`): a join may be done by
 * reading the whole table, which grows with history.
 */
export async function readOutcomes(
  sql: Sql,
  query: {
    tenantId: string;
    /** Messages before it belong to no rollout, or to an earlier one. */
    since: string;
    versionIds: readonly string[];
    after: Place;
  },
): Promise<OutcomePage> {
  const [page] = await sql.query<OutcomePage>(
    `with page as materialized (
       select id, type, message_id, position from events
       where tenant_id = $1 and position is not null and (position, id) > ($4, $5)
         and position < (select event_horizon())
       order by position, id limit ${PAGE})
     select (select count(*) from page) as size,
       (select jsonb_build_object('position', position, 'id', id) from page order by position desc, id desc limit 1) as place,
       (select coalesce(jsonb_agg(o), '[]') from (
          select m.mode, m.template_version_id as "versionId", p.type, m.failure_code as "failureCode",
            m.sent_at is not null as "wasSent", count(*) as count
          from page p cross join lateral (select * from messages where id = p.message_id offset 0) m
          where p.type in ('message.sent', 'message.failed') and p.message_id > $2 and m.template_version_id = any($3::uuid[])
          group by 1, 2, 3, 4, 5) o) as outcomes`,
    [query.tenantId, query.since, query.versionIds, query.after.position, query.after.id],
  );
  return page ?? { size: 0, place: null, outcomes: [] };
}
