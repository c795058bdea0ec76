/**
 * The contract between the core and a channel.
 *
 * A channel is data plus a few pure functions; an adapter is one provider's way of carrying it. The core owns retries,
 * leases, rendering, storage, logging and time: an adapter says once what happened and keeps nothing. Everything on
 * `Channel` except its functions and `adapters` is plain JSON, because `GET /api/v1/channels/capabilities` serves this
 * very table and the validator reads it.
 */

import type { Socket } from 'node:net';
import type { TObject } from '@sinclair/typebox';
import type { Webhook } from './callbacks.ts';
import type { DeliveryError, FaultKind } from './faults.ts';

/** A provider's later word on a message. `bounced` is a failure, `complained` and `read` are notes on a delivered one. */
export type Receipt = 'sent' | 'delivered' | 'read' | 'failed' | 'bounced' | 'complained';

/** One field of a flat form: a part of a recipient, or one credential. The portal draws it, the core validates it. */
export interface Field {
  /** snake_case, as on the wire. Recipient fields of all channels share one flat object, so equal names mean equal things. */
  readonly name: string;
  readonly label: string;
  /** Default `text`. `phone` is E.164, `url` is an http(s) base address without a trailing slash. */
  readonly type?: 'text' | 'phone' | 'email' | 'url' | 'host' | 'number' | 'boolean' | 'choice';
  readonly required?: boolean;
  /** Recipients only: not required when this other field is there. */
  readonly unless?: string;
  /** Credentials only: stored encrypted, never read back, redacted in every trace. */
  readonly secret?: boolean;
  /** Used when the field is absent. */
  readonly default?: string | number | boolean;
  /** A JavaScript regular expression source that the whole text value must match. */
  readonly pattern?: string;
  /** For `choice`. */
  readonly options?: readonly string[];
  /** For `number`, inclusive. */
  readonly min?: number;
  readonly max?: number;
  readonly help?: string;
  readonly example?: string;
}

/**
 * One thing the sandbox provider does. Steps run in order; each `refuse` uses up one attempt, except `outcome_unknown`,
 * which may be settled by the receipts after it. A `failed` or `bounced` whose fault is retryable takes the acceptance
 * back, and the steps after it belong to the next attempt.
 */
export type SandboxStep =
  | { readonly refuse: FaultKind; readonly retryAfterSeconds?: number }
  | {
      readonly receipt: Receipt;
      readonly fault?: FaultKind /** Milliseconds after the step before it. Default 0. */;
      readonly afterMs?: number;
    };

/** A recipient that means an outcome. Every field of `to` must equal the recipient's for the case to apply. */
export interface SandboxCase {
  readonly to: Readonly<Record<string, string>>;
  readonly steps: readonly SandboxStep[];
  /** What it shows, in a few words, for the documentation. */
  readonly note: string;
}

/** The message as the person sees it, in a vocabulary small enough for the portal to draw without knowing the channel. */
export type Preview =
  | {
      readonly kind: 'mail';
      readonly from?: string;
      readonly subject: string;
      readonly text: string;
      readonly html?: string;
      readonly attachments?: readonly { readonly filename: string; readonly bytes: number }[];
    }
  | {
      readonly kind: 'bubble';
      readonly header?: string;
      readonly text: string;
      readonly footer?: string;
      readonly buttons?: readonly string[] /** SMS parts this text costs. */;
      readonly segments?: number;
      readonly encoding?: string;
    }
  | { readonly kind: 'blocks'; readonly text: string; readonly blocks?: readonly PreviewBlock[] }
  | { readonly kind: 'speech'; readonly text: string; readonly voice?: string; readonly language?: string };
export interface PreviewBlock {
  readonly kind: 'header' | 'text' | 'fields' | 'divider' | 'image' | 'buttons' | 'context';
  readonly text?: string;
  readonly items?: readonly string[];
}

export interface Capabilities {
  /** Receipts a provider of this channel may give. Empty: the hand-over is the last thing anyone can know. */
  readonly receipts: readonly Receipt[];
  readonly inbound: boolean;
  /** MIME types or families this channel can carry besides text. */
  readonly media: readonly string[];
  /** Longest text, in characters, after rendering. */
  readonly maxChars: number;
}

export interface TemplatePolicy {
  /** `required`: raw text may not open a conversation. */
  readonly send: 'required' | 'optional';
  /** When free text may answer the person. */
  readonly reply: 'anytime' | { readonly hoursAfterInbound: number };
  /** `provider`: the provider approves each template before it may be sent. */
  readonly approval: 'none' | 'provider';
}

export interface OptOut {
  /**
   * What somebody gives up who answers STOP to a sender, and what a provider means that refuses on the person's wish. Absent:
   * such a word is a word like any other.
   */
  readonly words?: 'all' | 'marketing';
  /** Marketing carries an address at which one click ends it (`Outbound.unsubscribeUrl`). */
  readonly link?: boolean;
}

export type Recipient = Readonly<Record<string, string>>;
/** What a channel sends, already rendered. The real shape is the channel's `content` schema. */
export type Content = Readonly<Record<string, unknown>>;
export type Credentials = Readonly<Record<string, string | number | boolean>>;

export interface AddressContext {
  /** ISO 3166-1 alpha-2. Lets a national number become E.164; without it a number needs its `+`. */
  readonly defaultCountry?: string;
}

/** A medium. */
export interface Channel<M extends Content = Content> {
  /** Lower-case word: `email`. */
  readonly id: string;
  readonly label: string;
  /** What it needs from the one flat recipient. */
  readonly recipient: readonly Field[];
  /**
   * What is sent, after rendering. `subject`, `body`, `html`, `attachments`, `from` among its properties are filled from a
   * raw notification's fields of those names. A string marked `contentMediaType: 'text/html'` is HTML-escaped when rendered.
   * A property marked `x-literal: true` is never rendered (it holds the provider's own text).
   */
  readonly content: TObject;
  readonly capabilities: Capabilities;
  readonly templatePolicy: TemplatePolicy;
  /** How a person says here that he no longer wants to be written to. Absent: only bounces, complaints and the tenant's own list count. */
  readonly optOut?: OptOut;
  /** Waits before each retry; its length is the number of retries. */
  readonly retry: { readonly delaysSeconds: readonly number[] };
  readonly sandbox: readonly SandboxCase[];
  /** The canonical form of the address. Throws `AddressError` with the fix in its message. */
  address(to: Recipient, context: AddressContext): string;
  /**
   * Completes what an author may leave out, once, when a template version is saved; `{{variables}}` are still in place.
   * Throws `ContentError` when it cannot be sent as written.
   */
  author?(content: M, language: string): M;
  /**
   * How a value from the data is written into the string at `path` so that it stays a value: it may not ping a room,
   * open a link or start a header line. The renderer calls it for every value it inserts; what the author wrote around
   * the value is left alone. Strings marked `text/html` are escaped by the renderer itself.
   */
  escape?(value: string, path: readonly (string | number)[]): string;
  /** A plain text as this channel's content, where its content has no `body` of its own. */
  plain?(text: string): M;
  /** What the person sees. Pure. */
  preview(content: M): Preview;
  /** The default is first. */
  // biome-ignore lint/suspicious/noExplicitAny: each adapter has its own client type, which only the adapter itself reads
  readonly adapters: readonly Adapter<M, any>[];
}

/** One provider of a channel. `M` content, `K` the client it keeps per connection. */
export interface Adapter<M extends Content = Content, K = undefined> {
  /** Unique over all channels, because it names the callback path: `/hooks/{id}/{connection_id}`. */
  readonly id: string;
  readonly label: string;
  /** Settings and secrets of a connection. Base addresses are settings, so that a test server can stand in. */
  readonly credentials: readonly Field[];
  /** Which credential names the account at the provider (a phone number id), for providers with one callback address an app. */
  readonly account?: string;
  /** The receipts this provider can give; a subset of the channel's. With none, a message is final at `sent`. */
  readonly receipts: readonly Receipt[];
  /** Which of them this connection gives, where that depends on its settings. Default: all. */
  receiptsOf?(credentials: Credentials): readonly Receipt[];
  /** The hand-over itself is the delivery (Slack's `ok`). Default false. */
  readonly deliveredOnAccept?: boolean;
  /** The provider refuses a repeat of our idempotency key, so an unknown outcome may be sent again. */
  readonly dedupes: boolean;
  /** Default pace of one connection; beyond it a message waits and no attempt is spent. */
  readonly perSecond: number;
  /** Calls in flight per connection and process. */
  readonly concurrency: number;
  /** The provider's own code → verdict. The HTTP status is the fallback. */
  readonly faults: Readonly<Record<string, FaultKind>>;
  /** Reads the provider's own code from an answer. */
  faultCode?(response: HttpResponse): string | undefined;
  /** Opens what is worth keeping per connection (an SMTP pool). Cached and closed by the core. */
  connect?(credentials: Credentials, net: Net): K & { close(): void };
  /** Hands the message over. Throws `DeliveryError`, nothing else on purpose. */
  send(message: Outbound<M>, context: SendContext<K>): Promise<Accepted>;
  /** Settles an unknown outcome by our reference. `undefined`: the provider never saw it. */
  lookup?(message: Outbound<M>, context: SendContext<K>): Promise<Accepted | undefined>;
  /** Proves that the credentials work without sending anything. Returns one line for a person. Throws `DeliveryError`. */
  check(context: CheckContext<K>): Promise<string>;
  readonly webhook?: Webhook;
  /** Markdown: how a person gets these credentials. Shown in the portal. */
  readonly guide: string;
}

export interface Outbound<M extends Content = Content> {
  /** Our message id on the wire (`msg_…`), sent to the provider as its opaque reference. */
  readonly reference: string;
  readonly to: Recipient;
  readonly address: string;
  readonly content: M;
  readonly language?: string;
  /** Marketing on a channel whose `optOut.link` is set: a POST to it, without more, ends it (RFC 8058). */
  readonly unsubscribeUrl?: string;
}

/** The provider took it. */
export interface Accepted {
  readonly providerId?: string;
  /** One line for operators, kept with the attempt. */
  readonly note?: string;
}

export interface CheckContext<K = undefined> {
  readonly credentials: Credentials;
  readonly client: K;
  readonly http: HttpClient;
  readonly signal: AbortSignal;
  /** Turns an answer that is not a success into the one verdict. */
  fault(response: HttpResponse): DeliveryError;
}

export interface SendContext<K = undefined> extends CheckContext<K> {
  /** Constant over all attempts of a message. */
  readonly idempotencyKey: string;
  /** Where the provider's callbacks for this message go; carries our reference as `?ref=`. */
  readonly callbackUrl: string;
}

/** Guarded sockets: only public addresses, or those the operator allows. */
export interface Net {
  /** Throws `DeliveryError(provider_unavailable)` when it cannot connect. */
  dial(host: string, port: number): Promise<Socket>;
}

export interface HttpRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bearer?: string;
  readonly basic?: readonly [user: string, password: string];
  /** At most one of `json`, `form`, `body`. */
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body?: Buffer;
  /** Milliseconds for the whole exchange. Default 15,000. */
  readonly timeoutMs?: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The body as JSON, `undefined` when it is not. */
  json(): unknown;
}

/**
 * Any answer is returned, whatever its status. Throws `DeliveryError`: `provider_unavailable` when no byte of the request
 * left, `outcome_unknown` when it may have arrived. Redirects are not followed; bodies are cut at 1 MB.
 */
export type HttpClient = (request: HttpRequest) => Promise<HttpResponse>;
