/** What a template may say, what it does with data, and what it can never do. */
import { Type } from '@sinclair/typebox';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Content } from '../../../src/channel-kit/index.ts';
import type { Data, Declarations } from '../../../src/features/templates/door.ts';
import { analyse, compile, type Escape } from '../../../src/features/templates/engine.ts';
import { RenderError } from '../../../src/features/templates/render-error.ts';
import { sampleData } from '../../../src/features/templates/shape.ts';
import { LIMITS } from '../../../src/features/templates/syntax.ts';

const schema = Type.Object({
  body: Type.Optional(Type.String()),
  html: Type.Optional(Type.String({ contentMediaType: 'text/html' })),
  definition: Type.Optional(Type.Object({ text: Type.String() }, { 'x-literal': true })),
  blocks: Type.Optional(Type.Array(Type.Unknown())),
});

interface Options {
  readonly language?: string;
  readonly declared?: Declarations;
  readonly escape?: Escape;
}
const render = (content: Content, data: Data = {}, { language = 'en', escape: spell, ...rest }: Options = {}) =>
  compile(content, schema, { escape: spell }).render(data, { language, ...rest });
const text = (body: string, data: Data = {}, options: Options = {}) => render({ body }, data, options).body;
const faults = (content: Content) => analyse(content, schema).faults;
const judge = (body: string, data: Data, declared: Declarations = {}) =>
  compile({ body }, schema).judge(data, { language: 'en', declared });

describe('what is printed', () => {
  test.each<[string, Data, string]>([
    ['plain text', {}, 'plain text'],
    ['Hi {{name}}!', { name: 'Ada' }, 'Hi Ada!'],
    ['Hi {{ user.name }}', { user: { name: 'Ada' } }, 'Hi Ada'],
    ['{{items.0.name}}', { items: [{ name: 'pen' }] }, 'pen'],
    ['{{n}} {{yes}}', { n: 12.5, yes: true }, '12.5 true'],
    ['{{zero}}{{empty}}{{no}}', { zero: 0, empty: '', no: false }, '0false'],
    ["{{name}} & 'co'", { name: `O'Neil <b>&"=\`` }, `O'Neil <b>&"=\` & 'co'`],
    ['{{{name}}}', { name: '<b>' }, '<b>'],
    ['{{&name}}', { name: '<b>' }, '<b>'],
    ['\\{{name}} stays', {}, '{{name}} stays'],
    ['{{! a note }}{{!-- another {{x}} --}}text', {}, 'text'],
    ['a  {{~name~}}  b', { name: '-' }, 'a-b'],
    ['{{date}} at {{number}}', { date: 'noon', number: 'five' }, 'noon at five'],
    ['{{größe}} {{order-id}} {{_x}}', { größe: 'L', 'order-id': 'A1', _x: 1 }, 'L A1 1'],
    ['مرحبا {{name}} 👋🏽', { name: 'آدا' }, 'مرحبا آدا 👋🏽'],
    ['{{#if a}}yes{{else}}no{{/if}}', { a: 'x' }, 'yes'],
    ['{{#if a}}yes{{else}}no{{/if}}', {}, 'no'],
    ['{{#if a}}yes{{else}}no{{/if}}', { a: [] }, 'no'],
    ['{{#if a}}1{{else if b}}2{{else}}3{{/if}}', { b: true }, '2'],
    ['{{#unless a}}none{{/unless}}', {}, 'none'],
    ['{{#if (eq plan "pro")}}Pro{{/if}}', { plan: 'pro' }, 'Pro'],
    ['{{#if user.vip}}VIP{{/if}}', { user: 'a text' }, ''],
    [
      '{{#each items}}{{@index}}:{{name}}{{#unless @last}}, {{/unless}}{{/each}}',
      { items: [{ name: 'a' }, { name: 'b' }] },
      '0:a, 1:b',
    ],
    ['{{#each tags}}[{{this}}]{{/each}}', { tags: ['x', 'y'] }, '[x][y]'],
    ['{{#each tags}}{{.}}{{/each}}', { tags: [1, 2] }, '12'],
    ['{{#each items}}x{{else}}nothing{{/each}}', { items: [] }, 'nothing'],
    ['{{#each items}}x{{else}}nothing{{/each}}', {}, 'nothing'],
    ['{{#each items}}{{../currency}}{{price}} {{/each}}', { currency: '€', items: [{ price: 1 }] }, '€1 '],
    [
      '{{#each orders as |order i|}}{{#each order.lines as |line|}}{{i}}{{order.id}}{{line}} {{/each}}{{/each}}',
      { orders: [{ id: 'A', lines: ['p', 'q'] }] },
      '0Ap 0Aq ',
    ],
    ['{{#with user}}{{name}}{{/with}}', { user: { name: 'Ada' } }, 'Ada'],
    ['{{#with user as |u|}}{{u.name}}{{/with}}', { user: { name: 'Ada' } }, 'Ada'],
    ['{{#with user}}{{name}}{{else}}nobody{{/with}}', {}, 'nobody'],
    ['{{#if note}}Note: {{note}}{{/if}}', {}, ''],
    ['{{spell code}}', { code: '4a👋' }, '4, a, 👋'],
    ['{{default name "friend"}}', {}, 'friend'],
    ['{{default name "friend"}}', { name: '' }, 'friend'],
    ['{{upper (default name "friend")}}', {}, 'FRIEND'],
    ['{{upper name}} {{lower name}} [{{trim pad}}]', { name: 'Ada', pad: ' x ' }, 'ADA ada [x]'],
  ])('%s with %j gives %j', (source, data, expected) => expect(text(source, data)).toBe(expected));

  test.each<[string, Data, string, string]>([
    ['{{number n}}', { n: 1234567.5 }, 'de', '1.234.567,5'],
    ['{{number n digits=2}}', { n: '1234.5' }, 'en_US', '1,234.50'],
    ['{{currency n "EUR"}}', { n: 12.5 }, 'de', '12,50 €'],
    ['{{currency n code}}', { n: '19.99', code: 'USD' }, 'en', '$19.99'],
    ['{{currency n "JPY"}}', { n: 500 }, 'en', '¥500'],
    ['{{date at}}', { at: '2026-08-01' }, 'en', 'Aug 1, 2026'],
    ['{{date at "long"}}', { at: '2026-08-01' }, 'de', '1. August 2026'],
    ['{{date at "short" time="short" zone="Europe/Berlin"}}', { at: '2026-08-01T09:30:00Z' }, 'de', '01.08.26, 11:30'],
    ['{{date at zone="America/New_York"}}', { at: '2026-08-01' }, 'en', 'Aug 1, 2026'],
    ['{{plural n one="# item" other="# items"}}', { n: 1 }, 'en', '1 item'],
    ['{{plural n one="# item" other="# items"}}', { n: 1200 }, 'en', '1,200 items'],
    ['{{plural n one="# файл" few="# файла" many="# файлов" other="# файла"}}', { n: 5 }, 'ru', '5 файлов'],
    ['{{upper name}}', { name: 'izmir' }, 'tr', 'İZMİR'],
    ['{{number n}}', { n: 1.5 }, 'no such language', '1.5'],
  ])('%s with %j in %s gives %j', (source, data, language, expected) =>
    expect(text(source, data, { language })).toBe(expected));

  test('HTML strings are escaped, all others are not', () => {
    const name = `<img src=x onerror="a('b')">&`;
    const rendered = render(
      { body: '{{name}}', html: '<p title="{{name}}">{{name}} {{default nick "<i>"}}</p>' },
      { name },
    );
    expect(rendered.body).toBe(name);
    expect(rendered.html).not.toMatch(/<img|<i>|"a\(|'b'/);
    expect(rendered.html).toContain('&lt;img');
  });

  test('a channel writes values its own way, and only values', () => {
    const seen: unknown[] = [];
    const spell: Escape = (value, path) => {
      seen.push(path);
      return value.replaceAll('<', '&lt;');
    };
    const content = { body: '<b>{{name}}</b>', blocks: [{ text: { text: '{{{name}}} <!here>' } }], html: '{{name}}' };
    expect(render(content, { name: '<!channel>' }, { escape: spell })).toEqual({
      body: '<b>&lt;!channel></b>',
      blocks: [{ text: { text: '&lt;!channel> <!here>' } }],
      html: '&lt;!channel&gt;',
    });
    expect(seen).toEqual([['body'], ['blocks', 0, 'text', 'text']]);
  });

  test('values stay inside their string: JSON is built, never written', () => {
    const rendered = render({ blocks: [{ text: '{{v}}', n: 1 }] }, { v: 'a","channel":"#other' });
    expect(rendered).toEqual({ blocks: [{ text: 'a","channel":"#other', n: 1 }] });
  });

  test('literal properties are left alone, and content is not changed', () => {
    const content = { body: '{{a}}', definition: { text: 'Hi {{1}} {{#nonsense' } };
    expect(render(content, { a: 1 })).toEqual({ body: '1', definition: content.definition });
    expect(content.body).toBe('{{a}}');
  });
});

describe('what must be in the data', () => {
  test.each<[string, Data, Declarations, string[]]>([
    ['{{name}}', {}, {}, ['name']],
    ['{{name}}', { name: null }, {}, ['name']],
    ['{{user.name}}', { user: {} }, {}, ['user.name']],
    ['{{upper name}}', {}, {}, ['name']],
    ['{{#if vip}}{{name}}{{/if}}', { vip: true }, {}, ['name']],
    ['{{#if vip}}{{name}}{{/if}}', {}, {}, []],
    ['{{#each items}}{{name}}{{/each}}', { items: [{ name: 'a' }, {}] }, {}, ['items.1.name']],
    ['{{#each items}}{{this}}{{/each}}', { items: ['a', null] }, {}, ['items.1']],
    ['{{name}}', {}, { name: { optional: true } }, []],
    ['{{name}}', {}, { name: { default: 'x' } }, []],
    ['{{user.name}}', { user: {} }, { user: { optional: true } }, []],
    ['{{constructor}}{{x}}', {}, {}, ['x']],
    ['{{toString}} {{valueOf}} {{hasOwnProperty}}', {}, {}, ['toString', 'valueOf', 'hasOwnProperty']],
    ['{{a.length}}', { a: 'text' }, {}, ['a.length']],
  ])('%s with %j declared %j lacks %j', (source, data, declared, missing) => {
    if (source.includes('constructor')) return expect(faults({ body: source })).toHaveLength(1);
    expect(judge(source, data, declared).missing).toEqual(missing);
    return missing.length > 0
      ? expect(() => text(source, data, { declared })).toThrow(RenderError)
      : expect(text(source, data, { declared })).toBeTypeOf('string');
  });

  test('a default stands for what is missing, also in conditions; an optional value is nothing', () => {
    const declared = { name: { default: 'friend' }, title: { optional: true } };
    expect(text('{{#if name}}{{title}}{{name}}{{/if}}', {}, { declared })).toBe('friend');
    expect(text('{{name}}', { name: null }, { declared })).toBe('friend');
    expect(text('{{name}}', { name: 'Ada' }, { declared })).toBe('Ada');
  });

  test.each<[string, Data, string, RegExp]>([
    ['{{a}}', { a: { b: 1 } }, 'data.a', /text, a number or a boolean/],
    ['{{a}}', { a: [1] }, 'data.a', /text, a number or a boolean/],
    ['{{#each a}}x{{/each}}', { a: 'text' }, 'data.a', /must be a list/],
    ['{{#each a}}x{{/each}}', { a: { b: 1 } }, 'data.a', /must be a list/],
    ['{{#each a}}x{{/each}}', { a: Array(1_001).fill(1) }, 'data.a', /1001 items; 1,000 are allowed/],
    ['{{#with a}}x{{/with}}', { a: [1] }, 'data.a', /must be an object/],
    ['{{number a}}', { a: 'many' }, 'data.a', /must be a number/],
    ['{{date a}}', { a: 'tomorrow' }, 'data.a', /must be a date/],
    ['{{date a}}', { a: '2026-13-45' }, 'data.a', /must be a date/],
    ['{{date a}}', { a: 0 }, 'data.a', /must be a date/],
    ['{{upper a}}', { a: {} }, 'data.a', /must be a text/],
    ['{{#each l}}{{currency p "EUR"}}{{/each}}', { l: [{ p: 'x' }] }, 'data.l.0.p', /must be a number/],
  ])('%s refuses %j', (source, data, path, message) => {
    const found = judge(source, data).faults;
    expect(found).toEqual([{ path, message: expect.stringMatching(message) }]);
    expect(() => text(source, data)).toThrow(message);
  });

  test('a draft shows what is missing in its place', () => {
    const program = compile({ body: 'Hi {{name}}, {{upper title}} {{#each items}}{{id}}{{/each}}' }, schema);
    expect(program.draft({ items: [{}] }, { language: 'en' }).body).toBe('Hi {{name}}, {{title}} {{items.0.id}}');
  });

  test('the shape tells what is required, and of which kind', () => {
    const { program } = analyse(
      {
        body: '{{name}}{{#if coupon}}{{coupon}}{{/if}}{{currency total "EUR"}}{{#each items}}{{sku}}{{/each}}{{default nick "x"}}',
        html: '{{#with user}}{{mail}}{{/with}}{{date day}}{{#if vip}}{{/if}}{{total}}',
      },
      schema,
    );
    const found = [...program.shape.fields].map(([name, { kind, printed }]) => [name, kind, printed]);
    expect(found).toEqual([
      ['name', 'text', true],
      ['coupon', 'text', false],
      ['total', 'number', true],
      ['items', 'list', false],
      ['nick', 'text', false],
      ['user', 'object', false],
      ['day', 'date', true],
      ['vip', 'flag', false],
    ]);
    const data = sampleData(
      program.shape,
      { name: { example: 'Ada' }, nick: { default: 'N' } },
      (name, kind) => `${kind} ${name}`,
    );
    expect(data).toEqual({
      name: 'Ada',
      coupon: 'text coupon',
      total: 'number total',
      items: [{ sku: 'text sku' }],
      nick: 'N',
      user: { mail: 'text mail' },
      day: 'date day',
      vip: 'flag vip',
    });
  });
});

describe('what is refused when it is saved', () => {
  test.each<[string, string, RegExp]>([
    ['constructor', '{{constructor}}', /constructor.*not a name/],
    ['constructor of something', '{{a.constructor.name}}', /not a name/],
    ['__proto__', '{{__proto__.x}}', /not a name/],
    ['prototype', '{{x.prototype}}', /not a name/],
    ['bracketed __proto__', '{{a.[__proto__]}}', /not a name/],
    ['lookup', '{{lookup this "constructor"}}', /no helper lookup/],
    ['log', '{{log 1}}', /no helper log/],
    ['a partial', '{{> p}}', /Partials/],
    ['a partial block', '{{#> p}}x{{/p}}', /Partials/],
    ['a dynamic partial', '{{> (p)}}', /Partials/],
    ['an inline partial', '{{#*inline "p"}}x{{/inline}}', /Inline partials/],
    ['a decorator', '{{* d}}', /Decorators/],
    ['a raw block', '{{{{raw}}}}x{{{{/raw}}}}', /raw blocks/],
    ['a raw if', '{{{{if x}}}}x{{{{/if}}}}', /raw blocks/],
    ['an unknown block', '{{#list}}x{{/list}}', /\{\{#list\}\} is not available/],
    ['an inverse block', '{{^a}}x{{/a}}', /not available/],
    ['@root', '{{@root.x}}', /@root/],
    ['@index outside', '{{@index}}', /inside \{\{#each\}\}/],
    ['@key', '{{#each a}}{{@key}}{{/each}}', /@index, @first, @last/],
    ['@../index', '{{#each a}}{{#each b}}{{@../index}}{{/each}}{{/each}}', /not available/],
    ['../ out of the data', '{{../x}}', /leaves the data/],
    ['../ too far', '{{#each a}}{{../../x}}{{/each}}', /leaves the data/],
    ['this at the top', '{{this}}', /all of data/],
    ['a name with a space', '{{[a b]}}', /not a name/],
    ['a number as a name', '{{1}}', /written \{\{name\}\}/],
    ['a text as a name', '{{"x"}}', /written \{\{name\}\}/],
    ['an unclosed tag', 'Hi {{name', /Line 1: a tag is broken or not closed near/],
    ['an unclosed tag further down', 'Hi\n\n{{name', /Line 3/],
    ['an unclosed block', '{{#if a}}x', /a block is not closed/],
    ['a block closed wrongly', '{{#if a}}x{{/each}}', /\{\{#if\}\} is closed by \{\{\/each\}\}/],
    ['a closing tag alone', '{{/if}}', /Line 1/],
    ['else alone', '{{else}}', /Line 1/],
    ['too many braces', '{{a}}}}', /./],
    ['if with two things', '{{#if a b}}x{{/if}}', /exactly one/],
    ['if with an option', '{{#if a includeZero=true}}x{{/if}}', /exactly one/],
    ['names given by if', '{{#if a as |x|}}{{x}}{{/if}}', /gives no names/],
    ['each over something computed', '{{#each (upper a)}}x{{/each}}', /nothing computed/],
    ['an unknown option', '{{upper name loud=true}}', /knows no loud=/],
    ['too few values', '{{currency amount}}', /write \{\{currency amount "EUR"\}\}/],
    ['helpers four deep', '{{upper (lower (upper (lower a)))}}', /deeper than 3/],
    ['one name, two kinds', '{{user}} {{user.name}}', /used as .* here and as .* elsewhere/],
    ['a list that is printed', '{{#each a}}x{{/each}}{{a}}', /a text here and as a list elsewhere/],
    ['three loops', '{{#each a}}{{#each b}}{{#each c}}x{{/each}}{{/each}}{{/each}}', /loops are nested deeper than 2/],
    ['5,000 nested ifs', `${'{{#if a}}'.repeat(5_000)}x${'{{/if}}'.repeat(5_000)}`, /more than 2,000 tags|longer than/],
    ['999 nested ifs', `${'{{#if a}}'.repeat(999)}x${'{{/if}}'.repeat(999)}`, /nested deeper than 20/],
    ['21 nested ifs', `${'{{#if a}}'.repeat(21)}x${'{{/if}}'.repeat(21)}`, /nested deeper than 20/],
    ['30 else ifs', `{{#if a}}${'{{else if a}}'.repeat(30)}{{/if}}`, /nested deeper than 20/],
    ['1 MB', 'x'.repeat(1_048_576), /longer than 65,536/],
    ['a comment that never ends', `${'{{!'.repeat(1_900)}`, /Line 1/],
    ['brackets that never end', `${'{{['.repeat(1_900)}`, /Line 1/],
  ])('%s', (_, source, message) => {
    const began = performance.now();
    expect(faults({ body: source })[0]).toMatchObject({
      path: 'content.body',
      message: expect.stringMatching(message),
    });
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test.each(['{{{x}}}', '{{&x}}', '<p>{{#if a}}{{{x}}}{{/if}}'])('%s in HTML', (source) => {
    expect(faults({ html: source })[0]?.message).toMatch(/always escaped/);
  });

  test.each([
    '{{#if a}}x{{/if}}'.repeat(800),
    `${'{{#if a}}'.repeat(20)}x${'{{/if}}'.repeat(20)}`,
    'x'.repeat(65_536),
  ])('at the limits it is fine', (source) => expect(faults({ body: source })).toEqual([]));

  test('a limit is told apart from a mistake', () => {
    expect(faults({ body: 'x'.repeat(70_000) })[0]?.costly).toBe(true);
    expect(faults({ body: '{{' })[0]?.costly).toBe(false);
  });

  test('a parsed template given as an object is content like any other: its strings are texts', () => {
    const ast = {
      type: 'Program',
      body: [{ type: 'MustacheStatement', path: { type: 'PathExpression', original: '{{x}}' } }],
    };
    expect(render({ blocks: [ast] }, { x: 1 })).toEqual({
      blocks: [
        { type: 'Program', body: [{ type: 'MustacheStatement', path: { type: 'PathExpression', original: '1' } }] },
      ],
    });
  });
});

describe('what rendering costs', () => {
  test.each<[string, string, Data]>([
    ['a value of 1 MB', '{{a}}', { a: 'x'.repeat(1_000_000) }],
    ['a value printed often', '{{#each a}}{{../v}}{{/each}}', { a: Array(1_000).fill(1), v: 'x'.repeat(10_000) }],
    ['loops in loops', '{{#each a}}{{#each ../a}}{{this}}{{/each}}{{/each}}', { a: Array(1_000).fill('x') }],
    ['empty loops in loops', '{{#each a}}{{#each ../a}}{{/each}}{{/each}}', { a: Array(1_000).fill('x') }],
    ['helpers in loops', '{{#each a}}{{#each ../a}}{{number this}}{{/each}}{{/each}}', { a: Array(1_000).fill(1) }],
  ])('%s stops at the limit', (_, source, data) => {
    const program = compile({ body: source }, schema);
    const began = performance.now();
    expect(() => program.render(data, { language: 'en' })).toThrow(expect.objectContaining({ reason: 'large' }));
    program.judge(data, { language: 'en' });
    expect(performance.now() - began).toBeLessThan(500);
  });

  const json = fc
    .jsonValue({ maxDepth: 4 })
    .map((value) => ({ a: value, b: value, c: value, d: value, name: value }) as Data);
  test('no data makes a template throw anything but a RenderError', () => {
    const program = compile(
      {
        body: '{{name}}{{#if a}}{{upper c}}{{/if}}{{#each a}}{{this}}{{@index}}{{/each}}{{#with b}}{{x}}{{/with}}',
        html: '{{default name "x"}}{{#each d as |i|}}{{#each i.list}}{{../x}}{{date day zone="UTC"}}{{/each}}{{/each}}',
      },
      schema,
      {},
    );
    fc.assert(
      fc.property(json, (data) => {
        const { missing, faults: wrong } = program.judge(data, { language: 'de' });
        let thrown: unknown;
        try {
          program.render(data, { language: 'de' });
        } catch (error) {
          thrown = error;
          expect(error).toBeInstanceOf(RenderError);
        }
        // What was judged good renders, and what was judged bad does not.
        expect(thrown === undefined).toBe(missing.length + wrong.length === 0);
        program.draft(data, { language: 'de' });
      }),
      { numRuns: 300 },
    );
  });

  const piece = fc.constantFrom(
    '{{a}}',
    '{{b.c}}',
    '{{#if a}}',
    '{{else}}',
    '{{/if}}',
    '{{#each l}}',
    '{{/each}}',
    '{{this}}',
    '{{../a}}',
    '{{@index}}',
    '{{upper a}}',
    '{{',
    '}}',
    '{{{',
    '}}}',
    '{{> p}}',
    '{{#with b}}',
    '{{/with}}',
    '\\{{',
    '{{!--',
    '--}}',
    '{{date d}}',
    '{{#each l as |x y|}}',
    '{{x}}',
    '{{__proto__}}',
    '~',
    '[',
    '|',
    '"',
    '\n',
    'text ',
    '{{else if b}}',
    '(',
    ')',
  );
  test('no text makes the reader throw, and what it passes stays within the limits', () => {
    const source = fc.oneof(
      fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
      fc.string({ maxLength: 60 }),
    );
    fc.assert(
      fc.property(source, json, (body, data) => {
        const { faults: found, program } = analyse({ body }, schema);
        if (found.length > 0) return;
        try {
          const result = program.render({ ...data, l: [1, { c: 2 }] }, { language: 'en' });
          expect(String(result.body).length).toBeLessThanOrEqual(LIMITS.output);
        } catch (error) {
          expect(error).toBeInstanceOf(RenderError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
