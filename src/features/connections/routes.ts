/** Connections and gateways for tenants; the platform's own connections for operators. */
import { type Route, route } from '../../lib/http.ts';
import { listOf, listQuery } from '../../lib/list.ts';
import { changeOf } from '../audit/index.ts';
import type { Connections } from './door.ts';
import * as schema from './schema.ts';

const OWN = { auth: 'key', scope: 'manage', tag: 'Connections' } as const;
const OPERATORS = { auth: 'admin', tag: 'Operators', hidden: true } as const;
const SAVED = ['validation_failed', 'channel_unknown', 'url_not_allowed', 'live_mode_required'] as const;

export const connectionRoutes = (connections: Connections): readonly Route[] => [
  route({
    ...OWN,
    method: 'POST',
    path: '/api/v1/connections',
    summary: 'Connect a channel',
    description:
      'Stores credentials for a channel. The portal’s form shows which fields they have; a refusal names each that is ' +
      'missing or wrong. Secrets are encrypted and never read back. The first connection of a channel becomes its ' +
      'default. Live keys only: in the sandbox every channel is connected already.',
    audit: 'connection.created',
    body: schema.createConnection,
    replies: { 201: { description: 'The connection', schema: schema.connectionItem } },
    errors: SAVED,
    async handler({ principal, body }) {
      const made = await connections.create(principal, body);
      return { status: 201, body: made, noted: changeOf(undefined, made) };
    },
  }),
  route({
    ...OWN,
    method: 'GET',
    path: '/api/v1/connections',
    summary: 'List connections',
    query: listQuery,
    replies: { 200: { description: 'One page', schema: listOf(schema.connectionItem) } },
    errors: [],
    async handler({ principal, query }) {
      return { status: 200, body: await connections.list(principal, query) };
    },
  }),
  route({
    ...OWN,
    method: 'GET',
    path: '/api/v1/connections/:connection_id',
    summary: 'Look at a connection',
    params: schema.connectionParams,
    replies: { 200: { description: 'The connection, secrets masked', schema: schema.connectionItem } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      return { status: 200, body: await connections.get(principal, params.connection_id) };
    },
  }),
  route({
    ...OWN,
    method: 'PATCH',
    path: '/api/v1/connections/:connection_id',
    summary: 'Change a connection',
    description: 'Credentials and limits that are not sent stay as they are; null takes an optional one away.',
    audit: 'connection.updated',
    params: schema.connectionParams,
    body: schema.patchConnection,
    replies: { 200: { description: 'The connection as it is now', schema: schema.connectionItem } },
    errors: ['not_found', 'conflict', ...SAVED],
    async handler({ principal, params, body }) {
      const before = await connections.get(principal, params.connection_id);
      const after = await connections.patch(principal, params.connection_id, body);
      return { status: 200, body: after, noted: { ...changeOf(before, after), ...given(body) } };
    },
  }),
  route({
    ...OWN,
    method: 'DELETE',
    path: '/api/v1/connections/:connection_id',
    summary: 'Remove a connection',
    description:
      'Nothing new is sent through it; callbacks for what was sent are still read. If it was the default, the next takes over.',
    audit: 'connection.archived',
    params: schema.connectionParams,
    replies: { 204: { description: 'Removed' } },
    errors: ['not_found', 'live_mode_required'],
    async handler({ principal, params }) {
      const before = await connections.get(principal, params.connection_id);
      await connections.archive(principal, params.connection_id);
      return { status: 204, noted: changeOf(before, undefined) };
    },
  }),
  route({
    ...OWN,
    method: 'POST',
    path: '/api/v1/connections/:connection_id/test',
    summary: 'Test a connection',
    description: 'Asks the provider whether the credentials work. Sends nothing to anybody.',
    audit: 'connection.tested',
    params: schema.connectionParams,
    replies: { 200: { description: 'It works', schema: schema.testResult } },
    errors: ['not_found', 'connection_failed', 'live_mode_required'],
    async handler({ principal, params }) {
      return { status: 200, body: await connections.test(principal, params.connection_id) };
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/gateways',
    auth: 'key',
    scope: 'read',
    tag: 'Connections',
    summary: 'List sending routes',
    description: 'What a send can go through, per channel, first choice first. Never shows credentials.',
    replies: { 200: { description: 'All of them', schema: listOf(schema.gatewayItem) } },
    errors: [],
    async handler({ principal }) {
      const data = await connections.gateways(principal);
      return { status: 200, body: { object: 'list', data, has_more: false, next_cursor: null } };
    },
  }),
  route({
    ...OPERATORS,
    method: 'POST',
    path: '/api/admin/connections',
    summary: 'Connect a channel for every tenant',
    audit: 'connection.created',
    body: schema.createConnection,
    replies: { 201: { description: 'The connection', schema: schema.connectionItem } },
    errors: SAVED,
    async handler({ principal, body }) {
      const made = await connections.create(principal, body);
      return { status: 201, body: made, noted: changeOf(undefined, made) };
    },
  }),
  route({
    ...OPERATORS,
    method: 'GET',
    path: '/api/admin/connections',
    summary: "List the platform's connections",
    query: listQuery,
    replies: { 200: { description: 'One page', schema: listOf(schema.connectionItem) } },
    errors: [],
    async handler({ principal, query }) {
      return { status: 200, body: await connections.list(principal, query) };
    },
  }),
  route({
    ...OPERATORS,
    method: 'PATCH',
    path: '/api/admin/connections/:connection_id',
    summary: "Change one of the platform's connections",
    audit: 'connection.updated',
    params: schema.connectionParams,
    body: schema.patchConnection,
    replies: { 200: { description: 'The connection as it is now', schema: schema.connectionItem } },
    errors: ['not_found', 'conflict', ...SAVED],
    async handler({ principal, params, body }) {
      const before = await connections.get(principal, params.connection_id);
      const after = await connections.patch(principal, params.connection_id, body);
      return { status: 200, body: after, noted: { ...changeOf(before, after), ...given(body) } };
    },
  }),
  route({
    ...OPERATORS,
    method: 'DELETE',
    path: '/api/admin/connections/:connection_id',
    summary: "Remove one of the platform's connections",
    audit: 'connection.archived',
    params: schema.connectionParams,
    replies: { 204: { description: 'Removed' } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      const before = await connections.get(principal, params.connection_id);
      await connections.archive(principal, params.connection_id);
      return { status: 204, noted: changeOf(before, undefined) };
    },
  }),
];

/** Which fields were typed in: a secret shows so little of itself that a change may not be seen. */
const given = ({ credentials }: { readonly credentials?: object | undefined }): object =>
  credentials ? { credentials_given: Object.keys(credentials) } : {};
