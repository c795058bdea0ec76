/**
 * From a channel's content with `{{variables}}` to a function of the data. Pure. Everything that could be wrong with the
 * content is said when it is saved; what is left for the rendering is the data, which is judged before it is accepted and
 * once more, as a belt, when it is used.
 */
import Handlebars from 'handlebars';
import type { Content } from '../../channel-kit/index.ts';
import type { FieldFault } from '../../lib/schema.ts';
import { mapContent } from './content.ts';
import type { Data, Declarations } from './door.ts';
import { evaluate, type Run } from './evaluate.ts';
import { parse } from './parse.ts';
import { RenderError } from './render-error.ts';
import { newShape, type Shape } from './shape.ts';
import { type Expression, LIMITS } from './syntax.ts';

export const escapeHtml = (text: string): string => Handlebars.Utils.escapeExpression(text);

/** How a channel wants values written at a place. */
export type Escape = (value: string, path: readonly (string | number)[]) => string;

export interface AnalyseOptions {
  readonly escape?: Escape | undefined;
  /** Of the data; grows. Hand one to all contents of a version, so that they agree on what each name is. */
  readonly shape?: Shape;
  /** Path put before those of faults: `content.email.en`. */
  readonly at?: string;
}

export interface TemplateFault extends FieldFault {
  /** Beyond a limit, rather than wrong. */
  readonly costly: boolean;
}

export interface RenderOptions {
  /** Of the content: numbers and dates are written its way. */
  readonly language: string;
  readonly declared?: Declarations;
}

export interface Program {
  /** What the data must look like, and which names it may have. */
  readonly shape: Shape;
  /** Throws `RenderError`. */
  render(data: Data, options: RenderOptions): Content;
  /** As `render`, but shows `{{name}}` for what is missing or wrong. Throws `RenderError` when the result is too large. */
  draft(data: Data, options: RenderOptions): Content;
  /** Everything that `render` would throw, at once. */
  judge(
    data: Data,
    options: RenderOptions,
  ): { readonly missing: readonly string[]; readonly faults: readonly FieldFault[] };
}

const FAULTS_SHOWN = 20;

/** Reads a content once. The program is only to be used when there are no faults. */
export function analyse(
  content: Content,
  schema: object,
  { escape: spell, shape = newShape('object'), at = 'content' }: AnalyseOptions = {},
): { readonly faults: readonly TemplateFault[]; readonly program: Program } {
  const faults: TemplateFault[] = [];
  const budget = { tags: LIMITS.tags };
  const printed = new Set<string>();
  let plain = true;
  let source = 0;
  const build = mapContent<Run>(content, schema, (text, { path, html }) => {
    const fault = (message: string, costly = false) => {
      if (faults.length < FAULTS_SHOWN) faults.push({ path: [at, ...path].join('.'), message, costly });
    };
    const before = source;
    source += text.length;
    if (source > LIMITS.source) {
      if (before <= LIMITS.source)
        fault(
          `The texts are longer than ${LIMITS.source.toLocaleString('en')} characters together; shorten them.`,
          true,
        );
      return undefined;
    }
    if (!text.includes('{{')) return undefined;
    const nodes = parse(text, { html, shape, budget, fault });
    for (const node of nodes) {
      const name = node.kind === 'value' ? plainName(node.value) : '';
      if (name === undefined || (node.kind !== 'value' && node.kind !== 'text')) plain = false;
      else if (name) printed.add(name);
    }
    const write = html ? escapeHtml : spell ? (value: string) => spell(value, path) : (value: string) => value;
    return (run) => evaluate(nodes, run, write);
  });
  return { faults, program: programOf(build, shape, plain ? [...printed] : undefined) };
}

/** For content that is known to be good. Throws on any fault. */
export function compile(content: Content, schema: object, options: AnalyseOptions = {}): Program {
  const { faults, program } = analyse(content, schema, options);
  if (faults[0]) throw new Error(`${faults[0].path}: ${faults[0].message}`);
  return program;
}

/** The name, when nothing is done with the value but printing it. */
const plainName = (value: Expression): string | undefined =>
  value.kind === 'path' && value.up === 0 && value.parts.length === 1 ? value.parts[0] : undefined;

const FINE = { missing: [], faults: [] } as const;

/** `plain`: the names that are printed, when the content does nothing else; then most data are judged without a rendering. */
function programOf(build: (run: Run) => unknown, shape: Shape, plain: readonly string[] | undefined): Program {
  const isFine = (data: Data): boolean =>
    plain?.every((name) => Object.hasOwn(data, name) && data[name] != null && typeof data[name] !== 'object') ?? false;
  const run = (data: Data, options: RenderOptions, reactions: Pick<Run, 'missing' | 'wrong'>) =>
    build({ ...begin(data, options), ...reactions }) as Content;
  return {
    shape,
    render: (data, options) => run(data, options, THROW),
    draft: (data, options) => run(data, options, { missing: (path) => `{{${path}}}`, wrong: (path) => `{{${path}}}` }),
    judge(data, options) {
      if (isFine(data)) return FINE;
      const missing = new Set<string>();
      const faults = new Map<string, FieldFault>();
      const note = (path: string, message: string) => {
        if (faults.size < FAULTS_SHOWN) faults.set(path, { path: `data.${path}`, message });
        return '';
      };
      try {
        run(data, options, {
          missing(path) {
            if (missing.size < FAULTS_SHOWN) missing.add(path);
            return '';
          },
          wrong: note,
        });
      } catch (error) {
        // Too large: that is judged when it is rendered, and said of the message.
        if (!(error instanceof RenderError)) throw error;
      }
      return { missing: [...missing], faults: [...faults.values()] };
    },
  };
}

const THROW: Pick<Run, 'missing' | 'wrong'> = {
  missing(path) {
    throw new RenderError('missing', path, `data.${path} is missing; the template prints it.`);
  },
  wrong(path, message) {
    throw new RenderError('wrong', path, `data.${path} ${message}.`);
  },
};

const NONE: ReadonlySet<string> = new Set();

function begin(data: Data, { language, declared }: RenderOptions): Omit<Run, 'missing' | 'wrong'> {
  let value = data;
  let optional = NONE;
  for (const [name, { default: fallback, optional: may }] of Object.entries(declared ?? {})) {
    const given = Object.hasOwn(data, name) && data[name] !== null;
    if (!given && fallback !== undefined) value = { ...value, [name]: fallback };
    else if (may) optional = new Set([...optional, name]);
  }
  return { root: { value, at: '' }, language, optional, steps: 0, chars: 0 };
}
