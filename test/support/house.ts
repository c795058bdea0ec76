/** The law of who may import whom, and of what may be said where. Pure over file texts, so that a planted fault can be tried. */
import { codeOnly, type Import, importsOf, places, type Sources, stringsOf } from './sources.ts';

const TOP = new Set(['main', 'cli', 'bulk', 'custody', 'keys', 'tenants', 'doctor', 'verify', 'terminal', 'plugins']);
const COMPOSITION = new Set(['deps', 'app', 'worker', 'metrics']);

interface Room {
  readonly kind:
    | 'top'
    | 'composition'
    | 'lib'
    | 'kit'
    | 'migrations'
    | 'list'
    | 'channels'
    | 'unknown'
    | 'feature'
    | 'channel';
  /** Of the feature or the channel. */
  readonly name?: string;
}

function roomOf(path: string): Room {
  const [first = '', second = '', third] = path.split('/');
  if (first === 'migrations') return { kind: 'migrations' };
  if (first === 'channels') return third ? { kind: 'channel', name: second } : { kind: 'channels' };
  if (first !== 'src') return { kind: 'unknown' };
  if (second === 'lib') return { kind: 'lib' };
  if (second === 'channel-kit') return { kind: 'kit' };
  if (second === 'features') return third === 'index.ts' ? { kind: 'list' } : { kind: 'feature', name: third ?? '' };
  const name = second.replace(/\.\w+$/, '');
  if (TOP.has(name)) return { kind: 'top' };
  return COMPOSITION.has(name) ? { kind: 'composition' } : { kind: 'unknown' };
}

const isDoor = (path: string): boolean => /^src\/(features\/[^/]+|channel-kit)\/index\.ts$/.test(path);

/** What is wrong with one import; undefined when it may stand. */
function judge({ from, to, reExport }: Import, features: readonly string[]): string | undefined {
  const a = roomOf(from);
  const b = roomOf(to);
  const no = (reason: string) => `${from} imports ${to}: ${reason}`;
  if (a.kind === 'unknown') return no('the importing file is in no known room');
  if (b.kind === 'unknown') return no('the imported file is in no known room');
  if (b.kind === 'list') return undefined;
  switch (a.kind) {
    case 'lib':
      return b.kind === 'lib' ? undefined : no('lib imports nothing of ours');
    case 'kit':
      return b.kind === 'kit' ? undefined : no('channel-kit imports nothing of ours');
    case 'migrations':
      return b.kind === 'migrations' ? undefined : no('migrations import nothing of ours');
    case 'channels':
    case 'channel':
      if (b.kind === 'kit') return isDoor(to) ? undefined : no('channel-kit is entered through its index.ts');
      if (b.kind === 'channels') return undefined;
      if (b.kind === 'channel')
        return a.kind === 'channels' || a.name === b.name ? undefined : no('a channel does not know another');
      return no('channels see channel-kit alone');
    case 'feature':
      return judgeFeature(a.name ?? '', b, from, to, reExport, features, no);
    case 'composition':
      if (b.kind === 'channels' || b.kind === 'channel')
        return from === 'src/deps.ts' && to === 'channels/index.ts' ? undefined : no('only deps.ts knows the channels');
      if (b.kind === 'feature') return isDoor(to) ? undefined : no('a feature is entered through its index.ts');
      if (b.kind === 'composition') return to === 'src/deps.ts' ? undefined : no('only deps.ts is for others');
      return b.kind === 'top' || b.kind === 'migrations' ? no('the arrow points the other way') : undefined;
    case 'top':
      if (b.kind === 'channels' || b.kind === 'channel') return no('only deps.ts knows the channels');
      return b.kind === 'feature' && !isDoor(to) ? no('a feature is entered through its index.ts') : undefined;
  }
  return undefined;
}

function judgeFeature(
  name: string,
  b: Room,
  from: string,
  to: string,
  reExport: boolean,
  features: readonly string[],
  no: (reason: string) => string,
): string | undefined {
  if (b.kind === 'lib') return undefined;
  if (b.kind === 'kit') return isDoor(to) ? undefined : no('channel-kit is entered through its index.ts');
  if (b.kind !== 'feature') return no('a feature imports features before it, lib and channel-kit');
  if (b.name === name)
    return reExport && isDoor(from) && /store\.ts$/.test(to) ? no('a store is not shown at the door') : undefined;
  if (!isDoor(to)) return no('a feature is entered through its index.ts');
  const [mine, theirs] = [features.indexOf(name), features.indexOf(b.name ?? '')];
  if (mine < 0) return no(`${name} is not in the list of features`);
  return theirs >= 0 && theirs < mine
    ? undefined
    : no(`${b.name} does not come before ${name} in the list of features`);
}

/** Every import that breaks the law. */
export const importFaults = (files: Sources, features: readonly string[]): readonly string[] =>
  [...files].flatMap(([path, text]) =>
    importsOf(path, text).flatMap((one) => (one.ours ? (judge(one, features) ?? []) : [])),
  );

/** Rings of imports that remain after compilation, each as its path. */
export function cycles(files: Sources): readonly string[] {
  const next = new Map(
    [...files].map(([path, text]) => [
      path,
      importsOf(path, text)
        .filter(({ ours, typeOnly }) => ours && !typeOnly)
        .map(({ to }) => to),
    ]),
  );
  const found = new Set<string>();
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) return void found.add([...trail.slice(at), path].join(' → '));
    if (done.has(path)) return;
    for (const to of next.get(path) ?? []) walk(to, [...trail, path]);
    done.add(path);
  };
  for (const path of next.keys()) walk(path, []);
  return [...found];
}

const GLOBALS = [
  { name: 'process.env', pattern: /\bprocess\.env\b/ },
  { name: 'new Date() without an argument', pattern: /\bnew Date\(\s*\)/ },
  { name: 'the global fetch', pattern: /(?<![.\w])(globalThis\.)?fetch\(/ },
  { name: 'console', pattern: /(?<![.\w])console\.\w+\(/ },
] as const;

/** A `fetch` that was handed in is not the global one. */
const HANDED_IN = /[({,]\s*fetch\s*[,:})]/;

/** What only lib may touch. `terminal.ts` speaks to a person and may use the console; nobody else may. */
export const globalFaults = (files: Sources): readonly string[] =>
  [...files].flatMap(([path, text]) => {
    if (path.startsWith('src/lib/')) return [];
    const code = codeOnly(text);
    return GLOBALS.flatMap(({ name, pattern }) =>
      (name === 'console' && path === 'src/terminal.ts') || (name === 'the global fetch' && HANDED_IN.test(code))
        ? []
        : places(path, code, pattern).map((place) => `${place}: ${name} is for lib alone`),
    );
  });

/** A channel's id as a string of its own, outside its folder. */
export const channelFaults = (files: Sources, ids: readonly string[]): readonly string[] =>
  [...files].flatMap(([path, text]) =>
    stringsOf(text).flatMap(({ value, line }) =>
      ids.includes(value) && !path.startsWith(`channels/${value}/`) ? [`${path}:${line}: names ${value}`] : [],
    ),
  );
