/**
 * From what an author wrote to what can be stored. In come content per channel and language, and declarations; out comes
 * the same, completed by the channels, with its variables; or every fault at once. Pure.
 *
 * Content is judged by the channel's own schema although its texts are unfinished: all variables are filled with a sample,
 * for several samples of different form, and a text is refused only when none of them fits.
 */
import { type AnyChannel, type Content, ContentError, type Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import { type FieldFault, type Validator, validator } from '../../lib/schema.ts';
import type { Declarations, Scalar, TemplateVersion, Variable, VariableKind } from './door.ts';
import { analyse, type Program, type TemplateFault } from './engine.ts';
import { RenderError } from './render-error.ts';
import { newShape, type Shape, sampleData } from './shape.ts';

export interface Written {
  readonly content: TemplateVersion['content'];
  readonly variables?: Declarations;
}

export interface Authored {
  readonly written: TemplateVersion['content'];
  readonly content: TemplateVersion['content'];
  readonly declared: Declarations;
  readonly variables: readonly Variable[];
  /** Of the data, over all contents. */
  readonly shape: Shape;
}

const LANGUAGE = /^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,3}$/;
const VARIABLE = /^(?!__proto__$|constructor$|prototype$)[\p{L}_][\p{L}\p{N}_-]{0,63}$/u;
const SAMPLES: readonly string[] = ['a', '1', 'A1B2C3', 'a@example.com', 'https://example.com/a', 'en'];

/** Validators of channels are compiled once. */
const validators = new WeakMap<AnyChannel, Validator<AnyChannel['content']>>();
export function contentValidator(channel: AnyChannel): Validator<AnyChannel['content']> {
  const known = validators.get(channel) ?? validator(channel.content);
  validators.set(channel, known);
  return known;
}

/** Throws `template_invalid` or `template_too_expensive` with every fault in `details.fields`. */
export function author(registry: Registry, { content: written, variables: declared = {} }: Written): Authored {
  const faults: TemplateFault[] = [];
  const shape = newShape('object');
  const channelsOf = new Map<string, Set<string>>();
  const content: Record<string, Record<string, Content>> = {};
  const fault = (path: string, message: string) => faults.push({ path, message, costly: false });

  for (const name of Object.keys(declared))
    if (!VARIABLE.test(name)) fault(`variables.${name}`, 'is not a name; names have letters, digits, _ and -');
  for (const [id, languages] of Object.entries(written)) {
    const channel = registry.channel(id);
    if (!channel) {
      fault(`content.${id}`, `is not a channel; there are ${registry.channels.map((known) => known.id).join(', ')}`);
      continue;
    }
    if (Object.keys(languages).length === 0) fault(`content.${id}`, 'has no language; write {"en": {…}}');
    for (const [language, one] of Object.entries(languages)) {
      const at = `content.${id}.${language}`;
      if (!LANGUAGE.test(language)) {
        fault(at, 'is not a language; write en, en_US or pt-BR');
        continue;
      }
      const judged = judge(channel, one, { language, at, declared, shape });
      faults.push(...judged.faults);
      content[id] = { ...content[id], [language]: judged.content };
      for (const name of judged.names) channelsOf.set(name, (channelsOf.get(name) ?? new Set()).add(id));
    }
  }
  if (faults.length > 0) throw refusal(faults);
  const variables = [...shape.fields].map(([name, { kind, printed }]) => ({
    name,
    required: printed && !declared[name]?.optional && declared[name]?.default === undefined,
    kind: kind ?? 'text',
    channels: [...(channelsOf.get(name) ?? [])],
  }));
  return { written, content, declared, variables, shape };
}

function refusal(faults: readonly TemplateFault[]): ApiError {
  const [first] = faults;
  const fields: FieldFault[] = faults.slice(0, 20).map(({ path, message }) => ({ path, message }));
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more, see details.fields)` : '';
  return new ApiError(
    faults.every(({ costly }) => costly) ? 'template_too_expensive' : 'template_invalid',
    first ? `${first.path}: ${first.message}${more}` : undefined,
    { ...(first ? { param: first.path } : {}), details: { fields } },
  );
}

interface Where {
  readonly language: string;
  readonly at: string;
  readonly declared: Declarations;
  readonly shape: Shape;
}

interface Judged {
  readonly content: Content;
  readonly names: readonly string[];
  readonly faults: readonly TemplateFault[];
}

function judge(channel: AnyChannel, written: Content, where: Where): Judged {
  const { at, language } = where;
  const refuse = (faults: readonly TemplateFault[]): Judged => ({ content: written, names: [], faults });
  const first = analyse(written, channel.content, { at });
  const early = first.faults.length > 0 ? first.faults : misfits(channel, first.program, where);
  if (early.length > 0) return refuse(early);
  let content = written;
  try {
    content = channel.author?.(written, language) ?? written;
  } catch (error) {
    if (!(error instanceof ContentError)) throw error;
    return refuse([{ path: `${at}${error.path.replaceAll('/', '.')}`, message: error.message, costly: false }]);
  }
  const own = analyse(content, channel.content, { at });
  const late = own.faults.length > 0 ? own.faults : content === written ? [] : misfits(channel, own.program, where);
  // Once more into the common shape: names must mean the same in all contents.
  const common = analyse(content, channel.content, { at, shape: where.shape });
  return {
    content,
    names: [...own.program.shape.fields.keys()],
    faults: late.length > 0 ? late : common.faults,
  };
}

/** Faults that every sample has. */
function misfits(channel: AnyChannel, program: Program, { at, language, declared }: Where): readonly TemplateFault[] {
  const check = contentValidator(channel);
  let common: readonly FieldFault[] | undefined;
  for (const [round, text] of SAMPLES.entries()) {
    const data = sampleData(program.shape, round === 0 ? declared : {}, (_, kind) => sample(kind, text));
    try {
      const found = check.faults(program.render(data, { language }));
      const paths = new Set(found.map(({ path }) => path));
      common = common ? common.filter(({ path }) => paths.has(path)) : found;
      if (common.length === 0) return [];
    } catch (error) {
      if (!(error instanceof RenderError)) throw error;
      const name = error.path.split('.', 1)[0] ?? '';
      const path = round === 0 && declared[name]?.example !== undefined ? `variables.${name}.example` : at;
      return [{ path, message: error.message.replace('data.', ''), costly: false }];
    }
  }
  return (common ?? []).map(({ path, message }) => ({ path: path ? `${at}.${path}` : at, message, costly: false }));
}

/** A value of this kind; `text` for what is printed as it is. */
export function sample(kind: VariableKind, text: string): Scalar {
  if (kind === 'number') return 2;
  if (kind === 'date') return '2026-08-01T09:30:00Z';
  return kind === 'flag' ? true : text;
}
