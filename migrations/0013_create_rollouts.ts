/**
 * Rollouts: a new version of a template for a share of the people, while another is active. The figures by which a rollout is
 * judged stand in its row, with how far they have been counted. A version also remembers which one it took over from, so
 * that rolling back needs no name.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  alter table template_versions add predecessor int;
  -- Only what has been active becomes archived, so the one before is the newest archived below.
  update template_versions v set predecessor = (select max(b.number) from template_versions b
      where b.template_id = v.template_id and b.number < v.number and b.status = 'archived')
    where v.status = 'active';

  create table rollouts (
    -- Made by the process that starts it: whatever belongs to the rollout has a greater id.
    id uuid primary key,
    tenant_id uuid not null,
    template_id uuid not null references templates,
    from_version int not null,
    to_version int not null,
    percent double precision not null check (percent between 0 and 100),
    status text not null default 'running' check (status in ('running', 'completed', 'rolled_back')),
    -- It is rolled back when more than this share of at least so many has failed.
    limit_percent double precision not null check (limit_percent between 0 and 100),
    limit_min_sent int not null check (limit_min_sent > 0),
    -- Why it ended.
    reason text,
    started_by text not null,
    ended_by text,
    started_at timestamptz not null default clock_now(),
    updated_at timestamptz not null default clock_now(),
    ended_at timestamptz,
    -- The last event that is counted, and the sums up to it: mode -> from, to -> sent, failed.
    position uuid not null,
    tally jsonb not null
  );
  create unique index rollouts_one_running on rollouts (template_id) where status = 'running';
  create index rollouts_template on rollouts (template_id, id);

  alter table rollouts enable row level security;
  do $$
  begin
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      grant select on rollouts to carillon_reader;
      create policy own_rows on rollouts for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
    end if;
  end $$;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table rollouts;
  alter table template_versions drop predecessor;
`);
