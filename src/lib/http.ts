/**
 * Routes as data. A feature lists route objects; this room turns them into a Koa application: it reads and judges what
 * came, asks the hooks who is calling, calls the handler, and writes the answer. The same objects feed the OpenAPI
 * document and the guard tests, so a route cannot be served without being described.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { Router } from '@koa/router';
import type { Static, TObject, TSchema } from '@sinclair/typebox';
import Koa from 'koa';
import { type BodyStream, drain, readBody, type UploadSpec } from './body.ts';
import type { Clock } from './clock.ts';
import { ApiError, type ErrorCode, fromStore } from './errors.ts';
import { newId, toWire } from './ids.ts';
import type { JsonLimits } from './json.ts';
import type { Log } from './log.ts';
import type { Upload } from './multipart.ts';
import { type Validator, validator } from './schema.ts';

export type Mode = 'live' | 'sandbox';
export type Scope = 'send' | 'read' | 'manage';

/** Who a request acts as. */
export interface Principal {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly scopes: readonly Scope[];
  /** For the audit: a key, a person signed in to the portal, or the operator of the installation. */
  readonly actor: { readonly kind: 'key' | 'user' | 'operator'; readonly id: string };
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

export interface HttpHooks {
  /** Throws `unauthorized` (or redirects, for pages) when the caller may not come in. */
  readonly authenticate: Readonly<Record<Auth, (request: Request) => Principal | Promise<Principal>>>;
  /** The answer to an error, per surface. */
  readonly refuse: Readonly<Record<Surface, (error: ApiError, request: Request) => Reply>>;
  /** After a route with `audit` succeeded. */
  readonly audit: (action: string, request: Request, reply: Reply) => Promise<void>;
}

export interface HttpOptions {
  readonly routes: readonly Route[];
  readonly hooks: HttpHooks;
  readonly log: Log;
  readonly clock: Clock;
  /** Proxies in front of us whose `X-Forwarded-For` is believed; 0 believes none. */
  readonly trustedProxies: number;
  /** Milliseconds a streamed body may pause. Default 30,000. */
  readonly idleMs?: number;
}

const NOTHING = Buffer.alloc(0);
const NO_HEADERS = {};
/** Statuses without a body, whatever the reply says. */
const EMPTY = new Set([204, 205, 304]);
const TYPES_MAX = 100;
const URL_LIMIT = 8_192;
const NOBODY: Principal = { tenantId: '', mode: 'sandbox', scopes: [], actor: { kind: 'user', id: '' } };

export function createHttp({ routes, hooks, log, clock, trustedProxies, idleMs = 30_000 }: HttpOptions): Koa {
  const app = new Koa({ proxy: trustedProxies > 0, maxIpsCount: trustedProxies });
  const router = new Router({ strict: true, sensitive: true });
  const methods = methodsByPath(routes);

  /** What Koa makes of a content type, by the type: most answers have one of three. */
  const types = new Map<string, string>();
  const fullType = (ctx: Koa.Context, type: string): string => {
    let full = types.get(type);
    if (full === undefined) {
      ctx.type = type;
      full = ctx.response.get('Content-Type');
      if (types.size < TYPES_MAX) types.set(type, full);
    }
    return full;
  };

  /** Nearly every answer has a body that is there already; it is written as it is, past what Koa would find out about it. */
  const answer = (ctx: Koa.Context, requestId: string, reply: Reply, more: Readonly<Record<string, string>>): void => {
    const headers: Record<string, number | string | string[]> = {
      'X-Request-Id': requestId,
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-store',
    };
    for (const name in reply.headers) headers[name] = reply.headers[name] as string | string[];
    for (const name in more) headers[name] = more[name] as string;
    const { status, body, pieces, type = 'application/json' } = reply;
    if (body !== undefined && !pieces && !EMPTY.has(status)) {
      const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      headers['Content-Type'] ??= fullType(ctx, type);
      headers['Content-Length'] = Buffer.byteLength(bytes);
      ctx.respond = false;
      ctx.res.writeHead(status, headers);
      ctx.res.end(ctx.method === 'HEAD' ? undefined : bytes);
      return;
    }
    for (const name in headers) ctx.set(name, headers[name] as string | string[]);
    ctx.body = pieces ? Readable.from(pieces, { objectMode: false }) : null;
    // Koa turns an empty body into 204; the reply's own status stands.
    ctx.status = status;
    if (pieces) ctx.type = type;
  };

  const handle = async (
    ctx: Koa.Context,
    surface: Surface,
    work: (request: Arrival) => Promise<Reply>,
  ): Promise<void> => {
    const request = arrival(ctx, clock);
    const began = performance.now();
    let failure: ApiError | undefined;
    let reply: Reply;
    try {
      reply = await work(request);
      answer(ctx, request.requestId, reply, NO_HEADERS);
    } catch (error) {
      failure = asApiError(error);
      if (failure.status >= 500)
        log.error({ err: error, request_id: request.requestId, method: ctx.method, path: ctx.path }, 'request failed');
      reply = refuse(surface, failure, request);
      answer(ctx, request.requestId, reply, failure.headers);
    }
    if (!log.isLevelEnabled('debug')) return;
    log.debug(
      {
        request_id: request.requestId,
        method: ctx.method,
        path: ctx.path,
        status: reply.status,
        code: failure?.code,
        ms: Math.round(performance.now() - began),
      },
      'request',
    );
  };

  /** A page that cannot even be refused properly still gets an answer, and the fault is told. */
  const refuse = (surface: Surface, failure: ApiError, request: Request): Reply => {
    try {
      return hooks.refuse[surface](failure, request);
    } catch (error) {
      log.error({ err: error, request_id: request.requestId, code: failure.code }, 'the refusal itself failed');
      return { status: 500, body: 'internal_error', type: 'text/plain' };
    }
  };

  /** What was done is done: an entry that cannot be written is told to the operator, not to the caller as a failure. */
  const audit = async (action: string, request: Request, reply: Reply): Promise<void> => {
    try {
      await hooks.audit(action, request, reply);
    } catch (error) {
      const { requestId: request_id, principal } = request;
      log.error({ err: error, request_id, action, actor: principal.actor }, 'the audit entry could not be written');
    }
  };

  /** Paths without parameters are looked up; the router would try its patterns one after the other. */
  const exact = new Map<string, (ctx: Koa.Context) => Promise<void>>();
  for (const spec of routes) {
    const judge = judges(spec);
    const serve = async (ctx: Koa.Context): Promise<void> => {
      await handle(ctx, spec.surface ?? 'api', async (request) => {
        if (ctx.originalUrl.length > URL_LIMIT) throw new ApiError('uri_too_long');
        const principal = hooks.authenticate[spec.auth](request);
        request.principal = principal instanceof Promise ? await principal : principal;
        if (spec.scope && !request.principal.scopes.includes(spec.scope))
          throw new ApiError('insufficient_scope', `This call needs a key with the scope "${spec.scope}".`);
        const { raw, body, stream, files } = await readBody(ctx.req, spec, idleMs);
        request.raw = raw;
        request.params = judge.params(ctx.params ?? {});
        request.query = judge.query(ctx.querystring === '' ? {} : { ...ctx.query });
        request.body = judge.body(body);
        if (files) request.files = files;
        if (stream) request.stream = stream;
        const reply = await (stream ? spec.handler(request).finally(() => drain(ctx.req)) : spec.handler(request));
        if (spec.audit && reply.status < 400) await audit(spec.audit, request, reply);
        return reply;
      });
    };
    if (spec.path.includes(':')) router.register(spec.path, [spec.method], serve);
    else
      for (const method of spec.method === 'GET' ? ['GET', 'HEAD'] : [spec.method])
        exact.set(`${method} ${spec.path}`, serve);
  }

  app.use((ctx, next) => {
    // A request target may be absolute (`GET http://host/path`). Its host says nothing we believe, and everything after this
    // builds on a path.
    if (!ctx.url.startsWith('/')) ctx.url = originForm(ctx.url);
    const serve = exact.get(`${ctx.method} ${ctx.path}`);
    return serve ? serve(ctx) : next();
  });
  app.use(router.routes());
  app.use(async (ctx) => {
    const surface: Surface = ctx.path.startsWith('/api/') || !ctx.accepts('html') ? 'api' : 'page';
    await handle(ctx, surface, async () => {
      const allowed = methods(ctx.path);
      if (allowed)
        throw new ApiError('method_not_allowed', `${ctx.method} is not taken here; allowed: ${allowed}.`, {
          headers: { Allow: allowed },
        });
      throw new ApiError('not_found');
    });
  });
  // Koa reports only what escaped `handle`, such as a socket that closed while the answer was being written.
  app.on('error', (error) => log.debug({ err: error }, 'connection closed early'));
  return app;
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return fromStore(error) ?? new ApiError('internal_error', undefined, { cause: error });
}

/** Without a parser: signatures cover the bytes, and a parser may throw. */
function originForm(target: string): string {
  const path = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
  return path.startsWith('/') ? path : `/${path}`;
}

/** A request while it is being found out about. */
type Arrival = { -readonly [K in keyof Request]: Request[K] };

function arrival(ctx: Koa.Context, clock: Clock): Arrival {
  const given = ctx.req.headers['x-request-id'];
  return {
    principal: NOBODY,
    params: undefined,
    query: undefined,
    body: undefined,
    raw: NOTHING,
    method: ctx.method,
    target: ctx.url,
    headers: headersOf(ctx.req.headers),
    ip: plainIp(ctx.ip),
    requestId: typeof given === 'string' && /^[\w.-]{8,64}$/.test(given) ? given : toWire('request', newId()),
    at: clock.now(),
  };
}

/** Node has joined what came twice, but for one name that no client has reason to send. */
function headersOf(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  const cookies = headers['set-cookie'];
  return (cookies ? { ...headers, 'set-cookie': cookies.join(', ') } : headers) as Record<string, string>;
}

const plainIp = (ip: string): string => (ip.startsWith('::ffff:') ? ip.slice(7) : ip);

interface Judges {
  params(value: unknown): unknown;
  query(value: unknown): unknown;
  body(value: unknown): unknown;
}

function judges(spec: Route): Judges {
  const compiled = (schema: TSchema | undefined, kind: 'body' | 'query'): Validator<TSchema> | undefined =>
    schema ? validator(schema, kind) : undefined;
  const params = compiled(spec.params, 'query');
  const query = compiled(spec.query, 'query');
  const own = spec.consumes === 'raw' || spec.consumes === 'stream';
  const body = own ? undefined : compiled(spec.body, 'body');
  return {
    // An id that is not one is simply not there.
    params: (value) => {
      if (params && params.faults(value).length > 0) throw new ApiError('not_found');
      return value;
    },
    query: (value) => (query ? query.check(value) : value),
    body: (value) => (body ? body.check(value) : value),
  };
}

/** Which methods a path takes, for the 405 answer. */
function methodsByPath(routes: readonly Route[]): (path: string) => string | undefined {
  const patterns = new Map<string, { pattern: RegExp; methods: Set<string> }>();
  for (const { path, method } of routes) {
    const known = patterns.get(path) ?? {
      pattern: new RegExp(`^${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:\w+/g, '[^/]+')}$`),
      methods: new Set<string>(),
    };
    known.methods.add(method);
    if (method === 'GET') known.methods.add('HEAD');
    patterns.set(path, known);
  }
  return (path) => {
    const methods = new Set<string>();
    // `/send` is not an id of the route beside it.
    const literal = patterns.get(path);
    for (const known of literal ? [literal] : patterns.values())
      if (known.pattern.test(path)) for (const method of known.methods) methods.add(method);
    return methods.size > 0 ? [...methods].join(', ') : undefined;
  };
}
