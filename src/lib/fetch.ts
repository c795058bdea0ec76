/**
 * HTTP to others: pooled, timed, guarded, never redirected, and honest about how far a failed request got, because "not
 * sent" may be tried again and "no answer" may not.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { BlockedAddress, type Egress } from './egress.ts';
import { Exchange } from './exchange.ts';
import { createSockets, type Sockets } from './sockets.ts';

export interface FetchRequest {
  /** Default GET. */
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
  /** Ends the exchange earlier. */
  readonly signal?: AbortSignal;
}

export interface FetchResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly bytes: Buffer;
  /** The body as JSON, `undefined` when it is not. */
  json(): unknown;
}

/** No answer. `sent` is false only when it is certain that no byte of the request left. */
export class FetchError extends Error {
  readonly sent: boolean;
  readonly code: string | undefined;
  constructor(message: string, sent: boolean, code: string | undefined) {
    super(message);
    this.name = 'FetchError';
    this.sent = sent;
    this.code = code;
  }
}

export interface Fetch {
  /** Any answer is returned, whatever its status; bodies over the limit are cut off as an error. Throws `FetchError`. */
  (request: FetchRequest): Promise<FetchResponse>;
  close(): Promise<void>;
}

export interface FetchOptions {
  /** Sockets to one origin, opened as they are needed. Default 4,096. */
  readonly connections?: number;
  /** Of an answer, in bytes. Default 1 MB. */
  readonly bodyMax?: number;
}

const TIMEOUT_MS = 15_000;
const CONNECT_MS = 10_000;
const KEEP_ALIVE_MS = 10_000;
const BODY_MAX = 1_048_576;
const ADDRESSES_MAX = 1_000;

export function createFetch(egress: Egress, { connections = 4_096, bodyMax = BODY_MAX }: FetchOptions = {}): Fetch {
  const origins = new Map<string, Sockets>();
  // Adapters call the same few addresses over and over.
  const addresses = new Map<string, Address>();
  let underWay = 0;
  let closed = false;
  let onQuiet = () => {};

  function addressOf(text: string): Address {
    const known = addresses.get(text);
    if (known) return known;
    if (!URL.canParse(text)) throw new FetchError('the address is not a URL', false, 'ERR_INVALID_URL');
    const { protocol, origin, pathname, search } = new URL(text);
    if (protocol !== 'https:' && protocol !== 'http:')
      throw new FetchError(`${protocol} is not a scheme we speak`, false, 'BLOCKED_ADDRESS');
    const address = { origin, path: pathname + search };
    if (addresses.size >= ADDRESSES_MAX) addresses.clear();
    addresses.set(text, address);
    return address;
  }

  function socketsOf(origin: string): Sockets {
    const known = origins.get(origin);
    if (known) return known;
    const sockets = createSockets(origin, {
      max: connections,
      bodyMax,
      keepAliveMs: KEEP_ALIVE_MS,
      connect: guarded(egress),
      onEmpty: () => origins.delete(origin),
    });
    origins.set(origin, sockets);
    return sockets;
  }

  const fetch = async (request: FetchRequest): Promise<FetchResponse> => {
    const { origin, path } = addressOf(request.url);
    const { signal, method = 'GET', timeoutMs = TIMEOUT_MS } = request;
    if (closed) throw new FetchError('we are leaving', false, 'UND_ERR_CLOSED');
    if (signal?.aborted) throw failure(signal.reason, false);
    const { body, headers } = encode(request);
    underWay++;
    try {
      return await new Promise<FetchResponse>((resolve, reject) => {
        const options = { origin, path, method, headers, body: body ?? null };
        new Exchange(socketsOf(origin), options, {
          answered: (status, headers, bytes) => resolve(respond(status, headers, bytes)),
          failed: (error, sent) => reject(failure(error, sent)),
        }).begin(timeoutMs, signal);
      });
    } finally {
      underWay--;
      if (underWay === 0) onQuiet();
    }
  };
  return Object.assign(fetch, {
    async close() {
      closed = true;
      if (underWay > 0)
        await new Promise<void>((resolve) => {
          onQuiet = resolve;
        });
      await Promise.all([...origins.values()].map((sockets) => sockets.close()));
    },
  });
}

interface Address {
  readonly origin: string;
  readonly path: string;
}

/** Opens sockets of one origin: judged as written, as resolved, and as connected. */
function guarded(egress: Egress): buildConnector.connector {
  let dial: buildConnector.connector | undefined;
  return (options, callback) => {
    const port = Number(options.port || (options.protocol === 'https:' ? 443 : 80));
    const refusal = egress.refusal(options.hostname, port);
    if (refusal) return callback(new BlockedAddress(refusal), null);
    // Kept, because it keeps the TLS sessions.
    dial ??= buildConnector({ timeout: CONNECT_MS, lookup: egress.lookup(port) });
    dial(options, (...[error, socket]: Parameters<buildConnector.Callback>) => {
      if (error || !socket) return callback(error ?? new Error('no socket'), null);
      try {
        egress.checkPeer(socket as Socket, options.hostname, port);
      } catch (blocked) {
        return callback(blocked as Error, null);
      }
      callback(null, socket);
    });
  };
}

const failure = (error: unknown, sent: boolean): FetchError => {
  const code = (error as { code?: unknown } | undefined)?.code;
  return new FetchError(
    error instanceof Error ? error.message.slice(0, 300) : 'no answer',
    sent,
    typeof code === 'string' ? code : undefined,
  );
};

function encode({ json, form, body, headers = {}, bearer, basic }: FetchRequest): {
  body: Buffer | undefined;
  headers: Record<string, string>;
} {
  const all: Record<string, string> = { 'user-agent': 'Carillon', ...headers };
  if (bearer !== undefined) all.authorization = `Bearer ${bearer}`;
  if (basic) all.authorization = `Basic ${Buffer.from(basic.join(':')).toString('base64')}`;
  if (json !== undefined) {
    all['content-type'] ??= 'application/json; charset=utf-8';
    return { body: Buffer.from(JSON.stringify(json)), headers: all };
  }
  if (!form) return { body, headers: all };
  all['content-type'] = 'application/x-www-form-urlencoded';
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(form)) {
    if (value === undefined) continue;
    for (const one of typeof value === 'string' ? [value] : value) fields.append(name, one);
  }
  return { body: Buffer.from(fields.toString()), headers: all };
}

function respond(status: number, headers: IncomingHttpHeaders, bytes: Buffer): FetchResponse {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  let text: string | undefined;
  return {
    status,
    headers: flat,
    bytes,
    // Of a file nobody asks for its text.
    get text() {
      text ??= textOf(bytes);
      return text;
    },
    json() {
      try {
        return JSON.parse(this.text);
      } catch {
        return undefined;
      }
    },
  };
}

/** UTF-8, without the mark that some put in front of it. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString();
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}
