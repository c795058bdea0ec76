/**
 * Every door of the product and who may come in by it, written by hand: what the routes say of themselves is held against
 * this, so that a route that is open by mistake, or that nobody has thought about, fails the build.
 */
import type { Route } from '../../src/lib/http.ts';

export interface Door {
  readonly method: string;
  /** Koa style, as the route has it. */
  readonly path: string;
  readonly auth: 'key' | 'admin' | 'session' | 'open';
  /** Of a `key` door. */
  readonly scope: string | undefined;
}

/** Who comes in · by what. One line a place; what is taken from a path stands in `town.ts`, by its name. */
const TABLE = `
key manage  GET /api/v1/audit
key manage  GET,POST /api/v1/keys
key manage  GET,PATCH,DELETE /api/v1/keys/:key_id
key manage  POST /api/v1/keys/:key_id/rotate
key manage  GET,POST /api/v1/connections
key manage  GET,PATCH,DELETE /api/v1/connections/:connection_id
key manage  POST /api/v1/connections/:connection_id/test
key manage  POST /api/v1/recipients/erase
key manage  GET /api/v1/recipients/erasures/:erasure_id
key read    GET /api/v1/suppressions
key manage  POST /api/v1/suppressions
key read    GET /api/v1/suppressions/:suppression_id
key manage  DELETE /api/v1/suppressions/:suppression_id
key read    GET /api/v1/auto_replies
key manage  POST /api/v1/auto_replies
key read    GET /api/v1/auto_replies/:auto_reply_id
key manage  PATCH,DELETE /api/v1/auto_replies/:auto_reply_id
key read    GET /api/v1/gateways
key read    GET /api/v1/events
key read    GET /api/v1/events/:event_id
key read    GET /api/v1/webhooks
key manage  POST /api/v1/webhooks
key read    GET /api/v1/webhooks/:endpoint_id
key manage  PATCH,DELETE /api/v1/webhooks/:endpoint_id
key manage  POST /api/v1/webhooks/:endpoint_id/rotate
key manage  POST /api/v1/webhooks/:endpoint_id/pause
key manage  POST /api/v1/webhooks/:endpoint_id/resume
key manage  POST /api/v1/webhooks/:endpoint_id/test
key manage  POST /api/v1/webhooks/:endpoint_id/replay
key read    GET /api/v1/webhook_deliveries
key read    GET /api/v1/webhook_deliveries/:delivery_id
key manage  POST /api/v1/webhook_deliveries/:delivery_id/replay
key read    GET /v1/analytics/webhooks
key read    GET /v1/analytics/messages
key manage  POST /api/v1/contacts
key read    GET /api/v1/contacts
key read    GET /api/v1/contacts/:contact_id
key manage  PATCH,DELETE /api/v1/contacts/:contact_id
key manage  POST /api/v1/contacts/:contact_id/merge
key manage  POST /api/v1/contacts/:contact_id/merges/:merge_id/undo
key read    GET /api/v1/conversations
key read    GET /api/v1/conversations/:conversation_id
key send    PATCH /api/v1/conversations/:conversation_id
key read    GET /api/v1/conversations/:conversation_id/messages
key send    POST /api/v1/conversations/:conversation_id/messages
key read    GET /api/v1/media/:media_id
key send    POST /api/v1/sandbox/messages
key read    GET /api/v1/webhook_rules
key manage  POST /api/v1/webhook_rules
key read    POST /api/v1/webhook_rules/test
key read    GET /api/v1/webhook_rules/:rule_id
key manage  PATCH,DELETE /api/v1/webhook_rules/:rule_id
key read    GET /v1/webhook_rules
key manage  POST /v1/webhook_rules
key read    POST /v1/webhook_rules/test
key read    GET /v1/webhook_rules/:rule_id
key manage  PATCH,DELETE /v1/webhook_rules/:rule_id
key read    GET /api/v1/alert_rules
key manage  POST /api/v1/alert_rules
key read    GET /api/v1/alert_rules/:alert_rule_id
key manage  PATCH,DELETE /api/v1/alert_rules/:alert_rule_id
key read    GET /api/v1/alerts
key read    GET /api/v1/channels/capabilities
key read    GET /api/v1/templates
key manage  POST /api/v1/templates
key read    POST /api/v1/templates/preview
key read    GET /api/v1/templates/:template_id
key manage  PUT,DELETE /api/v1/templates/:template_id
key read    GET /api/v1/templates/:template_id/versions
key read    GET /api/v1/templates/:template_id/versions/:number
key manage  POST /api/v1/templates/:template_id/versions/:number/activate
key read    GET /api/v1/templates/:template_id/rollout
key manage  POST /api/v1/templates/:template_id/rollout
key manage  POST /api/v1/templates/:template_id/rollback
key read    POST /api/v1/templates/:template_id/preview
key read    GET /api/v1/sandbox/outbox
key read    GET /api/v1/sandbox/outbox/:message_id
key send    POST /api/v1/sandbox/outbox/:message_id/receipts
key send    POST /api/v1/notifications/send
key send    POST /api/v1/notifications/validate
key read    GET /api/v1/notifications
key read    GET /api/v1/notifications/:notification_id
key send    DELETE /api/v1/notifications/:notification_id
key send    POST /api/v1/notifications/:notification_id/retry
key send    POST /api/v1/notifications/bulk
key read    GET /api/v1/notifications/bulk
key read    GET /api/v1/notifications/bulk/:bulk_id
key read    GET /api/v1/notifications/bulk/:bulk_id/results
key send    POST /api/v1/notifications/bulk/:bulk_id/pause
key send    POST /api/v1/notifications/bulk/:bulk_id/resume
key send    POST /api/v1/notifications/bulk/:bulk_id/cancel
admin       GET,POST /api/admin/tenants
admin       GET,PATCH /api/admin/tenants/:tenant_id/limits
admin       POST /api/admin/invitations
admin       GET /api/admin/quarantine
admin       POST /api/admin/quarantine/release
admin       POST /api/admin/quarantine/discard
admin       GET,POST /api/admin/connections
admin       PATCH,DELETE /api/admin/connections/:connection_id
open        GET,POST /hooks/:adapter/:connection_id
open        GET,POST /u/:token
open        POST /u/:token/undo
open        GET /health/live
open        GET /health/ready
open        GET /api/v1/openapi.json
open        GET /
open        GET,POST /portal/signup
open        GET,POST /portal/login
open        GET,POST /portal/enter
open        GET,POST /portal/forgot
open        GET,POST /portal/reset
open        GET,POST /portal/confirm
open        GET /portal/how-to-use
open        GET /portal/docs
open        GET /portal/assets/:file
open        GET /docs
open        GET /docs/errors
open        GET /robots.txt
open        GET /sitemap.xml
open        GET /favicon.ico
session     GET /portal
session     GET /portal/welcome
session     POST /portal/logout
session     POST /portal/mode
session     POST /portal/confirm/resend
session     GET /portal/activity
session     GET /portal/messages/:notification_id
session     GET /portal/messages/:message_id/letter
session     POST /portal/messages/:notification_id/cancel
session     POST /portal/messages/:notification_id/retry
session     GET /portal/outbox
session     GET /portal/outbox/:message_id
session     GET /portal/outbox/:message_id/letter
session     POST /portal/outbox/:message_id/play
session     POST /portal/outbox/:message_id/write
session     GET,POST /portal/campaigns/new
session     GET,POST /portal/campaigns/drafts/:draft_id
session     GET /portal/campaigns/drafts/:draft_id/preview
session     GET /portal/campaigns/drafts/:draft_id/letter
session     POST /portal/campaigns/drafts/:draft_id/schedule
session     POST /portal/campaigns/drafts/:draft_id/send
session     POST /portal/campaigns/drafts/:draft_id/discard
session     GET /portal/campaigns
session     GET /portal/campaigns/:bulk_id
session     GET /portal/campaigns/:bulk_id/results
session     POST /portal/campaigns/:bulk_id/pause
session     POST /portal/campaigns/:bulk_id/resume
session     POST /portal/campaigns/:bulk_id/cancel
session     GET,POST /portal/templates/new
session     POST /portal/templates/letter
session     GET,POST /portal/templates
session     GET,POST /portal/templates/:template_id/edit
session     GET,POST /portal/templates/:template_id
session     GET /portal/templates/:template_id/letter
session     GET /portal/templates/:template_id/compare
session     POST /portal/templates/:template_id/activate
session     POST /portal/templates/:template_id/rollout
session     POST /portal/templates/:template_id/rollback
session     POST /portal/templates/:template_id/archive
session     GET /portal/channels
session     GET /portal/connections/new
session     POST /portal/connections
session     GET,POST /portal/connections/:connection_id
session     POST /portal/connections/:connection_id/test
session     POST /portal/connections/:connection_id/default
session     POST /portal/connections/:connection_id/remove
session     GET,POST /portal/webhooks
session     GET /portal/webhooks/new
session     GET,POST /portal/webhooks/:endpoint_id
session     GET /portal/webhooks/:endpoint_id/shown
session     POST /portal/webhooks/:endpoint_id/pause
session     POST /portal/webhooks/:endpoint_id/resume
session     POST /portal/webhooks/:endpoint_id/rotate
session     POST /portal/webhooks/:endpoint_id/test
session     POST /portal/webhooks/:endpoint_id/replay
session     POST /portal/webhooks/:endpoint_id/archive
session     GET /portal/deliveries
session     GET /portal/deliveries/:delivery_id
session     POST /portal/deliveries/:delivery_id/replay
session     GET,POST /portal/rules
session     GET /portal/rules/new
session     GET /portal/rules/try
session     GET,POST /portal/rules/:rule_id
session     POST /portal/rules/:rule_id/switch
session     POST /portal/rules/:rule_id/remove
session     GET /portal/inbox
session     GET,POST /portal/inbox/:conversation_id
session     POST /portal/inbox/:conversation_id/reply
session     GET /portal/media/:media_id
session     GET,POST /portal/auto-replies
session     GET /portal/auto-replies/new
session     GET,POST /portal/auto-replies/:auto_reply_id
session     POST /portal/auto-replies/:auto_reply_id/switch
session     POST /portal/auto-replies/:auto_reply_id/remove
session     GET,POST /portal/contacts
session     GET /portal/contacts/new
session     GET,POST /portal/contacts/:contact_id
session     POST /portal/contacts/:contact_id/merge
session     POST /portal/contacts/:contact_id/merges/:merge_id/undo
session     POST /portal/contacts/:contact_id/remove
session     GET,POST /portal/suppressions
session     POST /portal/suppressions/:suppression_id/remove
session     GET,POST /portal/alerts
session     GET /portal/alerts/new
session     GET,POST /portal/alerts/:alert_rule_id
session     POST /portal/alerts/:alert_rule_id/remove
session     GET,POST /portal/keys
session     GET,POST /portal/keys/:key_id
session     GET /portal/keys/:key_id/shown
session     POST /portal/keys/:key_id/rotate
session     POST /portal/keys/:key_id/revoke
session     GET /portal/settings
session     POST /portal/settings/profile
session     POST /portal/settings/organization
session     POST /portal/settings/password
session     POST /portal/settings/erase
session     POST /portal/settings/sign-out`;

export const DOORS: readonly Door[] = TABLE.trim()
  .split('\n')
  .flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const [path = '', methods = ''] = [words.at(-1), words.at(-2)];
    return methods.split(',').map((method) => ({
      method,
      path,
      auth: words[0] as Door['auth'],
      scope: words.length === 4 ? words[1] : undefined,
    }));
  });

export const nameOf = ({ method, path }: Pick<Door, 'method' | 'path'>): string => `${method} ${path}`;
/** A door as its route describes it, in the words of the table. */
export const described = ({ method, path, auth, scope }: Route): Door => ({ method, path, auth, scope });
/** The names in a path. */
export const namesIn = (path: string): readonly string[] => [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
/** The path with each name replaced by what `value` gives for it. */
export const filled = (path: string, value: (name: string) => string): string =>
  path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(value(name)));
