/**
 * Answers that nobody has to write: rules of a tenant, what they owe to whom (written with the message that is answered, so that
 * no answer is lost), and when each conversation had its last one.
 */
import type { Knex } from 'knex';

const READ = ['auto_replies', 'owed_replies', 'given_replies'] as const;

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table auto_replies (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    name text not null,
    -- The first that fits answers.
    position int not null,
    is_active boolean not null,
    trigger text not null check (trigger in ('keyword', 'default', 'stop', 'start', 'help')),
    keywords text[] not null,
    match text not null check (match in ('exact', 'contains')),
    -- Null: any.
    channel text,
    connection_id uuid references connections,
    -- What is answered: text, a template, or the channel's own content.
    reply jsonb not null,
    -- One answer a conversation in so many minutes; 0: every time.
    pause_minutes int not null,
    -- The last answer that could not be given.
    failure_code text,
    failed_at timestamptz,
    created_at timestamptz not null default clock_now(),
    updated_at timestamptz not null default clock_now()
  );
  create index auto_replies_tenant on auto_replies (tenant_id, mode, position, id);

  create table owed_replies (
    -- What is answered, once.
    message_id uuid primary key,
    tenant_id uuid not null,
    mode text not null,
    rule_id uuid not null references auto_replies on delete cascade,
    conversation_id uuid not null references conversations on delete cascade,
    tries smallint not null default 0,
    -- When it is due; while somebody has it, the end of the lease.
    run_at timestamptz not null default clock_now()
  );
  create index owed_replies_due on owed_replies (run_at);
  create index owed_replies_rule on owed_replies (rule_id);
  create index owed_replies_conversation on owed_replies (conversation_id);

  create table given_replies (
    rule_id uuid not null references auto_replies on delete cascade,
    conversation_id uuid not null references conversations on delete cascade,
    tenant_id uuid not null,
    at timestamptz not null,
    primary key (rule_id, conversation_id)
  );
  create index given_replies_conversation on given_replies (conversation_id);

  do $$
  declare tab text;
  begin
    foreach tab in array array[${READ.map((name) => `'${name}'`).join(', ')}] loop
      execute format('alter table %I enable row level security', tab);
      if exists (select from pg_roles where rolname = 'carillon_reader') then
        execute format('grant select on %I to carillon_reader', tab);
        execute format('create policy own_rows on %I for select to carillon_reader using (tenant_id = nullif(current_setting(''carillon.tenant'', true), '''')::uuid)', tab);
      end if;
    end loop;
  end $$;
`);

export const down = (knex: Knex): Promise<void> => knex.raw('drop table given_replies, owed_replies, auto_replies;');
