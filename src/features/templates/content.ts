/**
 * One deep map over the strings of a channel's content, the same for all channels. The channel's schema says of each
 * string whether it is rendered at all (`x-literal`) and whether it is HTML.
 */
export interface Place {
  /** `['template', 'components', 0]` */
  readonly path: readonly (string | number)[];
  /** Values put here are escaped for HTML. */
  readonly html: boolean;
}

type SchemaNode = Readonly<Record<string, unknown>>;

/** What becomes of one value: nothing to do, or a function of the rendering. */
type Part<R> = ((run: R) => unknown) | undefined;

/**
 * `leaf` is asked once for every string; what it returns is called at every rendering. Parts without any such string are
 * not copied, so the result shares them with `content`: neither may be changed.
 */
export function mapContent<R>(
  content: unknown,
  schema: object,
  leaf: (text: string, place: Place) => ((run: R) => string) | undefined,
): (run: R) => unknown {
  const part = map(content, [schema as SchemaNode], [], leaf);
  return part ?? (() => content);
}

function map<R>(
  value: unknown,
  schemas: readonly SchemaNode[],
  path: readonly (string | number)[],
  leaf: (text: string, place: Place) => ((run: R) => string) | undefined,
): Part<R> {
  if (schemas.some((schema) => schema['x-literal'] === true)) return undefined;
  if (typeof value === 'string')
    return leaf(value, { path, html: schemas.some((schema) => schema.contentMediaType === 'text/html') });
  if (typeof value !== 'object' || value === null) return undefined;
  const parts: [string | number, (run: R) => unknown][] = [];
  for (const [key, item] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    const part = map(item, below(schemas, key), [...path, key], leaf);
    if (part) parts.push([key, part]);
  }
  if (parts.length === 0) return undefined;
  return (run) => {
    const copy: unknown[] | Record<string, unknown> = Array.isArray(value) ? [...value] : { ...value };
    for (const [key, part] of parts) (copy as Record<string | number, unknown>)[key] = part(run);
    return copy;
  };
}

/** The schemas that speak about one property or item; branches of a union all do. */
function below(schemas: readonly SchemaNode[], key: string | number): readonly SchemaNode[] {
  const found: SchemaNode[] = [];
  const add = (schema: unknown): void => {
    if (typeof schema !== 'object' || schema === null) return;
    const node = schema as SchemaNode;
    found.push(node);
    for (const word of ['anyOf', 'oneOf', 'allOf']) for (const branch of listOf(node[word])) add(branch);
  };
  for (const schema of schemas) {
    if (typeof key === 'number') {
      add(listOf(schema.prefixItems)[key] ?? schema.items);
      continue;
    }
    const properties = (schema.properties ?? {}) as SchemaNode;
    if (Object.hasOwn(properties, key)) add(properties[key]);
    else {
      for (const [pattern, branch] of Object.entries((schema.patternProperties ?? {}) as SchemaNode))
        if (new RegExp(pattern, 'u').test(key)) add(branch);
      add(schema.additionalProperties);
    }
  }
  return found;
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
