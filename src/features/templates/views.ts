/** Rows as the wire shows them. Pure. */
import type { Mode } from '../../lib/http.ts';
import { toWire } from '../../lib/ids.ts';
import type { TemplateVersion } from './door.ts';
import { type Count, rateOf } from './rollout.ts';
import type { RolloutRow } from './rollouts-store.ts';
import type { RolloutView, TemplateSummary, TemplateView, VersionSummary, VersionView } from './schema.ts';
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

export const rolloutView = (row: RolloutRow, mode: Mode): RolloutView => ({
  object: 'rollout',
  id: toWire('rollout', row.id),
  template_id: row.slug,
  status: row.status,
  version: row.to_version,
  from_version: row.from_version,
  percent: row.percent,
  failure_limit: { percent: row.limit_percent, min_sent: row.limit_min_sent },
  counts: {
    from: countView(row.from_version, row.tally[mode].from),
    to: countView(row.to_version, row.tally[mode].to),
  },
  reason: row.reason,
  started_by: row.started_by,
  ended_by: row.ended_by,
  started_at: row.started_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
  ended_at: row.ended_at?.toISOString() ?? null,
});

const countView = (version: number, count: Count): RolloutView['counts']['to'] => ({
  version,
  ...count,
  failure_rate: rateOf(count),
});
