/**
 * Reading what a stranger sent. Nothing here throws: a value that is not there, or is not of the kind asked for, is
 * `undefined` or empty, so that a callback parser is total without a single try.
 */

/** The JSON in these bytes, `undefined` when it is not JSON. */
export function parseJson(bytes: Buffer | string): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

/** What stands at this path, own properties only. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}

/** The text or number at this path, as text. */
export function textAt(value: unknown, ...path: readonly (string | number)[]): string | undefined {
  const found = at(value, ...path);
  if (typeof found === 'string') return found;
  return typeof found === 'number' && Number.isFinite(found) ? String(found) : undefined;
}

/** The list at this path, empty when there is none. */
export function listAt(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** The fields of a form post; of a repeated name, the first. */
export function formOf(body: Buffer): Readonly<Record<string, string>> {
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(body.toString())) fields[name] ??= value;
  return fields;
}

/** Seconds since 1970 as a date, `undefined` when it is none. */
export function unixDate(seconds: string | undefined): Date | undefined {
  return dateOrNothing(Number(seconds ?? Number.NaN) * 1_000);
}

/** A date in any form the platform reads (RFC 2822, ISO 8601), `undefined` when it is none. */
export function dateOf(text: string | undefined): Date | undefined {
  return dateOrNothing(Date.parse(text ?? ''));
}

function dateOrNothing(milliseconds: number): Date | undefined {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** A stranger's text that the store can hold: no U+0000, no half characters, no more than `max` UTF-16 units. */
export const storable = (text: string, max: number): string =>
  text.length <= max && !SURROGATE.test(text) && !text.includes('\u0000')
    ? text
    : text.slice(0, max).replaceAll('\u0000', '').replace(LONE_SURROGATE, '\uFFFD');
/** Most texts have nothing of the kind. */
const SURROGATE = /[\uD800-\uDFFF]/;
const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
