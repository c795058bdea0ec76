/**
 * From the text of a template to what the renderer walks. Handlebars reads the syntax and does nothing else: no code is
 * made of a template, and only what is listed here passes: values, the helpers of `formats.ts`, and the blocks `if`,
 * `unless`, `each`, `with`. Everything else is a fault with its line and what to write instead.
 */
import Handlebars from 'handlebars';
import type { VariableKind } from './door.ts';
import { HELPERS } from './formats.ts';
import { newShape, type Shape, use } from './shape.ts';
import { type Expression, LIMITS, type Node } from './syntax.ts';

const handlebars = Handlebars.create();

export interface Parsing {
  /** HTML text: values are escaped, and an unescaped one is refused. */
  readonly html: boolean;
  /** Of the data; grows. */
  readonly shape: Shape;
  /** Tags left for this content; shrinks. */
  readonly budget: { tags: number };
  /** `costly`: beyond a limit. */
  fault(message: string, costly?: boolean): void;
}

/** A place whose names mean something of their own: the top, the item of a loop, the subject of `with`. */
interface Scope {
  readonly parent: Scope | undefined;
  readonly shape: Shape;
  readonly loop: boolean;
  /** `as |item index|` */
  readonly names: readonly string[];
}

interface Where {
  readonly scope: Scope;
  readonly nesting: number;
  readonly loops: number;
  /** Outside every condition and loop. */
  readonly sure: boolean;
}

class Refused extends Error {
  readonly costly: boolean;
  constructor(node: hbs.AST.Node, message: string, costly = false) {
    super(`Line ${node.loc.start.line}: ${message}`);
    this.costly = costly;
  }
}

const NAME = /^[\p{L}_][\p{L}\p{N}_-]*$/u;
const POSITION = /^\d{1,4}$/;
const REACHING = new Set(['__proto__', 'constructor', 'prototype']);
const BLOCKS: readonly string[] = ['if', 'unless', 'each', 'with'];

/** The nodes of one string; empty after a fault. */
export function parse(source: string, parsing: Parsing): readonly Node[] {
  const tags = source.split('{{').length - 1;
  parsing.budget.tags -= tags;
  // Before the parser sees it, whose time and stack grow with the tags.
  if (parsing.budget.tags < 0) {
    parsing.fault(`The content has more than ${LIMITS.tags.toLocaleString('en')} tags; use fewer.`, true);
    return [];
  }
  try {
    if (source.includes('{{{{')) throw new Error('raw blocks ({{{{ }}}}) are not available; write {{ }} or \\{{ }}');
    const scope: Scope = { parent: undefined, shape: parsing.shape, loop: false, names: [] };
    return program(handlebars.parse(source), { scope, nesting: 0, loops: 0, sure: true }, parsing);
  } catch (error) {
    if (error instanceof Refused) parsing.fault(error.message, error.costly);
    else parsing.fault(explain(error as Error & { lineNumber?: number }));
    return [];
  }
}

function program(body: hbs.AST.Program | undefined, where: Where, parsing: Parsing): readonly Node[] {
  const nodes: Node[] = [];
  for (const statement of body?.body ?? []) {
    const node = NODES[statement.type];
    if (!node) throw new Refused(statement, `${WORDS[statement.type] ?? statement.type} not available here.`);
    const read = node(statement, where, parsing);
    if (read) nodes.push(read);
  }
  return nodes;
}

const WORDS: Readonly<Record<string, string>> = {
  PartialStatement: 'Partials ({{> name}}) are',
  PartialBlockStatement: 'Partials ({{#> name}}) are',
  Decorator: 'Decorators ({{* name}}) are',
  DecoratorBlock: 'Inline partials ({{#*inline}}) are',
};

const NODES: Readonly<
  Record<string, (statement: hbs.AST.Statement, where: Where, parsing: Parsing) => Node | undefined>
> = {
  ContentStatement: (statement) => ({ kind: 'text', text: (statement as hbs.AST.ContentStatement).value }),
  CommentStatement: () => undefined,
  MustacheStatement: (statement, where, parsing) => mustache(statement as hbs.AST.MustacheStatement, where, parsing),
  BlockStatement: (statement, where, parsing) => block(statement as hbs.AST.BlockStatement, where, parsing),
};

function mustache(statement: hbs.AST.MustacheStatement, where: Where, { html }: Parsing): Node {
  if (html && !statement.escaped)
    throw new Refused(statement, 'values in HTML are always escaped; write two braces, {{name}}, not three.');
  const { path, params, hash } = statement;
  const called = params.length > 0 || hash !== undefined;
  return { kind: 'value', value: called ? call(statement, where, 1) : read(path, where, 'text', where.sure, 0) };
}

function block(statement: hbs.AST.BlockStatement, where: Where, parsing: Parsing): Node {
  const name = statement.path.original;
  if (!BLOCKS.includes(name))
    throw new Refused(
      statement,
      `{{#${name}}} is not available; there are ${BLOCKS.map((b) => `{{#${b}}}`).join(', ')}.`,
    );
  const [first, ...more] = statement.params;
  if (!first || more.length > 0 || statement.hash)
    throw new Refused(statement, `{{#${name}}} takes exactly one thing: {{#${name} value}}.`);
  if (where.nesting >= LIMITS.nesting)
    throw new Refused(statement, `blocks are nested deeper than ${LIMITS.nesting}; flatten them.`, true);
  const each = name === 'each';
  if (each && where.loops >= LIMITS.loops)
    throw new Refused(statement, `loops are nested deeper than ${LIMITS.loops}; prepare the list in data.`, true);
  // An `{{else if}}` stands beside the branch before it, but is read as one within it.
  const below = { ...where, nesting: where.nesting + 1, sure: false };
  const inside = { ...below, loops: where.loops + (each ? 1 : 0) };
  const kind = name === 'unless' ? 'if' : (name as 'if' | 'each' | 'with');
  const subject = read(first, where, each ? 'list' : name === 'with' ? 'object' : 'flag', false, 1);
  if (kind !== 'if' && subject.kind !== 'path')
    throw new Refused(statement, `{{#${name}}} takes a name from data, nothing computed.`);
  if (kind === 'if' && statement.program?.blockParams) throw new Refused(statement, `{{#${name}}} gives no names.`);
  const scope = kind === 'if' ? where.scope : entered(statement, subject, each, where.scope);
  return {
    kind,
    subject,
    negated: name === 'unless',
    body: program(statement.program, { ...inside, scope }, parsing),
    otherwise: program(statement.inverse, below, parsing),
  };
}

function entered(statement: hbs.AST.BlockStatement, subject: Expression, each: boolean, parent: Scope): Scope {
  const names = statement.program?.blockParams ?? [];
  if (names.length > (each ? 2 : 1) || names.some((name) => !NAME.test(name)))
    throw new Refused(statement, `write {{#each items as |item index|}} or {{#with user as |person|}}.`);
  const { up, parts } = subject as Expression & { kind: 'path' };
  const shape = use(climb(parent, up).shape, parts, each ? 'list' : 'object') as Shape;
  if (each) shape.item ??= newShape();
  return { parent, shape: each ? (shape.item as Shape) : shape, loop: each, names };
}

function call(node: hbs.AST.MustacheStatement | hbs.AST.SubExpression, where: Where, depth: number): Expression {
  const name = String((node.path as hbs.AST.PathExpression).original);
  const helper = HELPERS.get(name);
  if (!helper)
    throw new Refused(
      node,
      `there is no helper ${name}; there are ${[...HELPERS.keys()].join(', ')}. A value alone is written {{name}}.`,
    );
  if (depth > LIMITS.calls) throw new Refused(node, `helpers are nested deeper than ${LIMITS.calls}.`, true);
  const [least, most] = helper.values;
  const given = node.hash?.pairs ?? [];
  const stranger = given.find(({ key }) => !helper.options.includes(key));
  if (node.params.length < least || node.params.length > most || stranger)
    throw new Refused(node, `${stranger ? `${name} knows no ${stranger.key}=; ` : ''}write ${helper.usage}.`);
  const sure = where.sure && !helper.tolerant;
  return {
    kind: 'call',
    helper,
    values: node.params.map((param, i) => read(param, where, i === 0 ? helper.kind : 'text', sure, depth)),
    options: given.map(({ key, value }) => [key, read(value, where, 'text', sure, depth)] as const),
  };
}

function read(node: hbs.AST.Expression, where: Where, kind: VariableKind, sure: boolean, depth: number): Expression {
  switch (node.type) {
    case 'StringLiteral':
    case 'NumberLiteral':
    case 'BooleanLiteral':
      if (depth === 0) break;
      return { kind: 'literal', value: (node as hbs.AST.StringLiteral).value };
    case 'SubExpression':
      return call(node as hbs.AST.SubExpression, where, depth + 1);
    case 'PathExpression':
      return path(node as hbs.AST.PathExpression, where, kind, sure);
  }
  throw new Refused(node, 'a value is written {{name}}.');
}

function path(node: hbs.AST.PathExpression, where: Where, kind: VariableKind, sure: boolean): Expression {
  const written = `{{${node.original}}}`;
  if (node.data) return place(node, where.scope);
  const scopes = depthOf(where.scope);
  if (node.depth > scopes) throw new Refused(node, `${written} leaves the data; take away a ../`);
  let up = node.depth;
  let parts = (node.parts as unknown[]).map(String);
  // A name given by `as |item|` beats a field of that name, the innermost first.
  const named =
    node.depth === 0 && !/^(this|\.)/.test(node.original) ? namedBy(where.scope, parts[0] ?? '') : undefined;
  if (named?.index) {
    if (parts.length === 1) return { kind: 'place', up: named.up, of: 'index' };
    throw new Refused(node, `${written}: a position has no fields.`);
  }
  if (named) {
    up = named.up;
    parts = parts.slice(1);
  }
  const wrong = parts.find((part, i) => REACHING.has(part) || !(NAME.test(part) || (i > 0 && POSITION.test(part))));
  if (wrong !== undefined)
    throw new Refused(node, `${written} is not a name; names have letters, digits, _ and -, and dots between them.`);
  const scope = climb(where.scope, up);
  if (parts.length === 0 && !scope.parent) throw new Refused(node, `${written} is all of data; name one value of it.`);
  const shape = use(scope.shape, parts, kind);
  if (typeof shape === 'string')
    throw new Refused(node, `${written} is used as ${A[kind]} here and as ${A[shape]} elsewhere; use two names.`);
  const top = !scope.parent && scope.shape.fields.get(parts[0] ?? '');
  if (top && sure) top.printed = true;
  return { kind: 'path', up, parts };
}

const A: Readonly<Record<VariableKind, string>> = {
  text: 'a text',
  number: 'a number',
  date: 'a date',
  flag: 'a condition',
  list: 'a list',
  object: 'a group of values',
};

function place(node: hbs.AST.PathExpression, scope: Scope): Expression {
  const of = node.parts.join('.');
  if (node.depth > 0 || (of !== 'index' && of !== 'first' && of !== 'last'))
    throw new Refused(node, `{{${node.original}}} is not available; in a loop there are @index, @first, @last.`);
  let up = 0;
  for (let at: Scope | undefined = scope; at; at = at.parent, up++) if (at.loop) return { kind: 'place', up, of };
  throw new Refused(node, `{{${node.original}}} only means something inside {{#each}}.`);
}

function namedBy(scope: Scope, name: string): { up: number; index: boolean } | undefined {
  let up = 0;
  for (let at: Scope | undefined = scope; at; at = at.parent, up++) {
    const position = at.names.indexOf(name);
    if (position >= 0) return { up, index: position === 1 };
  }
  return undefined;
}

const depthOf = (scope: Scope): number => (scope.parent ? 1 + depthOf(scope.parent) : 0);

function climb(scope: Scope, up: number): Scope {
  let at = scope;
  for (let i = 0; i < up && at.parent; i++) at = at.parent;
  return at;
}

/** The parser's words are about its grammar; these are about the text. */
function explain(error: Error & { lineNumber?: number }): string {
  const [, open, close] = /^(\S+) doesn't match (\S+)/.exec(error.message) ?? [];
  if (open)
    return `Line ${error.lineNumber ?? 1}: {{#${open}}} is closed by {{/${close}}}; close it with {{/${open}}}.`;
  const [, line, near] = /^(?:Parse|Lexical) error on line (\d+)[^\n]*\n([^\n]*)/.exec(error.message) ?? [];
  if (!line) return error.message.split('\n', 1)[0]?.slice(0, 200) ?? 'It cannot be read.';
  if (/got 'EOF'/.test(error.message))
    return `Line ${line}: a block is not closed; every {{#if}}, {{#unless}}, {{#each}} and {{#with}} needs its {{/…}}.`;
  return `Line ${line}: a tag is broken or not closed near ${JSON.stringify(near?.slice(-40))}; a value is written {{name}}, two braces as text \\{{.`;
}
