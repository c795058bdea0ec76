/**
 * Using versions: which language, is the data right, what comes out. Contents are read once and kept by version, channel
 * and language; a version never changes, so what is kept never goes stale. No input or output of its own.
 */
import type { AnyChannel, Content, Registry } from '../../channel-kit/index.ts';
import { createRecent } from '../../lib/recent.ts';
import type { FieldFault } from '../../lib/schema.ts';
import { contentValidator } from './authored.ts';
import { mapContent } from './content.ts';
import type { Data, DataVerdict, Templates, TemplateVersion, Use } from './door.ts';
import { compile, escapeHtml, type Program } from './engine.ts';
import { fillRaw, rawVariables, valueAt } from './raw.ts';

const PROGRAMS_KEPT = 2_000;

type Rendering = Pick<
  Templates,
  'pickLanguage' | 'judgeData' | 'render' | 'renderRaw' | 'judgeRaw' | 'contentFaults'
> & { program(version: TemplateVersion, use: Use): Program };

export function createRendering(registry: Registry): Rendering {
  const programs = createRecent<string, Program>(PROGRAMS_KEPT);

  const channelOf = (id: string): AnyChannel => {
    const channel = registry.channel(id);
    if (!channel) throw new Error(`there is no channel ${id}`);
    return channel;
  };

  function program(version: TemplateVersion, { channel: id, language }: Use): Program {
    const key = `${version.versionId}/${id}/${language}`;
    const known = programs.get(key);
    if (known) return known;
    const content = version.content[id]?.[language];
    if (!content) throw new Error(`version ${version.versionId} has nothing for ${id} in ${language}`);
    const channel = channelOf(id);
    const made = compile(content, channel.content, { escape: channel.escape });
    programs.set(key, made);
    return made;
  }

  /** The rows of a bulk share one content, which is looked through once. */
  const wanted = new WeakMap<Content, { readonly paths: readonly string[]; readonly names: readonly string[] }>();
  function wantedBy(id: string, content: Content) {
    const known = wanted.get(content);
    if (known) return known;
    const found = new Set<string>();
    mapContent(content, channelOf(id).content, (text) => {
      for (const name of rawVariables(text)) found.add(name);
      return undefined;
    });
    const names = new Set([...found].map((name) => name.split('.', 1)[0] ?? name));
    const made = { paths: [...found], names: [...names] };
    wanted.set(content, made);
    return made;
  }

  return {
    program,
    pickLanguage: (version, channel, wanted) => pickLanguage(Object.keys(version.content[channel] ?? {}), wanted),

    judgeData(version, uses, data, known = []): DataVerdict {
      const missing = new Set<string>();
      const faults = new Map<string, FieldFault>();
      const strangers = new Set(Object.keys(data));
      for (const name of known) strangers.delete(name);
      for (const name of Object.keys(version.declared)) strangers.delete(name);
      for (const use of uses) {
        const { shape, judge } = program(version, use);
        for (const name of strangers) if (shape.fields.has(name)) strangers.delete(name);
        const found = judge(data, { language: use.language, declared: version.declared });
        for (const path of found.missing) missing.add(path);
        for (const fault of found.faults) faults.set(fault.path, fault);
      }
      return { missing: [...missing], unexpected: [...strangers], faults: [...faults.values()] };
    },

    render: (version, use, data) =>
      program(version, use).render(data, { language: use.language, declared: version.declared }),

    renderRaw(id, content, data) {
      const channel = channelOf(id);
      return mapContent<Data>(content, channel.content, (text, { path, html }) => {
        if (!text.includes('{{')) return undefined;
        const write = html ? escapeHtml : (value: string) => channel.escape?.(value, path) ?? value;
        return (values) => fillRaw(text, values, write);
      })(data) as Content;
    },

    judgeRaw(id, content, data) {
      const { paths, names } = wantedBy(id, content);
      const missing = paths.filter((name) => valueAt(data, name) === undefined);
      const faults = paths
        .filter((name) => typeof valueAt(data, name) === 'object')
        .map((name) => ({ path: `data.${name}`, message: 'must be a text, a number or a boolean; it is printed' }));
      return { wanted: names, missing, faults };
    },

    contentFaults(id, content) {
      const channel = channelOf(id);
      const faults = contentValidator(channel).faults(content);
      return faults.length > 0 ? faults : tooLong(channel, content);
    },
  };
}

/** The channel's own word on its longest text. Drawing is only needed when there is enough text for it to matter. */
function tooLong(channel: AnyChannel, content: Content): readonly FieldFault[] {
  const { maxChars } = channel.capabilities;
  if (letters(content) <= maxChars) return [];
  const { length } = [...channel.preview(content).text];
  return length > maxChars
    ? [{ path: '', message: `has ${length} characters; ${channel.label} takes ${maxChars.toLocaleString('en')}` }]
    : [];
}

function letters(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  let sum = 0;
  for (const item of Object.values(value)) sum += letters(item);
  return sum;
}

function pickLanguage(have: readonly string[], wanted: readonly (string | undefined)[]): string | undefined {
  const plain = (language: string) => language.toLowerCase().replaceAll('-', '_');
  const base = (language: string) => plain(language).split('_', 1)[0];
  const sorted = [...have].sort();
  for (const want of wanted) {
    if (!want) continue;
    const found =
      sorted.find((one) => plain(one) === plain(want)) ??
      sorted.find((one) => plain(one) === base(want)) ??
      sorted.find((one) => base(one) === base(want));
    if (found) return found;
  }
  return sorted.length === 1 && wanted.every((want) => !want) ? sorted[0] : undefined;
}
