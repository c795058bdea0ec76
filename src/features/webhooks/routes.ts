/** Webhook endpoints, the log of what was delivered to them, and sending it again. */
import { type Route, route } from '../../lib/http.ts';
import { listOf, listQuery } from '../../lib/list.ts';
import { changeOf } from '../audit/index.ts';
import { ruleRoutes } from './rules-routes.ts';
import * as schema from './schema.ts';
import type { Webhooks } from './service.ts';

const CHANGE = { auth: 'key', scope: 'manage', tag: 'Webhooks' } as const;
const LOOK = { auth: 'key', scope: 'read', tag: 'Webhooks' } as const;
const IT = { 200: { description: 'The webhook as it is now', schema: schema.endpointItem } };

export const webhookRoutes = (webhooks: Webhooks): readonly Route[] => [
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/webhooks',
    summary: 'Create a webhook',
    description:
      'From now on this address is called for each event it is told of, signed with the secret that is shown here and never again. ' +
      'A 2xx within 10 seconds is a success; 410 disables it; everything else is tried again after 10 s, 30 s, 2 min, 10 min, 1 h, ' +
      '6 h and 24 h, with the same `webhook-id` and the same bytes. Redirects are not followed.',
    audit: 'webhook.created',
    body: schema.createEndpoint,
    replies: { 201: { description: 'The webhook with its secret', schema: schema.endpointWithSecret } },
    errors: ['validation_failed', 'url_not_allowed', 'conflict'],
    async handler({ principal, body }) {
      const made = await webhooks.create(principal, body);
      const { secret: _, ...shown } = made;
      return { status: 201, body: made, noted: changeOf(undefined, shown) };
    },
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/webhooks',
    summary: 'List webhooks',
    query: listQuery,
    replies: { 200: { description: 'One page', schema: listOf(schema.endpointItem) } },
    errors: [],
    handler: async ({ principal, query }) => ({ status: 200, body: await webhooks.list(principal, query) }),
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/webhooks/:endpoint_id',
    summary: 'Get a webhook',
    params: schema.endpointParams,
    replies: IT,
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await webhooks.get(principal, params.endpoint_id),
    }),
  }),
  route({
    ...CHANGE,
    method: 'PATCH',
    path: '/api/v1/webhooks/:endpoint_id',
    summary: 'Change a webhook',
    audit: 'webhook.updated',
    params: schema.endpointParams,
    body: schema.patchEndpoint,
    replies: IT,
    errors: ['not_found', 'validation_failed', 'url_not_allowed'],
    async handler({ principal, params, body }) {
      const before = await webhooks.get(principal, params.endpoint_id);
      const after = await webhooks.patch(principal, params.endpoint_id, body);
      return { status: 200, body: after, noted: changeOf(before, after) };
    },
  }),
  route({
    ...CHANGE,
    method: 'DELETE',
    path: '/api/v1/webhooks/:endpoint_id',
    summary: 'Archive a webhook',
    description: 'Nothing more is sent to it, not even what waits. The log of what was sent stays.',
    audit: 'webhook.archived',
    params: schema.endpointParams,
    replies: { 204: { description: 'Archived' } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      const before = await webhooks.get(principal, params.endpoint_id);
      await webhooks.archive(principal, params.endpoint_id);
      return { status: 204, noted: changeOf(before, undefined) };
    },
  }),
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/webhooks/:endpoint_id/rotate',
    summary: 'Give a webhook a new secret',
    description: 'For 24 hours both sign: `webhook-signature` holds a signature of each, the newest first.',
    audit: 'webhook.rotated',
    params: schema.endpointParams,
    replies: { 200: { description: 'The webhook with its new secret', schema: schema.endpointWithSecret } },
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await webhooks.rotate(principal, params.endpoint_id),
    }),
  }),
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/webhooks/:endpoint_id/pause',
    summary: 'Pause a webhook',
    description: 'Its events wait until it is resumed.',
    audit: 'webhook.paused',
    params: schema.endpointParams,
    replies: IT,
    errors: ['not_found', 'conflict'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await webhooks.pause(principal, params.endpoint_id),
    }),
  }),
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/webhooks/:endpoint_id/resume',
    summary: 'Resume a webhook',
    description: 'One that is paused or disabled. What has waited goes out in its order.',
    audit: 'webhook.resumed',
    params: schema.endpointParams,
    body: schema.resumeEndpoint,
    replies: IT,
    errors: ['not_found', 'validation_failed'],
    handler: async ({ principal, params, body }) => ({
      status: 200,
      body: await webhooks.resume(principal, params.endpoint_id, body),
    }),
  }),
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/webhooks/:endpoint_id/test',
    summary: 'Test a webhook',
    description: 'Sends one event `endpoint.test` now, and says what came of it. Twenty a minute.',
    audit: 'webhook.tested',
    params: schema.endpointParams,
    replies: { 200: { description: 'What came of it', schema: schema.testResult } },
    errors: ['not_found', 'rate_limited'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await webhooks.test(principal, params.endpoint_id),
    }),
  }),
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/webhooks/:endpoint_id/replay',
    summary: 'Send many deliveries again',
    description: 'With the `webhook-id` and the bytes of the first time. Without a body of its own: all that failed.',
    audit: 'webhook.replayed',
    params: schema.endpointParams,
    body: schema.replayBody,
    replies: { 202: { description: 'They are on their way', schema: schema.replayResult } },
    errors: ['not_found', 'validation_failed'],
    async handler({ principal, params, body }) {
      const replayed = await webhooks.log.replayAll(principal, params.endpoint_id, body);
      return { status: 202, body: replayed, noted: { ...body, deliveries: replayed.deliveries } };
    },
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/webhook_deliveries',
    summary: 'List deliveries',
    query: schema.deliveryQuery,
    replies: { 200: { description: 'One page, newest first', schema: listOf(schema.deliveryItem) } },
    errors: ['validation_failed'],
    handler: async ({ principal, query }) => ({ status: 200, body: await webhooks.log.list(principal, query) }),
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/webhook_deliveries/:delivery_id',
    summary: 'Get a delivery with its attempts',
    params: schema.deliveryParams,
    replies: { 200: { description: 'The delivery', schema: schema.deliveryView } },
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await webhooks.log.get(principal, params.delivery_id),
    }),
  }),
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/webhook_deliveries/:delivery_id/replay',
    summary: 'Send a delivery again',
    audit: 'webhook_delivery.replayed',
    params: schema.deliveryParams,
    replies: { 202: { description: 'It is on its way', schema: schema.deliveryItem } },
    errors: ['not_found', 'conflict'],
    handler: async ({ principal, params }) => ({
      status: 202,
      body: await webhooks.log.replay(principal, params.delivery_id),
    }),
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/v1/analytics/webhooks',
    summary: 'List attempts at deliveries',
    query: schema.logQuery,
    replies: { 200: { description: 'One page, newest first', schema: schema.logReply } },
    errors: ['validation_failed'],
    handler: async ({ principal, query }) => ({ status: 200, body: await webhooks.log.attempts(principal, query) }),
  }),
  ...ruleRoutes(webhooks.rules),
];
