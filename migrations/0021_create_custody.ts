/**
 * Which store this is, so that one which came out of a backup is known for what it is; and the mark of due rows that wait for
 * the operator because of it. The row of `custody` knows the transaction that wrote it. A dump that is restored writes it with
 * another one, a copy made inside the server stands in another database: neither needs anybody to remember anything.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table custody (
    one boolean primary key default true check (one),
    -- The transaction that wrote this row, as xmin shows it.
    written_by bigint not null,
    database_oid oid not null,
    -- Null where they may not be asked for.
    system_identifier text,
    timeline integer,
    -- Of the files of an embedded server.
    files text,
    -- When the server was started that was looked at.
    server_started timestamptz,
    seen_at timestamptz not null,
    -- While what was open when the store was restored waits: messages with smaller ids begin nothing by themselves.
    quarantine_before uuid,
    quarantined_at timestamptz,
    quarantine_reason text
  );
  alter table due add column quarantined boolean not null default false;

  create function store_is_own() returns boolean language sql stable as $$
    select coalesce((select written_by = xmin::text::bigint and database_oid = (select oid from pg_database where datname = current_database())
      from custody where one), true)
  $$;
  -- A server is not started without a reason, and one reason is that its disk was put back: whoever takes work waits until
  -- somebody has looked since.
  create function store_is_known() returns boolean language sql stable as $$
    select coalesce((select written_by = xmin::text::bigint and database_oid = (select oid from pg_database where datname = current_database())
      and (server_started is null or server_started = pg_postmaster_start_time()) from custody where one), true)
  $$;
  -- When an id was made.
  create function time_of(id uuid) returns timestamptz language sql immutable strict as $$
    select to_timestamp(('x' || lpad(replace(left(id::text, 13), '-', ''), 16, '0'))::bit(64)::bigint / 1000.0)
  $$;
  create function in_quarantine(message uuid) returns boolean language sql stable as $$
    select coalesce(message < (select quarantine_before from custody where one), false)
  $$;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop function in_quarantine(uuid);
  drop function time_of(uuid);
  drop function store_is_known();
  drop function store_is_own();
  alter table due drop column quarantined;
  drop table custody;
`);
