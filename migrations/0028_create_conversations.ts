/**
 * What people write to us, and who they are. A contact is known by identities; a conversation is one address on one connection.
 * A contact that was merged keeps its row and all that hangs on it, so that a merge can be taken back.
 */
import type { Knex } from 'knex';

const READ = [
  'contacts',
  'contact_identities',
  'contact_merges',
  'conversations',
  'inbound_messages',
  'inbound_media',
] as const;

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table contacts (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    external_id text,
    name text,
    email text,
    phone text,
    metadata jsonb not null default '{}',
    -- The contact that stands for this one; never one that was merged itself.
    merged_into uuid,
    created_at timestamptz not null default clock_now(),
    updated_at timestamptz not null default clock_now()
  );
  create index contacts_tenant on contacts (tenant_id, mode, id);
  create unique index contacts_external on contacts (tenant_id, mode, external_id) where external_id is not null;
  create index contacts_merged on contacts (merged_into) where merged_into is not null;

  create table contact_identities (
    tenant_id uuid not null,
    mode text not null,
    kind text not null,
    value text not null,
    -- Of the provider's own kinds: where the name means this person.
    scope text not null,
    contact_id uuid not null references contacts on delete cascade,
    -- The account that has seen it; null: the tenant has said it.
    connection_id uuid,
    created_at timestamptz not null default clock_now(),
    primary key (tenant_id, mode, kind, value, scope)
  );
  create index contact_identities_contact on contact_identities (contact_id);

  create table contact_merges (
    id uuid primary key,
    tenant_id uuid not null,
    mode text not null,
    contact_id uuid not null references contacts on delete cascade,
    from_id uuid not null references contacts on delete cascade,
    -- Those that had been merged into it before.
    brought uuid[] not null,
    created_at timestamptz not null default clock_now(),
    undone_at timestamptz
  );
  create index contact_merges_contact on contact_merges (contact_id, id);
  create index contact_merges_from on contact_merges (from_id);

  create table conversations (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    connection_id uuid not null,
    channel text not null,
    address text not null,
    -- By what the person is answered.
    recipient jsonb not null,
    contact_id uuid references contacts on delete set null,
    status text not null default 'open' check (status in ('open', 'pending', 'resolved', 'on_hold')),
    assignee text,
    unread int not null default 0,
    -- When the person has last written; null: only our side has, or it was before we were there.
    last_inbound_at timestamptz,
    -- Of the newest message that came in, which is what an inbox is ordered by.
    last_id uuid not null,
    created_at timestamptz not null default clock_now(),
    updated_at timestamptz not null default clock_now(),
    unique (tenant_id, mode, address, connection_id)
  );
  create unique index conversations_newest on conversations (tenant_id, mode, last_id);
  create index conversations_status on conversations (tenant_id, mode, status, last_id);
  create index conversations_contact on conversations (contact_id) where contact_id is not null;

  -- Not in partitions: that a message is stored once, whenever it came, is for an index over all of them to say.
  create table inbound_messages (
    -- Its time is the provider's.
    id uuid primary key,
    tenant_id uuid not null,
    mode text not null,
    conversation_id uuid not null references conversations on delete cascade,
    connection_id uuid not null,
    channel text not null,
    key text not null,
    inbound_id uuid not null,
    provider_id text not null,
    origin text not null check (origin in ('live', 'echo', 'history')),
    -- Our side wrote it.
    own boolean not null,
    kind text not null,
    text text,
    data jsonb,
    -- What it answers, by the provider's id, and which message of ours that is.
    reply_to text,
    reply_to_id uuid,
    -- The event that tells of it.
    event_id uuid,
    received_at timestamptz not null default clock_now(),
    unique (connection_id, key)
  );
  create index inbound_messages_conversation on inbound_messages (conversation_id, id);
  create index inbound_messages_tenant on inbound_messages (tenant_id, mode, id);

  create table inbound_media (
    id uuid primary key,
    tenant_id uuid not null,
    mode text not null,
    message_id uuid not null references inbound_messages on delete cascade,
    connection_id uuid not null,
    position smallint not null,
    mime text not null,
    filename text,
    provider_id text,
    url text,
    sha256 text,
    bytes bytea,
    size int,
    status text not null check (status in ('waiting', 'stored', 'failed')),
    tries smallint not null default 0,
    -- When it is due; while somebody fetches it, the end of the lease.
    run_at timestamptz not null default clock_now(),
    fault text,
    created_at timestamptz not null default clock_now()
  );
  alter table inbound_media alter bytes set storage external;
  create index inbound_media_message on inbound_media (message_id, position);
  create index inbound_media_due on inbound_media (run_at) where status = 'waiting';

  -- News of providers that were told on, so that they are told once.
  create table told_notices (
    connection_id uuid not null,
    key text not null,
    told_at timestamptz not null default clock_now(),
    primary key (connection_id, key)
  );
  create index told_notices_age on told_notices (told_at);

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

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table told_notices, inbound_media, inbound_messages, conversations, contact_merges, contact_identities, contacts;
`);
