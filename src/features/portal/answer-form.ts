/** The box under a conversation: words while the channel takes them, and a template with its variables at any time. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Principal } from '../../lib/http.ts';
import type { ReplyBody } from '../conversations/index.ts';
import type { Faults, Fields } from './forms.ts';
import type { Conversation, TemplatesDoor } from './ports.ts';

export interface AnswerDeps {
  readonly templates: Pick<TemplatesDoor, 'list' | 'get' | 'preview'>;
  readonly registry: Registry;
}

/** Inputs of variables travel under a prefix, so that one called `text` is not the answer. */
const PREFIX = 'v_';
type Variable = Awaited<ReturnType<TemplatesDoor['get']>>['inferred_variables'][number];

/** Whether plain words may answer now. Where the channel has a rule, it is the person who opens the time. */
export function isFree(registry: Registry, { channel, window_expires_at: until }: Conversation, now: Date): boolean {
  const ruled = typeof registry.channel(channel)?.templatePolicy.reply === 'object';
  return !ruled || (until !== null && Date.parse(until) > now.getTime());
}

interface Wish {
  /** What was chosen and written so far. */
  readonly typed: Readonly<Record<string, string | undefined>>;
  readonly now: Date;
  /** Of the tenant: chosen where nobody has. */
  readonly language: string | undefined;
}

/** What the box shows. */
export async function answerForm(
  { templates, registry }: AnswerDeps,
  principal: Principal,
  conversation: Conversation,
  { typed, now, language }: Wish,
) {
  const { channel } = conversation;
  const { data } = await templates.list(principal, { limit: 100 });
  // One that has only drafts cannot be sent yet.
  const usable = data.filter(({ version, channels }) => version !== null && Object.hasOwn(channels, channel));
  const row = usable.find(({ template_id }) => template_id === typed.template_id);
  return {
    free: isFree(registry, conversation, now),
    text: typed.text ?? '',
    templates: usable.map(({ template_id, name }) => ({ template_id, name, chosen: template_id === row?.template_id })),
    chosen: row && (await drawTemplate(templates, principal, channel, row, { language, ...typed })),
  };
}

async function drawTemplate(
  templates: AnswerDeps['templates'],
  principal: Principal,
  channel: string,
  { template_id, channels }: { readonly template_id: string; readonly channels: Readonly<Record<string, string[]>> },
  typed: Readonly<Record<string, string | undefined>>,
) {
  const languages = channels[channel] ?? [];
  const language = languages.find((known) => known === typed.language) ?? languages[0];
  const [{ inferred_variables }, drawn] = await Promise.all([
    templates.get(principal, template_id),
    templates.preview(principal, template_id, { channel, ...(language ? { language } : {}) }),
  ]);
  return {
    template_id,
    languages: languages.map((known) => ({ language: known, chosen: known === language })),
    several: languages.length > 1,
    language,
    preview: drawn.channels[0]?.preview,
    inputs: variablesOf(inferred_variables, channel).map(({ name, required, kind }) => ({
      name: PREFIX + name,
      label: name,
      value: typed[PREFIX + name] ?? '',
      optional: !required,
      kind: kind === 'list' || kind === 'object' ? 'json' : kind === 'flag' ? 'choice' : 'line',
      rows: 3,
      options: ['yes', 'no'].map((option) => ({ option, chosen: option === typed[PREFIX + name] })),
    })),
  };
}

const variablesOf = (all: readonly Variable[], channel: string) =>
  all.filter(({ channels }) => channels.includes(channel));

/** What was typed, as a reply; of a template, its variables as their kinds want them. */
export function readAnswer(
  fields: Fields,
  variables: readonly Variable[],
  channel: string,
): { readonly command: ReplyBody } | { readonly faults: Faults } {
  if (!fields.template_id) {
    const text = fields.text ?? '';
    return text.trim() === '' ? { faults: { fields: { text: 'Write something first.' } } } : { command: { text } };
  }
  const faults: Record<string, string> = {};
  const data = variablesOf(variables, channel).flatMap(({ name, kind }): [string, unknown][] => {
    const text = fields[PREFIX + name]?.trim() ?? '';
    if (text === '') return [];
    if (kind === 'flag') return [[name, text === 'yes']];
    if (kind !== 'list' && kind !== 'object') return [[name, text]];
    try {
      return [[name, JSON.parse(text)]];
    } catch {
      faults[PREFIX + name] = 'This is not JSON yet. Look for a missing quote, comma or bracket.';
      return [];
    }
  });
  if (Object.keys(faults).length > 0) return { faults: { fields: faults } };
  return {
    command: {
      template_id: fields.template_id,
      ...(fields.language ? { language: fields.language } : {}),
      ...(data.length > 0 ? { data: Object.fromEntries(data) } : {}),
    },
  };
}

/** The input a refusal is about: `notification.data.name`, `notification.body`. */
export const answerInput = (path: string): string | undefined => {
  const [, variable] = /(?:^|\.)data\.([^.]+)/.exec(path) ?? [];
  if (variable !== undefined) return PREFIX + variable;
  return /(?:^|\.)(?:text|body)$/.test(path) ? 'text' : undefined;
};
