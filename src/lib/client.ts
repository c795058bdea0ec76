/** A client of our own API, for the command line: JSON in and out, and files sent as they are read. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import { ApiError, ERRORS, type ErrorCode } from './errors.ts';

export interface ClientOptions {
  /** Of the installation, without a path. */
  readonly url: string;
  readonly key: string;
}

export interface Upload {
  readonly path: string;
  readonly file: string;
  readonly type: string;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  /** Bytes handed over so far. */
  readonly onBytes: (bytes: number) => void;
}

export interface Client {
  /** Throws ApiError as the server says it, or the connection's own error. */
  get(path: string): Promise<Record<string, unknown>>;
  upload(upload: Upload): Promise<Record<string, unknown>>;
}

export function createClient({ url, key }: ClientOptions): Client {
  const headers = { 'x-api-key': key };
  return {
    get: async (path) => answerOf(await request(url + path, { headers })),
    async upload({ path, file, type, idempotencyKey, signal, onBytes }) {
      return answerOf(
        await request(url + path, {
          method: 'POST',
          headers: { ...headers, 'content-type': type, 'idempotency-key': idempotencyKey },
          body: Readable.from(counted(file, onBytes)),
          signal,
          // The last row may be stored long after the last byte was sent.
          headersTimeout: 600_000,
          bodyTimeout: 60_000,
        }),
      );
    },
  };
}

async function* counted(file: string, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const piece of createReadStream(file, { highWaterMark: 262_144 })) {
    yield piece as Buffer;
    bytes += (piece as Buffer).length;
    onBytes(bytes);
  }
}

async function answerOf({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<Record<string, unknown>> {
  const text = await body.text();
  let answer: Record<string, unknown>;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(`There is no Carillon at this address: it answered ${statusCode} with something else than JSON.`);
  }
  if (statusCode < 400) return answer;
  const { code, message, details } = answer.error as { code: string; message: string; details?: object };
  if (!isCode(code)) throw new Error(message);
  const wait = Number(headers['retry-after']);
  throw new ApiError(code, message, {
    ...(details ? { details: details as Record<string, unknown> } : {}),
    ...(wait > 0 ? { retryAfterSeconds: wait } : {}),
  });
}

/** Of this version's catalogue; the server may be newer. */
const isCode = (code: string): code is ErrorCode => code in ERRORS;
