/**
 * Addresses that were confirmed, and every one-time link in one table: to sign in, to confirm an address, to set a new
 * password, to accept an invitation. `sign_in_links` stays, unused, for the release before; a later migration drops it. A
 * sign-in link made before this migration (they live an hour) is not carried over: it would be good in both tables.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  alter table users add column confirmed_at timestamptz;
  -- The link holds the token, the row its digest.
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
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table one_time_links;
  alter table users drop column confirmed_at;
`);
