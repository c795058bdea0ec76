/** Route objects → OpenAPI 3.1. Pure: nothing is described that is not served, and nothing served is left out but pages. */
import type { TSchema } from '@sinclair/typebox';
import { ERRORS, type ErrorCode } from '../../lib/errors.ts';
import type { Route } from '../../lib/http.ts';

/** What any route of a kind may answer, beside its own codes. */
const ALWAYS: readonly ErrorCode[] = ['internal_error', 'unavailable', 'uri_too_long'];
const WITH_KEY: readonly ErrorCode[] = ['unauthorized', 'conflicting_credentials', 'insufficient_scope'];
/** Keys have limits and lists of addresses, the operator has none. */
const LIMITED: readonly ErrorCode[] = ['ip_not_allowed', 'rate_limited'];
const WITH_BODY: readonly ErrorCode[] = [
  'malformed_json',
  'too_deep',
  'too_many_properties',
  'body_too_large',
  'unsupported_media_type',
  'unsupported_content_encoding',
  'validation_failed',
];

export const errorsOf = (route: Route): readonly ErrorCode[] => [
  ...new Set([
    ...route.errors,
    ...ALWAYS,
    ...(route.auth === 'key' || route.auth === 'admin' ? WITH_KEY : []),
    ...(route.auth === 'key' ? LIMITED : []),
    ...(route.body ? WITH_BODY : []),
    ...(route.query ? (['validation_failed'] as const) : []),
    ...(route.params ? (['not_found'] as const) : []),
  ]),
];

export function openApi(routes: readonly Route[], baseUrl: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    if (route.hidden) continue;
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Carillon',
      version: 'v1',
      description: 'One API for every channel. Errors carry a code to branch on and a message with the fix.',
    },
    servers: [{ url: baseUrl }],
    tags: [...new Set(routes.filter(({ hidden }) => !hidden).map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
      schemas: { Error: ERROR_SCHEMA },
    },
  };
}

function operation(route: Route): object {
  const parameters = [...parametersOf(route.params, 'path'), ...parametersOf(route.query, 'query')];
  return {
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    ...(route.description ? { description: route.description } : {}),
    ...(route.auth === 'open' ? { security: [] } : { security: [{ apiKey: [] }, { bearer: [] }] }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body ? { requestBody: { required: true, content: contents(route) } } : {}),
    responses: { ...successes(route), ...failures(errorsOf(route)) },
  };
}

/** By content type. */
const contents = ({ body, accepts = { 'application/json': body } }: Route): object =>
  Object.fromEntries(Object.entries(accepts).map(([type, schema]) => [type, { schema: plain(schema) }]));

const operationId = ({ method, path }: Route): string =>
  `${method.toLowerCase()}_${path
    .replace(/^\/(api\/v1\/)?/, '')
    .replace(/[/:]+/g, '_')
    .replace(/\W/g, '_')}`;

function parametersOf(schema: Route['params'] | undefined, where: 'path' | 'query'): object[] {
  if (!schema) return [];
  const required: readonly string[] = schema.required ?? [];
  return Object.entries(schema.properties as Record<string, TSchema>).map(([name, { description, ...property }]) => ({
    name,
    in: where,
    required: where === 'path' || (required.includes(name) && property.default === undefined),
    ...(description ? { description } : {}),
    schema: plain(property),
  }));
}

function successes({ replies }: Route): Record<string, object> {
  return Object.fromEntries(
    Object.entries(replies).map(([status, { description, schema, type }]) => [
      status,
      { description, ...(schema ? { content: { [type ?? 'application/json']: { schema: plain(schema) } } } : {}) },
    ]),
  );
}

function failures(codes: readonly ErrorCode[]): Record<string, object> {
  const byStatus = group(codes);
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, those]) => [
        String(status),
        {
          description: those.map((code) => `\`${code}\`: ${ERRORS[code].meaning}`).join('\n\n'),
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
        },
      ]),
  );
}

function group(codes: readonly ErrorCode[]): Map<number, ErrorCode[]> {
  const groups = new Map<number, ErrorCode[]>();
  for (const code of codes) groups.set(ERRORS[code].status, [...(groups.get(ERRORS[code].status) ?? []), code]);
  return groups;
}

/** Symbols and ids are TypeBox's and ours; a reader of the document needs neither. */
const plain = (schema: unknown): unknown =>
  JSON.parse(JSON.stringify(schema, (name, value) => (name === '$id' ? undefined : value)));

const ERROR_SCHEMA = {
  type: 'object',
  required: ['error'],
  additionalProperties: false,
  properties: {
    error: {
      type: 'object',
      required: ['type', 'code', 'message', 'request_id', 'doc_url'],
      additionalProperties: false,
      properties: {
        type: { enum: [...new Set(Object.values(ERRORS).map(({ type }) => type))] },
        code: { enum: Object.keys(ERRORS) },
        message: { type: 'string', description: 'What is wrong and what to do about it.' },
        param: { type: 'string', description: 'The field it is about, as a dotted path.' },
        details: { type: 'object' },
        request_id: { type: 'string' },
        doc_url: { type: 'string' },
      },
    },
  },
};
