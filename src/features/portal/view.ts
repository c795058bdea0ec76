/**
 * Words to pages: reads the Handlebars files of `templates/portal` once, and renders a page inside its layout. Whatever a
 * stranger wrote is escaped here; only markup of our own making passes as markup.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import Handlebars from 'handlebars';
import { projectRoot } from '../../lib/config.ts';
import { bytes, exact, relative } from './words.ts';

export interface View {
  /** A whole document: the page inside its layout. `now` makes times relative. */
  render(page: string, layout: string, context: Readonly<Record<string, unknown>> & { readonly now: Date }): string;
  /** A file under /portal/assets/ by its hashed name; undefined when there is none. */
  /** The hashed address of a file of ours. */
  assetUrl(name: string): string;
  asset(file: string): { readonly bytes: Buffer; readonly type: string } | undefined;
}

/** Markup that we made ourselves, out of escaped text. */
export const safe = (markup: string): Handlebars.SafeString => new Handlebars.SafeString(markup);

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

export function createView(folder: string = join(projectRoot, 'templates', 'portal')): View {
  const engine = Handlebars.create();
  const { files, urls } = readAssets(join(folder, 'assets'));
  registerHelpers(engine, urls);
  const read = (kind: string) =>
    readdirSync(join(folder, kind), { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.hbs'))
      .map((name) => ({
        name: name.slice(0, -4).replaceAll(sep, '/'),
        text: readFileSync(join(folder, kind, name), 'utf8'),
      }));
  for (const { name, text } of read('partials')) engine.registerPartial(name, text);
  const compile = (kind: string) =>
    new Map(read(kind).map(({ name, text }) => [name, engine.compile(text, { preventIndent: true })]));
  const pages = compile('pages');
  const layouts = compile('layouts');
  return {
    render(page, layout, context) {
      const inner = pages.get(page);
      const outer = layouts.get(layout);
      if (!inner || !outer) throw new Error(`no page ${page} or no layout ${layout}`);
      return outer({ ...context, content: safe(inner(context)) });
    },
    assetUrl: (name) => urls.get(name) ?? '',
    asset: (file) => files.get(file),
  };
}

/** Hashed names, so that a browser may keep a file for ever. */
function readAssets(folder: string) {
  const files = new Map<string, { bytes: Buffer; type: string }>();
  const urls = new Map<string, string>();
  for (const name of readdirSync(folder)) {
    const bytes = readFileSync(join(folder, name));
    const dot = name.lastIndexOf('.');
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
    const hashed = `${name.slice(0, dot)}.${hash}${name.slice(dot)}`;
    files.set(hashed, { bytes, type: TYPES[name.slice(dot + 1)] ?? 'application/octet-stream' });
    urls.set(name, `/portal/assets/${hashed}`);
  }
  return { files, urls };
}

const SHAPES: Readonly<Record<string, string>> = {
  queued: '<circle cx="6" cy="6" r="4.6" fill="none" stroke="currentColor" stroke-width="1.6"/>',
  sent: '<circle cx="6" cy="6" r="4.6" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M6 1.4a4.6 4.6 0 0 0 0 9.2Z" fill="currentColor"/>',
  delivered: '<circle cx="6" cy="6" r="5.2" fill="currentColor"/>',
  failed: '<path d="M6 .8 11.600 10.800H.4Z" fill="currentColor"/>',
};
const ICONS: Readonly<Record<string, string>> = {
  home: '<path d="M2.500 7 8 2.500 13.500 7v6.500h-4v-4h-3v4h-4Z"/>',
  activity: '<path d="M1.500 8.500h3l2-5.500 3.500 10 2-4.500h2.500"/>',
  inbox: '<path d="M2 3.500h12v8H7.500L4.500 14v-2.500H2Z"/><path d="M5 6.500h6M5 9h3.500"/>',
  contacts: '<circle cx="8" cy="5.500" r="2.700"/><path d="M2.800 13.700a5.200 5.200 0 0 1 10.400 0"/>',
  outbox:
    '<path d="M1.800 9.500 4 3h8l2.200 6.500v3.700H1.800Z"/><path d="M1.800 9.500h3.700l1 1.700h3l1-1.700h3.700"/>',
  campaigns:
    '<path d="M2 6.500v3h2.500l6.500 3.500V3L4.500 6.500ZM13.300 6a3 3 0 0 1 0 4M4.800 9.700l.900 3.800h1.800"/>',
  templates:
    '<path d="M3.500 1.800h6l3 3v9.400h-9Z"/><path d="M9.300 1.800v3.200h3.200M5.800 8.300h4.500M5.800 11h3"/>',
  channels: '<path d="M5.500 1.800v3M10.500 1.800v3M3.500 4.800h9v2.700a4.500 4.500 0 0 1-9 0ZM8 12v2.500"/>',
  webhooks:
    '<circle cx="8" cy="4" r="2.3"/><circle cx="3.500" cy="12" r="2.3"/><circle cx="12.500" cy="12" r="2.3"/><path d="M7 6.100 4.600 10M5.800 12h4.400M11.400 10 9.100 6.100"/>',
  alerts: '<path d="M4 11V7.500a4 4 0 0 1 8 0V11l1.300 1.500H2.700ZM6.700 14.300h2.600"/>',
  keys: '<circle cx="5" cy="11" r="3"/><path d="m7.200 8.800 6-6M10.800 5.200l2 2M9 7l1.300 1.300"/>',
  settings:
    '<path d="M2 4.500h6.800M12.600 4.500H14M2 11.500h1.400M7.200 11.500H14"/><circle cx="10.700" cy="4.500" r="1.900"/><circle cx="5.300" cy="11.500" r="1.900"/>',
  guide:
    '<path d="M2 3h4.200A1.800 1.800 0 0 1 8 4.800v8.700A1.800 1.800 0 0 0 6.200 12H2ZM14 3H9.800A1.800 1.800 0 0 0 8 4.800v8.700A1.800 1.800 0 0 1 9.800 12H14Z"/>',
  reference: '<path d="M5.500 4 1.800 8l3.700 4M10.500 4l3.700 4-3.700 4M9 2.500 7 13.500"/>',
  more: '<path d="M3 8h.01M8 8h.01M13 8h.01" stroke-width="2.500"/>',
  check: '<path d="m2.500 6.200 2.300 2.300 4.700-5"/>',
  play: '<path d="M4.500 2.800v10.400L13 8Z"/>',
};

function registerHelpers(engine: typeof Handlebars, urls: ReadonlyMap<string, string>): void {
  const plain = Handlebars.escapeExpression;
  const shape = (status: unknown) =>
    `<svg viewBox="0 0 12 12" aria-hidden="true">${SHAPES[String(status)] ?? SHAPES.queued}</svg>`;
  const nowOf = (options: Handlebars.HelperOptions) => (options.data.root as { now: Date }).now;
  engine.registerHelper({
    asset: (name: string) => {
      const url = urls.get(name);
      if (!url) throw new Error(`no asset ${name}`);
      return url;
    },
    eq: (a: unknown, b: unknown) => a === b,
    not: (a: unknown) => !a,
    or: (...all: unknown[]) => all.slice(0, -1).find(Boolean) ?? false,
    and: (...all: unknown[]) => all.slice(0, -1).every(Boolean),
    some: (list: unknown) => Array.isArray(list) && list.length > 0,
    concat: (...all: unknown[]) => all.slice(0, -1).join(''),
    join: (list: readonly string[]) => list.join(', '),
    get: (object: Readonly<Record<string, unknown>> | undefined, name: string) =>
      object && Object.hasOwn(object, name) ? object[name] : undefined,
    json: (value: unknown) => JSON.stringify(value, null, 2),
    count: (value: number) => value.toLocaleString('en'),
    plural: (count: number, one: string, many: string) => `${count.toLocaleString('en')} ${count === 1 ? one : many}`,
    size: bytes,
    encode: (value: unknown) => encodeURIComponent(String(value)),
    icon: (name: string) => safe(`<svg class="i" viewBox="0 0 16 16" aria-hidden="true">${ICONS[name] ?? ''}</svg>`),
    tick: () => safe(`<svg viewBox="0 0 12 12" aria-hidden="true">${ICONS.check}</svg>`),
    shape: (status: unknown) => safe(shape(status)),
    st: (status: unknown, words: unknown) =>
      safe(
        `<span class="st st-${plain(String(status))}">${shape(status)}${plain(typeof words === 'string' ? words : String(status))}</span>`,
      ),
    ago: (iso: unknown, options: Handlebars.HelperOptions) =>
      typeof iso === 'string' && !Number.isNaN(Date.parse(iso))
        ? safe(
            `<time datetime="${plain(iso)}" title="${plain(exact(iso))}">${plain(relative(iso, nowOf(options)))}</time>`,
          )
        : '',
    clock: (iso: string) =>
      safe(`<time datetime="${plain(iso)}" title="${plain(exact(iso))}">${plain(exact(iso).slice(11, 19))}</time>`),
  });
}
