/** Rows of templates and their versions. */
import type { Sql } from '../../lib/db.ts';
import type { Declarations, TemplateCategory, TemplateVersion, Variable } from './door.ts';

export interface TemplateRow {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly category: TemplateCategory;
  readonly active_version: number | null;
  readonly latest_version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly archived_at: Date | null;
}
export type SummaryRow = TemplateRow & { readonly channels: Record<string, string[]> };

export interface VersionRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly template_id: string;
  readonly slug: string;
  readonly category: TemplateCategory;
  readonly number: number;
  readonly status: 'draft' | 'active' | 'archived';
  readonly written: TemplateVersion['content'];
  readonly content: TemplateVersion['content'];
  readonly variables: { readonly declared: Declarations; readonly inferred: readonly Variable[] };
  readonly created_by: string | null;
  readonly created_at: Date;
}
export type VersionHead = Pick<VersionRow, 'id' | 'number' | 'status' | 'created_by' | 'created_at'>;

const LATEST = '(select max(number) from template_versions v where v.template_id = t.id) as latest_version';
const TEMPLATE = `t.id, t.slug, t.name, t.category, t.active_version, t.created_at, t.updated_at, t.archived_at, ${LATEST}`;
const VERSION = `v.id, v.tenant_id, v.template_id, t.slug, t.category, v.number, v.status, v.written, v.content,
  v.variables, v.created_by, v.created_at`;

/** What is sent under this name: the active version first, and the one that is being rolled out, if there is one. */
export const findSent = (
  sql: Sql,
  tenantId: string,
  slug: string,
): Promise<(VersionRow & { rollout_id: string | null; percent: number | null })[]> =>
  sql.query(
    `select ${VERSION}, r.id as rollout_id, r.percent
     from templates t
     left join rollouts r on r.template_id = t.id and r.status = 'running'
     join template_versions v on v.template_id = t.id and (v.status = 'active' or v.number = r.to_version)
     where t.tenant_id = $1 and t.slug = $2 and t.archived_at is null and t.active_version is not null
     order by v.status = 'active' desc`,
    [tenantId, slug],
  );

export const findVersions = (sql: Sql, ids: readonly string[]): Promise<VersionRow[]> =>
  sql.query<VersionRow>(
    `select ${VERSION} from template_versions v join templates t on t.id = v.template_id where v.id = any($1::uuid[])`,
    [ids],
  );

export const findTemplate = async (sql: Sql, tenantId: string, slug: string): Promise<TemplateRow | undefined> =>
  (
    await sql.query<TemplateRow>(`select ${TEMPLATE} from templates t where t.tenant_id = $1 and t.slug = $2`, [
      tenantId,
      slug,
    ])
  )[0];

/** Held until the transaction ends, so that versions of one template are numbered one at a time. */
export async function lockTemplate(trx: Sql, tenantId: string, slug: string): Promise<TemplateRow | undefined> {
  await trx.query('select from templates where tenant_id = $1 and slug = $2 for update', [tenantId, slug]);
  return findTemplate(trx, tenantId, slug);
}

export const listTemplates = (sql: Sql, tenantId: string, limit: number, before?: string): Promise<SummaryRow[]> =>
  sql.query<SummaryRow>(
    `select ${TEMPLATE},
       (select jsonb_object_agg(c.key, (select jsonb_agg(l order by l) from jsonb_object_keys(c.value) l))
        from template_versions s, jsonb_each(s.content) c where s.template_id = t.id and s.number = coalesce(t.active_version,
          (select max(number) from template_versions m where m.template_id = t.id))) as channels
     from templates t
     where t.tenant_id = $1 and t.archived_at is null and ($3::uuid is null or t.id < $3) order by t.id desc limit $2`,
    [tenantId, limit, before ?? null],
  );

/** `false`: the name is taken, be it by an archived template. */
export async function insertTemplate(
  trx: Sql,
  row: { id: string; tenantId: string; slug: string; name: string; category: TemplateCategory },
): Promise<boolean> {
  const rows = await trx.query(
    `insert into templates (id, tenant_id, slug, name, category) values ($1, $2, $3, $4, $5)
     on conflict (tenant_id, slug) do nothing returning id`,
    [row.id, row.tenantId, row.slug, row.name, row.category],
  );
  return rows.length > 0;
}

/** Also takes it out of the archive. */
export const updateTemplate = (
  trx: Sql,
  tenantId: string,
  id: string,
  change: { name: string; category: TemplateCategory },
): Promise<unknown> =>
  trx.query(
    `update templates set name = $3, category = $4, archived_at = null, updated_at = clock_now()
     where tenant_id = $1 and id = $2`,
    [tenantId, id, change.name, change.category],
  );

export const archiveTemplate = (trx: Sql, tenantId: string, slug: string): Promise<unknown> =>
  trx.query(
    `with gone as (
       update templates set archived_at = clock_now(), updated_at = clock_now(), active_version = null
       where tenant_id = $1 and slug = $2 and archived_at is null returning id)
     update template_versions v set status = 'archived' from gone where v.template_id = gone.id`,
    [tenantId, slug],
  );

export const findVersion = async (
  sql: Sql,
  tenantId: string,
  templateId: string,
  number: number,
): Promise<VersionRow | undefined> =>
  (
    await sql.query<VersionRow>(
      `select ${VERSION} from template_versions v join templates t on t.id = v.template_id
       where v.tenant_id = $1 and v.template_id = $2 and v.number = $3`,
      [tenantId, templateId, number],
    )
  )[0];

export const listVersions = (
  sql: Sql,
  tenantId: string,
  templateId: string,
  limit: number,
  before?: number,
): Promise<VersionHead[]> =>
  sql.query<VersionHead>(
    `select id, number, status, created_by, created_at from template_versions
     where tenant_id = $1 and template_id = $2 and ($4::int is null or number < $4) order by number desc limit $3`,
    [tenantId, templateId, limit, before ?? null],
  );

export const insertVersion = (
  trx: Sql,
  row: {
    id: string;
    tenantId: string;
    templateId: string;
    number: number;
    written: VersionRow['written'];
    content: VersionRow['content'];
    variables: VersionRow['variables'];
    createdBy: string | null;
  },
): Promise<unknown> =>
  trx.query(
    `insert into template_versions (id, tenant_id, template_id, number, status, written, content, variables, created_by)
     values ($1, $2, $3, $4, 'draft', $5, $6, $7, $8)`,
    [
      row.id,
      row.tenantId,
      row.templateId,
      row.number,
      JSON.stringify(row.written),
      JSON.stringify(row.content),
      JSON.stringify(row.variables),
      row.createdBy,
    ],
  );

/** The one active version becomes this one, and remembers the one before unless it is a return to it. */
export async function activateVersion(
  trx: Sql,
  tenantId: string,
  templateId: string,
  number: number,
  { back = false }: { readonly back?: boolean } = {},
): Promise<void> {
  await trx.query(
    `update template_versions set status = 'archived'
     where tenant_id = $1 and template_id = $2 and status = 'active' and number <> $3`,
    [tenantId, templateId, number],
  );
  await trx.query(
    `update template_versions v set status = 'active', predecessor = case when $4 then v.predecessor else t.active_version end
     from templates t where t.id = v.template_id and v.tenant_id = $1 and v.template_id = $2 and v.number = $3`,
    [tenantId, templateId, number, back],
  );
  await trx.query(
    `update templates set active_version = $3, updated_at = clock_now() where tenant_id = $1 and id = $2`,
    [tenantId, templateId, number],
  );
}
