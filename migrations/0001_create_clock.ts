/**
 * The clock that every statement asks, the bounds of UUID v7 partitions, and the role that reads for people.
 * The offset of the clock is for tests alone; nothing else may write it.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table clock (one boolean primary key default true check (one), "offset" interval not null default '0');
  insert into clock default values;
  create function clock_now() returns timestamptz language sql stable as 'select now() + (select "offset" from clock)';

  create function uuid_at(at timestamptz) returns uuid language sql immutable as
    $$ select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid $$;

  -- Monthly partitions of a table keyed by UUID v7, from the month before this one to three months ahead.
  create function ensure_partitions(parent text, fill int) returns void language plpgsql as $$
  declare
    month timestamptz := date_trunc('month', now() at time zone 'utc') at time zone 'utc' - interval '1 month';
    child text;
  begin
    perform pg_advisory_xact_lock(hashtext('carillon partitions'));
    for i in 0..4 loop
      child := parent || '_' || to_char(month at time zone 'utc', 'YYYYMM');
      if to_regclass(child) is null then
        execute format('create table %I partition of %I for values from (%L) to (%L) with (fillfactor = %s)',
          child, parent, uuid_at(month), uuid_at(month + interval '1 month'), fill);
      end if;
      month := (month at time zone 'utc' + interval '1 month') at time zone 'utc';
    end loop;
  end $$;

  do $$ begin
    if not exists (select from pg_roles where rolname = 'carillon_reader') then
      create role carillon_reader nologin;
    end if;
    execute format('grant carillon_reader to %I', current_user);
  exception
    when duplicate_object or unique_violation then null;
    when insufficient_privilege then raise warning 'cannot create or grant the role carillon_reader: ask the database owner (carillon doctor says how)';
  end $$;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop function ensure_partitions(text, int);
  drop function uuid_at(timestamptz);
  drop function clock_now();
  drop table clock;
`);
