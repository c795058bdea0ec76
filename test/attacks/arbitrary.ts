/** What a schema allows, and what it very nearly allows, as fast-check's arbitraries. */
import fc, { type Arbitrary } from 'fast-check';
import { INJECTIONS, STRANGE } from './payloads.ts';

type Schema = Record<string, any>;

/** Better guesses than a schema can give, by the name of a property. */
export type Hints = Readonly<Record<string, readonly unknown[]>>;

export function allowed(schema: Schema, hints: Hints, name = '', depth = 0): Arbitrary<unknown> {
  const hinted = hints[name];
  const own = byKind(schema, hints, name, depth);
  return hinted ? fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...hinted) }, { weight: 1, arbitrary: own }) : own;
}

function byKind(schema: Schema, hints: Hints, name: string, depth: number): Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  for (const union of [schema.anyOf, schema.oneOf])
    if (union)
      return fc.oneof(
        ...union.map((one: Schema) =>
          allowed({ ...schema, anyOf: undefined, oneOf: undefined, ...one }, hints, '', depth),
        ),
      );
  if (schema.allOf) return allowed(Object.assign({}, ...schema.allOf), hints, name, depth);
  const kinds: string[] = [schema.type].flat();
  if (kinds.length > 1) return fc.oneof(...kinds.map((type) => byKind({ ...schema, type }, hints, name, depth)));
  switch (kinds[0]) {
    case 'object':
      return object(schema, hints, depth);
    case 'array':
      return fc.array(allowed(schema.items ?? {}, hints, name, depth + 1), {
        minLength: Math.min(schema.minItems ?? 0, 3),
        maxLength: Math.min(schema.maxItems ?? 3, 3),
      });
    case 'string':
      return text(schema);
    case 'integer':
      return fc.integer({
        min: Math.max(schema.minimum ?? -10, -(2 ** 31)),
        max: Math.min(schema.maximum ?? 1_000, 2 ** 31 - 1),
      });
    case 'number':
      return fc.double({ min: schema.minimum ?? -10, max: schema.maximum ?? 1_000, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.oneof(fc.constantFrom<unknown>(...INJECTIONS), fc.jsonValue({ maxDepth: 2 }));
  }
}

function object(schema: Schema, hints: Hints, depth: number): Arbitrary<unknown> {
  const required: readonly string[] = schema.required ?? [];
  const members = Object.entries((schema.properties ?? {}) as Record<string, Schema>).map(([key, one]) =>
    allowed(one, hints, key, depth + 1).chain((value) =>
      required.includes(key) ? fc.constant([key, value]) : fc.constantFrom([key, value], undefined, undefined),
    ),
  );
  const [pattern, rest] = Object.entries((schema.patternProperties ?? {}) as Record<string, Schema>)[0] ?? [];
  const extra =
    rest ?? (typeof schema.additionalProperties === 'object' ? (schema.additionalProperties as Schema) : undefined);
  const more =
    extra && depth < 6
      ? fc.array(fc.tuple(keys(pattern), allowed(extra, hints, '', depth + 1)), { maxLength: 2 })
      : fc.constant([]);
  return fc
    .tuple(fc.tuple(...members), more)
    .map(([given, others]) =>
      Object.fromEntries([...given.filter((one) => one !== undefined), ...others] as [string, unknown][]),
    );
}

const keys = (pattern: string | undefined) =>
  pattern && !/^\^\(?\.\*\)?\$$/.test(pattern)
    ? matching(pattern)
    : fc.constantFrom(
        'sms',
        'email',
        'slack',
        'whatsapp',
        'voice',
        'en',
        'name',
        'body',
        'subject',
        'x',
        'a.b',
        'toString',
      );

function text({ format, pattern, minLength = 0, maxLength = 40 }: Schema): Arbitrary<string> {
  if (format === 'date-time')
    return fc
      .date({ min: new Date('1900-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
      .map((date) => date.toISOString());
  if (format === 'email') return fc.emailAddress();
  const free = fc.string({ minLength: Math.min(minLength, 50), maxLength: Math.min(maxLength, 60), unit: 'grapheme' });
  return pattern ? fc.oneof(matching(pattern), free) : fc.oneof(free, fc.constantFrom(...INJECTIONS));
}

function matching(pattern: string): Arbitrary<string> {
  try {
    return fc.stringMatching(new RegExp(pattern), { maxLength: 80 });
  } catch {
    // A look-ahead, which no generator reads.
    return fc.string({ minLength: 1, maxLength: 40 });
  }
}

/** One thing of it, anywhere, is replaced, taken away, or added. */
export const nearly = (value: Arbitrary<unknown>): Arbitrary<unknown> =>
  fc
    .tuple(
      value,
      fc.nat(),
      fc.oneof(fc.constantFrom<unknown>(...INJECTIONS), fc.constantFrom(...STRANGE)),
      fc.constantFrom('replace', 'replace', 'replace', 'remove', 'add'),
    )
    .map(([whole, seed, strange, how]) => {
      const copy = structuredClone(whole);
      const places: [any, string | number][] = [];
      const visit = (one: any): void => {
        if (typeof one !== 'object' || one === null) return;
        for (const key of Object.keys(one)) {
          places.push([one, key]);
          visit(one[key]);
        }
      };
      visit(copy);
      const [holder, key] = places[seed % Math.max(1, places.length)] ?? [];
      if (holder === undefined || key === undefined) return strange;
      if (how === 'remove') delete holder[key];
      else if (how === 'add' && !Array.isArray(holder))
        holder[typeof strange === 'string' ? strange : 'extra'] = strange;
      else holder[key] = strange;
      return copy;
    });
