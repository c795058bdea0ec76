/**
 * What OpenAPI 3.1 asks of a document, as far as ours uses it: a small judge, because the official schema is no package of
 * ours. Returns the faults, each with its place.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import { ANNOTATIONS } from '../../src/lib/schema.ts';

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']);
const addFormats = addFormatsModule as unknown as (ajv: Ajv2020) => void;

export function openApiFaults(document: unknown): readonly string[] {
  const faults: string[] = [];
  const no = (place: string, fault: string) => void faults.push(`${place}: ${fault}`);
  if (!isObject(document)) return ['the document is no object'];
  if (!/^3\.1\.\d+$/.test(String(document.openapi))) no('openapi', 'is not 3.1');
  const info = document.info as Json | undefined;
  if (typeof info?.title !== 'string' || typeof info.version !== 'string') no('info', 'needs a title and a version');
  const tags = new Set(((document.tags ?? []) as Json[]).map(({ name }) => name));
  if (tags.size !== ((document.tags ?? []) as Json[]).length) no('tags', 'names are not unique');
  const schemes = ((document.components as Json | undefined)?.securitySchemes ?? {}) as Json;
  for (const [name, scheme] of Object.entries(schemes)) judgeScheme(`securitySchemes.${name}`, scheme as Json, no);
  const ids = new Set<unknown>();
  const shapes = new Map<string, string>();
  for (const [path, item] of Object.entries((document.paths ?? {}) as Json)) {
    if (!path.startsWith('/')) no(path, 'does not begin with a slash');
    const shape = path.replace(/\{[^}]*\}/g, '{}');
    if (shapes.has(shape)) no(path, `cannot be told from ${shapes.get(shape)}`);
    shapes.set(shape, path);
    for (const [method, operation] of Object.entries(item as Json)) {
      const place = `${method.toUpperCase()} ${path}`;
      if (!METHODS.has(method)) no(place, 'is no method');
      else judgeOperation(place, path, operation as Json, { no, ids, tags, schemes });
    }
  }
  for (const [place, ref] of refsOf(document))
    if (!resolves(document, ref)) no(place, `the reference ${ref} leads nowhere`);
  const ajv = schemaJudge();
  for (const [place, schema] of schemasOf(document)) {
    try {
      ajv.compile({ ...schema, components: document.components });
    } catch (error) {
      no(place, `is no valid schema: ${(error as Error).message}`);
    }
  }
  return faults;
}

type Say = (place: string, fault: string) => void;
interface Known {
  readonly no: Say;
  readonly ids: Set<unknown>;
  readonly tags: ReadonlySet<unknown>;
  readonly schemes: Json;
}

function judgeOperation(place: string, path: string, operation: Json, { no, ids, tags, schemes }: Known): void {
  const { operationId, responses, parameters = [], security = [], requestBody } = operation;
  if (typeof operationId !== 'string' || !/^\w+$/.test(operationId)) no(place, 'needs an operationId');
  if (ids.has(operationId)) no(place, `the operationId ${operationId} is taken`);
  ids.add(operationId);
  for (const tag of (operation.tags ?? []) as unknown[])
    if (!tags.has(tag)) no(place, `the tag ${tag} is not declared`);
  for (const scheme of (security as Json[]).flatMap((one) => Object.keys(one)))
    if (!(scheme in schemes)) no(place, `the security scheme ${scheme} is not declared`);
  const names = new Set<string>();
  for (const parameter of parameters as Json[]) {
    const key = `${parameter.in}:${parameter.name}`;
    if (names.has(key)) no(place, `the parameter ${key} comes twice`);
    names.add(key);
    if (!['path', 'query', 'header', 'cookie'].includes(String(parameter.in))) no(place, `${key} is nowhere`);
    if (parameter.in === 'path' && parameter.required !== true) no(place, `${key} must be required`);
    if (!isObject(parameter.schema)) no(place, `${key} has no schema`);
  }
  const inPath = [...path.matchAll(/\{([^}]*)\}/g)].map(([, name]) => `path:${name}`);
  for (const key of inPath) if (!names.has(key)) no(place, `${key} is not described`);
  for (const key of names) if (key.startsWith('path:') && !inPath.includes(key)) no(place, `${key} is not in the path`);
  if (requestBody !== undefined && !isObject((requestBody as Json).content))
    no(place, 'the request body has no content');
  const statuses = Object.entries((responses ?? {}) as Json);
  if (!statuses.some(([status]) => /^[23]/.test(status))) no(place, 'has no answer of success');
  for (const [status, response] of statuses) {
    if (!/^([1-5]\d\d|default)$/.test(status)) no(place, `${status} is no status`);
    if (typeof (response as Json).description !== 'string') no(place, `${status} has no description`);
  }
}

function judgeScheme(place: string, { type, name, in: where, scheme }: Json, no: Say): void {
  if (type === 'apiKey' ? !(name && ['header', 'query', 'cookie'].includes(String(where))) : type === 'http' && !scheme)
    no(place, 'is incomplete');
}

function* refsOf(value: unknown, place = '#'): Generator<[string, string]> {
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* refsOf(item, `${place}/${i}`);
  else if (isObject(value))
    for (const [name, item] of Object.entries(value))
      if (name === '$ref' && typeof item === 'string') yield [place, item];
      else yield* refsOf(item, `${place}/${name}`);
}

const resolves = (document: Json, ref: string): boolean =>
  ref.startsWith('#/') &&
  ref
    .slice(2)
    .split('/')
    .reduce<unknown>(
      (at, name) => (isObject(at) ? at[name.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined),
      document,
    ) !== undefined;

function* schemasOf(value: unknown, place = '#'): Generator<[string, Json]> {
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* schemasOf(item, `${place}/${i}`);
  else if (isObject(value))
    for (const [name, item] of Object.entries(value))
      if (name === 'schema') yield [`${place}/${name}`, item as Json];
      else if (name === 'schemas')
        for (const [id, one] of Object.entries(item as Json)) yield [`${place}/${name}/${id}`, one as Json];
      else yield* schemasOf(item, `${place}/${name}`);
}

function schemaJudge(): Ajv2020 {
  const ajv = new Ajv2020({
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    discriminator: true,
  });
  addFormats(ajv);
  // `components` travels with each schema, so that its references are answered.
  for (const keyword of [...ANNOTATIONS, 'components']) ajv.addKeyword(keyword);
  return ajv;
}
