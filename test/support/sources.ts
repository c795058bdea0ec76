/** The project's own files as text, and what each imports: what the guard tests look at. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { projectRoot } from '../../src/lib/config.ts';

/** Path from the project's root → text. */
export type Sources = ReadonlyMap<string, string>;

/** Every file that is in the repository or would be with the next commit. */
export function projectFiles(): readonly string[] {
  return execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: projectRoot,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((path) => path && existsSync(join(projectRoot, path)));
}

export const readProjectFile = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');

export const sources = (pattern: RegExp): Sources =>
  new Map(
    projectFiles()
      .filter((path) => pattern.test(path))
      .map((path) => [path, readProjectFile(path)]),
  );

export interface Import {
  readonly from: string;
  /** Path from the root for a file of ours, else the name of the package. */
  readonly to: string;
  readonly ours: boolean;
  /** Gone after compilation. */
  readonly typeOnly: boolean;
  /** `export … from`. */
  readonly reExport: boolean;
}

const STATEMENT = /^\s*(import|export)\s(?:([^'";]*?)\sfrom\s*)?'([^']+)'/gm;
const DYNAMIC = /\bimport\(\s*'([^']+)'/g;

export function importsOf(path: string, text: string): readonly Import[] {
  const make = (specifier: string, typeOnly: boolean, reExport: boolean): Import => {
    const ours = specifier.startsWith('.');
    return {
      from: path,
      to: ours ? posix.normalize(`${dirname(path)}/${specifier}`) : specifier,
      ours,
      typeOnly,
      reExport,
    };
  };
  const code = withoutComments(text);
  return [
    ...[...code.matchAll(STATEMENT)].map(([, word, clause = '', specifier = '']) =>
      make(specifier, isTypeOnly(clause), word === 'export'),
    ),
    ...[...code.matchAll(DYNAMIC)].map(([, specifier = '']) => make(specifier, false, false)),
  ];
}

function isTypeOnly(clause: string): boolean {
  if (/^type\b/.test(clause)) return true;
  const names = /^\{([\s\S]*)\}$/.exec(clause.trim())?.[1];
  return names
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean)
    .every((name) => name.startsWith('type '))
    ? names.trim() !== ''
    : false;
}

const TOKEN = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;

/** Comments become spaces; lines stay where they are. */
export const withoutComments = (text: string): string =>
  text.replace(TOKEN, (token) => (token.startsWith('/') ? blank(token) : token));

/** Comments and texts become spaces; what stands in `${…}` is code and stays. */
export const codeOnly = (text: string): string =>
  text.replace(TOKEN, (token) => {
    if (token.startsWith('/')) return blank(token);
    if (!token.startsWith('`')) return `'${' '.repeat(token.length - 2)}'`;
    const parts = token.slice(1, -1).split(/(\$\{[^}]*\})/);
    return `\`${parts.map((part) => (part.startsWith('${') ? part : blank(part))).join('')}\``;
  });

const blank = (text: string): string => text.replace(/[^\n]/g, ' ');

/** `path:line` of every match. */
export function places(path: string, text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(new RegExp(pattern, 'g'))].map(
    ({ index }) => `${path}:${text.slice(0, index).split('\n').length}`,
  );
}

/** Every string of the code, without its quotes. */
export const stringsOf = (text: string): readonly { readonly value: string; readonly line: number }[] =>
  [...text.matchAll(TOKEN)]
    .filter(([token]) => !token.startsWith('/'))
    .map(({ 0: token, index }) => ({ value: token.slice(1, -1), line: text.slice(0, index).split('\n').length }));
