/** What a template would look like, with data or with samples: rendered as far as it goes, and every fault beside it. Pure. */
import type { AnyChannel, Content, Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import { author, sample } from './authored.ts';
import type { Data, TemplateVersion, Use, VariableKind } from './door.ts';
import { analyse, type Program } from './engine.ts';
import { RenderError } from './render-error.ts';
import type { createRendering } from './rendering.ts';
import type { PreviewInput, TemplatePreview } from './schema.ts';
import { newShape, sampleData } from './shape.ts';

type Rendering = ReturnType<typeof createRendering>;
type Subject = Pick<TemplateVersion, 'content' | 'declared'>;

/** Throws `template_channel_missing`, `template_language_missing`. */
export function preview(
  registry: Registry,
  rendering: Rendering,
  subject: Subject,
  input: Omit<PreviewInput, 'version'>,
): TemplatePreview {
  const shape = newShape('object');
  const uses = usesOf(registry, rendering, subject, input);
  const programs = uses.map((use) => {
    const channel = registry.channel(use.channel) as AnyChannel;
    const content = subject.content[use.channel]?.[use.language] as Content;
    return { use, channel, ...analyse(content, channel.content, { escape: channel.escape, shape }) };
  });
  const data = input.data ?? sampleData(shape, subject.declared, made);
  const missing = new Set<string>();
  const faults = new Map<string, { path: string; message: string }>();
  for (const { use, program } of programs) {
    const found = program.judge(data, { language: use.language, declared: subject.declared });
    for (const path of found.missing) missing.add(path);
    for (const fault of found.faults) faults.set(fault.path, { ...fault });
  }
  const unexpected = Object.keys(data).filter(
    (name) => !shape.fields.has(name) && !Object.hasOwn(subject.declared, name),
  );
  return {
    object: 'template_preview',
    data,
    missing: [...missing],
    unexpected,
    faults: [...faults.values()],
    channels: programs.map(({ use, channel, program }) => drawn(rendering, channel, program, use, subject, data)),
  };
}

/** Throws `template_invalid`, `template_too_expensive`, and as `preview`. */
export function previewWritten(
  registry: Registry,
  rendering: Rendering,
  { content, variables, ...input }: Parameters<typeof author>[1] & Omit<PreviewInput, 'version'>,
): TemplatePreview {
  return preview(registry, rendering, author(registry, { content, ...(variables ? { variables } : {}) }), input);
}

function usesOf(
  registry: Registry,
  rendering: Rendering,
  { content }: Subject,
  { channel, language }: Omit<PreviewInput, 'version'>,
): Use[] {
  if (channel !== undefined && !Object.hasOwn(content, channel))
    throw new ApiError(
      'template_channel_missing',
      `The template has nothing for ${channel}; it has ${list(content)}.`,
      {
        param: 'channel',
      },
    );
  return registry.channels
    .map(({ id }) => id)
    .filter((id) => (channel === undefined ? Object.hasOwn(content, id) : id === channel))
    .map((id) => {
      const languages = content[id] ?? {};
      const found =
        language === undefined
          ? Object.keys(languages).sort()[0]
          : rendering.pickLanguage({ content } as TemplateVersion, id, [language]);
      if (found === undefined)
        throw new ApiError(
          'template_language_missing',
          `The template has no ${language} for ${id}; it has ${list(languages)}.`,
          { param: 'language' },
        );
      return { channel: id, language: found };
    });
}

const list = (things: object): string => Object.keys(things).join(', ');

function drawn(
  rendering: Rendering,
  channel: AnyChannel,
  program: Program,
  { language }: Use,
  { content, declared }: Subject,
  data: Data,
): TemplatePreview['channels'][number] {
  const head = { channel: channel.id, language };
  let rendered: Content;
  try {
    rendered = program.draft(data, { language, declared });
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    const written = { ...content[channel.id]?.[language] };
    return { ...head, content: written, preview: null, faults: [{ path: '', message: error.message }] };
  }
  const faults = rendering.contentFaults(channel.id, rendered).map((fault) => ({ ...fault }));
  // What is too long or has the wrong form can be drawn all the same: its fields and kinds were judged when it was saved.
  return { ...head, content: { ...rendered }, preview: { ...channel.preview(rendered) }, faults };
}

/** `order_id` reads as "order id" where nothing better is known. */
const made = (name: string, kind: VariableKind): unknown => sample(kind, name.replaceAll('_', ' '));
