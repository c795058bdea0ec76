/**
 * What the data of a template must look like, learned from how its names are used. One shape grows over all contents of a
 * version, so a name that is a text in one channel and a list in another is noticed when the version is saved.
 */
import type { Data, Declarations, VariableKind } from './door.ts';

export interface Shape {
  kind: VariableKind | undefined;
  /** Printed outside every condition and loop. */
  printed: boolean;
  readonly fields: Map<string, Shape>;
  item: Shape | undefined;
}

export const newShape = (kind?: VariableKind): Shape => ({ kind, printed: false, fields: new Map(), item: undefined });

/** The shape at `parts` below `shape`, used as `kind`. Returns the kind it already has where the two cannot both be true. */
export function use(shape: Shape, parts: readonly string[], kind: VariableKind): Shape | VariableKind {
  let at = shape;
  for (const part of parts) {
    const position = /^\d+$/.test(part);
    const clash = become(at, position ? 'list' : 'object');
    if (clash) return clash;
    if (position) {
      at.item ??= newShape();
      at = at.item;
    } else {
      const known = at.fields.get(part) ?? newShape();
      at.fields.set(part, known);
      at = known;
    }
  }
  return become(at, kind) ?? at;
}

/** Specific beats vague: a name that is asked for and printed is a text, one that is printed and formatted a number. */
function become(shape: Shape, kind: VariableKind): VariableKind | undefined {
  const known = shape.kind;
  if (known === undefined || known === 'flag' || (known === 'text' && (kind === 'number' || kind === 'date')))
    shape.kind = kind === 'flag' ? (known ?? 'flag') : kind;
  else if (kind !== known && kind !== 'flag' && !(kind === 'text' && (known === 'number' || known === 'date')))
    return known;
  return undefined;
}

/** Data that fills every name: the declared example, else the default, else what `leaf` makes of a name and its kind. */
export function sampleData(
  shape: Shape,
  declared: Declarations,
  leaf: (name: string, kind: VariableKind) => unknown,
): Data {
  const entries = [...shape.fields].map(([name, field]) => {
    const said = Object.hasOwn(declared, name) ? declared[name] : undefined;
    return [name, said?.example ?? said?.default ?? sample(name, field, leaf)] as const;
  });
  return Object.fromEntries(entries);
}

function sample(name: string, shape: Shape, leaf: (name: string, kind: VariableKind) => unknown): unknown {
  if (shape.kind === 'list') return [shape.item ? sample(name, shape.item, leaf) : leaf(name, 'text')];
  if (shape.kind === 'object')
    return Object.fromEntries([...shape.fields].map(([key, field]) => [key, sample(key, field, leaf)]));
  return leaf(name, shape.kind ?? 'text');
}
