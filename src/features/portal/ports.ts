/**
 * What the portal needs from the features below it, as it sees them: wire shapes, as the API answers them. The portal
 * reads and calls these doors and decides nothing itself.
 */
import type { Preview } from '../../channel-kit/index.ts';
import type { Mode, Principal, Scope } from '../../lib/http.ts';

export type Status = 'queued' | 'sent' | 'delivered' | 'failed';
export type Played = 'delivered' | 'bounced' | 'read' | 'failed' | 'complained';

export interface List<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
  readonly retryable: boolean;
  readonly at?: string;
}

export interface MessageSummary {
  readonly channel: string;
  readonly message_id: string;
  readonly status: Status;
  readonly address?: string;
  readonly failure?: Failure;
  readonly template_id?: string;
  readonly attempt_count?: number;
}

export interface NotificationSummary {
  readonly notification_id: string;
  readonly status: Status;
  readonly channels: readonly MessageSummary[];
  readonly recipient: Readonly<Record<string, string>>;
  readonly created_at: string;
  readonly livemode: boolean;
}

export interface Attempt {
  readonly number: number;
  readonly started_at: string;
  readonly duration_ms?: number;
  readonly outcome: string;
  readonly failure?: Failure;
  readonly retry_at?: string;
}

export interface TimelineEntry {
  readonly at: string;
  readonly type: string;
  readonly text: string;
  readonly detail?: string;
}

export interface Message extends MessageSummary {
  readonly address: string;
  readonly outcome_unknown?: boolean;
  readonly unreceipted?: boolean;
  readonly read_at?: string;
  readonly sent_at?: string;
  readonly delivered_at?: string;
  readonly template_version?: number;
  readonly language?: string;
  readonly next_attempt_at?: string;
  readonly attempts: readonly Attempt[];
  readonly timeline: readonly TimelineEntry[];
}

export interface Notification extends Omit<NotificationSummary, 'channels'> {
  readonly channels: readonly Message[];
  readonly data?: Readonly<Record<string, unknown>>;
  readonly retry_of?: string;
  readonly request_id?: string;
}

export interface Seen {
  readonly channel: string;
  readonly content: Readonly<Record<string, unknown>>;
  readonly preview: Preview;
  readonly source?: string;
}

export interface Filter {
  readonly channel?: string;
  readonly recipient?: string;
  readonly status?: Status;
  readonly template_id?: string;
  readonly from?: string;
  readonly to?: string;
}

export interface Overview {
  readonly by_channel: readonly (Readonly<Record<Status, number>> & { readonly channel: string })[];
  readonly by_hour: readonly {
    readonly hour: string;
    readonly delivered: number;
    readonly failed: number;
    readonly other: number;
  }[];
  readonly failures: readonly { readonly code: string; readonly message: string; readonly count: number }[];
  readonly queue: { readonly waiting: number; readonly oldest_seconds: number | null };
  readonly first_steps: Readonly<Record<string, boolean>>;
}

export interface OutboxSummary {
  readonly message_id: string;
  readonly notification_id: string;
  readonly channel: string;
  readonly address: string;
  readonly preview: Preview;
  readonly status: Status;
  readonly created_at: string;
}

export interface OutboxItem extends OutboxSummary {
  readonly content: Readonly<Record<string, unknown>>;
  readonly receipts: readonly { readonly receipt: string; readonly at: string }[];
}

export interface NotificationsDoor {
  list(
    principal: Principal,
    query: Filter & { readonly limit: number; readonly cursor?: string },
  ): Promise<List<NotificationSummary>>;
  counts(principal: Principal, filter: Filter): Promise<Readonly<Record<Status, number>>>;
  get(principal: Principal, notificationId: string): Promise<Notification>;
  preview(principal: Principal, messageId: string): Promise<Seen>;
  cancel(principal: Principal, notificationId: string): Promise<Notification>;
  retry(principal: Principal, notificationId: string): Promise<Notification>;
  overview(principal: Principal): Promise<Overview>;
  readonly outbox: {
    list(
      principal: Principal,
      query: {
        readonly channel?: string;
        readonly recipient?: string;
        readonly limit: number;
        readonly cursor?: string;
      },
    ): Promise<List<OutboxSummary>>;
    get(principal: Principal, messageId: string): Promise<OutboxItem>;
    play(principal: Principal, messageId: string, what: Played): Promise<unknown>;
  };
}

/** Somebody signed in. */
export interface Session {
  readonly principal: Principal;
  readonly user: { readonly id: string; readonly name: string; readonly email: string };
  readonly tenant: { readonly id: string; readonly name: string };
}

export interface Key {
  readonly id: string;
  readonly name: string;
  readonly livemode: boolean;
  readonly scopes: readonly Scope[];
  readonly status: 'active' | 'expired' | 'revoked';
  /** Prefix, public part, dots, last four: enough to recognise it. */
  readonly masked: string;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
  readonly last_used_at: string | null;
}

interface Page {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface AccountsDoor {
  signUp(form: {
    organization: string;
    name: string;
    email: string;
    password: string;
  }): Promise<{ readonly token: string; readonly key: string }>;
  signIn(form: { email: string; password: string; ip: string }): Promise<{ readonly token: string }>;
  /** Undefined when the token is unknown, too old or signed out. */
  session(token: string): Promise<Session | undefined>;
  signOut(token: string): Promise<void>;
  setMode(token: string, mode: Mode): Promise<void>;
  /** Spends a one-time token for a session token. Throws `not_found`. */
  redeem(linkToken: string): Promise<string>;
  csrfToken(sessionToken: string): string;
  checkCsrf(sessionToken: string, given: string | undefined): boolean;
  readonly keys: {
    list(principal: Principal, page: Page): Promise<List<Key>>;
    get(principal: Principal, id: string): Promise<Key>;
    create(
      principal: Principal,
      command: { name: string; scopes?: Scope[]; expires_at?: string },
    ): Promise<Key & { readonly key: string }>;
    rotate(principal: Principal, id: string, command: { grace_seconds?: number }): Promise<Key & { readonly key: string }>;
    revoke(principal: Principal, id: string): Promise<Key>;
  };
}

export interface Connection {
  readonly id: string;
  readonly channel: string;
  readonly adapter: string;
  readonly name: string;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly secrets: Readonly<Record<string, { readonly set: boolean; readonly last_four?: string }>>;
  readonly is_default: boolean;
  readonly health: {
    readonly status: 'unknown' | 'ok' | 'failing';
    readonly note: string | null;
    readonly at: string | null;
  };
  readonly callback_url: string | null;
  readonly created_at: string;
}

export interface ConnectionsDoor {
  list(principal: Principal, page: Page): Promise<List<Connection>>;
  get(principal: Principal, id: string): Promise<Connection>;
  create(
    principal: Principal,
    command: { channel: string; adapter?: string; name?: string; credentials: Record<string, unknown> },
  ): Promise<Connection>;
  /** Credentials that are not given stay; `null` takes an optional one away. */
  patch(
    principal: Principal,
    id: string,
    command: { name?: string; credentials?: Record<string, unknown>; is_default?: true },
  ): Promise<Connection>;
  archive(principal: Principal, id: string): Promise<void>;
  /** Throws `connection_failed` with the reason and the fix. */
  test(principal: Principal, id: string): Promise<{ readonly note: string }>;
}

export interface Template {
  readonly template_id: string;
  readonly name: string;
  readonly category: string;
  readonly active_version: number | null;
  readonly channels: readonly string[];
  readonly languages: readonly string[];
  readonly updated_at: string;
}

/** channel → language → content with {{variables}} inside. */
export type TemplateContent = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>;

export interface TemplateVersion {
  readonly version: number;
  readonly status: 'draft' | 'active' | 'archived';
  readonly content: TemplateContent;
  readonly variables: readonly { readonly name: string; readonly required: boolean }[];
  readonly created_at: string;
  readonly created_by?: string | null;
}

export interface TemplatesDoor {
  list(principal: Principal): Promise<readonly Template[]>;
  get(principal: Principal, templateId: string): Promise<Template>;
  versions(principal: Principal, templateId: string): Promise<readonly TemplateVersion[]>;
  create(
    principal: Principal,
    input: { template_id: string; name: string; category: string; content: TemplateContent },
  ): Promise<Template>;
  /** Saves a new version; nothing is sent with it until it is activated. */
  save(
    principal: Principal,
    templateId: string,
    input: { name?: string; category?: string; content: TemplateContent },
  ): Promise<TemplateVersion>;
  activate(principal: Principal, templateId: string, version: number): Promise<void>;
  archive(principal: Principal, templateId: string): Promise<void>;
  /** Renders content that need not be saved yet. */
  preview(
    principal: Principal,
    input: {
      channel: string;
      language: string;
      content: Readonly<Record<string, unknown>>;
      data: Readonly<Record<string, unknown>>;
    },
  ): Promise<{
    /** Absent when the content is too broken to draw. */
    readonly preview?: Preview;
    readonly variables: readonly string[];
    readonly missing: readonly string[];
    readonly faults: readonly { readonly path: string; readonly message: string }[];
  }>;
}
