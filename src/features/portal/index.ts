/** The door of the portal: pages for people, over the same verbs that the API serves. A surface; nobody imports it. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Config } from '../../lib/config.ts';
import type { Vault } from '../../lib/crypto.ts';
import type { ApiError } from '../../lib/errors.ts';
import type { Principal, Reply, Request, Route } from '../../lib/http.ts';
import { accountPages } from './pages-account.ts';
import { alertPages } from './pages-alerts.ts';
import { draftPages } from './pages-campaign-draft.ts';
import { newCampaignPages } from './pages-campaign-new.ts';
import { campaignPages } from './pages-campaigns.ts';
import { channelPages } from './pages-channels.ts';
import { contactPages } from './pages-contacts.ts';
import { deliveryPages } from './pages-deliveries.ts';
import { editorPages } from './pages-editor.ts';
import { guidePages } from './pages-guide.ts';
import { homePage } from './pages-home.ts';
import { inboxPages } from './pages-inbox.ts';
import { keyPages } from './pages-keys.ts';
import { messagePages } from './pages-messages.ts';
import { outboxPages } from './pages-outbox.ts';
import { recoveryPages } from './pages-recovery.ts';
import { referencePages } from './pages-reference.ts';
import { replyPages } from './pages-replies.ts';
import { rulePages } from './pages-rules.ts';
import { settingsPages } from './pages-settings.ts';
import { suppressionPages } from './pages-suppressions.ts';
import { templatePages } from './pages-templates.ts';
import { unsubscribePages } from './pages-unsubscribe.ts';
import { webhookPages } from './pages-webhooks.ts';
import type {
  AlertsDoor,
  BulksDoor,
  CampaignsDoor,
  ConnectionsDoor,
  ContactsDoor,
  ConversationsDoor,
  ErasuresDoor,
  MediaDoor,
  NotificationsDoor,
  OutboxDoor,
  RepliesDoor,
  SuppressionsDoor,
  TemplatesDoor,
  TenantsDoor,
  WebhooksDoor,
} from './ports.ts';
import { assetRoute, faviconRoute, rootRoute } from './routes.ts';
import { createSite } from './site.ts';
import { createView } from './view.ts';

export type * from './ports.ts';

export interface PortalDeps {
  readonly tenants: TenantsDoor;
  readonly connections: ConnectionsDoor;
  readonly templates: TemplatesDoor;
  readonly notifications: NotificationsDoor;
  readonly bulks: BulksDoor;
  readonly campaigns: CampaignsDoor;
  readonly sandbox: OutboxDoor;
  readonly erasures: ErasuresDoor;
  readonly webhooks: WebhooksDoor;
  readonly conversations: ConversationsDoor;
  readonly media: MediaDoor;
  readonly replies: RepliesDoor;
  readonly alerts: AlertsDoor;
  readonly contacts: ContactsDoor;
  readonly suppressions: SuppressionsDoor;
  readonly registry: Registry;
  /** What the reference describes. */
  readonly routes: () => readonly Route[];
  readonly vault: Vault;
  readonly config: Pick<Config, 'signUp' | 'systemSmtpUrl'>;
  /** Called with each request, because the port may be the system's choice. No slash at its end. */
  readonly publicUrl: () => string;
}

export interface Portal {
  readonly routes: readonly Route[];
  /** For `hooks.authenticate.session`. */
  authenticate(request: Request): Promise<Principal>;
  /** For `hooks.refuse.page`. */
  refuse(error: ApiError, request: Request): Reply;
}

export function createPortal(deps: PortalDeps): Portal {
  const view = createView();
  const site = createSite({ ...deps, view });
  const parts = { ...deps, site };
  const sendsMail = Boolean(deps.config.systemSmtpUrl);
  return {
    authenticate: site.authenticate,
    refuse: site.refuse,
    routes: [
      rootRoute,
      homePage(parts),
      ...accountPages({ ...parts, signUp: deps.config.signUp, confirmsMail: sendsMail }),
      ...recoveryPages({ ...parts, sendsMail }),
      ...messagePages(parts),
      ...inboxPages(parts),
      ...replyPages(parts),
      // Before the pages of one contact: `new` is no contact's id.
      ...contactPages(parts),
      ...suppressionPages(parts),
      ...outboxPages(parts),
      // Before the pages of one campaign: `new` and `drafts` are no campaign's id.
      ...newCampaignPages(parts),
      ...draftPages(parts),
      ...campaignPages(parts),
      // Before the pages of one template: `new` is no template's name.
      ...editorPages(parts),
      ...templatePages(parts),
      ...channelPages(parts),
      ...webhookPages(parts),
      ...deliveryPages(parts),
      // Before the pages of one rule: `new` and `try` are no rule's id.
      ...rulePages(parts),
      ...alertPages(parts),
      ...keyPages(parts),
      ...settingsPages(parts),
      ...guidePages(parts),
      ...referencePages(parts),
      ...unsubscribePages({ unsubscribe: deps.suppressions.unsubscribe, view }),
      assetRoute(view),
      faviconRoute(view, 'favicon.svg'),
    ],
  };
}
