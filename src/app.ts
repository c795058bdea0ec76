/** The HTTP side: every feature's routes, who may come in, and how each surface says no. */
import { createServer, type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Deps } from './deps.ts';
import { alertRoutes } from './features/alerts/index.ts';
import { auditRoutes } from './features/audit/index.ts';
import { bulkRoutes } from './features/bulks/index.ts';
import { connectionRoutes } from './features/connections/index.ts';
import { contactRoutes } from './features/contacts/index.ts';
import { conversationRoutes } from './features/conversations/index.ts';
import { custodyRoutes } from './features/custody/index.ts';
import { docsRoutes } from './features/docs/index.ts';
import { erasureRoutes } from './features/erasure/index.ts';
import { eventRoutes } from './features/events/index.ts';
import { healthRoutes } from './features/health/index.ts';
import { inboundRoutes } from './features/inbound/index.ts';
import { notificationRoutes } from './features/notifications/index.ts';
import { createPortal, type Portal } from './features/portal/index.ts';
import { autoReplyRoutes } from './features/replies/index.ts';
import { sandboxRoutes } from './features/sandbox/index.ts';
import { suppressionRoutes } from './features/suppressions/index.ts';
import { templateRoutes } from './features/templates/index.ts';
import { tenantRoutes } from './features/tenants/index.ts';
import { webhookRoutes } from './features/webhooks/index.ts';
import { isMoving } from './lib/body.ts';
import { ApiError, errorBody } from './lib/errors.ts';
import type { Principal, Route } from './lib/http.ts';
import { newId, toWire } from './lib/ids.ts';
import { createShell } from './lib/shell.ts';

const NOBODY: Principal = { tenantId: '', mode: 'sandbox', scopes: [], actor: { kind: 'user', id: '' } };

interface Served {
  readonly routes: readonly Route[];
  readonly portal: Portal;
}

/** Everything that is served, in the order of the features. */
export function serve(deps: Deps): Served {
  const {
    alerts,
    audit,
    bulks,
    connections,
    contacts,
    conversations,
    custody,
    erasures,
    feed,
    inbound,
    media,
    notifications,
    publicUrl,
    registry,
    replies,
    sandbox,
    suppressions,
    templates,
    tenants,
    webhooks,
  } = deps;
  const api = [
    ...auditRoutes(audit),
    ...tenantRoutes(tenants),
    ...connectionRoutes(connections),
    ...templateRoutes(templates),
    ...suppressionRoutes(suppressions),
    ...sandboxRoutes(sandbox),
    // Before the notifications, one of which could be called bulk otherwise.
    ...bulkRoutes({ registry, bulks }),
    ...notificationRoutes({ registry, verbs: notifications, queries: notifications }),
    ...eventRoutes(feed),
    ...custodyRoutes(custody),
    ...contactRoutes(contacts),
    ...conversationRoutes(conversations, media),
    ...webhookRoutes(webhooks),
    ...alertRoutes(alerts),
    ...erasureRoutes(erasures),
    ...autoReplyRoutes(replies),
    ...inboundRoutes({ inbound, publicUrl }),
    ...healthRoutes(deps),
  ];
  const documented = [...api, ...docsRoutes({ routes: () => api, publicUrl })];
  const portal = createPortal({ ...deps, routes: () => documented });
  return { routes: [...documented, ...portal.routes], portal };
}

/** Milliseconds a client may take for its headers, for its whole request, and between two pieces of a streamed body. */
export const PATIENCE = { headersMs: 10_000, requestMs: 30_000, idleMs: 30_000 };

export function createApp(deps: Deps, { idleMs }: Pick<typeof PATIENCE, 'idleMs'> = PATIENCE): RequestListener {
  const { audit, clock, config, limits, log, publicUrl, tenants } = deps;
  limits.join();
  const { routes, portal } = serve(deps);
  return createShell({
    routes,
    log,
    clock,
    trustedProxies: config.trustedProxies,
    idleMs,
    hooks: {
      authenticate: {
        key: ({ headers, ip }) => tenants.authenticate(headers, ip),
        admin: ({ headers }) => tenants.authenticateAdmin(headers),
        session: portal.authenticate,
        open: async () => NOBODY,
      },
      refuse: {
        api: (error, { requestId }) => ({ status: error.status, body: errorBody(error, requestId, publicUrl()) }),
        hook: (error) => ({ status: error.status, body: error.code, type: 'text/plain' }),
        page: portal.refuse,
      },
      audit: audit.hook,
    },
  });
}

/** What Node would answer by itself, were it not told to let a streamed body go on. */
const REFUSED: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

export interface Listening {
  readonly port: number;
  /** From now on each answer ends its connection, so that clients and balancers look for another process. */
  leave(): void;
  /** Takes no new connection, lets requests under way finish for a moment, then cuts what is left. */
  close(withinMs: number): Promise<void>;
}

/** Throws the listener's own error (EADDRINUSE and the like). */
export async function listen(
  app: RequestListener,
  port: number,
  host: string,
  patience: Omit<typeof PATIENCE, 'idleMs'> = PATIENCE,
): Promise<Listening> {
  let isLeaving = false;
  /** Written so that what is under way when we leave ends its connection too. */
  class Answer extends ServerResponse<IncomingMessage> {
    // biome-ignore lint/suspicious/noExplicitAny: as Node declares it, in all its forms
    override writeHead(...given: any): this {
      if (isLeaving) this.shouldKeepAlive = false;
      return (super.writeHead as (...all: unknown[]) => this)(...given);
    }
  }
  const server: Server = createServer(
    {
      ServerResponse: Answer,
      headersTimeout: patience.headersMs,
      requestTimeout: patience.requestMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16_384,
      keepAliveTimeout: 65_000,
    },
    app,
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && isMoving(socket)) return;
    // Nothing may be put into an answer that is already on its way.
    const answered = (socket as { _httpMessage?: { headersSent: boolean } | null })._httpMessage?.headersSent;
    if (socket.writable && !answered)
      socket.end(`HTTP/1.1 ${REFUSED[error.code ?? ''] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`);
    else socket.destroy(error);
  });
  server.on('checkExpectation', (_request, response) => {
    const error = new ApiError('expectation_failed');
    const body = errorBody(error, toWire('request', newId()), '');
    response.writeHead(error.status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    leave() {
      isLeaving = true;
    },
    async close(withinMs) {
      isLeaving = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), withinMs);
      await closed;
      clearTimeout(timer);
    },
  };
}
