/** What became of messages lately, counted from the events that tell of it. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Place } from '../events/index.ts';

/** So many messages of one channel and template within one minute. */
export interface MinuteCount {
  /** As the store writes a time. */
  readonly minute: string;
  readonly channel: string;
  readonly template: string | null;
  /** Each message is `taken` once, when a provider has taken it or it has failed before that. */
  readonly word: 'taken' | 'failed' | 'arrived';
  /** From hand-over to arrival, rounded up to whole seconds; 0 for the others. */
  readonly seconds: number;
  readonly count: number;
}

export interface MinutePage {
  readonly size: number;
  /** Of the last event that was looked at; null: there was none. */
  readonly place: Place | null;
  readonly counts: readonly MinuteCount[];
}

/** Written into the statement, so that the planner knows how few they are among millions. */
export const MINUTE_PAGE = 5_000;

/**
 * A tenant's next events after a place. What the tenant itself has cancelled is no failure. Messages are asked for one by one
 * (`offset 0`), as for rollouts.
 */
export async function countMinutes(
  sql: Sql,
  { tenantId, mode, after }: { readonly tenantId: string; readonly mode: Mode; readonly after: Place },
): Promise<MinutePage> {
  const [page] = await sql.query<MinutePage>(
    `with page as materialized (
       select id, type, message_id, position, mode, data from events
       where tenant_id = $1 and position is not null and (position, id) > ($3, $4)
         and position < (select event_horizon())
       order by position, id limit ${MINUTE_PAGE}
     ), told as (
       select id, message_id, words.word, case when words.word = 'arrived'
           then ceil(extract(epoch from (data->>'delivered_at')::timestamptz - (data->>'sent_at')::timestamptz)) else 0 end as seconds
       from page cross join lateral unnest(case type
         when 'message.sent' then array['taken'] when 'message.delivered' then array['arrived']
         when 'message.failed' then case when data->>'sent_at' is null then array['taken', 'failed'] else array['failed'] end
         end) as words(word)
       where mode = $2 and message_id is not null and coalesce(data->>'failure_code', '') not in ('cancelled', 'superseded')
     )
     select (select count(*) from page) as size,
       (select jsonb_build_object('position', position, 'id', id) from page order by position desc, id desc limit 1) as place,
       (select coalesce(jsonb_agg(o), '[]') from (
          select date_trunc('minute', to_timestamp(('x' || left(replace(t.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)) as minute,
            m.channel, m.template_slug as template, t.word, greatest(coalesce(t.seconds, 0), 0)::int as seconds, count(*) as count
          from told t cross join lateral (select channel, template_slug from messages where id = t.message_id offset 0) m
          group by 1, 2, 3, 4, 5) o) as counts`,
    [tenantId, mode, after.position, after.id],
  );
  return page ?? { size: 0, place: null, counts: [] };
}
