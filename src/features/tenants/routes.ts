/** Keys for tenants, tenants for operators. */
import { type Route, route } from '../../lib/http.ts';
import { listOf, listQuery } from '../../lib/list.ts';
import { changeOf } from '../audit/index.ts';
import type { Tenants } from './door.ts';
import * as schema from './schema.ts';

const KEYS = { auth: 'key', scope: 'manage', tag: 'Keys' } as const;
const OPERATORS = { auth: 'admin', tag: 'Operators', hidden: true } as const;

export const tenantRoutes = (tenants: Tenants): readonly Route[] => [
  route({
    ...KEYS,
    method: 'POST',
    path: '/api/v1/keys',
    summary: 'Create a key',
    description:
      'The new key has the mode of the one that asks (a live key makes live keys, a test key test keys) and, unless ' +
      'scopes are given, its scopes. The answer is the only place where the key itself is ever shown. Keys belong on ' +
      'servers: no CORS header is sent, so a browser cannot use one.',
    audit: 'key.created',
    body: schema.createKey,
    replies: { 201: { description: 'The key, shown this once', schema: schema.keyWithSecret } },
    errors: ['validation_failed'],
    async handler({ principal, body }) {
      const made = await tenants.keys.create(principal, body);
      return { status: 201, body: made, noted: changeOf(undefined, made) };
    },
  }),
  route({
    ...KEYS,
    method: 'GET',
    path: '/api/v1/keys',
    summary: 'List keys',
    description: 'Keys of the mode of the key that asks, newest first, revoked ones included.',
    query: listQuery,
    replies: { 200: { description: 'One page', schema: listOf(schema.keyItem) } },
    errors: [],
    async handler({ principal, query }) {
      return { status: 200, body: await tenants.keys.list(principal, query) };
    },
  }),
  route({
    ...KEYS,
    method: 'GET',
    path: '/api/v1/keys/:key_id',
    summary: 'Look at a key',
    params: schema.keyParams,
    replies: { 200: { description: 'The key, masked', schema: schema.keyItem } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      return { status: 200, body: await tenants.keys.get(principal, params.key_id) };
    },
  }),
  route({
    ...KEYS,
    method: 'PATCH',
    path: '/api/v1/keys/:key_id',
    summary: 'Change a key',
    description:
      'Its name, the addresses it may be used from, its own rate limit. What is left out stays. Felt everywhere within ' +
      '5 seconds. A key cannot take away the address it is asking from.',
    audit: 'key.updated',
    params: schema.keyParams,
    body: schema.updateKey,
    replies: { 200: { description: 'The key as it is now', schema: schema.keyItem } },
    errors: ['validation_failed', 'not_found', 'conflict'],
    async handler({ principal, params, body, ip }) {
      const before = await tenants.keys.get(principal, params.key_id);
      const after = await tenants.keys.update(principal, params.key_id, body, ip);
      return { status: 200, body: after, noted: changeOf(before, after) };
    },
  }),
  route({
    ...KEYS,
    method: 'DELETE',
    path: '/api/v1/keys/:key_id',
    summary: 'Revoke a key',
    description: 'It stops working at once. Revoking twice is no fault; there is no way back.',
    audit: 'key.revoked',
    params: schema.keyParams,
    replies: { 200: { description: 'The key, revoked', schema: schema.keyItem } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      const before = await tenants.keys.get(principal, params.key_id);
      const after = await tenants.keys.revoke(principal, params.key_id);
      return { status: 200, body: after, noted: changeOf(before, after) };
    },
  }),
  route({
    ...KEYS,
    method: 'POST',
    path: '/api/v1/keys/:key_id/rotate',
    summary: 'Replace a key',
    description:
      'Makes a key with the same name, scopes, lifetime, addresses and rate limit, and ends the old one at once or after grace_seconds.',
    audit: 'key.rotated',
    params: schema.keyParams,
    body: schema.rotateKey,
    replies: { 201: { description: 'The new key, shown this once', schema: schema.keyWithSecret } },
    errors: ['validation_failed', 'not_found', 'conflict'],
    async handler({ principal, params, body }) {
      const before = await tenants.keys.get(principal, params.key_id);
      const made = await tenants.keys.rotate(principal, params.key_id, body);
      return { status: 201, body: made, noted: changeOf(before, made) };
    },
  }),
  route({
    ...OPERATORS,
    method: 'POST',
    path: '/api/admin/tenants',
    summary: 'Create a tenant with a live and a test key',
    body: schema.createTenant,
    replies: { 201: { description: 'The tenant and its keys, shown this once', schema: schema.tenantWithKeys } },
    errors: ['validation_failed'],
    async handler({ principal, body: { name, default_country, default_language } }) {
      const { item, liveKey, testKey } = await tenants.create(
        { name, defaultCountry: default_country ?? null, defaultLanguage: default_language ?? null },
        principal.actor,
      );
      return { status: 201, body: { ...item, live_key: liveKey, test_key: testKey } };
    },
  }),
  route({
    ...OPERATORS,
    method: 'GET',
    path: '/api/admin/tenants',
    summary: 'List tenants',
    query: listQuery,
    replies: { 200: { description: 'One page', schema: listOf(schema.tenantItem) } },
    errors: [],
    async handler({ query }) {
      return { status: 200, body: await tenants.list(query) };
    },
  }),
  route({
    ...OPERATORS,
    method: 'GET',
    path: '/api/admin/tenants/:tenant_id/limits',
    summary: 'What a tenant may ask for',
    params: schema.tenantParams,
    replies: { 200: { description: 'The limits that apply', schema: schema.tenantLimits } },
    errors: ['not_found'],
    async handler({ params }) {
      return { status: 200, body: await tenants.limits(params.tenant_id) };
    },
  }),
  route({
    ...OPERATORS,
    method: 'PATCH',
    path: '/api/admin/tenants/:tenant_id/limits',
    summary: 'Set what a tenant may ask for',
    params: schema.tenantParams,
    body: schema.limitTenant,
    replies: { 200: { description: 'The limits that apply now', schema: schema.tenantLimits } },
    errors: ['validation_failed', 'not_found'],
    async handler({ principal, params, body }) {
      return { status: 200, body: await tenants.limit(params.tenant_id, body, principal.actor) };
    },
  }),
  route({
    ...OPERATORS,
    method: 'POST',
    path: '/api/admin/invitations',
    summary: 'Invite somebody to make an account',
    body: schema.inviteForm,
    replies: { 201: { description: 'The invitation, shown this once', schema: schema.invitationItem } },
    errors: ['validation_failed', 'conflict', 'sign_up_closed'],
    async handler({ principal, body }) {
      const { email, url, mailed, expiresAt } = await tenants.invite(body.email, principal.actor);
      return { status: 201, body: { object: 'invitation', email, url, mailed, expires_at: expiresAt.toISOString() } };
    },
  }),
];
