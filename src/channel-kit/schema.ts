/**
 * Small additions to TypeBox for content schemas. The renderer and the validator know these extra keywords:
 * `x-literal: true` (this value is the provider's own text and is never rendered).
 */
import { type StringOptions, type TUnsafe, Type } from '@sinclair/typebox';

/** One of these words. An `enum` instead of a union of constants, so that the error names all of them at once. */
export const choice = <const T extends readonly string[]>(values: T, options: StringOptions = {}): TUnsafe<T[number]> =>
  Type.Unsafe<T[number]>({ ...options, type: 'string', enum: [...values] });

/** Text that a person will read: at least one visible character. */
export const words = (maxLength: number, options: StringOptions = {}) =>
  Type.String({ ...options, minLength: 1, maxLength, pattern: '\\S' });

/** For `anyOf` and `oneOf` of an object: these properties must be there. */
export const having = (...names: readonly string[]) => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, {}])),
  required: [...names],
});
