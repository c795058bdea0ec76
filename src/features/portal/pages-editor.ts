/** The editor: a new template, or a new version of one, with a preview that needs no script. */
import type { Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { type Draft, inputOf, inputs, LANGUAGE, readDraft, readObject, sampleData } from './draft.ts';
import { type Faults, faultsOf } from './forms.ts';
import { partsOf } from './pages-templates.ts';
import type { TemplatesDoor } from './ports.ts';
import type { Site, Visit } from './site.ts';

export interface EditorPagesDeps {
  readonly site: Site;
  readonly templates: TemplatesDoor;
  readonly registry: Registry;
}

const CATEGORIES = ['transactional', 'marketing', 'otp'] as const;
const BODY_LIMIT = 2_097_152;

export function editorPages({ site, templates, registry }: EditorPagesDeps): readonly Route[] {
  const labelOf = (id: string) => registry.channel(id)?.label ?? id;

  const draw = async (visit: Visit, draft: Draft, existing: string | undefined, faults?: Faults): Promise<Reply> => {
    const channel = registry.channel(draft.channel);
    const content = draft.content[draft.channel]?.[draft.language] ?? {};
    const data = readObject(draft.data);
    const drawn =
      channel && Object.keys(content).length > 0
        ? await templates.preview(visit.principal, { channel: channel.id, language: draft.language, content, data })
        : undefined;
    const typed = visit.fields.show || !visit.fields.channel ? undefined : visit.fields;
    const parts = partsOf(draft);
    const open = parts.some((part) => part.channel === draft.channel && part.language === draft.language);
    return visit.render(
      'template-edit',
      {
        title: existing ? `Edit ${draft.name || existing}` : 'New template',
        section: 'templates',
        ...(faults ? { faults } : {}),
      },
      {
        draft,
        existing,
        action: existing ? `/portal/templates/${encodeURIComponent(existing)}/edit` : '/portal/templates',
        draft_json: JSON.stringify(draft.content),
        categories: CATEGORIES.map((category) => ({ category, chosen: category === draft.category })),
        parts: [
          ...parts.map((part) => ({ channel: part.channel, language: part.language })),
          ...(open || !channel ? [] : [{ channel: draft.channel, language: draft.language }]),
        ].map((part) => ({
          ...part,
          label: labelOf(part.channel),
          current: part.channel === draft.channel && part.language === draft.language,
        })),
        channels: registry.channels.map(({ id, label }) => ({ id, label })),
        channel: channel ? { id: channel.id, label: channel.label } : undefined,
        inputs: channel ? inputs(channel, content, typed) : [],
        preview: drawn?.preview,
        missing: drawn?.missing ?? [],
        variables: drawn?.variables ?? [],
        problems: drawn?.faults ?? [],
      },
    );
  };

  /** Another channel or language on the screen. A channel not written yet starts from a template that has it, if any. */
  const turn = async (visit: Visit, draft: Draft): Promise<Draft> => {
    const { show } = visit.fields;
    if (!show) return draft;
    const [channel = '', language = ''] =
      show === 'add' ? [visit.fields.add_channel ?? '', visit.fields.add_language?.trim() || 'en'] : show.split('/');
    if (!registry.channel(channel) || !LANGUAGE.test(language)) return draft;
    if (draft.content[channel]?.[language]) return { ...draft, channel, language };
    const start =
      Object.values(draft.content[channel] ?? {})[0] ?? (await startingPoint(visit, channel));
    const content = start
      ? { ...draft.content, [channel]: { ...draft.content[channel], [language]: start } }
      : draft.content;
    return { ...draft, content, channel, language };
  };
  const startingPoint = async (visit: Visit, channel: string) => {
    const known = (await templates.list(visit.principal)).find(({ channels }) => channels.includes(channel));
    if (!known) return undefined;
    const versions = await templates.versions(visit.principal, known.template_id);
    return Object.values(versions[0]?.content[channel] ?? {})[0];
  };

  /** Save, or only look: which of the two is the name of the button that was pressed. */
  const take = async (visit: Visit, existing: string | undefined): Promise<Reply> => {
    const read = readDraft(visit.fields, (id) => registry.channel(id));
    const draft = await turn(visit, read.draft);
    if (visit.fields.preview !== undefined || visit.fields.show)
      return draw(visit, draft, existing, Object.keys(read.faults).length > 0 ? { fields: read.faults } : undefined);
    if (Object.keys(read.faults).length > 0) return draw(visit, draft, existing, { fields: read.faults });
    const { template_id, name, category, content } = draft;
    try {
      let id = existing ?? template_id;
      let version = 1;
      if (existing) ({ version } = await templates.save(visit.principal, existing, { name, category, content }));
      else id = (await templates.create(visit.principal, { template_id, name, category, content })).template_id;
      if (visit.fields.save === 'active') await templates.activate(visit.principal, id, version);
      return visit.go(
        `/portal/templates/${encodeURIComponent(id)}?version=${version}`,
        visit.fields.save === 'active' ? 'template_activated' : 'template_saved',
      );
    } catch (error) {
      return draw(visit, draft, existing, faultsOf(error, inputOf(draft)));
    }
  };

  return [
    site.get(
      '/portal/templates/new',
      'An empty editor.',
      async (visit) => {
        const first = registry.channels.find(({ templatePolicy }) => templatePolicy.send === 'optional');
        return draw(
          visit,
          {
            template_id: '',
            name: '',
            category: 'transactional',
            content: {},
            channel: first?.id ?? '',
            language: 'en',
            data: sampleData(['name', 'order_id']),
          },
          undefined,
        );
      },
      {},
    ),
    site.post('/portal/templates', 'Saves a new template, or draws its preview.', (visit) => take(visit, undefined), {
      bodyLimit: BODY_LIMIT,
    }),
    site.get(
      '/portal/templates/:template_id/edit',
      'The editor, filled with a version.',
      async (visit) => {
        const id = visit.params.template_id ?? '';
        const [template, versions] = await Promise.all([
          templates.get(visit.principal, id),
          templates.versions(visit.principal, id),
        ]);
        const from = versions.find(({ version }) => String(version) === visit.query.version) ?? versions[0];
        if (!from) throw new ApiError('not_found');
        const [channel = '', language = ''] = (visit.query.part ?? '').split('/');
        const part = from.content[channel]?.[language] ? { channel, language } : partsOf(from)[0];
        return draw(
          visit,
          {
            template_id: id,
            name: template.name,
            category: template.category,
            content: from.content,
            channel: part?.channel ?? '',
            language: part?.language ?? 'en',
            data: sampleData(from.variables.map(({ name }) => name)),
          },
          id,
        );
      },
      { query: ['version', 'part'] },
    ),
    site.post(
      '/portal/templates/:template_id/edit',
      'Saves a new version, or draws its preview.',
      (visit) => take(visit, visit.params.template_id),
      { bodyLimit: BODY_LIMIT },
    ),
  ];
}
