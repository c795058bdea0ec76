/** Templates: what do we say? The list, one template with its versions, the comparison of two. */
import type { Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Route } from '../../lib/http.ts';
import { diff } from './diff.ts';
import { readObject, sampleData } from './draft.ts';
import type { AccountsDoor, TemplatesDoor, TemplateVersion } from './ports.ts';
import { keyHint, send, templateBody } from './samples.ts';
import type { Site } from './site.ts';

export interface TemplatePagesDeps {
  readonly site: Site;
  readonly accounts: AccountsDoor;
  readonly templates: TemplatesDoor;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

export function templatePages({ site, accounts, templates, registry, publicUrl }: TemplatePagesDeps): readonly Route[] {
  const labelOf = (id: string) => registry.channel(id)?.label ?? id;
  return [
    site.get('/portal/templates', 'Every template.', async (visit) => {
      const rows = await templates.list(visit.principal);
      return visit.render(
        'templates',
        { title: 'Templates', section: 'templates' },
        { rows: rows.map((row) => ({ ...row, labels: row.channels.map(labelOf) })) },
      );
    }),
    site.get(
      '/portal/templates/:template_id',
      'One template: how it reads, and its versions.',
      async (visit) => {
        const id = visit.params.template_id ?? '';
        const [template, versions, keys] = await Promise.all([
          templates.get(visit.principal, id),
          templates.versions(visit.principal, id),
          accounts.keys.list(visit.principal, { limit: 50 }),
        ]);
        const shown =
          versions.find(({ version }) => String(version) === visit.query.version) ??
          versions.find(({ status }) => status === 'active') ??
          versions[0];
        if (!shown) throw new ApiError('not_found');
        const parts = partsOf(shown);
        const part =
          parts.find(({ channel, language }) => `${channel}/${language}` === visit.query.part) ?? parts[0];
        const names = shown.variables.map(({ name }) => name);
        const data = readObject(sampleData(names));
        const drawn = part
          ? await templates.preview(visit.principal, { ...part, data })
          : undefined;
        const channel = part ? registry.channel(part.channel) : undefined;
        const key = keyHint(
          keys.data.find(({ status }) => status === 'active')?.masked,
          visit.principal.mode === 'live',
        );
        return visit.render(
          'template',
          { title: template.name, section: 'templates' },
          {
            template,
            shown,
            part,
            parts: parts.map(({ channel: id, language }) => ({
              word: `${labelOf(id)}, ${language}`,
              href: `/portal/templates/${template.template_id}?version=${shown.version}&part=${encodeURIComponent(`${id}/${language}`)}`,
              current: id === part?.channel && language === part.language,
            })),
            preview: drawn?.preview,
            missing: drawn?.missing,
            versions: versions.map((version) => ({
              ...version,
              current: version.version === shown.version,
              compare: template.active_version !== null && template.active_version !== version.version,
              back: version.status === 'archived',
            })),
            curl: channel
              ? send({ baseUrl: publicUrl(), key }, templateBody(channel, template.template_id, data))
              : undefined,
          },
        );
      },
      { query: ['version', 'part'] },
    ),
    site.get(
      '/portal/templates/:template_id/compare',
      'Two versions, line by line.',
      async (visit) => {
        const id = visit.params.template_id ?? '';
        const [template, versions] = await Promise.all([
          templates.get(visit.principal, id),
          templates.versions(visit.principal, id),
        ]);
        const find = (wanted: string | undefined) => versions.find(({ version }) => String(version) === wanted);
        const to = find(visit.query.to) ?? versions[0];
        const from = find(visit.query.from) ?? versions.find(({ version }) => version !== to?.version) ?? to;
        if (!from || !to) throw new ApiError('not_found');
        return visit.render(
          'template-compare',
          { title: `Compare versions of ${template.name}`, section: 'templates' },
          {
            template,
            from,
            to,
            versions: versions.map(({ version, status }) => ({
              version,
              status,
              is_from: version === from.version,
              is_to: version === to.version,
            })),
            parts: compare(from, to).map((part) => ({ ...part, label: labelOf(part.channel) })),
          },
        );
      },
      { query: ['from', 'to'] },
    ),
    site.post('/portal/templates/:template_id/activate', 'New messages use this version.', async (visit) => {
      const id = visit.params.template_id ?? '';
      await templates.activate(visit.principal, id, Number(visit.fields.version));
      return visit.go(`/portal/templates/${encodeURIComponent(id)}`, 'template_activated');
    }),
    site.post('/portal/templates/:template_id/archive', 'Takes a template out of use.', async (visit) => {
      await templates.archive(visit.principal, visit.params.template_id ?? '');
      return visit.go('/portal/templates', 'template_removed');
    }),
  ];
}

export const partsOf = ({ content }: Pick<TemplateVersion, 'content'>) =>
  Object.entries(content).flatMap(([channel, languages]) =>
    Object.entries(languages).map(([language, part]) => ({ channel, language, content: part })),
  );

/** Only what differs, each channel and language on its own. */
function compare(from: TemplateVersion, to: TemplateVersion) {
  const seen = new Map([...partsOf(from), ...partsOf(to)].map((part) => [`${part.channel}/${part.language}`, part]));
  return [...seen.values()].flatMap(({ channel, language }) => {
    const before = written(from.content[channel]?.[language]);
    const after = written(to.content[channel]?.[language]);
    return before === after ? [] : [{ channel, language, lines: diff(before, after) }];
  });
}

/** Content as a person would read it: each field under its name, texts line by line. */
function written(content: Readonly<Record<string, unknown>> | undefined): string {
  return Object.entries(content ?? {})
    .map(([name, value]) => `${name}:\n${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}`)
    .join('\n\n');
}
