/**
 * The one JSON Schema validator. Bodies are judged as they are (no coercion, no defaults filled in); query strings, which
 * hold only text, are read as the numbers and booleans their schema asks for.
 */
import type { Static, TSchema } from '@sinclair/typebox';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import { ApiError } from './errors.ts';

const addFormats = addFormatsModule as unknown as (ajv: Ajv2020) => void;

/** Keywords of ours that annotate and never judge. */
export const ANNOTATIONS = ['x-literal', 'x-secret'];

function create(coerceTypes: boolean): Ajv2020 {
  const ajv = new Ajv2020({
    strict: true,
    strictTypes: false,
    strictTuples: false,
    // A branch of a union may require a field that is defined beside the union.
    strictRequired: false,
    allErrors: true,
    coerceTypes,
    useDefaults: coerceTypes,
    discriminator: true,
    // A fault is explained with the description of the schema it broke.
    verbose: true,
  });
  addFormats(ajv);
  const { validate } = ajv.formats['date-time'] as { validate(text: string): boolean };
  // A leap second is a time too, but none that a Date can hold.
  ajv.addFormat('date-time', (text) => validate(text) && !Number.isNaN(Date.parse(text)));
  for (const keyword of ANNOTATIONS) ajv.addKeyword(keyword);
  return ajv;
}
const bodies = create(false);
const queries = create(true);

export interface FieldFault {
  /** Dotted path: `notification.channels.0`. */
  readonly path: string;
  readonly message: string;
}

export interface Validator<T extends TSchema> {
  /** Every fault, or none. */
  faults(value: unknown): readonly FieldFault[];
  /** Throws `validation_failed` with every fault in `details.fields`. */
  check(value: unknown): Static<T>;
}

/** Compiles a schema once. `kind: 'query'` reads text values as the schema's types and fills in defaults. */
export function validator<T extends TSchema>(schema: T, kind: 'body' | 'query' = 'body'): Validator<T> {
  const validate: ValidateFunction = (kind === 'query' ? queries : bodies).compile(schema);
  const judged = (value: unknown): readonly FieldFault[] => (validate(value) ? [] : explain(validate.errors ?? []));
  const faults = kind === 'query' ? (value: unknown) => [...judged(value), ...endless(value)] : judged;
  return {
    faults,
    check(value) {
      const found = faults(value);
      if (found.length > 0) throw invalid(found);
      return value as Static<T>;
    },
  };
}

export function invalid(fields: readonly FieldFault[]): ApiError {
  const [first] = fields;
  const more = fields.length > 1 ? ` (and ${fields.length - 1} more, see details.fields)` : '';
  return new ApiError('validation_failed', first ? `${first.path || 'The body'}: ${first.message}${more}` : undefined, {
    ...(first?.path ? { param: first.path } : {}),
    details: { fields },
  });
}

/** `1e400` is read as a number that no limit applies to. */
const endless = (value: unknown): readonly FieldFault[] =>
  Object.entries(value ?? {})
    .filter(([, one]) => typeof one === 'number' && !Number.isFinite(one))
    .map(([path]) => ({ path, message: 'must be a number that ends' }));

const FAULTS_SHOWN = 20;

function explain(errors: readonly ErrorObject[]): readonly FieldFault[] {
  const faults = new Map<string, FieldFault>();
  for (const error of errors) {
    if (isNull(error) && errors.some((other) => other !== error && isWithin(other, error))) continue;
    const fault = explainOne(error);
    if (fault && error.keyword === 'type' && errors.some((other) => isNull(other) && isSame(other, error)))
      fault.message += ' or null';
    if (fault && !faults.has(`${fault.path}\n${fault.message}`)) faults.set(`${fault.path}\n${fault.message}`, fault);
    if (faults.size >= FAULTS_SHOWN) break;
  }
  return [...faults.values()];
}

/** "Must be null", of what may also be something else, which has its own word about why it is not. */
const isNull = ({ keyword, params }: ErrorObject): boolean => keyword === 'type' && params.type === 'null';
const isSame = (one: ErrorObject, other: ErrorObject): boolean =>
  one !== other && !isNull(other) && one.instancePath === other.instancePath;
const isWithin = (inner: ErrorObject, outer: ErrorObject): boolean =>
  !isNull(inner) &&
  !['anyOf', 'oneOf', 'if'].includes(inner.keyword) &&
  `${inner.instancePath}/`.startsWith(`${outer.instancePath}/`);

function explainOne({
  instancePath,
  keyword,
  params,
  message = 'is not allowed',
  schema,
  parentSchema,
}: ErrorObject): { path: string; message: string } | undefined {
  const base = instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~');
  const at = (name: string) => (base ? `${base}.${name}` : name);
  switch (keyword) {
    case 'required':
      return { path: at(String(params.missingProperty)), message: 'is required' };
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return {
        path: at(String(params.additionalProperty ?? params.unevaluatedProperty)),
        message: 'is not a field of this request',
      };
    case 'enum':
      return { path: base, message: `must be one of ${(params.allowedValues as unknown[]).map(String).join(', ')}` };
    case 'const':
      return { path: base, message: `must be ${JSON.stringify(params.allowedValue)}` };
    case 'pattern':
      return {
        path: base,
        message: (parentSchema as { description?: string } | undefined)?.description
          ? `has the wrong form: ${String(parentSchema?.description)}`
          : `has the wrong form; it must match ${String(schema)}`,
      };
    // The branches of a union report their own faults; "must match a schema" adds nothing.
    case 'anyOf':
    case 'oneOf':
    case 'if':
      return undefined;
    default:
      return { path: base, message };
  }
}
