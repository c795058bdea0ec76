/** The door of webhooks: events, told to the endpoints of tenants. */
export { webhookRoutes } from './routes.ts';
export type {
  DeliveryItem,
  DeliveryView,
  EndpointItem,
  EndpointWithSecret,
  ReplayResult,
  TestResult,
} from './schema.ts';
export { SEALED_ENDPOINTS } from './secrets.ts';
export { createWebhooks, type Webhooks, type WebhooksDeps } from './service.ts';
export type { WebhookTiming } from './timetable.ts';
