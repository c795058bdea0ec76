/** The other half of the contract: what providers tell us. A callback is verified over its bytes, stored, and read later. */
import type { Credentials, HttpClient, HttpRequest, HttpResponse, Receipt, Recipient } from './contract.ts';
import type { DeliveryError, Fault, FaultKind } from './faults.ts';

/** The provider's callbacks to us. */
export interface Webhook {
  /** Answers a subscription challenge; `undefined` when the request is not one, `false` when it must be refused. */
  handshake?(request: RawRequest, credentials: Credentials): string | false | undefined;
  /** Over the raw bytes, in constant time. Throws `DeliveryError` only when a document it needs cannot be had just now. */
  verify(request: RawRequest, credentials: Credentials, context?: VerifyContext): boolean | Promise<boolean>;
  /** Total: whatever came, it returns a list and never throws. */
  parse(request: RawRequest): readonly ChannelEvent[] | Promise<readonly ChannelEvent[]>;
  /** The address that a genuine request asks to be visited once, as proof that we want what it announces. */
  confirm?(request: RawRequest, credentials: Credentials): string | undefined;
  /** What is sent with the 200, for providers that read it. Default: nothing. */
  readonly reply?: { readonly type: string; readonly body: string };
  /** Fetches what came with a message. Throws `DeliveryError`. Absent: media come with an address anybody can read, or not at all. */
  media?(item: InboundMedia, context: MediaContext): Promise<{ readonly mime: string; readonly bytes: Buffer }>;
  /** The signed request this provider would send; the sandbox posts it through the real door. */
  emulate?(
    receipt: Receipt,
    message: {
      readonly providerId: string;
      readonly reference: string;
      readonly address: string;
      readonly fault?: FaultKind;
      readonly url: string;
      readonly at: Date;
    },
    credentials: Credentials,
  ): RawRequest;
  /** Its own words may be told on as they came, to who was written for them. */
  readonly passthrough?: Passthrough;
}

export interface Passthrough {
  /** What an endpoint names that wants these words. */
  readonly format: string;
  /** Fields of the credentials by which a body may name its owner. */
  readonly names: readonly string[];
  /** Every account that a body speaks of; empty: nothing of it is told on. */
  accounts(body: Buffer): readonly string[];
  /** What of a body is about these accounts; the same bytes where all of it is. */
  part(body: Buffer, own: ReadonlySet<string>): Buffer;
  /** What a provider could send, for trying an endpoint. */
  readonly sample: Buffer;
}

/** What a scheme needs whose provider signs with a key that it publishes. */
export interface VerifyContext {
  /** The text at this address, fetched through the guard and kept for a while. Throws `DeliveryError`. */
  document(url: string): Promise<string>;
}

/** What a callback says. Every kind carries `key`: equal for duplicates of one event, different otherwise, unique in a connection. */
export type ChannelEvent =
  | ReceiptEvent
  | InboundMessage
  | PreferenceEvent
  | NoticeEvent
  /** Understood or not, nothing for us to do now; the raw request is kept. */
  | { readonly type: 'ignored'; readonly reason: string };

interface Told {
  readonly key: string;
  /** The provider account it belongs to, where one callback address serves several. */
  readonly account?: string;
  /** The provider's time, if it gave one. */
  readonly at?: Date;
}

/** A later word on a message of ours. */
export interface ReceiptEvent extends Told {
  readonly type: 'receipt';
  /** The provider's message id, and our own reference where the provider echoes it. One of the two is present. */
  readonly providerId?: string;
  readonly reference?: string;
  readonly receipt: Receipt;
  readonly fault?: Fault;
}

/** What somebody wrote to us, in words that all channels share. */
export interface InboundMessage extends Told {
  readonly type: 'message';
  /** The provider's id of it, under which it can be answered or looked up. */
  readonly providerId: string;
  /**
   * `live`: it has just been written to us. `echo`: our side wrote it, by another way than through here. `history`: it is from
   * before the account was connected. The last two are kept for the record: they open no window and wake nobody. Default `live`.
   */
  readonly origin?: 'live' | 'echo' | 'history';
  /** Our side wrote it: so with every echo, and with one half of a history. */
  readonly own?: true;
  /** The person at the other end, also of what our side wrote. */
  readonly person: {
    /** Fields of the flat recipient by which this person can be answered; the channel's `address` reads them. */
    readonly recipient: Recipient;
    /** By what the person is known at this provider; the strongest first, at least one. */
    readonly identities: readonly Identity[];
    readonly name?: string;
  };
  readonly content: InboundContent;
  /** The provider's id of the message that it answers, or that it changes or takes back. */
  readonly replyTo?: string;
  /** What the provider itself made of a word such as STOP, where it does; the core knows the words of all other providers. */
  readonly word?: 'stop' | 'start' | 'help';
}

/** One of the names a person has. `scope` tells names apart that mean something else in each account (a Slack workspace). */
export interface Identity {
  /** `phone` (E.164), `email` (lower case), else a kind of the provider's own such as `whatsapp_user` or `slack_user`. */
  readonly kind: string;
  readonly value: string;
  readonly scope?: string;
}

export interface InboundContent {
  readonly kind:
    | 'text'
    | 'image'
    | 'video'
    | 'audio'
    | 'document'
    | 'sticker'
    | 'location'
    | 'contacts'
    | 'reaction'
    | 'button'
    | 'list'
    | 'form'
    | 'order'
    | 'edit'
    | 'revoke'
    | 'system'
    | 'mail'
    | 'unsupported';
  /** What a person would read: the text, the caption, the title of the button that was pressed. */
  readonly text?: string;
  /** What else belongs to it, as plain JSON: `{id, title, description}` of a choice, `{latitude, longitude, name}`, … */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly media?: readonly InboundMedia[];
}

/** Something that came with a message: by the provider's id or address until it is fetched, or its bytes at once. */
export interface InboundMedia {
  readonly mime: string;
  readonly providerId?: string;
  readonly url?: string;
  readonly bytes?: Buffer;
  readonly filename?: string;
  readonly sha256?: string;
}

/** Somebody has told the provider, not us, that he no longer wants something, or wants it again. */
export interface PreferenceEvent extends Told {
  readonly type: 'preference';
  readonly recipient: Recipient;
  readonly category: 'marketing' | 'all';
  readonly value: 'stop' | 'resume';
}

/** News of a template or of the account itself, told on as an event of that name. */
export interface NoticeEvent extends Told {
  readonly type: 'notice';
  readonly event:
    | 'template.status_changed'
    | 'template.quality_changed'
    | 'template.category_changed'
    | 'channel.disconnected'
    | 'channel.restricted'
    | 'channel.quality_changed'
    | 'channel.name_changed'
    | 'channel.alerted';
  /** Flat, snake_case, without secrets. */
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

/** A request as it arrived. Header names are lower-case; `url` is the public one, rebuilt from configuration. */
export interface RawRequest {
  readonly method: string;
  readonly url: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** When it arrived, by our clock. A signature scheme with an age limit refuses a request without it. */
  readonly at?: Date;
}

export interface MediaContext {
  readonly credentials: Credentials;
  readonly http: HttpClient;
  readonly signal: AbortSignal;
  /** The bytes at an address, as they are; throws `DeliveryError(content_invalid)` for more than the core keeps. */
  download(request: HttpRequest): Promise<{ readonly mime: string; readonly bytes: Buffer }>;
  /** Turns an answer that is not a success into the one verdict. */
  fault(response: HttpResponse): DeliveryError;
}
