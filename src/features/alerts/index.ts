/** The door of alerts: what goes wrong beyond a limit is told to people, once when it begins and once when it is over. */
export { alertRoutes } from './routes.ts';
export { type AlertItem, type AlertRuleItem, createAlertRule } from './schema.ts';
export { type Alerts, type AlertsDeps, createAlerts } from './service.ts';
