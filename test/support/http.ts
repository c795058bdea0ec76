/**
 * The small HTTP client and dialler that channel tests use: the contract's promises and nothing else, without the guard
 * against private addresses, since the fakes live on one.
 */
import { connect } from 'node:net';
import { Agent, request } from 'undici';
import {
  type Adapter,
  type Credentials,
  classify,
  DeliveryError,
  type HttpClient,
  type HttpResponse,
  type Net,
  parseJson,
  type SendContext,
} from '../../src/channel-kit/index.ts';

/** Errors that come before a byte of the request has left. */
const BEFORE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

export function createHttp(timeoutMs = 2_000): HttpClient & { close(): Promise<void> } {
  const agent = new Agent({ connect: { timeout: timeoutMs } });
  const client: HttpClient = async ({
    method = 'GET',
    url,
    headers = {},
    bearer,
    basic,
    json,
    form,
    body,
    timeoutMs: own,
  }) => {
    const limit = Math.min(own ?? timeoutMs, timeoutMs);
    try {
      const answer = await request(url, {
        dispatcher: agent,
        method,
        signal: AbortSignal.timeout(limit),
        headers: {
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
          ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
          ...(basic === undefined ? {} : { authorization: `Basic ${Buffer.from(basic.join(':')).toString('base64')}` }),
          ...headers,
        },
        body: body ?? (form ? encoded(form) : json === undefined ? null : JSON.stringify(json)),
      });
      const text = await answer.body.text();
      const flat = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
      return { status: answer.statusCode, headers: Object.fromEntries(flat), text, json: () => parseJson(text) };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      throw new DeliveryError(BEFORE.has(code) ? 'provider_unavailable' : 'outcome_unknown', { providerCode: code });
    }
  };
  return Object.assign(client, { close: () => agent.destroy() });
}

function encoded(form: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(form))
    for (const one of value === undefined ? [] : [value].flat()) fields.append(name, one);
  return fields.toString();
}

export const net: Net = {
  dial: (host, port) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: host === 'localhost' ? '127.0.0.1' : host, port });
      socket.once('connect', () => resolve(socket));
      socket.once('error', (error: NodeJS.ErrnoException) =>
        reject(new DeliveryError('provider_unavailable', { providerCode: error.code ?? 'unknown' })),
      );
    }),
};

/** An answer as the core would hand it to an adapter. */
export function response(status: number, body: unknown, headers: Record<string, string> = {}): HttpResponse {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers, text, json: () => parseJson(text) };
}

/** Everything an adapter is given for one send. */
export function contextFor<K>(
  adapter: Adapter<any, K>,
  credentials: Credentials,
  more: Partial<SendContext<K>> & Pick<SendContext<K>, 'http'>,
): SendContext<K> {
  const defaults = adapter.credentials.filter((field) => field.default !== undefined);
  const complete = { ...Object.fromEntries(defaults.map(({ name, default: value }) => [name, value])), ...credentials };
  return {
    credentials: complete as Credentials,
    client: undefined as K,
    signal: AbortSignal.timeout(10_000),
    idempotencyKey: 'msg_TEST',
    callbackUrl: `http://127.0.0.1:9/hooks/${adapter.id}/con_1?ref=msg_TEST`,
    fault: (answer) => classify(adapter, answer, complete as Credentials),
    ...more,
  };
}
