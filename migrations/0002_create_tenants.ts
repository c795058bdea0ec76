/** Tenants, the people who sign in for them, their sessions, and the keys their programs use. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table tenants (
    id uuid primary key,
    name text not null,
    default_country text,
    default_language text,
    created_at timestamptz not null default clock_now()
  );
  create table users (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    email text not null,
    name text not null,
    password_hash text,
    confirmed_at timestamptz,
    created_at timestamptz not null default clock_now()
  );
  create unique index users_email on users (lower(email));
  -- The cookie holds the token, the row its digest.
  create table sessions (
    digest bytea primary key,
    user_id uuid not null references users,
    tenant_id uuid not null references tenants,
    mode text not null default 'sandbox' check (mode in ('live', 'sandbox')),
    created_at timestamptz not null default clock_now(),
    seen_at timestamptz not null default clock_now()
  );
  -- To sign in, to confirm an address, to set a new password, to accept an invitation. The link holds the token, the row
  -- its digest.
  create table one_time_links (
    digest bytea primary key,
    purpose text not null check (purpose in ('sign_in', 'confirm', 'reset', 'invite')),
    -- Whose it is; an invitation is for an address that has no account yet.
    user_id uuid references users,
    email text,
    created_at timestamptz not null default clock_now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    check (case when purpose = 'invite' then user_id is null and email is not null else user_id is not null end)
  );
  create index one_time_links_user on one_time_links (user_id);
  create index one_time_links_invited on one_time_links (lower(email)) where purpose = 'invite';
  create table api_keys (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    mode text not null check (mode in ('live', 'sandbox')),
    name text not null,
    public_part text not null unique,
    digest bytea not null,
    last_four text not null,
    scopes text[] not null,
    created_at timestamptz not null default clock_now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
  );
  create index api_keys_tenant on api_keys (tenant_id, id);
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table api_keys, one_time_links, sessions, users, tenants;
`);
