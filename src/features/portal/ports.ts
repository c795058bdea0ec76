/** What the portal uses of the features below it: reads and verbs, as their doors have them. It decides nothing itself. */
import type { Preview } from '../../channel-kit/index.ts';
import type { Principal } from '../../lib/http.ts';
import type { List } from '../../lib/list.ts';
import type { Connections } from '../connections/index.ts';
import type { Notifications } from '../notifications/index.ts';
import type { Sandbox } from '../sandbox/index.ts';
import type { Tenants } from '../tenants/index.ts';

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
> & { readonly keys: Pick<Tenants['keys'], 'list' | 'create' | 'rotate' | 'revoke'> };
export type ConnectionsDoor = Pick<Connections, 'list' | 'get' | 'create' | 'patch' | 'archive' | 'test'>;
export type NotificationsDoor = Pick<
  Notifications,
  'list' | 'counts' | 'get' | 'preview' | 'cancel' | 'retry' | 'overview'
>;
export type OutboxDoor = Pick<Sandbox, 'list' | 'get' | 'react'>;

export type Status = 'queued' | 'sent' | 'delivered' | 'failed';
export type Connection = Awaited<ReturnType<ConnectionsDoor['get']>>;
export type Notification = Awaited<ReturnType<NotificationsDoor['get']>>;
export type Message = Notification['channels'][number];
export type Summary = Awaited<ReturnType<NotificationsDoor['list']>>['data'][number];
export type Seen = Awaited<ReturnType<NotificationsDoor['preview']>>;
export type OutboxItem = Awaited<ReturnType<OutboxDoor['get']>>;

interface Page {
  readonly limit: number;
  readonly cursor?: string;
}
export type TemplateContent = Record<string, Record<string, Record<string, unknown>>>;
export interface TemplateHead {
  readonly template_id: string;
  readonly name: string;
  readonly category: 'transactional' | 'marketing' | 'otp';
  readonly version: number | null;
  readonly latest_version: number;
  readonly channels: Record<string, string[]>;
  readonly created_at: string;
  readonly updated_at: string;
}
export interface VersionHead {
  readonly number: number;
  readonly status: 'draft' | 'active' | 'archived';
  readonly created_by: string | null;
  readonly created_at: string;
}
export interface TemplateVersion extends VersionHead {
  readonly variables: Record<string, { optional?: boolean }>;
  readonly inferred_variables: readonly { readonly name: string; readonly required: boolean }[];
  readonly content: TemplateContent;
}
export interface Drawn {
  readonly data: Record<string, unknown>;
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly faults: readonly { readonly path: string; readonly message: string }[];
  readonly channels: readonly {
    readonly channel: string;
    readonly language: string;
    readonly preview: Preview | { readonly kind: string } | null;
    readonly faults: readonly { readonly path: string; readonly message: string }[];
  }[];
}
interface Written {
  name?: string;
  category?: 'transactional' | 'marketing' | 'otp';
  variables?: Record<string, { optional?: boolean }>;
  content: TemplateContent;
  draft?: boolean;
}
interface Looked {
  data?: Record<string, unknown>;
  channel?: string;
  language?: string;
}
export interface TemplatesDoor {
  list(principal: Principal, page: Page): Promise<List<TemplateHead>>;
  get(principal: Principal, slug: string): Promise<TemplateHead>;
  create(principal: Principal, input: Written & { template_id: string }): Promise<TemplateHead>;
  update(principal: Principal, slug: string, input: Written): Promise<TemplateHead>;
  archive(principal: Principal, slug: string): Promise<void>;
  listVersions(principal: Principal, slug: string, page: Page): Promise<List<VersionHead>>;
  getVersion(principal: Principal, slug: string, number: number): Promise<TemplateVersion>;
  activate(principal: Principal, slug: string, number: number): Promise<TemplateHead>;
  preview(principal: Principal, slug: string, input: Looked & { version?: number }): Promise<Drawn>;
  previewUnsaved(input: Looked & { content: TemplateContent }): Drawn;
}
