/** Alert rules, and the alerts that were given. */
import { type Route, route } from '../../lib/http.ts';
import { listOf, listQuery } from '../../lib/list.ts';
import { changeOf } from '../audit/index.ts';
import * as schema from './schema.ts';
import type { Alerts } from './service.ts';

const CHANGE = { auth: 'key', scope: 'manage', tag: 'Alerts' } as const;
const LOOK = { auth: 'key', scope: 'read', tag: 'Alerts' } as const;
const IT = { 200: { description: 'The rule as it is now', schema: schema.alertRuleItem } };

export const alertRoutes = (alerts: Alerts): readonly Route[] => [
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/alert_rules',
    summary: 'Create an alert rule',
    description:
      'From now on it is judged twice a minute. When its limit is reached there is one alert, however long that lasts, and one word when the value ' +
      'has fallen below 80 % of the limit: to the targets, and as events `alert.fired` and `alert.recovered` to webhooks.',
    audit: 'alert_rule.created',
    body: schema.createAlertRule,
    replies: { 201: { description: 'The rule', schema: schema.alertRuleItem } },
    errors: ['validation_failed', 'conflict'],
    async handler({ principal, body }) {
      const made = await alerts.create(principal, body);
      return { status: 201, body: made, noted: changeOf(undefined, made) };
    },
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/alert_rules',
    summary: 'List alert rules',
    query: listQuery,
    replies: { 200: { description: 'One page, newest first', schema: listOf(schema.alertRuleItem) } },
    errors: [],
    handler: async ({ principal, query }) => ({ status: 200, body: await alerts.list(principal, query) }),
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/alert_rules/:alert_rule_id',
    summary: 'Get an alert rule',
    params: schema.alertRuleParams,
    replies: IT,
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await alerts.get(principal, params.alert_rule_id),
    }),
  }),
  route({
    ...CHANGE,
    method: 'PATCH',
    path: '/api/v1/alert_rules/:alert_rule_id',
    summary: 'Change an alert rule',
    description: 'Switched off, an open alert of it ends without a word.',
    audit: 'alert_rule.updated',
    params: schema.alertRuleParams,
    body: schema.patchAlertRule,
    replies: IT,
    errors: ['not_found', 'validation_failed'],
    async handler({ principal, params, body }) {
      const before = await alerts.get(principal, params.alert_rule_id);
      const after = await alerts.patch(principal, params.alert_rule_id, body);
      return { status: 200, body: after, noted: changeOf(before, after) };
    },
  }),
  route({
    ...CHANGE,
    method: 'DELETE',
    path: '/api/v1/alert_rules/:alert_rule_id',
    summary: 'Delete an alert rule',
    description: 'An open alert of it ends without a word.',
    audit: 'alert_rule.deleted',
    params: schema.alertRuleParams,
    replies: { 204: { description: 'Deleted' } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      const before = await alerts.get(principal, params.alert_rule_id);
      await alerts.remove(principal, params.alert_rule_id);
      return { status: 204, noted: changeOf(before, undefined) };
    },
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/alerts',
    summary: 'List alerts',
    query: schema.alertQuery,
    replies: { 200: { description: 'One page, newest first', schema: listOf(schema.alertItem) } },
    errors: [],
    handler: async ({ principal, query }) => ({ status: 200, body: await alerts.alerts(principal, query) }),
  }),
];
