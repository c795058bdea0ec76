/** The editor: a new template, or a new version of one, with a preview that needs no script. */
import type { Preview, Registry } from '../../channel-kit/index.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { type Draft, inputOf, inputs, LANGUAGE, readDraft, readObject, sampleData } from './draft.ts';
import { type Faults, faultsOf } from './forms.ts';
import { letter } from './letter.ts';
import { partsOf } from './pages-templates.ts';
import type { Drawn, TemplatesDoor } from './ports.ts';
import type { Site, Visit } from './site.ts';

export interface EditorPagesDeps {
  readonly site: Site;
  readonly templates: TemplatesDoor;
  readonly registry: Registry;
}

const some = (fields: Faults['fields']): Faults | undefined =>
  Object.keys(fields).length > 0 ? { fields } : undefined;
const CATEGORIES = ['transactional', 'marketing', 'otp'] as const;
const BODY_LIMIT = 2_097_152;

export function editorPages({ site, templates, registry }: EditorPagesDeps): readonly Route[] {
  const labelOf = (id: string) => registry.channel(id)?.label ?? id;

  const read = (visit: Visit) => readDraft(visit.fields, (id) => registry.channel(id));

  /** What is written now, drawn with the sample data; a text that is not yet a template says why. */
  const render = (channel: string, draft: Draft, content: Record<string, unknown>): Partial<Drawn> => {
    try {
      return templates.previewUnsaved({
        content: { [channel]: { [draft.language]: content } },
        data: readObject(draft.data),
        channel,
        language: draft.language,
      });
    } catch (error) {
      const { general, fields } = faultsOf(error, (path) => path.split('.').slice(3).join('.') || path);
      return {
        faults: [
          ...(general ? [{ path: '', message: general }] : []),
          ...Object.entries(fields).map(([path, message]) => ({ path, message })),
        ],
      };
    }
  };

  const draw = (visit: Visit, draft: Draft, existing: string | undefined, faults?: Faults): Reply => {
    const channel = registry.channel(draft.channel);
    const content = draft.content[draft.channel]?.[draft.language] ?? {};
    const drawn = channel && Object.keys(content).length > 0 ? render(channel.id, draft, content) : undefined;
    const [seen] = drawn?.channels ?? [];
    const typed = visit.fields.show || !visit.fields.channel ? undefined : visit.fields;
    const parts = partsOf(draft);
    const open = parts.some((part) => part.channel === draft.channel && part.language === draft.language);
    const drawnInputs = channel ? inputs(channel, content, typed) : [];
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
        action: existing ? `/portal/templates/${encodeURIComponent(existing)}/edit` : '/portal/templates/new',
        save: existing ? `/portal/templates/${encodeURIComponent(existing)}` : '/portal/templates',
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
        inputs: drawnInputs,
        has_letter: drawnInputs.some(({ kind }) => kind === 'code'),
        more: drawnInputs.flatMap(({ aside, label }) => (aside ? [label] : [])).join(', '),
        more_open: drawnInputs.some(({ aside, name }) => aside && faults?.fields[name]),
        preview: seen?.preview,
        missing: drawn?.missing ?? [],
        problems: [...(drawn?.faults ?? []), ...(seen?.faults ?? [])],
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
    const start = Object.values(draft.content[channel] ?? {})[0] ?? (await startingPoint(visit, channel));
    const content = start
      ? { ...draft.content, [channel]: { ...draft.content[channel], [language]: start } }
      : draft.content;
    return { ...draft, content, channel, language };
  };
  const startingPoint = async (visit: Visit, channel: string) => {
    const known = await templates.list(visit.principal, { limit: 100 });
    const model = known.data.find(({ channels }) => Object.hasOwn(channels, channel));
    if (!model) return undefined;
    const { content } = await templates.getVersion(visit.principal, model.template_id, model.latest_version);
    return Object.values(content[channel] ?? {})[0];
  };

  /** What was said about variables by the API is kept: this editor changes the words only. */
  const declared = async (visit: Visit, id: string) => {
    const { latest_version } = await templates.get(visit.principal, id);
    return { variables: (await templates.getVersion(visit.principal, id, latest_version)).variables };
  };

  /** The page again, with what was typed: another channel, another language, a fresh preview. Nothing is saved. */
  const look = async (visit: Visit, existing: string | undefined): Promise<Reply> => {
    const { draft, faults } = read(visit);
    return draw(visit, await turn(visit, draft), existing, some(faults));
  };

  const save = async (visit: Visit, existing: string | undefined): Promise<Reply> => {
    const { draft, faults } = read(visit);
    if (some(faults)) return draw(visit, draft, existing, some(faults));
    const active = visit.fields.save === 'active';
    const written = {
      ...(draft.name ? { name: draft.name } : {}),
      category: CATEGORIES.find((known) => known === draft.category) ?? 'transactional',
      content: draft.content,
      draft: !active,
    };
    try {
      const saved = existing
        ? await templates.update(visit.principal, existing, { ...written, ...(await declared(visit, existing)) })
        : await templates.create(visit.principal, { template_id: draft.template_id, ...written });
      const version = active ? saved.version : saved.latest_version;
      return visit.go(
        `/portal/templates/${encodeURIComponent(saved.template_id)}?version=${version}`,
        active ? 'template_activated' : 'template_saved',
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
    site.post(
      '/portal/templates/letter',
      'The HTML of what was typed, alone in its frame.',
      async (visit) => {
        const { draft } = read(visit);
        const content = draft.content[draft.channel]?.[draft.language] ?? {};
        const [seen] = render(draft.channel, draft, content).channels ?? [];
        return letter(seen?.preview as Preview | undefined);
      },
      { bodyLimit: BODY_LIMIT },
    ),
    site.post('/portal/templates/new', 'The editor again, with what was typed.', (visit) => look(visit, undefined), {
      bodyLimit: BODY_LIMIT,
    }),
    site.post('/portal/templates', 'Saves a new template.', (visit) => save(visit, undefined), {
      audit: 'template.created',
      bodyLimit: BODY_LIMIT,
    }),
    site.get(
      '/portal/templates/:template_id/edit',
      'The editor, filled with a version.',
      async (visit) => {
        const id = visit.params.template_id ?? '';
        const template = await templates.get(visit.principal, id);
        const wanted = /^[1-9]\d{0,8}$/.test(visit.query.version ?? '') ? Number(visit.query.version) : undefined;
        const from = await templates.getVersion(
          visit.principal,
          id,
          wanted ?? template.version ?? template.latest_version,
        );
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
            data: JSON.stringify(
              (await templates.preview(visit.principal, id, { version: from.number })).data,
              null,
              2,
            ),
          },
          id,
        );
      },
      { query: ['version', 'part'] },
    ),
    site.post(
      '/portal/templates/:template_id/edit',
      'The editor again, with what was typed.',
      (visit) => look(visit, visit.params.template_id),
      { bodyLimit: BODY_LIMIT },
    ),
    site.post(
      '/portal/templates/:template_id',
      'Saves a new version.',
      (visit) => save(visit, visit.params.template_id),
      { audit: 'template.updated', bodyLimit: BODY_LIMIT },
    ),
  ];
}
