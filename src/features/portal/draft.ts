/**
 * The editor of templates: a draft travels in the form itself, so that switching between channels and languages loses
 * nothing and needs no script. Inputs are drawn from the channel's own content schema.
 */
import type { AnyChannel } from '../../channel-kit/index.ts';
import type { Fields } from './forms.ts';
import type { TemplateContent } from './ports.ts';

export interface Draft {
  readonly template_id: string;
  readonly name: string;
  readonly category: string;
  readonly content: TemplateContent;
  /** The content on the screen. */
  readonly channel: string;
  readonly language: string;
  /** Sample data, as typed. */
  readonly data: string;
}

interface Property {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly description?: string;
  readonly maxLength?: number;
  readonly contentMediaType?: string;
}

export interface Input {
  readonly name: string;
  readonly label: string;
  readonly kind: 'line' | 'text' | 'code' | 'json' | 'choice';
  readonly rows: number;
  readonly optional: boolean;
  /** Seldom used and empty: folded away. */
  readonly aside: boolean;
  readonly value: string;
  readonly options: readonly { readonly option: string; readonly chosen: boolean }[];
  readonly help: string | undefined;
}

const PREFIX = 'x_';
const LINE_MAX = 1_000;
export const LANGUAGE = /^[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*$/;

export function inputs(
  channel: AnyChannel,
  content: Readonly<Record<string, unknown>>,
  typed?: Fields,
): readonly Input[] {
  const required: readonly string[] = channel.content.required ?? [];
  return Object.entries(channel.content.properties as Record<string, Property>).map(([name, property]) => {
    const kind = kindOf(property);
    const stored = content[name];
    const value =
      typed?.[`${PREFIX}${name}`] ??
      (stored === undefined ? '' : kind === 'json' ? JSON.stringify(stored, null, 2) : String(stored));
    return {
      name: `${PREFIX}${name}`,
      label: label(name),
      kind,
      rows: kind === 'json' ? Math.min(18, Math.max(4, value.split('\n').length)) : kind === 'code' ? 10 : 6,
      optional: !required.includes(name),
      aside: !required.includes(name) && value === '' && (kind === 'line' || kind === 'json'),
      value,
      options: (property.enum ?? []).map((option) => ({ option, chosen: option === value })),
      help: property.description?.replaceAll('`', ''),
    };
  });
}

function kindOf(property: Property): Input['kind'] {
  if (property.enum) return 'choice';
  if (property.type !== 'string') return 'json';
  if (property.contentMediaType === 'text/html') return 'code';
  return (property.maxLength ?? 0) > LINE_MAX ? 'text' : 'line';
}

/** What was typed for one channel and language. Text that is no JSON where JSON is asked for is a fault of its input. */
export function readContent(
  channel: AnyChannel,
  fields: Fields,
): { readonly content: Readonly<Record<string, unknown>>; readonly faults: Readonly<Record<string, string>> } {
  const content: Record<string, unknown> = {};
  const faults: Record<string, string> = {};
  for (const [name, property] of Object.entries(channel.content.properties as Record<string, Property>)) {
    const input = `${PREFIX}${name}`;
    const text = fields[input] ?? '';
    if (text.trim() === '') continue;
    if (kindOf(property) !== 'json') content[name] = text;
    else
      try {
        content[name] = JSON.parse(text);
      } catch (error) {
        faults[input] = `This is not JSON yet: ${(error as Error).message}.`;
      }
  }
  return { content, faults };
}

/** The whole draft out of a form, with the content on the screen put where it belongs. */
export function readDraft(
  fields: Fields,
  find: (id: string) => AnyChannel | undefined,
): { readonly draft: Draft; readonly faults: Readonly<Record<string, string>> } {
  const channel = fields.channel ?? '';
  const language = fields.language ?? '';
  const known = find(channel);
  const { content, faults } = known ? readContent(known, fields) : { content: {}, faults: {} };
  const rest = readObject(fields.draft) as TemplateContent;
  return {
    draft: {
      template_id: fields.template_id?.trim() ?? '',
      name: fields.name?.trim() ?? '',
      category: fields.category ?? 'transactional',
      content: known && language ? withPart(rest, channel, language, content) : rest,
      channel,
      language,
      data: fields.data ?? '{}',
    },
    faults,
  };
}

/** An empty part is no part. */
export function withPart(
  all: TemplateContent,
  channel: string,
  language: string,
  part: Readonly<Record<string, unknown>>,
): TemplateContent {
  const { [language]: _, ...others } = all[channel] ?? {};
  const languages = Object.keys(part).length > 0 ? { ...others, [language]: part } : others;
  const { [channel]: __, ...rest } = all;
  return Object.keys(languages).length > 0 ? { ...rest, [channel]: languages } : rest;
}

/** The name of the input that a fault such as `content.<channel>.<language>.body` is about, when it is on the screen. */
export function inputOf(draft: Draft): (path: string) => string | undefined {
  const here = `content.${draft.channel}.${draft.language}.`;
  return (path) => {
    if (['template_id', 'name', 'category'].includes(path)) return path;
    return path.startsWith(here) ? `${PREFIX}${path.slice(here.length).split('.')[0]}` : undefined;
  };
}

export function readObject(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {};
  }
}

/** Sample data for variables that have none: their own names, so that the preview shows where they go. */
export function sampleData(variables: readonly string[]): string {
  const values = Object.fromEntries(variables.map((name) => [name, GUESSES[name] ?? name.replaceAll('_', ' ')]));
  return JSON.stringify(values, null, 2);
}
const GUESSES: Readonly<Record<string, string>> = {
  name: 'Ada',
  first_name: 'Ada',
  order_id: 'ORD-1001',
  code: '549921',
  url: 'https://example.com',
  link: 'https://example.com',
  service: 'payments',
  severity: 'high',
  date: '2026-03-14',
  amount: '42.00',
};

const label = (name: string) => {
  const words = name.replaceAll('_', ' ');
  return words === 'html' ? 'HTML' : words.charAt(0).toUpperCase() + words.slice(1);
};
