/**
 * The audit log is only ever added to: the role that writes it has no right to change or remove a row, and whoever has (a
 * superuser) is refused by a trigger. Rows are sealed into a chain of hashes soon after they were written, so that one that was
 * changed, removed or put in later is seen. The hash is over a hash of the detail, never over a person's address.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop rule audit_log_keep_rows on audit_log;
  drop rule audit_log_keep on audit_log;

  create table audit_chain (
    position bigint primary key,
    audit_id uuid not null unique,
    tenant_id uuid not null,
    -- The hash before this one; empty for the first.
    previous bytea not null,
    hash bytea not null,
    sealed_at timestamptz not null default clock_now()
  );

  create function only_added_to() returns trigger language plpgsql as $$
  begin
    raise exception 'rows of % are never changed or removed', tg_table_name using errcode = 'insufficient_privilege';
  end $$;
  create trigger audit_log_kept before update or delete or truncate on audit_log for each statement execute function only_added_to();
  create trigger audit_chain_kept before update or delete or truncate on audit_chain for each statement execute function only_added_to();
  revoke update, delete, truncate on audit_log, audit_chain from current_user, public;

  create function audit_hash(previous bytea, a audit_log) returns bytea language sql immutable as $$
    select sha256(previous || convert_to(jsonb_build_array(a.id, a.tenant_id, a.actor_kind, a.actor_id, a.action, a.target,
      encode(sha256(convert_to(coalesce(a.detail::text, ''), 'UTF8')), 'hex'), a.ip, a.request_id, (extract(epoch from a.at) * 1000000)::bigint)::text, 'UTF8'))
  $$;

  -- How many rows were sealed: those of a day back that are not, in the order of their ids. One process at a time.
  create function seal_audit(most integer) returns integer language plpgsql as $$
  declare
    last audit_chain;
    entry audit_log;
    sealed integer := 0;
  begin
    if not pg_try_advisory_xact_lock(hashtext('carillon audit')) then
      return 0;
    end if;
    select * into last from audit_chain order by position desc limit 1;
    for entry in
      select a.* from audit_log a
      where a.id >= coalesce(uuid_at(time_of(last.audit_id) - interval '1 day'), '00000000-0000-0000-0000-000000000000')
        and not exists (select from audit_chain c where c.audit_id = a.id)
      order by a.id limit most
    loop
      insert into audit_chain (position, audit_id, tenant_id, previous, hash)
      values (coalesce(last.position, 0) + 1, entry.id, entry.tenant_id, coalesce(last.hash, ''), audit_hash(coalesce(last.hash, ''), entry))
      returning * into last;
      sealed := sealed + 1;
    end loop;
    return sealed;
  end $$;

  alter table audit_chain enable row level security;
  do $$
  begin
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      grant select on audit_chain to carillon_reader;
      create policy own_rows on audit_chain for select to carillon_reader using (tenant_id = nullif(current_setting('carillon.tenant', true), '')::uuid);
    end if;
  end $$;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop function seal_audit(integer);
  drop function audit_hash(bytea, audit_log);
  drop table audit_chain;
  drop trigger audit_log_kept on audit_log;
  drop function only_added_to();
  grant update, delete, truncate on audit_log to current_user;
  create rule audit_log_keep_rows as on update to audit_log do instead nothing;
  create rule audit_log_keep as on delete to audit_log do instead nothing;
`);
