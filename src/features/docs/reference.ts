/** Route objects → what a reference page shows. Pure; fields are flattened to dotted paths, so that a table can hold them. */
import type { TSchema } from '@sinclair/typebox';
import { ERRORS, type ErrorCode } from '../../lib/errors.ts';
import type { Route } from '../../lib/http.ts';
import { errorsOf } from './openapi.ts';

export interface FieldRow {
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  readonly text: string;
}

export interface Operation {
  /** For links: `post-api-v1-notifications-send`. */
  readonly anchor: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly scope: string | undefined;
  readonly params: readonly FieldRow[];
  readonly body: readonly FieldRow[];
  readonly replies: readonly {
    readonly status: number;
    readonly description: string;
    readonly fields: readonly FieldRow[];
  }[];
  readonly errors: readonly { readonly code: ErrorCode; readonly status: number }[];
}

export interface Section {
  readonly tag: string;
  readonly operations: readonly Operation[];
}

/** What a reader comes for stands first; the rest follows in the order of the house. */
const FIRST = ['Notifications', 'Templates', 'Channels', 'Connections', 'Keys'];

/** Every route that the OpenAPI document describes, by tag. */
export function reference(routes: readonly Route[]): readonly Section[] {
  const shown = routes.filter(({ hidden }) => !hidden);
  const tags = [
    ...new Set([...FIRST.filter((tag) => shown.some((route) => route.tag === tag)), ...shown.map(({ tag }) => tag)]),
  ];
  return tags.map((tag) => ({
    tag,
    operations: shown.filter((route) => route.tag === tag).map(operation),
  }));
}

function operation(route: Route): Operation {
  return {
    anchor: `${route.method} ${route.path}`.toLowerCase().replace(/[^a-z0-9]+/g, '-'),
    method: route.method,
    path: route.path.replace(/:(\w+)/g, '{$1}'),
    summary: route.summary,
    description: route.description ?? '',
    scope: route.scope ?? (route.auth === 'admin' ? 'the operator' : undefined),
    params: [...fields(route.params), ...fields(route.query)],
    body: fields(route.body),
    replies: Object.entries(route.replies).map(([status, { description, schema }]) => ({
      status: Number(status),
      description,
      fields: fields(schema),
    })),
    errors: errorsOf(route)
      .map((code) => ({ code, status: ERRORS[code].status }))
      .sort((a, b) => a.status - b.status),
  };
}

const DEPTH_MAX = 4;

function fields(schema: TSchema | undefined, prefix = '', depth = 0): readonly FieldRow[] {
  if (!schema || depth > DEPTH_MAX) return [];
  const required: readonly string[] = schema.required ?? [];
  return Object.entries((schema.properties ?? {}) as Record<string, TSchema>).flatMap(([name, property]) => {
    const path = `${prefix}${name}`;
    const inner = property.type === 'array' ? (property.items as TSchema | undefined) : property;
    const row: FieldRow = {
      path,
      type: typeOf(property),
      required: required.includes(name) && property.default === undefined,
      text: textOf(property),
    };
    // A channel's own content has a reference of its own: the capabilities.
    if (prefix.endsWith('content.')) return [row];
    return [row, ...fields(inner, `${path}${property.type === 'array' ? '[]' : ''}.`, depth + 1)];
  });
}

function typeOf(schema: TSchema): string {
  const options = (schema.anyOf ?? schema.oneOf) as readonly TSchema[] | undefined;
  if (options)
    return options
      .map((option) => (option.const === undefined ? typeOf(option) : JSON.stringify(option.const)))
      .join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === 'array') return `${typeOf((schema.items as TSchema | undefined) ?? ({} as TSchema))}[]`;
  if (schema.format) return `${schema.type} (${schema.format})`;
  return typeof schema.type === 'string' ? schema.type : 'any';
}

function textOf(schema: TSchema): string {
  const limits = [
    schema.default === undefined ? '' : `Default ${JSON.stringify(schema.default)}.`,
    schema.minimum === undefined ? '' : `At least ${schema.minimum}.`,
    schema.maximum === undefined ? '' : `At most ${schema.maximum}.`,
    typeof schema.maxLength === 'number' ? `At most ${schema.maxLength.toLocaleString('en')} characters.` : '',
    typeof schema.maxItems === 'number' ? `At most ${schema.maxItems} items.` : '',
  ];
  const description =
    typeof schema.description === 'string'
      ? `${schema.description.charAt(0).toUpperCase()}${schema.description.slice(1)}`.replace(/([^.])$/, '$1.')
      : '';
  return [description, ...limits].filter(Boolean).join(' ');
}
