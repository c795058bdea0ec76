/**
 * Fields as a JSON Schema. One list of `Field` draws a form, judges a connection's credentials and a recipient, and documents
 * both; this is where it becomes something a validator can read. Pure.
 */
import { type TObject, type TSchema, Type } from '@sinclair/typebox';
import type { Field } from './contract.ts';

export interface FieldsOptions {
  /** Takes a national phone number too, for recipients, whose channel reads it with the default country. Default false. */
  readonly nationalPhones?: boolean;
}

const TEXT_MAX = 8_192;

/**
 * An object of exactly these fields. A field with a default may be absent. Secret fields carry `x-secret`.
 * Every text form has a `description`, which the validator shows when the text does not fit.
 */
export function fieldsSchema(fields: readonly Field[], options: FieldsOptions = {}): TObject {
  return Type.Object(
    Object.fromEntries(
      fields.map((field) => {
        const schema = fieldSchema(field, options);
        return [field.name, field.required && field.default === undefined ? schema : Type.Optional(schema)];
      }),
    ),
    { additionalProperties: false },
  );
}

/** The fields that somebody must have to be written to, and has not. */
export const missingFields = (fields: readonly Field[], given: Readonly<Record<string, unknown>>): readonly string[] =>
  fields
    .filter(
      ({ name, required, unless }) =>
        required && given[name] === undefined && (unless === undefined || given[unless] === undefined),
    )
    .map(({ name }) => name);

/** The given values, and the defaults of the fields that are absent. */
export function withDefaults<V extends string | number | boolean>(
  fields: readonly Field[],
  values: Readonly<Record<string, V>>,
): Readonly<Record<string, V | string | number | boolean>> {
  const all: Record<string, V | string | number | boolean> = {};
  for (const field of fields) {
    const value = values[field.name] ?? field.default;
    if (value !== undefined) all[field.name] = value;
  }
  return all;
}

function fieldSchema(field: Field, { nationalPhones = false }: FieldsOptions): TSchema {
  const notes = {
    title: field.label,
    ...(field.default === undefined ? {} : { default: field.default }),
    ...(field.example === undefined ? {} : { examples: [field.example] }),
    ...(field.secret ? { 'x-secret': true } : {}),
  };
  const described = { ...notes, ...(field.help === undefined ? {} : { description: field.help }) };
  switch (field.type ?? 'text') {
    case 'number':
      return Type.Number({
        ...described,
        ...(field.min === undefined ? {} : { minimum: field.min }),
        ...(field.max === undefined ? {} : { maximum: field.max }),
      });
    case 'boolean':
      return Type.Boolean(described);
    case 'choice':
      return Type.Unsafe<string>({ ...described, type: 'string', enum: [...(field.options ?? [])] });
    case 'phone':
      return nationalPhones ? text(field, described) : text(field, described, FORMS.phone);
    case 'email':
      return text(field, described, FORMS.email);
    case 'url':
      return text(field, described, FORMS.url);
    case 'host':
      return text(field, described, FORMS.host);
    case 'text':
      return text(field, described);
  }
}

interface Form {
  readonly pattern: string;
  readonly means: string;
  readonly max: number;
}

/** Structure only: whether an address leads anywhere is for those who dial it. */
const FORMS = {
  phone: {
    pattern: '^\\+[1-9]\\d{6,14}$',
    means: 'E.164: a plus sign, the country code and the number, digits only, such as +14155550123',
    max: 16,
  },
  email: {
    pattern: '^[^\\s@<>()\\[\\],;:"\\\\]+@[^\\s@<>()\\[\\],;:"\\\\]+$',
    means: 'one e-mail address, such as hello@example.com',
    max: 254,
  },
  url: {
    pattern: '^https?:\\/\\/[^\\s\\/?#@\\\\]+(\\/[^\\s?#\\\\]*[^\\s\\/?#\\\\])?$',
    means: 'an http(s) address without user name, query or trailing slash, such as https://api.example.com/v1',
    max: 2_048,
  },
  host: {
    pattern: '^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|([0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]{0,15})$',
    means: 'a host name or an IP address, without scheme, port or path',
    max: 255,
  },
} as const satisfies Record<string, Form>;

function text(field: Field, notes: Readonly<Record<string, unknown>>, form?: Form): TSchema {
  const pattern = field.pattern === undefined ? form?.pattern : `^(?:${field.pattern})$`;
  const example = field.example === undefined ? field.label : `such as ${field.example}`;
  const means = field.pattern === undefined ? form?.means : (field.help ?? example);
  return Type.String({
    ...notes,
    minLength: 1,
    maxLength: form?.max ?? TEXT_MAX,
    ...(pattern === undefined ? {} : { pattern }),
    ...(means === undefined ? {} : { description: means }),
  });
}
