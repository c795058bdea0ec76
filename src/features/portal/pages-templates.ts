/** Templates: what do we say? The list, one template with its versions and its rollout, the comparison of two. */
import type { Preview, Registry } from '../../channel-kit/index.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { diff } from './diff.ts';
import { type Faults, faultsOf, lastPart } from './forms.ts';
import { letter } from './letter.ts';
import type { TemplatesDoor, TemplateVersion, TenantsDoor } from './ports.ts';
import { readRollout, rolloutContext } from './rollout-form.ts';
import { keyHint, languageToName, send, templateBody } from './samples.ts';
import type { Site, Visit } from './site.ts';

export interface TemplatePagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly templates: TemplatesDoor;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

export function templatePages({ site, tenants, templates, registry, publicUrl }: TemplatePagesDeps): readonly Route[] {
  const labelOf = (id: string) => registry.channel(id)?.label ?? id;
  const show = async (visit: Visit, faults?: Faults): Promise<Reply> => {
    const id = visit.params.template_id ?? '';
    const [template, versions, keys, rollout] = await Promise.all([
      templates.get(visit.principal, id),
      templates.listVersions(visit.principal, id, { limit: 50 }),
      tenants.keys.list(visit.principal, { limit: 50 }),
      templates.rollout(visit.principal, id),
    ]);
    const shown = await templates.getVersion(
      visit.principal,
      id,
      wholeNumber(visit.query.version) ?? template.version ?? template.latest_version,
    );
    const parts = partsOf(shown);
    const part = parts.find(({ channel, language }) => `${channel}/${language}` === visit.query.part) ?? parts[0];
    const drawn = await templates.preview(visit.principal, id, {
      version: shown.number,
      ...(part ? { channel: part.channel, language: part.language } : {}),
    });
    const [look] = drawn.channels;
    const channel = registry.channel(part?.channel ?? '');
    const key = keyHint(keys.data.find(({ status }) => status === 'active')?.masked, visit.principal.mode === 'live');
    const language = languageToName(
      part?.language,
      Object.keys(shown.content[part?.channel ?? ''] ?? {}),
      visit.session?.tenant.defaultLanguage,
    );
    return visit.render(
      'template',
      { title: template.name, section: 'templates', ...(faults ? { faults } : {}) },
      {
        template,
        shown,
        part,
        parts: parts.map((other) => ({
          word: `${labelOf(other.channel)}, ${other.language}`,
          href: `/portal/templates/${id}?version=${shown.number}&part=${encodeURIComponent(`${other.channel}/${other.language}`)}`,
          current: other === part,
        })),
        preview: look?.preview,
        frame: `/portal/templates/${id}/letter?version=${shown.number}&part=${encodeURIComponent(`${part?.channel}/${part?.language}`)}`,
        problems: look?.faults,
        versions: versions.data.map((version) => ({
          ...version,
          by: version.created_by?.split(':')[0] === 'key' ? 'by API' : undefined,
          current: version.number === shown.number,
          compare: template.version !== null && template.version !== version.number,
          back: version.status === 'archived',
        })),
        ...rolloutContext(template.version, versions.data, rollout, faults && visit.fields),
        curl: channel
          ? send({ baseUrl: publicUrl(), key }, templateBody(channel, { id, data: drawn.data, ...language }))
          : undefined,
      },
    );
  };

  return [
    site.get(
      '/portal/templates',
      'Every template.',
      async (visit) => {
        const { cursor } = visit.query;
        const page = await templates.list(visit.principal, { limit: 50, ...(cursor ? { cursor } : {}) });
        return visit.render(
          'templates',
          { title: 'Templates', section: 'templates' },
          {
            rows: page.data.map((row) => ({
              ...row,
              labels: Object.keys(row.channels).map(labelOf),
              languages: [...new Set(Object.values(row.channels).flat())],
            })),
            next: page.next_cursor ? `/portal/templates?cursor=${encodeURIComponent(page.next_cursor)}` : undefined,
            first: cursor ? '/portal/templates' : undefined,
          },
        );
      },
      { query: ['cursor'] },
    ),
    site.get(
      '/portal/templates/:template_id',
      'One template: how it reads, and its versions.',
      (visit) => show(visit),
      {
        query: ['version', 'part'],
      },
    ),
    site.get(
      '/portal/templates/:template_id/letter',
      'The HTML of a version with sample data, alone in its frame.',
      async (visit) => {
        const [channel, language] = (visit.query.part ?? '').split('/');
        const version = wholeNumber(visit.query.version);
        const drawn = await templates.preview(visit.principal, visit.params.template_id ?? '', {
          ...(version ? { version } : {}),
          ...(channel && language ? { channel, language } : {}),
        });
        return letter(drawn.channels[0]?.preview as Preview | undefined);
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
          templates.listVersions(visit.principal, id, { limit: 100 }),
        ]);
        const to = wholeNumber(visit.query.to) ?? template.latest_version;
        const from = wholeNumber(visit.query.from) ?? template.version ?? Math.max(1, to - 1);
        const [before, after] = await Promise.all([
          templates.getVersion(visit.principal, id, from),
          templates.getVersion(visit.principal, id, to),
        ]);
        return visit.render(
          'template-compare',
          { title: `Compare versions of ${template.name}`, section: 'templates' },
          {
            template,
            from: before,
            to: after,
            versions: versions.data.map(({ number, status }) => ({
              number,
              status,
              is_from: number === from,
              is_to: number === to,
            })),
            parts: compare(before, after).map((part) => ({ ...part, label: labelOf(part.channel) })),
          },
        );
      },
      { query: ['from', 'to'] },
    ),
    site.post(
      '/portal/templates/:template_id/activate',
      'New messages use this version.',
      async (visit) => {
        const id = visit.params.template_id ?? '';
        await templates.activate(visit.principal, id, wholeNumber(visit.fields.version) ?? 0);
        return visit.go(`/portal/templates/${encodeURIComponent(id)}`, 'template_activated');
      },
      { audit: 'template.activated' },
    ),
    site.post(
      '/portal/templates/:template_id/rollout',
      'Starts a rollout, or changes its share.',
      async (visit) => {
        const id = visit.params.template_id ?? '';
        const { wish, faults } = readRollout(visit.fields);
        if (faults) return show(visit, faults);
        try {
          const { status } = await templates.rollOut(visit.principal, id, wish);
          const note = status === 'completed' ? 'template_activated' : 'rollout_saved';
          return visit.go(`/portal/templates/${encodeURIComponent(id)}`, note);
        } catch (error) {
          return show(visit, faultsOf(error, lastPart('version', 'percent')));
        }
      },
      { audit: 'template.rolled_out' },
    ),
    site.post(
      '/portal/templates/:template_id/rollback',
      'Goes back to the version before.',
      async (visit) => {
        const id = visit.params.template_id ?? '';
        try {
          await templates.rollBack(visit.principal, id);
        } catch (error) {
          return show(visit, faultsOf(error, lastPart()));
        }
        return visit.go(`/portal/templates/${encodeURIComponent(id)}`, 'rolled_back');
      },
      { audit: 'template.rolled_back' },
    ),
    site.post(
      '/portal/templates/:template_id/archive',
      'Takes a template out of use.',
      async (visit) => {
        await templates.archive(visit.principal, visit.params.template_id ?? '');
        return visit.go('/portal/templates', 'template_removed');
      },
      { audit: 'template.archived' },
    ),
  ];
}

export const partsOf = ({ content }: Pick<TemplateVersion, 'content'>) =>
  Object.entries(content).flatMap(([channel, languages]) =>
    Object.entries(languages).map(([language, part]) => ({ channel, language, content: part })),
  );

const wholeNumber = (text: string | undefined) => (text && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined);

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
