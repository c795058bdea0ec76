/**
 * Routes as data. A feature lists route objects, `shell.ts` serves them. The same objects feed the OpenAPI document and the
 * guard tests, so a route cannot be served without being described.
 */
import type { Static, TObject, TSchema } from '@sinclair/typebox';
import type { BodyStream, UploadSpec } from './body.ts';
import type { ErrorCode } from './errors.ts';
import type { JsonLimits } from './json.ts';
import type { Upload } from './multipart.ts';

export type Mode = 'live' | 'sandbox';
export type Scope = 'send' | 'read' | 'manage';

/** What a caller may use up within some time. */
export interface Meter {
  /** At once, as a rule. Throws `rate_limited`; then nothing was used up but what the same request has `paid` before. */
  spend(cost: number, paid?: number): Promise<void> | undefined;
  /** Uses up what was done already. Those who come later wait until it is made up for. */
  owe(cost: number): void;
  /** Milliseconds until something is left. */
  waitMs(): number;
  /** Tells the caller how much is left. */
  headers(): Readonly<Record<string, string>>;
}

/** Who a request acts as. */
export interface Principal {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly scopes: readonly Scope[];
  /** For the audit: a key, a person signed in to the portal, or the operator of the installation. */
  readonly actor: { readonly kind: 'key' | 'user' | 'operator'; readonly id: string };
  /** Absent: no limit. Each request costs one; what costs more spends the rest itself. */
  readonly meter?: Meter | undefined;
}

/** `key`: X-API-Key or Bearer. `session`: the portal's cookie. `admin`: the operator's key. `open`: nobody needs to be known. */
export type Auth = 'key' | 'session' | 'admin' | 'open';
/** Who reads the answer decides how an error looks: an API client, a person with a browser, a provider. */
export type Surface = 'api' | 'page' | 'hook';

export interface Request<P = unknown, Q = unknown, B = unknown> {
  readonly principal: Principal;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** The bytes of the body as they came; empty when there was none. */
  readonly raw: Buffer;
  /** The body of a route that consumes `stream`. */
  readonly stream?: BodyStream;
  /** Of a form that may bring files, by the name of the input. */
  readonly files?: Readonly<Record<string, Upload>>;
  readonly method: string;
  /** Path and query as they came, without the host of an absolute request target. */
  readonly target: string;
  /** Lower-case names; repeated headers are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly ip: string;
  readonly requestId: string;
  /** When the request arrived. */
  readonly at: Date;
}

export interface Reply {
  readonly status: number;
  /** An object is sent as JSON; text as it is, with `type`. */
  readonly body?: object | string | Buffer;
  /** Instead of a body: sent as it comes, no faster than it is taken. */
  readonly pieces?: AsyncIterable<string>;
  /** Content type of a text or binary body. */
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Not sent: what the audit log keeps of the change. */
  readonly noted?: object;
}

export interface RouteReply {
  readonly description: string;
  /** Absent: no body, or one that is not JSON. */
  readonly schema?: TSchema;
  readonly type?: string;
}

export interface RouteSpec<P extends TObject, Q extends TObject, B extends TSchema> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Koa style: `/api/v1/notifications/:notification_id`. */
  readonly path: string;
  readonly surface?: Surface;
  readonly auth: Auth;
  /** Required when `auth` is `key`. */
  readonly scope?: Scope;
  /** Groups routes in the documentation. */
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** The action written to the audit log when it succeeds; absent on reads. */
  readonly audit?: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Default `json` when there is a `body`, else no body is read. `raw` and `stream` leave judging it to the handler. */
  readonly consumes?: 'json' | 'form' | 'raw' | 'stream';
  /** Content types of a `stream`, with the schema of each as far as it has one; `body` describes the JSON. */
  readonly accepts?: Readonly<Record<string, TSchema>>;
  /** Bytes. Default 1 MB. */
  readonly bodyLimit?: number;
  readonly jsonLimits?: JsonLimits;
  /** A form that may bring a file, as `multipart/form-data`. */
  readonly upload?: UploadSpec;
  readonly replies: Readonly<Record<number, RouteReply>>;
  /** Codes of its own, beyond those every route of its kind can answer. */
  readonly errors: readonly ErrorCode[];
  /** Kept out of the OpenAPI document (pages). */
  readonly hidden?: boolean;
  handler(request: Request<Static<P>, Static<Q>, Static<B>>): Promise<Reply>;
}

// biome-ignore lint/suspicious/noExplicitAny: a list of routes holds routes of every shape; `route()` has checked each against its own
export type Route = RouteSpec<any, any, any>;

/** Checks a handler against its own schemas; the result goes into a list of routes of all shapes. */
export const route = <P extends TObject, Q extends TObject, B extends TSchema>(spec: RouteSpec<P, Q, B>): Route => spec;
