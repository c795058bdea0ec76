/** The HTTP of notifications. */
import { type TObject, Type } from '@sinclair/typebox';
import type { Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import { type Request, type Route, route } from '../../lib/http.ts';
import { hashOf, keyOf } from '../idempotency/index.ts';
import { BULK_LIMITS } from './limits.ts';
import type { Queries } from './queries.ts';
import {
  Accepted,
  BulkLimits,
  Capability,
  ListQuery,
  Notification,
  NotificationSummary,
  page,
  type SendBody,
  sendBody,
  Validation,
} from './schema.ts';
import { SEND_ROUTE, type Verbs } from './service.ts';
import type { Origin } from './types.ts';

export const POLICY = [
  'channel_unknown',
  'template_required',
  'outside_window',
  'raw_not_allowed',
  'recipient_field_missing',
  'invalid_recipient',
  'template_not_found',
  'template_channel_missing',
  'template_language_missing',
  'content_required',
  'content_unused',
  'template_variable_mismatch',
  'channel_not_connected',
  'recipient_rate_limited',
] as const;
export const IDEMPOTENCY = [
  'idempotency_key_invalid',
  'idempotency_key_conflict',
  'idempotency_key_reused',
  'idempotency_in_progress',
] as const;

const originOf = ({ principal, ip, requestId, at, headers: { traceparent } }: Request): Origin => ({
  principal,
  ip,
  requestId,
  at,
  traceparent,
});
const Id = Type.Object({ notification_id: Type.String({ maxLength: 64 }) });

export function notificationRoutes({
  registry,
  verbs,
  queries,
}: {
  readonly registry: Registry;
  readonly verbs: Verbs;
  readonly queries: Queries;
}): readonly Route[] {
  const body: TObject = sendBody(registry);
  const tag = 'Notifications';
  return [
    route({
      method: 'POST',
      path: '/api/v1/notifications/send',
      auth: 'key',
      scope: 'send',
      tag,
      summary: 'Send a notification',
      description:
        'Accepts one notification to one person, on every channel it lists. The answer is given once it is safely stored; delivery follows.',
      body,
      replies: { 202: { description: 'Accepted.', schema: Accepted } },
      errors: [...POLICY, ...IDEMPOTENCY],
      async handler(request) {
        const sent = request.body as unknown as SendBody;
        const idempotencyKey = keyOf(request.headers, sent.idempotency_key);
        const requestHash = idempotencyKey === undefined ? '' : hashOf(SEND_ROUTE, sent);
        const [answer] = await verbs.send(originOf(request), [
          { body: sent, idempotencyKey, requestHash, bytes: request.raw.length },
        ]);
        if (!answer || answer instanceof ApiError) throw answer ?? new Error('one command, one answer');
        return answer;
      },
    }),
    route({
      method: 'POST',
      path: '/api/v1/notifications/validate',
      auth: 'key',
      scope: 'send',
      tag,
      summary: 'Check a notification without sending it',
      description:
        'Takes the body of send and answers with every objection at once, and with the finished messages when there is none.',
      body,
      replies: { 200: { description: 'The findings.', schema: Validation } },
      errors: [],
      handler: async (request) => ({
        status: 200,
        body: await verbs.validate(originOf(request), request.body as unknown as SendBody),
      }),
    }),
    route({
      method: 'GET',
      path: '/api/v1/notifications',
      auth: 'key',
      scope: 'read',
      tag,
      summary: 'List notifications',
      description: 'Newest first. A notification is listed when one of its messages matches the filters.',
      query: ListQuery,
      replies: { 200: { description: 'A page.', schema: page(NotificationSummary) } },
      errors: [],
      handler: async ({ principal, query }) => ({ status: 200, body: await queries.list(principal, query) }),
    }),
    route({
      method: 'GET',
      path: '/api/v1/notifications/:notification_id',
      auth: 'key',
      scope: 'read',
      tag,
      summary: 'Get a notification',
      description: 'Its status, each message with its attempts, the reason of a failure, and what happened in order.',
      params: Id,
      replies: { 200: { description: 'The notification.', schema: Notification } },
      errors: ['not_found'],
      handler: async ({ principal, params }) => ({
        status: 200,
        body: await queries.get(principal, params.notification_id),
      }),
    }),
    route({
      method: 'DELETE',
      path: '/api/v1/notifications/:notification_id',
      auth: 'key',
      scope: 'send',
      tag,
      summary: 'Cancel what is still queued',
      params: Id,
      replies: { 200: { description: 'The notification as it stands now.', schema: Notification } },
      errors: ['not_found', 'not_cancellable'],
      handler: async ({ principal, params }) => ({
        status: 200,
        body: await verbs.cancel(principal, params.notification_id),
      }),
    }),
    route({
      method: 'POST',
      path: '/api/v1/notifications/:notification_id/retry',
      auth: 'key',
      scope: 'send',
      tag,
      summary: 'Send a failed notification again',
      description:
        'Makes a new notification from one whose every message has definitely failed; retry_of links the two.',
      params: Id,
      replies: { 202: { description: 'The new notification.', schema: Accepted } },
      errors: ['not_found', 'not_retryable', ...IDEMPOTENCY, ...POLICY],
      handler: (request) =>
        verbs.retry(originOf(request), request.params.notification_id, keyOf(request.headers, undefined)),
    }),
    route({
      method: 'GET',
      path: '/api/v1/channels/capabilities',
      auth: 'key',
      scope: 'read',
      tag: 'Channels',
      summary: 'What each channel needs and can do',
      description: 'The very table that send judges by.',
      replies: {
        200: {
          description: 'All channels.',
          schema: Type.Object({
            object: Type.Literal('list'),
            data: Type.Array(Capability),
            bulk_limits: BulkLimits,
          }),
        },
      },
      errors: [],
      handler: async ({ principal }) => ({
        status: 200,
        body: { object: 'list', data: await verbs.capabilities(principal), bulk_limits: BULK_LIMITS },
      }),
    }),
  ];
}
