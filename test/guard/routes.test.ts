/** Every route says who may come in, what it answers and what it writes down; the OpenAPI document says the same. */
import { describe, expect, test } from 'vitest';
import { errorsOf } from '../../src/features/docs/index.ts';
import { openApi } from '../../src/features/docs/openapi.ts';
import { ERRORS } from '../../src/lib/errors.ts';
import type { Route } from '../../src/lib/http.ts';
import { openApiFaults } from '../support/openapi-rules.ts';
import { allRoutes } from '../support/routes.ts';

type Loose = any;
const routes = allRoutes();
const api = routes.filter(({ surface = 'api' }) => surface === 'api');
const name = ({ method, path }: Route): string => `${method} ${path}`;

/** Change something without a row in the audit log, and why that is right. */
const NOT_AUDITED: Readonly<Record<string, string>> = {
  'POST /api/v1/notifications/send': 'a send is its own row, with key, address and request id',
  'POST /api/v1/notifications/bulk': 'a bulk is its own row, with key, address and request id, as each of its messages',
  'DELETE /api/v1/notifications/:notification_id': 'as above: the message keeps who cancelled it',
  'POST /api/v1/notifications/:notification_id/retry': 'a retry is a send',
  'POST /api/v1/conversations/:conversation_id/messages': 'an answer is a send',
  'POST /api/admin/tenants': 'the service writes it with the tenant, in one transaction',
  'PATCH /api/admin/tenants/:tenant_id/limits': 'the service writes it with the change, for the command line too',
  'POST /api/admin/invitations': 'the service writes it with the invitation, for the command line too',
  'POST /api/admin/quarantine/release': 'the service writes it with the release, for the command line too',
  'POST /api/admin/quarantine/discard': 'as above',
  'POST /api/v1/notifications/validate': 'changes nothing',
  'POST /api/v1/webhook_rules/test': 'changes nothing',
  'POST /v1/webhook_rules/test': 'changes nothing',
  'POST /api/v1/templates/preview': 'changes nothing',
  'POST /api/v1/templates/:template_id/preview': 'changes nothing',
};

test('there are routes, each method and path once', () => {
  expect(routes.length).toBeGreaterThan(30);
  const names = routes.map(name);
  expect(names.filter((one, index) => names.indexOf(one) !== index)).toEqual([]);
});

describe.each(routes.map((route) => [name(route), route] as const))('%s', (_name, route) => {
  test('says who may come in', () => {
    expect(['key', 'session', 'admin', 'open']).toContain(route.auth);
    if (route.auth === 'key') expect(['send', 'read', 'manage']).toContain(route.scope);
    else expect(route.scope).toBeUndefined();
  });
  test('names errors of the catalogue, each once', () => {
    expect(errorsOf(route).filter((code) => !(code in ERRORS))).toEqual([]);
    expect(new Set(route.errors).size).toBe(route.errors.length);
  });
  test('describes its parameters', () => {
    const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, one]) => one);
    if (route.surface === 'page') return;
    expect(Object.keys(route.params?.properties ?? {}).sort()).toEqual(inPath.sort());
  });
});

describe.each(api.map((route) => [name(route), route] as const))('%s', (name_, route) => {
  test('has a schema for each answer that has a body', () => {
    for (const [status, reply] of Object.entries(route.replies))
      if (!reply.type && ['200', '201'].includes(status) && !route.hidden)
        expect(reply.schema, `${name_} ${status}`).toBeDefined();
    expect(Object.keys(route.replies).length).toBeGreaterThan(0);
  });
  test('is described', () => {
    expect(route.summary).toMatch(/^[A-Z]/);
    expect(route.tag).toMatch(/^[A-Z]/);
  });
  test('is audited when it changes something', () => {
    if (route.method === 'GET') expect(route.audit).toBeUndefined();
    else if (!(name_ in NOT_AUDITED)) expect(route.audit).toMatch(/^[a-z_]+\.[a-z_]+$/);
  });
  test('no browser of another site is let in', () => {
    // Keys never belong into browsers: no route answers a preflight.
    expect(route.method).not.toBe('OPTIONS');
  });
});

test('no exception outlives its route', () => {
  const mutating = new Set(api.filter(({ method, audit }) => method !== 'GET' && !audit).map(name));
  expect(Object.keys(NOT_AUDITED).filter((one) => !mutating.has(one))).toEqual([]);
});

describe('the OpenAPI document', () => {
  const document = openApi(routes, 'http://localhost:3000') as {
    paths: Record<string, Record<string, { operationId: string; responses: object }>>;
  };
  test('obeys OpenAPI 3.1', () => expect(openApiFaults(document)).toEqual([]));
  test('says of every route that an address may be too long', () => {
    const silent = Object.entries(document.paths).filter(([, item]) =>
      Object.values(item).some(({ responses }) => !('414' in responses)),
    );
    expect(silent.map(([path]) => path)).toEqual([]);
  });
  test('holds every route but the hidden ones', () => {
    const described = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const served = routes
      .filter(({ hidden }) => !hidden)
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
    expect(described.sort()).toEqual(served.sort());
  });
  test.each([
    [
      'an operationId twice',
      (d: Loose) => {
        d.paths['/x'] = {
          get: { operationId: 'a', responses: { 200: { description: '' } } },
          put: { operationId: 'a', responses: { 200: { description: '' } } },
        };
      },
    ],
    [
      'a reference that leads nowhere',
      (d: Loose) => {
        d.components.schemas.X = { $ref: '#/components/schemas/Nobody' };
      },
    ],
    [
      'a schema that is none',
      (d: Loose) => {
        d.components.schemas.X = { type: 'text' };
      },
    ],
    [
      'a parameter that is not in the path',
      (d: Loose) => {
        d.paths['/x'] = {
          get: {
            operationId: 'a',
            parameters: [{ in: 'path', name: 'y', required: true, schema: {} }],
            responses: { 200: { description: '' } },
          },
        };
      },
    ],
    [
      'an answer without a description',
      (d: Loose) => {
        d.paths['/x'] = { get: { operationId: 'a', responses: { 200: {} } } };
      },
    ],
    [
      'a security scheme that is not declared',
      (d: Loose) => {
        d.paths['/x'] = {
          get: { operationId: 'a', security: [{ magic: [] }], responses: { 200: { description: '' } } },
        };
      },
    ],
  ])('a planted fault is found: %s', (_fault, plant) => {
    const copy = structuredClone(document);
    plant(copy);
    expect(openApiFaults(copy).length).toBeGreaterThan(0);
  });
});
