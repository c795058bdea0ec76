/** Rows as the wire shows them. Pure. */
import { toWire } from '../../lib/ids.ts';
import type { TemplateVersion } from './door.ts';
import type { TemplateSummary, TemplateView, VersionSummary, VersionView } from './schema.ts';
import type { SummaryRow, TemplateRow, VersionHead, VersionRow } from './store.ts';

export const versionOf = (row: VersionRow): TemplateVersion => ({
  templateId: row.template_id,
  versionId: row.id,
  number: row.number,
  tenantId: row.tenant_id,
  slug: row.slug,
  content: row.content,
  declared: row.variables.declared,
  variables: row.variables.inferred,
});

const head = (row: TemplateRow, channels: Record<string, string[]>): TemplateSummary => ({
  object: 'template',
  template_id: row.slug,
  name: row.name,
  category: row.category,
  version: row.active_version,
  latest_version: row.latest_version,
  channels,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});

export const summaryView = (row: SummaryRow): TemplateSummary => head(row, row.channels ?? {});

export const templateView = (row: TemplateRow, version: VersionRow): TemplateView => ({
  ...head(row, Object.fromEntries(Object.entries(version.written).map(([id, one]) => [id, Object.keys(one).sort()]))),
  ...body(version),
});

export const versionHeadView = (slug: string, row: VersionHead): VersionSummary => ({
  object: 'template_version',
  id: toWire('templateVersion', row.id),
  template_id: slug,
  number: row.number,
  status: row.status,
  created_by: row.created_by,
  created_at: row.created_at.toISOString(),
});

export const versionView = (row: VersionRow): VersionView => ({ ...versionHeadView(row.slug, row), ...body(row) });

const body = ({
  written,
  variables,
}: VersionRow): Pick<VersionView, 'content' | 'variables' | 'inferred_variables'> => ({
  variables: variables.declared as VersionView['variables'],
  inferred_variables: variables.inferred.map((variable) => ({ ...variable, channels: [...variable.channels] })),
  content: written as VersionView['content'],
});
