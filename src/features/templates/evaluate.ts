/**
 * Walks a parsed template over data. Values are found among own properties only; work and output are counted, so that no
 * template and no data make a rendering long: it stops at the limit with a `RenderError`.
 */
import { FormatError } from './formats.ts';
import { RenderError } from './render-error.ts';
import { type Expression, LIMITS, type Node } from './syntax.ts';

/** Where names are looked up: the data itself, the item of a loop, the subject of `with`. */
export interface Frame {
  readonly value: unknown;
  /** Path from the top, for error texts. */
  readonly at: string;
  readonly parent?: Frame;
  readonly index?: number;
  readonly last?: boolean;
}

/** One rendering. */
export interface Run {
  readonly root: Frame;
  readonly language: string;
  /** Names that may be missing and are shown as nothing. */
  readonly optional: ReadonlySet<string>;
  steps: number;
  chars: number;
  /** What is shown for a value that is not there; or throws. */
  missing(path: string): string;
  /** What is shown for a value of the wrong kind; or throws. `message` follows the name: `must be a list`. */
  wrong(path: string, message: string): string;
}

export function evaluate(nodes: readonly Node[], run: Run, write: (value: string) => string): string {
  return walk(nodes, run.root, run, write);
}

function walk(nodes: readonly Node[], frame: Frame, run: Run, write: (value: string) => string): string {
  let out = '';
  for (const node of nodes) {
    step(run);
    if (node.kind === 'text') out += count(node.text, run);
    else if (node.kind === 'value') out += count(write(print(node.value, frame, run)), run);
    else out += branch(node, frame, run, write);
  }
  return out;
}

function step(run: Run): void {
  if (++run.steps > LIMITS.steps) throw tooMuch('The template does too much work with this data; send shorter lists.');
}

function count(text: string, run: Run): string {
  run.chars += text.length;
  if (run.chars > LIMITS.output)
    throw tooMuch(`The rendered text is longer than ${LIMITS.output.toLocaleString('en')} characters; send less data.`);
  return text;
}

const tooMuch = (message: string) => new RenderError('large', '', message);

function branch(
  node: Exclude<Node, { kind: 'text' | 'value' }>,
  frame: Frame,
  run: Run,
  write: (value: string) => string,
): string {
  const { kind, subject, negated, body, otherwise } = node;
  const value = find(subject, frame, run);
  if (kind === 'if') return walk(truthy(value) === negated ? otherwise : body, frame, run, write);
  if (value === undefined) return walk(otherwise, frame, run, write);
  const at = pathOf(subject, frame);
  if (kind === 'with') {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return walk(body, { value, at, parent: frame }, run, write);
    return run.wrong(at, 'must be an object');
  }
  if (!Array.isArray(value)) return run.wrong(at, 'must be a list');
  if (value.length === 0) return walk(otherwise, frame, run, write);
  if (value.length > LIMITS.items)
    return run.wrong(at, `has ${value.length} items; ${LIMITS.items.toLocaleString('en')} are allowed`);
  let out = '';
  for (const [index, item] of value.entries()) {
    step(run);
    const inner = { value: item, at: `${at}.${index}`, parent: frame, index, last: index === value.length - 1 };
    out += walk(body, inner, run, write);
  }
  return out;
}

/** As Handlebars has it: empty text, zero and an empty list are no. */
const truthy = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : Boolean(value) && !(value instanceof Shown);

function print(expression: Expression, frame: Frame, run: Run): string {
  const value = find(expression, frame, run, true);
  if (value instanceof Shown) return value.text;
  if (value === undefined) return run.missing(pathOf(expression, frame));
  if (typeof value === 'object')
    return run.wrong(pathOf(expression, frame), 'must be a text, a number or a boolean; it is printed');
  return String(value);
}

/** What stands for a value that a helper could not be asked about. */
class Shown {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** `undefined`: not there, or null. With `strict` a missing name is reported, unless it is optional. */
function find(expression: Expression, frame: Frame, run: Run, strict = false): unknown {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'place': {
      const at = climb(frame, expression.up);
      return expression.of === 'index' ? at.index : expression.of === 'first' ? at.index === 0 : at.last;
    }
    case 'path': {
      let value = climb(frame, expression.up).value;
      for (const part of expression.parts) value = own(value, part);
      if (value !== undefined && value !== null) return value;
      if (!strict) return undefined;
      const path = pathOf(expression, frame);
      return new Shown(run.optional.has(path.split('.', 1)[0] ?? '') ? '' : run.missing(path));
    }
    case 'call':
      return called(expression, frame, run, strict);
  }
}

function called(expression: Expression & { kind: 'call' }, frame: Frame, run: Run, strict: boolean): unknown {
  const { helper } = expression;
  const values: unknown[] = [];
  for (const value of expression.values) {
    const found = find(value, frame, run, strict && !helper.tolerant);
    if (found instanceof Shown) return found;
    if (found === undefined && !helper.tolerant) return undefined;
    values.push(found);
  }
  const options: Record<string, unknown> = {};
  for (const [name, value] of expression.options) {
    const found = find(value, frame, run, strict);
    if (found instanceof Shown) return found;
    options[name] = found;
  }
  try {
    return helper.run(values, options, run.language);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return new Shown(run.wrong(pathOf(expression, frame), error.message));
  }
}

function own(value: unknown, part: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, part)
    ? (value as Record<string, unknown>)[part]
    : undefined;
}

function climb(frame: Frame, up: number): Frame {
  let at = frame;
  for (let i = 0; i < up && at.parent; i++) at = at.parent;
  return at;
}

/** The name a person would give it: `items.0.price`. Of a helper, that of its first value. */
function pathOf(expression: Expression, frame: Frame): string {
  if (expression.kind === 'path') {
    const { at } = climb(frame, expression.up);
    return [...(at ? [at] : []), ...expression.parts].join('.');
  }
  const first = expression.kind === 'call' ? expression.values[0] : undefined;
  return first ? pathOf(first, frame) : '';
}
