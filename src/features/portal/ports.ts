/** What the portal uses of the features below it: reads and verbs, as their doors have them. It decides nothing itself. */
import type { Alerts } from '../alerts/index.ts';
import type { Bulks } from '../bulks/index.ts';
import type { Campaigns } from '../campaigns/index.ts';
import type { Connections } from '../connections/index.ts';
import type { Contacts } from '../contacts/index.ts';
import type { Conversations, Media } from '../conversations/index.ts';
import type { Erasures } from '../erasure/index.ts';
import type { Notifications } from '../notifications/index.ts';
import type { Replies } from '../replies/index.ts';
import type { Sandbox } from '../sandbox/index.ts';
import type { Suppressions } from '../suppressions/index.ts';
import type { Templates } from '../templates/index.ts';
import type { Tenants } from '../tenants/index.ts';
import type { Webhooks } from '../webhooks/index.ts';

export type { Overview } from '../notifications/index.ts';
export type { Session } from '../tenants/index.ts';

export type TenantsDoor = Pick<
  Tenants,
  | 'signUp'
  | 'signIn'
  | 'session'
  | 'signOut'
  | 'signOutEverywhere'
  | 'setMode'
  | 'redeem'
  | 'csrfToken'
  | 'checkCsrf'
  | 'forgot'
  | 'resetFor'
  | 'reset'
  | 'confirmFor'
  | 'confirm'
  | 'resendConfirmation'
  | 'invitationFor'
  | 'account'
  | 'rename'
  | 'changePassword'
  | 'updateTenant'
  | 'people'
> & { readonly keys: Pick<Tenants['keys'], 'list' | 'get' | 'create' | 'update' | 'rotate' | 'revoke'> };
export type ConnectionsDoor = Pick<Connections, 'list' | 'get' | 'create' | 'patch' | 'archive' | 'test'>;
export type NotificationsDoor = Pick<
  Notifications,
  'list' | 'counts' | 'get' | 'preview' | 'cancel' | 'retry' | 'overview'
>;
export type TemplatesDoor = Pick<
  Templates,
  | 'list'
  | 'get'
  | 'create'
  | 'update'
  | 'archive'
  | 'listVersions'
  | 'getVersion'
  | 'activate'
  | 'preview'
  | 'previewUnsaved'
  | 'rollOut'
  | 'rollout'
  | 'rollBack'
>;
export type BulksDoor = Pick<Bulks, 'list' | 'get' | 'results' | 'pause' | 'resume' | 'cancel'>;
export type CampaignsDoor = Omit<Campaigns, 'purge'>;
export type OutboxDoor = Pick<Sandbox, 'list' | 'get' | 'react' | 'write'>;
export type ConversationsDoor = Pick<Conversations, 'list' | 'get' | 'patch' | 'messages' | 'reply'>;
export type RepliesDoor = Pick<Replies, 'list' | 'get' | 'create' | 'patch' | 'remove'>;
export type AlertsDoor = Pick<Alerts, 'list' | 'get' | 'create' | 'patch' | 'remove' | 'alerts'>;
export type MediaDoor = Pick<Media, 'get'>;
export type ContactsDoor = Pick<Contacts, 'list' | 'get' | 'create' | 'patch' | 'remove' | 'merge' | 'undo'>;
export type SuppressionsDoor = Pick<Suppressions, 'list' | 'get' | 'add' | 'remove' | 'unsubscribe'>;

export type WebhooksDoor = Pick<
  Webhooks,
  'list' | 'get' | 'waiting' | 'create' | 'patch' | 'archive' | 'rotate' | 'pause' | 'resume' | 'test'
> & {
  readonly log: Pick<Webhooks['log'], 'list' | 'get' | 'replay' | 'replayAll'>;
  readonly rules: Pick<Webhooks['rules'], 'list' | 'get' | 'create' | 'patch' | 'remove' | 'try'>;
};

export type UnsubscribeDoor = Suppressions['unsubscribe'];

export type ErasuresDoor = Pick<Erasures, 'erase'>;

export type Status = 'queued' | 'sent' | 'delivered' | 'failed';
export type Bulk = Awaited<ReturnType<BulksDoor['get']>>;
export type SampleMessage = Awaited<ReturnType<CampaignsDoor['sample']>>['messages'][number];
export type Draft = Awaited<ReturnType<CampaignsDoor['get']>>;
export type Limits = NonNullable<Parameters<ConnectionsDoor['create']>[1]['limits']>;
export type Connection = Awaited<ReturnType<ConnectionsDoor['get']>>;
export type Endpoint = Awaited<ReturnType<WebhooksDoor['get']>>;
export type Delivery = Awaited<ReturnType<WebhooksDoor['log']['get']>>;
export type Conversation = Awaited<ReturnType<ConversationsDoor['get']>>;
export type ThreadItem = Awaited<ReturnType<ConversationsDoor['messages']>>['data'][number];
export type Person = Awaited<ReturnType<TenantsDoor['people']>>[number];
export type Contact = Awaited<ReturnType<ContactsDoor['get']>>;
export type Suppression = Awaited<ReturnType<SuppressionsDoor['get']>>;
export type AutoReply = Awaited<ReturnType<RepliesDoor['get']>>;
export type AlertRule = Awaited<ReturnType<AlertsDoor['get']>>;
export type Rule = Awaited<ReturnType<WebhooksDoor['rules']['get']>>;
export type Notification = Awaited<ReturnType<NotificationsDoor['get']>>;
export type Message = Notification['channels'][number];
export type Summary = Awaited<ReturnType<NotificationsDoor['list']>>['data'][number];
export type Seen = Awaited<ReturnType<NotificationsDoor['preview']>>;
export type OutboxItem = Awaited<ReturnType<OutboxDoor['get']>>;
export type TemplateVersion = Awaited<ReturnType<TemplatesDoor['getVersion']>>;
export type Rollout = Awaited<ReturnType<TemplatesDoor['rollOut']>>;
export type RolloutWish = Parameters<TemplatesDoor['rollOut']>[2];
export type TemplateContent = TemplateVersion['content'];
/** What a preview shows: what is missing, what is wrong, and each channel as it would look. */
export type Drawn = ReturnType<TemplatesDoor['previewUnsaved']>;
