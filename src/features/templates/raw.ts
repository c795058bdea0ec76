/**
 * Raw mode: `{{name}}` in text that came with the request, filled from `data` alone. One pass, no blocks, no helpers;
 * braces around anything that is not a name are text.
 */
import type { Data } from './door.ts';
import { RenderError } from './render-error.ts';

const PLACEHOLDER = /\{\{\s*([\p{L}_][\p{L}\p{N}_-]*(?:\.[\p{L}\p{N}_-]+)*)\s*\}\}/gu;
const OUTPUT_MAX = 1_048_576;

/** The distinct names this text wants, in order of appearance. */
export function rawVariables(text: string): readonly string[] {
  if (!text.includes('{{')) return [];
  return [...new Set(Array.from(text.matchAll(PLACEHOLDER), ([, name]) => name as string))];
}

/** The value of a dotted name among own properties; `undefined` when it is not there or null. */
export function valueAt(data: Data, name: string): unknown {
  let value: unknown = data;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value ?? undefined;
}

/** The text with every value in its place. Throws `RenderError`. */
export function fillRaw(text: string, data: Data, write: (value: string) => string = (value) => value): string {
  if (!text.includes('{{')) return text;
  let length = text.length;
  return text.replace(PLACEHOLDER, (_, name: string) => {
    const value = valueAt(data, name);
    if (value === undefined) throw new RenderError('missing', name, `data.${name} is missing; the text prints it.`);
    if (typeof value === 'object')
      throw new RenderError('wrong', name, `data.${name} must be a text, a number or a boolean; the text prints it.`);
    const shown = write(String(value));
    length += shown.length;
    if (length > OUTPUT_MAX)
      throw new RenderError('large', '', `The text is longer than ${OUTPUT_MAX.toLocaleString('en')} characters.`);
    return shown;
  });
}
