/** Routing rules: which webhooks an event goes to, and what would become of one. */
import { type Route, route } from '../../lib/http.ts';
import { listOf, listQuery } from '../../lib/list.ts';
import { changeOf } from '../audit/index.ts';
import * as schema from './rules-schema.ts';
import type { Rules } from './rules-service.ts';

const CHANGE = { auth: 'key', scope: 'manage', tag: 'Webhook rules' } as const;
const LOOK = { auth: 'key', scope: 'read', tag: 'Webhook rules' } as const;
const IT = { 200: { description: 'The rule as it is now', schema: schema.ruleItem } };

const routesAt = (base: string, rules: Rules): readonly Route[] => [
  route({
    ...CHANGE,
    method: 'POST',
    path: base,
    summary: 'Create a routing rule',
    description:
      'Webhooks whose `routing` is `rules` are told of what rules send to them. Rules are asked in the order of `priority`; each that ' +
      'matches adds its targets, until one has `stop`. Regular expressions are those of RE2, whose time grows with the text alone.',
    audit: 'webhook_rule.created',
    body: schema.createRule,
    replies: { 201: { description: 'The rule', schema: schema.ruleItem } },
    errors: ['validation_failed', 'conflict'],
    async handler({ principal, body }) {
      const made = await rules.create(principal, body);
      return { status: 201, body: made, noted: changeOf(undefined, made) };
    },
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: base,
    summary: 'List routing rules',
    query: listQuery,
    replies: { 200: { description: 'One page, newest first', schema: listOf(schema.ruleItem) } },
    errors: [],
    handler: async ({ principal, query }) => ({ status: 200, body: await rules.list(principal, query) }),
  }),
  route({
    ...LOOK,
    method: 'POST',
    path: `${base}/test`,
    summary: 'Try routing rules',
    description:
      'Nothing is sent. Says of an event of the feed, or of a sample, which rules match, what each condition was compared with, and which webhooks would be told.',
    body: schema.tryRules,
    replies: { 200: { description: 'What would become of it', schema: schema.triedRules } },
    errors: ['validation_failed', 'not_found'],
    handler: async ({ principal, body }) => ({ status: 200, body: await rules.try(principal, body) }),
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: `${base}/:rule_id`,
    summary: 'Get a routing rule',
    params: schema.ruleParams,
    replies: IT,
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({ status: 200, body: await rules.get(principal, params.rule_id) }),
  }),
  route({
    ...CHANGE,
    method: 'PATCH',
    path: `${base}/:rule_id`,
    summary: 'Change a routing rule',
    audit: 'webhook_rule.updated',
    params: schema.ruleParams,
    body: schema.patchRule,
    replies: IT,
    errors: ['not_found', 'validation_failed', 'conflict'],
    async handler({ principal, params, body }) {
      const before = await rules.get(principal, params.rule_id);
      const after = await rules.patch(principal, params.rule_id, body);
      return { status: 200, body: after, noted: changeOf(before, after) };
    },
  }),
  route({
    ...CHANGE,
    method: 'DELETE',
    path: `${base}/:rule_id`,
    summary: 'Delete a routing rule',
    audit: 'webhook_rule.deleted',
    params: schema.ruleParams,
    replies: { 204: { description: 'Deleted' } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      const before = await rules.get(principal, params.rule_id);
      await rules.remove(principal, params.rule_id);
      return { status: 204, noted: changeOf(before, undefined) };
    },
  }),
];

/** The second address is that of the WhatsApp gateway. */
export const ruleRoutes = (rules: Rules): readonly Route[] => [
  ...routesAt('/api/v1/webhook_rules', rules),
  ...routesAt('/v1/webhook_rules', rules).map((one) => ({ ...one, hidden: true })),
];
