/**
 * Forms: what was typed, and what was wrong with it. A refusal of a door becomes a sentence beside the field it is about;
 * what is about no field stands above the form.
 */
import { ApiError } from '../../lib/errors.ts';

/** What was typed, one text a name. */
export type Fields = Readonly<Record<string, string>>;

export interface Faults {
  /** About the form as a whole. */
  readonly general?: string;
  /** By the name of the input. */
  readonly fields: Readonly<Record<string, string>>;
}

export const noFaults: Faults = { fields: {} };

/** A single text of each field; of a field that came twice, the first. Line ends as people type them elsewhere. */
export function fieldsOf(body: unknown): Fields {
  const entries = Object.entries((body ?? {}) as Record<string, string | string[]>);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, (Array.isArray(value) ? (value[0] ?? '') : value).replaceAll('\r\n', '\n')]),
  );
}

/** Every value of a field that may come more than once, such as a list of ticked boxes. */
export function valuesOf(body: unknown, name: string): readonly string[] {
  const value = ((body ?? {}) as Record<string, string | string[] | undefined>)[name];
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

/**
 * The faults of a refusal, with paths such as `credentials.host` turned into the names of inputs by `named`.
 * A refusal of another kind than "this was not right" is not the form's to show, and is thrown on.
 */
export function faultsOf(error: unknown, named: (path: string) => string | undefined): Faults {
  if (!(error instanceof ApiError) || error.status >= 500 || error.status === 401 || error.status === 404) throw error;
  const listed = Array.isArray(error.details?.fields) ? error.details.fields : [];
  const found: [string, string][] = listed.flatMap((fault: { path?: unknown; message?: unknown }) => {
    const name = named(String(fault.path));
    return name === undefined ? [] : [[name, sentence(String(fault.message))] as [string, string]];
  });
  if (found.length > 0 && found.length === listed.length) return { fields: Object.fromEntries(found) };
  const name = error.param === undefined ? undefined : named(error.param);
  if (name !== undefined && listed.length === 0) return { fields: { [name]: error.message } };
  return { general: error.message, fields: Object.fromEntries(found) };
}

/** Names of inputs that are equal to the last part of the path. */
export const lastPart =
  (...names: readonly string[]) =>
  (path: string): string | undefined =>
    names.find((name) => name === path || path.endsWith(`.${name}`));

/** A fault of a field begins in the middle: `must be …`. */
export const sentence = (text: string) => {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
};
