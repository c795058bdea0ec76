/**
 * Alert rules, what is counted for them minute by minute as the feed is read on, and the alerts that were given: one for each
 * breach, however often it is looked at.
 */
import type { Knex } from 'knex';

const TABLES = ['alert_rules', 'alerts'];

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table alert_rules (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    name text not null,
    enabled boolean not null,
    metric text not null,
    threshold double precision not null,
    window_minutes int not null,
    min_messages int not null,
    -- Null: all.
    channel text,
    template text,
    targets jsonb not null,
    created_at timestamptz not null default clock_now(),
    updated_at timestamptz not null default clock_now()
  );
  create index alert_rules_tenant on alert_rules (tenant_id, mode, id);

  -- How far the feed was read for the rules of a tenant, and when they were judged.
  create table alert_watches (
    tenant_id uuid not null references tenants,
    mode text not null,
    position bigint not null,
    event_id uuid not null,
    judged_at timestamptz not null default '-infinity',
    primary key (tenant_id, mode)
  );
  create index alert_watches_judged on alert_watches (judged_at);

  create table alert_tallies (
    rule_id uuid not null references alert_rules on delete cascade,
    minute timestamptz not null,
    -- 0: went out or failed; 1: failed; from 2 on: has arrived after so long, by the steps of the histogram.
    kind smallint not null,
    count int not null,
    primary key (rule_id, minute, kind)
  );
  create index alert_tallies_minute on alert_tallies (minute);

  create table alerts (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null,
    rule_id uuid not null,
    -- The rule as it was.
    name text not null,
    metric text not null,
    threshold double precision not null,
    targets jsonb not null,
    value double precision not null,
    fired_at timestamptz not null default clock_now(),
    recovered_at timestamptz,
    -- Its targets still have to be told of the breach, of its end, or of nothing.
    untold text check (untold in ('fired', 'recovered'))
  );
  create unique index alerts_open on alerts (rule_id) where recovered_at is null;
  create index alerts_tenant on alerts (tenant_id, mode, id);
  create index alerts_untold on alerts (id) where untold is not null;

  do $$
  declare tab text;
  begin
    foreach tab in array array['alert_rules', 'alert_watches', 'alert_tallies', 'alerts'] loop
      execute format('alter table %I enable row level security', tab);
    end loop;
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      foreach tab in array array['${TABLES.join("', '")}'] loop
        execute format('grant select on %I to carillon_reader', tab);
        execute format('create policy own_rows on %I for select to carillon_reader using (tenant_id = nullif(current_setting(''carillon.tenant'', true), '''')::uuid)', tab);
      end loop;
    end if;
  end $$;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table alerts, alert_tallies, alert_watches, alert_rules;
`);
