/** The door of webhooks: events, told to the endpoints of tenants. */
export { webhookRoutes } from './routes.ts';
export { Conditions, createRule, type RuleItem, type TriedRules, tryRules } from './rules-schema.ts';
export type { Rules } from './rules-service.ts';
export {
  createEndpoint,
  type DeliveryItem,
  type DeliveryView,
  type EndpointItem,
  type EndpointWithSecret,
  patchEndpoint,
  type ReplayResult,
  replayBody,
  resumeEndpoint,
  type TestResult,
} from './schema.ts';
export { SEALED_ENDPOINTS } from './secrets.ts';
export { createWebhooks, type Webhooks, type WebhooksDeps } from './service.ts';
export type { WebhookTiming } from './timetable.ts';
