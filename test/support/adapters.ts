/** An adapter with everything the core would hand it, and its callbacks as the core would hand them over. */
import {
  type AnyAdapter,
  type ChannelEvent,
  type Credentials,
  DeliveryError,
  type Fault,
  type HttpRequest,
  type HttpResponse,
  type InboundMedia,
  type MediaContext,
  type RawRequest,
  type SendContext,
} from '../../src/channel-kit/index.ts';
import { contextFor, createHttp } from './http.ts';
import type { Json, SignedCallback } from './providers/fake.ts';

export interface Sending {
  readonly to?: Readonly<Record<string, string>>;
  readonly address: string;
  readonly content: Json;
  readonly language?: string;
  readonly reference?: string;
}

/** An HTTP adapter on this account. Close it after the test. */
export function using(adapter: AnyAdapter, credentials: Credentials, timeoutMs = 500) {
  const http = createHttp(timeoutMs);
  const context = (more: Partial<SendContext> = {}) => contextFor(adapter, credentials, { http, ...more });
  return {
    context,
    send: ({ to = {}, reference = 'msg_TEST', ...message }: Sending, more: Partial<SendContext> = {}) =>
      adapter.send({ to, reference, ...message }, context(more)),
    check: () => adapter.check(context()),
    close: () => http.close(),
  };
}

/** The fault a call ended with. Anything else it may end with fails the test. */
export async function faultOf(call: Promise<unknown>): Promise<Fault> {
  const error = await call.then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  );
  if (error instanceof DeliveryError) return error.fault;
  throw error;
}

/** A callback as it arrives at our door. */
export function arrived({ method, url, headers, body }: SignedCallback, at = new Date()): RawRequest {
  return { method, url, query: Object.fromEntries(new URL(url).searchParams), headers, body, at };
}

/** All that these requests say, in their order. */
export const readBy = async (
  { webhook }: AnyAdapter,
  ...requests: readonly RawRequest[]
): Promise<readonly ChannelEvent[]> =>
  (await Promise.all(requests.map((request) => webhook?.parse(request) ?? []))).flat();

/** The adapter's way to fetch a file, with every address it asks. Without `answers` it asks for real. */
export function fetching(
  adapter: AnyAdapter,
  credentials: Credentials,
  answers?: (request: HttpRequest) => HttpResponse,
) {
  const asked: HttpRequest[] = [];
  const real = createHttp(2_000);
  const http = async (request: HttpRequest) => {
    asked.push(request);
    return answers ? answers(request) : real(request);
  };
  const context = contextFor(adapter, credentials, { http });
  const download: MediaContext['download'] = async (request) => {
    asked.push(request);
    if (!request.url.startsWith('http://127.0.0.1'))
      return { mime: 'application/octet-stream', bytes: Buffer.alloc(0) };
    const { headers, text } = await real(request);
    return { mime: headers['content-type'] ?? '', bytes: Buffer.from(text) };
  };
  const media = async (item: InboundMedia) => {
    if (!adapter.webhook?.media) throw new Error(`${adapter.id} fetches nothing`);
    return adapter.webhook.media(item, { ...context, download });
  };
  return { media, asked };
}

/** Keeps what a test opened, newest first, for its `afterEach`. */
export function closing() {
  const open: { close(): unknown }[] = [];
  return {
    keep: <T extends { close(): unknown }>(thing: T): T => {
      open.push(thing);
      return thing;
    },
    closeAll: async () => {
      for (const thing of open.splice(0).reverse()) await thing.close();
    },
  };
}
