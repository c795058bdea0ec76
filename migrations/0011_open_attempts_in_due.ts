/**
 * The due row itself says that an attempt is open: the claim that takes it opens it, in one write, and the attempt row is
 * written once, with its result. A due row may also stand for a range of messages, so that a campaign of a million waits in
 * two thousand rows. Tenants take turns within a connection; what is held back is not in the index that a claim reads.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  alter table due
    -- The call may have begun: whoever finds this after the lease has ended must not send again on a guess.
    add opened boolean not null default false,
    add opened_at timestamptz,
    -- Attempts begun so far, the open one included.
    add tries smallint not null default 0,
    add bulk_id uuid,
    -- A range: the messages of this bulk and connection with after_id < id <= last_id, about so many.
    add after_id uuid,
    add last_id uuid,
    add size int not null default 1,
    -- Waits for a bulk to be complete, or to be resumed.
    add held boolean not null default false,
    add constraint due_kind check (kind in ('message', 'range', 'deadline')),
    add constraint due_range check ((kind = 'range') = (after_id is not null) and (after_id is null) = (last_id is null) and (kind <> 'range' or bulk_id is not null));
  update due set tries = a.tries, opened = a.open is not null, opened_at = a.open
    from (select message_id, max(number) as tries, max(started_at) filter (where result is null) as open from attempts group by message_id) a
    where a.message_id = due.id;
  delete from attempts where result is null;
  drop index attempts_one_open;
  alter table attempts alter result set not null;
  -- Who waits for news of an unknown outcome waits for a deadline: its claim opens no attempt.
  update due set kind = 'deadline' from messages m where m.id = due.id and m.outcome_unknown and not due.opened;
  drop index due_ready;
  create index due_ready on due (connection_id, lane, tenant_id, run_at) where not held;
  create index due_bulk on due (bulk_id) where bulk_id is not null;
  alter table due enable row level security;
  do $$ begin
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      grant select on due to carillon_reader;
      create policy own_rows on due for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
    end if;
  end $$;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  delete from due where kind = 'range';
  drop policy if exists own_rows on due;
  alter table due disable row level security;
  do $$ begin
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      revoke all on due from carillon_reader;
    end if;
  end $$;
  drop index due_bulk, due_ready;
  create index due_ready on due (connection_id, lane, run_at);
  alter table attempts alter result drop not null;
  create unique index attempts_one_open on attempts (message_id) where result is null;
  insert into attempts (message_id, number, tenant_id, connection_id, fence, started_at)
    select id, tries, tenant_id, connection_id, fence, coalesce(opened_at, clock_now()) from due where opened;
  update due set kind = 'message';
  alter table due drop constraint due_range, drop constraint due_kind, drop opened, drop opened_at, drop tries, drop bulk_id, drop after_id, drop last_id, drop size, drop held;
`);
