/**
 * The shell around the routes: it reads and judges what came, asks the hooks who is calling, calls the handler, and writes the
 * answer. A path without parameters is looked up and served at once, which is where nearly all requests go; Koa and its
 * router find the others, and tell what is not there.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { parse as parseQuery } from 'node:querystring';
import { pipeline, Readable } from 'node:stream';
import { Router } from '@koa/router';
import type { TSchema } from '@sinclair/typebox';
import Koa from 'koa';
import { type Arrival, arrival, type Target, targetOf } from './arrival.ts';
import { drain, readBody } from './body.ts';
import type { Soon } from './cache.ts';
import type { Clock } from './clock.ts';
import { ApiError, fromStore } from './errors.ts';
import type { Auth, Principal, Reply, Request, Route, Surface } from './http.ts';
import { toWire } from './ids.ts';
import type { Log } from './log.ts';
import { type Validator, validator } from './schema.ts';

export interface ShellHooks {
  /** Throws `unauthorized` (or redirects, for pages) when the caller may not come in. */
  readonly authenticate: Readonly<Record<Auth, (request: Request) => Soon<Principal>>>;
  /** The answer to an error, per surface. */
  readonly refuse: Readonly<Record<Surface, (error: ApiError, request: Request) => Reply>>;
  /** After a route with `audit` succeeded. */
  readonly audit: (action: string, request: Request, reply: Reply) => Promise<void>;
}

export interface ShellOptions {
  readonly routes: readonly Route[];
  readonly hooks: ShellHooks;
  readonly log: Log;
  readonly clock: Clock;
  /** Proxies in front of us whose `X-Forwarded-For` is believed; 0 believes none. */
  readonly trustedProxies: number;
  /** Milliseconds a streamed body may pause. Default 30,000. */
  readonly idleMs?: number;
}

const NO_HEADERS = {};
/** Statuses without a body, whatever the reply says. */
const EMPTY = new Set([204, 205, 304]);
const TEXTUAL = /^(text\/[\w.+-]+|application\/(json|javascript|manifest\+json))$/;
const URL_LIMIT = 8_192;

/** One request and its answer. */
interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly target: Target;
  readonly params: Readonly<Record<string, string>>;
}

export function createShell({
  routes,
  hooks,
  log,
  clock,
  trustedProxies,
  idleMs = 30_000,
}: ShellOptions): RequestListener {
  const methods = methodsByPath(routes);

  const handle = async (
    { req, res, target }: Exchange,
    surface: Surface,
    work: (request: Arrival) => Promise<Reply>,
  ): Promise<void> => {
    const request = arrival(req, target, clock, trustedProxies);
    const began = performance.now();
    const broken = (err: Error & { code?: string }): void => {
      // Who has gone does not want the rest.
      const level = err.code === 'ERR_STREAM_PREMATURE_CLOSE' ? 'debug' : 'error';
      log[level]({ err, request_id: request.requestId, path: target.path }, 'an answer broke off');
    };
    let failure: ApiError | undefined;
    let reply: Reply;
    try {
      reply = await work(request);
      answer(req, res, request.requestId, reply, request.principal.meter?.headers() ?? NO_HEADERS, broken);
    } catch (error) {
      failure = asApiError(error);
      if (failure.status >= 500)
        log.error(
          { err: error, request_id: request.requestId, method: req.method, path: target.path },
          'request failed',
        );
      reply = refuse(surface, failure, request);
      const told = request.principal.meter?.headers();
      answer(req, res, request.requestId, reply, told ? { ...told, ...failure.headers } : failure.headers, broken);
    }
    if (!log.isLevelEnabled('debug')) return;
    log.debug(
      {
        request_id: request.requestId,
        tenant_id: request.principal.tenantId === '' ? undefined : toWire('tenant', request.principal.tenantId),
        actor: request.principal.actor.id === '' ? undefined : request.principal.actor.id,
        method: req.method,
        path: target.path,
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

  type Serve = (exchange: Exchange) => Promise<void>;
  const exact = new Map<string, Serve>();
  const router = new Router({ strict: true, sensitive: true });
  for (const spec of routes) {
    const judge = judges(spec);
    const serve: Serve = (exchange) =>
      handle(exchange, spec.surface ?? 'api', async (request) => {
        const { req, target } = exchange;
        if (target.sent > URL_LIMIT) throw new ApiError('uri_too_long');
        const principal = hooks.authenticate[spec.auth](request);
        request.principal = principal instanceof Promise ? await principal : principal;
        const spent = request.principal.meter?.spend(1);
        if (spent) await spent;
        if (spec.scope && !request.principal.scopes.includes(spec.scope))
          throw new ApiError('insufficient_scope', `This call needs a key with the scope "${spec.scope}".`);
        const { raw, body, stream, files } = await readBody(req, spec, idleMs);
        request.raw = raw;
        request.params = judge.params(exchange.params);
        request.query = judge.query(target.search === '' ? {} : { ...parseQuery(target.search) });
        request.body = judge.body(body);
        if (files) request.files = files;
        if (stream) request.stream = stream;
        const reply = await (stream ? spec.handler(request).finally(() => drain(req)) : spec.handler(request));
        if (spec.audit && reply.status < 400) await audit(spec.audit, request, reply);
        return reply;
      });
    if (spec.path.includes(':'))
      router.register(spec.path, [spec.method], (ctx) => serve({ ...exchangeOf(ctx), params: ctx.params }));
    else
      for (const method of spec.method === 'GET' ? ['GET', 'HEAD'] : [spec.method])
        exact.set(`${method} ${spec.path}`, serve);
  }

  const app = new Koa();
  app.use((ctx, next) => {
    ctx.respond = false;
    return next();
  });
  app.use(router.routes());
  app.use(async (ctx) => {
    const surface: Surface = ctx.path.startsWith('/api/') || !ctx.accepts('html') ? 'api' : 'page';
    await handle(exchangeOf(ctx), surface, async () => {
      const allowed = methods(ctx.path);
      if (allowed)
        throw new ApiError('method_not_allowed', `${ctx.method} is not taken here; allowed: ${allowed}.`, {
          headers: { Allow: allowed },
        });
      throw new ApiError('not_found');
    });
  });
  const escaped = (error: unknown) => log.debug({ err: error }, 'connection closed early');
  app.on('error', escaped);
  const find = app.callback();

  return (req, res) => {
    const target = targetOf(req.url as string);
    const serve = exact.get(`${req.method} ${target.path}`);
    if (serve) {
      serve({ req, res, target, params: NO_PARAMS }).catch((error) => {
        escaped(error);
        res.destroy();
      });
      return;
    }
    // What builds on the path from here on must not see a host.
    req.url = target.whole;
    targets.set(req, target);
    void find(req, res);
  };
}

const NO_PARAMS = {};
/** Of the requests that Koa is asked about. */
const targets = new WeakMap<IncomingMessage, Target>();
const exchangeOf = ({ req, res }: Koa.Context): Exchange => ({
  req,
  res,
  target: targets.get(req) as Target,
  params: NO_PARAMS,
});

function answer(
  req: IncomingMessage,
  res: ServerResponse,
  requestId: string,
  { status, headers: own, body, pieces, type = 'application/json' }: Reply,
  more: Readonly<Record<string, string>>,
  /** An answer that is sent piece by piece has broken off. */
  broken: (error: Error) => void,
): void {
  const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const headers: Record<string, number | string | string[]> = {
    'X-Request-Id': requestId,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
  };
  for (const name in own) headers[name] = own[name] as string | string[];
  for (const name in more) headers[name] = more[name] as string;
  const isEmpty = EMPTY.has(status) || (bytes === undefined && !pieces);
  if (!isEmpty) headers['Content-Type'] = TEXTUAL.test(type) ? `${type}; charset=utf-8` : type;
  if (bytes !== undefined && !isEmpty) headers['Content-Length'] = Buffer.byteLength(bytes);
  else if (isEmpty && !EMPTY.has(status)) headers['Content-Length'] = 0;
  res.writeHead(status, headers);
  if (isEmpty || req.method === 'HEAD') res.end();
  else if (pieces) pipeline(Readable.from(pieces, { objectMode: false }), res, (error) => error && broken(error));
  else res.end(bytes);
  // @crash K3: answered, and whoever should be rung for may not have heard
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return fromStore(error) ?? new ApiError('internal_error', undefined, { cause: error });
}

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
