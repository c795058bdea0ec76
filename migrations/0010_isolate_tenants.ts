/**
 * Row-level security on everything a tenant can read: the reading role sees the rows of the tenant named in its
 * transaction, and without a name none at all. The writer owns the tables and names the tenant in every key.
 */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  do $$
  declare tab text;
  begin
    foreach tab in array array['tenants', 'users', 'api_keys', 'audit_log', 'connections', 'templates', 'template_versions', 'messages', 'attempts', 'events', 'receipts', 'outbox'] loop
      execute format('alter table %I enable row level security', tab);
      if exists (select from pg_roles where rolname = 'carillon_reader') then
        execute format('grant select on %I to carillon_reader', tab);
        execute format('create policy own_rows on %I for select to carillon_reader using (%I = nullif(current_setting(''carillon.tenant'', true), '''')::uuid)',
          tab, case tab when 'tenants' then 'id' else 'tenant_id' end);
      end if;
    end loop;
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      grant select on clock to carillon_reader;
    end if;
  end $$;
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  do $$
  declare tab text;
  begin
    foreach tab in array array['tenants', 'users', 'api_keys', 'audit_log', 'connections', 'templates', 'template_versions', 'messages', 'attempts', 'events', 'receipts', 'outbox'] loop
      execute format('drop policy if exists own_rows on %I', tab);
      execute format('alter table %I disable row level security', tab);
      if exists (select from pg_roles where rolname = 'carillon_reader') then
        execute format('revoke all on %I from carillon_reader', tab);
      end if;
    end loop;
    if exists (select from pg_roles where rolname = 'carillon_reader') then
      revoke all on clock from carillon_reader;
    end if;
  end $$;
`);
