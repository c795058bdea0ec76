/** Templates by slug, and their versions, which never change once saved. */
import type { Knex } from 'knex';

export const up = (knex: Knex): Promise<void> =>
  knex.raw(`
  create table templates (
    id uuid primary key,
    tenant_id uuid not null references tenants,
    slug text not null,
    name text not null,
    category text not null check (category in ('transactional', 'marketing', 'otp')),
    active_version int,
    created_at timestamptz not null default clock_now(),
    updated_at timestamptz not null default clock_now(),
    archived_at timestamptz,
    unique (tenant_id, slug)
  );
  create table template_versions (
    id uuid primary key,
    tenant_id uuid not null,
    template_id uuid not null references templates,
    number int not null,
    status text not null check (status in ('draft', 'active', 'archived')),
    -- channel -> language -> content: as the author wrote it, and as the channels completed it
    written jsonb not null,
    content jsonb not null,
    -- what the author declared, and what the engine found in the content
    variables jsonb not null,
    created_by text,
    created_at timestamptz not null default clock_now(),
    unique (template_id, number)
  );
  create unique index template_versions_one_active on template_versions (template_id) where status = 'active';
`);

export const down = (knex: Knex): Promise<void> =>
  knex.raw(`
  drop table template_versions, templates;
`);
