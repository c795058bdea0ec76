/**
 * HTTP to others: pooled, timed, guarded, never redirected, and honest about how far a failed request got, because "not
 * sent" may be tried again and "no answer" may not.
 */
import type { Socket } from 'node:net';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { BlockedAddress, type Egress } from './egress.ts';

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
  /** Any answer is returned, whatever its status; bodies over 1 MB are cut off as an error. Throws `FetchError`. */
  (request: FetchRequest): Promise<FetchResponse>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 15_000;
const BODY_MAX = 1_048_576;

/** Passed with a request through undici: called when a socket takes it up, just before its first byte is written. */
interface Departure {
  readonly onDeparture?: () => void;
}

export function createFetch(egress: Egress): Fetch {
  // Errors of this function are errors of finding the way: whatever comes later may have been sent.
  const neverLeft = new WeakSet<Error>();
  const agent = new Agent({
    connections: 128,
    pipelining: 1,
    keepAliveTimeout: 10_000,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    maxResponseSize: BODY_MAX,
    connect: (options, callback) => {
      const fail = (error: Error) => {
        neverLeft.add(error);
        callback(error, null);
      };
      const port = Number(options.port || (options.protocol === 'https:' ? 443 : 80));
      const refusal = egress.refusal(options.hostname, port);
      if (refusal) return fail(new BlockedAddress(refusal));
      buildConnector({ timeout: 10_000, lookup: egress.lookup(port) })(
        options,
        (...[error, socket]: Parameters<buildConnector.Callback>) => {
          if (error || !socket) return fail(error ?? new Error('no socket'));
          try {
            egress.checkPeer(socket as Socket, options.hostname, port);
          } catch (blocked) {
            return fail(blocked as Error);
          }
          callback(null, socket);
        },
      );
    },
  });

  const dispatcher = agent.compose(
    (dispatch) => (options: Dispatcher.DispatchOptions & Departure, handler) =>
      dispatch(options, noting(handler, options.onDeparture)),
  );

  const fetch = async (request: FetchRequest): Promise<FetchResponse> => {
    if (!URL.canParse(request.url)) throw new FetchError('the address is not a URL', false, 'ERR_INVALID_URL');
    const url = new URL(request.url);
    if (url.protocol !== 'https:' && url.protocol !== 'http:')
      throw new FetchError(`${url.protocol} is not a scheme we speak`, false, 'BLOCKED_ADDRESS');
    const { body, headers } = encode(request);
    const timeout = AbortSignal.timeout(request.timeoutMs ?? TIMEOUT_MS);
    const signal = request.signal ? AbortSignal.any([timeout, request.signal]) : timeout;
    let departed = false;
    const exchange = async (): Promise<FetchResponse> => {
      const options: Dispatcher.RequestOptions & Departure = {
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method ?? 'GET',
        headers,
        body: body ?? null,
        signal,
        onDeparture: () => {
          departed = true;
        },
      };
      const response = await dispatcher.request(options);
      return respond(response, await response.body.text());
    };
    try {
      return await unlessAborted(signal, exchange);
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      throw new FetchError(
        error instanceof Error ? error.message.slice(0, 300) : 'no answer',
        departed && !(error instanceof Error && neverLeft.has(error)),
        typeof code === 'string' ? code : undefined,
      );
    }
  };
  // Not `dispatcher.close`: what waits for a socket is ours to close.
  return Object.assign(fetch, { close: () => agent.close() });
}

function noting(handler: Dispatcher.DispatchHandler, onDeparture = () => {}): Dispatcher.DispatchHandler {
  return {
    onRequestStart(controller, context) {
      // An aborted request ends here, and then it has not departed.
      handler.onRequestStart?.(controller, context);
      if (!controller.aborted) onDeparture();
    },
    onRequestUpgrade: (...given) => handler.onRequestUpgrade?.(...given),
    onResponseStart: (...given) => handler.onResponseStart?.(...given),
    onResponseData: (...given) => handler.onResponseData?.(...given),
    onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
    onResponseError: (...given) => handler.onResponseError?.(...given),
  };
}

/** undici looks at the signal of a request only once a socket has taken it up; who waits for one is let go at once. */
async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

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

function respond({ statusCode, headers }: Dispatcher.ResponseData, text: string): FetchResponse {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  return {
    status: statusCode,
    headers: flat,
    text,
    json() {
      try {
        return JSON.parse(text);
      } catch {
        return undefined;
      }
    },
  };
}
