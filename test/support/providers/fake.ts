/**
 * What all provider fakes share: a real HTTP server on a port of the system's choice, a record of every request as it came,
 * behaviours that a test asks for by recipient, and callbacks that can be repeated, reordered, held back or badly signed.
 *
 * fake.script('+1…', behave.unavailable(), behave.ok())   the next two sends to this recipient; '*' means anybody
 * fake.deliver(id, ['sent', 'delivered'], { duplicate: true, reorder: true, delayMs: 20, badSignature: true })
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { request as dial } from 'undici';

export type Behaviour =
  | { readonly do: 'ok' }
  /** Accepted, and taken back later in a callback with this code. */
  | { readonly do: 'fail'; readonly code: string }
  | { readonly do: 'refuse'; readonly code: string; readonly status?: number; readonly message?: string }
  | { readonly do: 'tooMany'; readonly seconds: number }
  | { readonly do: 'answer'; readonly status: number; readonly contentType: string; readonly body: string }
  | { readonly do: 'hang' }
  /** The connection breaks before anything was accepted, or after it was. */
  | { readonly do: 'reset'; readonly accepted: boolean }
  /** Accepted, but the answer is cut in the middle. */
  | { readonly do: 'malformed' }
  | { readonly do: 'slow'; readonly ms: number };

export const behave = {
  ok: (): Behaviour => ({ do: 'ok' }),
  fail: (code: number | string): Behaviour => ({ do: 'fail', code: String(code) }),
  refuse: (code: number | string, more: { status?: number; message?: string } = {}): Behaviour => ({
    do: 'refuse',
    code: String(code),
    ...more,
  }),
  tooMany: (seconds: number): Behaviour => ({ do: 'tooMany', seconds }),
  unavailable: (status = 503): Behaviour => ({ do: 'answer', status, contentType: 'text/plain', body: 'try later' }),
  html502: (): Behaviour => ({
    do: 'answer',
    status: 502,
    contentType: 'text/html',
    body: '<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>',
  }),
  answer: (status: number, body: string, contentType = 'application/json'): Behaviour => ({
    do: 'answer',
    status,
    contentType,
    body,
  }),
  hang: (): Behaviour => ({ do: 'hang' }),
  resetBefore: (): Behaviour => ({ do: 'reset', accepted: false }),
  resetAfter: (): Behaviour => ({ do: 'reset', accepted: true }),
  malformed: (): Behaviour => ({ do: 'malformed' }),
  slow: (ms: number): Behaviour => ({ do: 'slow', ms }),
};

/** What a test or a fake reads without asking for its type. */
export type Json = any;

export interface Recorded {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  json(): Json;
  /** Of a repeated name, all values. */
  form(): Readonly<Record<string, readonly string[]>>;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A message the provider took. */
export interface FakeMessage {
  readonly id: string;
  readonly to: string;
  /** Our reference, where the provider echoes one, and where its callbacks go. */
  readonly reference?: string;
  readonly callbackUrl?: string;
  /** The code it will be taken back with. */
  readonly fate?: string;
  readonly request: Recorded;
}

/** A send that passed the provider's own checks, or the answer to anything else. */
export type Plan =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | {
      readonly kind: 'send';
      readonly to: string;
      /** What the provider finds out only after it has accepted. */
      readonly fate?: string;
      readonly message: Pick<FakeMessage, 'id' | 'reference' | 'callbackUrl'>;
      readonly answer: Answer;
    };

export interface SignedCallback {
  readonly method: 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface CallbackOptions {
  readonly code?: string;
  readonly badSignature?: boolean;
  readonly at?: Date;
}

export interface DeliverOptions extends CallbackOptions {
  readonly duplicate?: boolean;
  readonly reorder?: boolean;
  readonly delayMs?: number;
}

export interface Dialect {
  /** Judges a request. Pure but for the numbering of ids. */
  plan(request: Recorded): Plan;
  /** An error in the provider's own form. */
  refusal(code: string, status: number | undefined, message: string | undefined): Answer;
  callback?(message: FakeMessage, status: string, options: CallbackOptions): SignedCallback;
  /** The statuses posted by themselves after this message was accepted. */
  auto?(message: FakeMessage): readonly string[];
}

export interface Fake {
  readonly url: string;
  readonly requests: Recorded[];
  readonly messages: FakeMessage[];
  /** The next sends to this recipient (`*`: to anybody) behave so, in order; after them everything is ok again. */
  script(to: string, ...behaviours: readonly Behaviour[]): void;
  /** From now on, and after any script. */
  always(to: string, behaviour: Behaviour): void;
  callback(id: string, status: string, options?: CallbackOptions): SignedCallback;
  /** Posts callbacks and returns the answers' statuses. */
  deliver(id: string, statuses: readonly string[], options?: DeliverOptions): Promise<number[]>;
  /** Resolves when all callbacks posted by themselves have been answered. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export async function startFake(dialect: Dialect): Promise<Fake> {
  const requests: Recorded[] = [];
  const messages: FakeMessage[] = [];
  const scripts = new Map<string, Behaviour[]>();
  const standing = new Map<string, Behaviour>();
  const posting = new Set<Promise<unknown>>();
  const next = (to: string): Behaviour =>
    scripts.get(to)?.shift() ?? scripts.get('*')?.shift() ?? standing.get(to) ?? standing.get('*') ?? behave.ok();

  const server = createServer(async (incoming, response) => {
    const request = await record(incoming);
    requests.push(request);
    const plan = dialect.plan(request);
    if (plan.kind === 'answer') return write(response, plan.answer);
    const behaviour = next(plan.to);
    await perform(behaviour, plan, request, response);
  });

  async function perform(
    behaviour: Behaviour,
    plan: Extract<Plan, { kind: 'send' }>,
    request: Recorded,
    response: ServerResponse,
  ): Promise<void> {
    switch (behaviour.do) {
      case 'hang':
        return;
      case 'reset':
        if (behaviour.accepted) accept(plan, request);
        response.socket?.resetAndDestroy();
        return;
      case 'malformed': {
        accept(plan, request);
        const text = JSON.stringify(plan.answer.body);
        return write(response, { ...plan.answer, body: text.slice(0, Math.floor(text.length / 2)) });
      }
      case 'answer':
        return write(response, {
          status: behaviour.status,
          headers: { 'content-type': behaviour.contentType },
          body: behaviour.body,
        });
      case 'tooMany': {
        const refusal = dialect.refusal('429', 429, 'too many requests');
        return write(response, {
          ...refusal,
          headers: { ...refusal.headers, 'retry-after': String(behaviour.seconds) },
        });
      }
      case 'refuse':
        return write(response, dialect.refusal(behaviour.code, behaviour.status, behaviour.message));
      case 'slow':
        await sleep(behaviour.ms);
        accept(plan, request);
        return write(response, plan.answer);
      case 'fail':
        accept({ ...plan, fate: behaviour.code }, request);
        return write(response, plan.answer);
      case 'ok':
        accept(plan, request);
        return write(response, plan.answer);
    }
  }

  function accept({ message, to, fate }: Extract<Plan, { kind: 'send' }>, request: Recorded): void {
    const accepted: FakeMessage = { ...message, to, request, ...(fate ? { fate } : {}) };
    messages.push(accepted);
    const statuses = dialect.auto?.(accepted) ?? [];
    if (statuses.length === 0) return;
    const post = sleep(1).then(() => deliver(accepted.id, statuses, fate ? { code: fate } : {}));
    posting.add(post);
    void post.catch(() => undefined).finally(() => posting.delete(post));
  }

  function callback(id: string, status: string, options: CallbackOptions = {}): SignedCallback {
    const message = messages.find((m) => m.id === id);
    if (!message || !dialect.callback) throw new Error(`no message ${id} to report on`);
    return dialect.callback(message, status, { ...(message.fate ? { code: message.fate } : {}), ...options });
  }

  async function deliver(id: string, statuses: readonly string[], options: DeliverOptions = {}): Promise<number[]> {
    let posts = statuses.map((status) => callback(id, status, options));
    if (options.duplicate) posts = posts.flatMap((post) => [post, post]);
    if (options.reorder) posts.reverse();
    const answers: number[] = [];
    for (const { method, url, headers, body } of posts) {
      if (options.delayMs) await sleep(options.delayMs);
      const { statusCode, body: answer } = await dial(url, { method, headers, body });
      await answer.dump();
      answers.push(statusCode);
    }
    return answers;
  }

  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    messages,
    script: (to, ...behaviours) => void scripts.set(to, [...(scripts.get(to) ?? []), ...behaviours]),
    always: (to, behaviour) => void standing.set(to, behaviour),
    callback,
    deliver,
    settled: async () => void (await Promise.allSettled(posting)),
    close: async () => {
      await Promise.allSettled(posting);
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

async function record(incoming: IncomingMessage): Promise<Recorded> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const url = new URL(incoming.url ?? '/', 'http://fake');
  return {
    method: incoming.method ?? 'GET',
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: incoming.headers as Record<string, string>,
    body,
    json: () => JSON.parse(body.toString()),
    form: () => {
      const fields: Record<string, string[]> = {};
      for (const [name, value] of new URLSearchParams(body.toString())) fields[name] = [...(fields[name] ?? []), value];
      return fields;
    },
  };
}

function write(response: ServerResponse, { status, headers, body }: Answer): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
}
