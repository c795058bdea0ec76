/**
 * Reading JSON that a stranger wrote. What cannot be stored or would surprise later is refused here, once, for every route:
 * depth, number of properties and values, names that reach into prototypes, numbers a double cannot hold, U+0000.
 */
import { ApiError } from './errors.ts';
import { type FieldFault, invalid } from './schema.ts';

export interface JsonLimits {
  /** Default 32. */
  readonly depth?: number;
  /** Default 1,000. */
  readonly properties?: number;
  /** Default 20,000. */
  readonly values?: number;
}

/** Commas outside of texts. Validation tells every fault of every value, so a list of a million is a million faults. */
const VALUES_MAX = 20_000;
/** Characters. A property takes four of them at least. */
const SHORT = 2_000;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const REACHING = new Set(['__proto__', 'constructor', 'prototype']);

/** A JSON object from raw bytes. Throws `malformed_json`, `too_deep`, `too_many_properties`, `validation_failed`. */
export function readJsonObject(bytes: Buffer, limits: JsonLimits = {}): Record<string, unknown> {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new ApiError('malformed_json', 'The body is not valid UTF-8.');
  }
  const depth = limits.depth ?? 32;
  // A short text cannot hold too much, and how deep it is shows when it is inspected.
  if (text.length > SHORT) measure(text, depth, limits.properties ?? 1_000, limits.values ?? VALUES_MAX);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ApiError('malformed_json', `The body is not valid JSON: ${(error as Error).message.slice(0, 120)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ApiError('malformed_json', 'The body must be a JSON object.');
  if (!isClean(value, depth)) {
    const faults: FieldFault[] = [];
    inspect(value, '', faults, depth);
    if (faults.length > 0) throw invalid(faults);
  }
  return value as Record<string, unknown>;
}

/** Before parsing, because the parser itself accepts a million nested arrays and only the printer dies of them. */
function measure(text: string, depthMax: number, propertiesMax: number, valuesMax: number): void {
  let depth = 0;
  let properties = 0;
  let values = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 92) i++;
      else if (c === 34) inString = false;
    } else if (c === 34) inString = true;
    else if (c === 123 || c === 91) {
      if (++depth > depthMax) throw new ApiError('too_deep');
    } else if (c === 125 || c === 93) depth--;
    else if ((c === 58 && ++properties > propertiesMax) || (c === 44 && ++values > valuesMax))
      throw new ApiError('too_many_properties');
  }
}

/** The questions of `inspect`, without an answer to "where": nearly every body is clean. */
function isClean(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\u0000');
  if (typeof value === 'number')
    return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
  if (value === null || typeof value !== 'object') return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isClean(item, depth - 1));
  for (const name in value) {
    if (REACHING.has(name) || !isClean(name, 1)) return false;
    if (!isClean((value as Record<string, unknown>)[name], depth - 1)) return false;
  }
  return true;
}

function inspect(value: unknown, path: string, faults: FieldFault[], depth: number): void {
  if (typeof value === 'string') {
    if (value.includes('\u0000')) faults.push({ path, message: 'holds U+0000, which cannot be stored; remove it' });
    else if (!value.isWellFormed())
      faults.push({ path, message: 'holds half a character (a lone surrogate); send whole characters' });
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
      faults.push({ path, message: 'is a number that would lose digits; send it as a string' });
  } else if (Array.isArray(value)) {
    if (depth === 0) throw new ApiError('too_deep');
    for (const [index, item] of value.entries())
      inspect(item, path ? `${path}.${index}` : String(index), faults, depth - 1);
  } else if (value !== null && typeof value === 'object') {
    if (depth === 0) throw new ApiError('too_deep');
    for (const [name, item] of Object.entries(value)) {
      const at = path ? `${path}.${name}` : name;
      if (REACHING.has(name)) faults.push({ path: at, message: 'is a name that is not allowed' });
      else if (name.includes('\u0000')) faults.push({ path, message: 'has a field name with U+0000; remove it' });
      else if (!name.isWellFormed())
        faults.push({
          path,
          message: 'has a field name with half a character (a lone surrogate); send whole characters',
        });
      else inspect(item, at, faults, depth - 1);
    }
  }
}
/** The same JSON whatever the order of its keys: what an idempotency hash is taken of. */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  let out = '{';
  for (const name of sorted(Object.keys(value))) {
    const item = (value as Record<string, unknown>)[name];
    if (item !== undefined) out += `${out === '{' ? '' : ','}${quoted(name)}:${canonicalJson(item)}`;
  }
  return `${out}}`;
}

/** Nothing that JSON would escape. */
const PLAIN = /^[ !#-[\]-\ud7ff]*$/;
const quoted = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text));

/** In place; most objects have few keys, for which the general way costs more than the work. */
function sorted(names: string[]): string[] {
  if (names.length > 16) return names.sort();
  for (let i = 1; i < names.length; i++) {
    const name = names[i] as string;
    let at = i;
    for (; at > 0 && (names[at - 1] as string) > name; at--) names[at] = names[at - 1] as string;
    names[at] = name;
  }
  return names;
}
