/**
 * What comes in: a body that is read whole, within its limit, or one that is handed on piece by piece. Whoever takes it
 * slowly is sent it slowly; whoever sends nothing for too long is cut off.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { ApiError } from './errors.ts';
import { type JsonLimits, readJsonObject } from './json.ts';
import { readMultipart, type Upload } from './multipart.ts';

export interface BodyStream {
  /** Content type in lower case, without parameters. */
  readonly type: string;
  /** To be taken once. Throws `body_too_large`, and `upload_interrupted` when it breaks off or pauses for too long. */
  pieces(limit: number): AsyncIterable<Buffer>;
}

/** A form may bring a file. */
export interface UploadSpec {
  /** Bytes of the whole form. */
  readonly bytes: number;
  /** What to tell whoever sends more. */
  readonly beyond: string;
}

interface Spec {
  readonly body?: unknown;
  readonly consumes?: 'json' | 'form' | 'raw' | 'stream';
  readonly accepts?: Readonly<Record<string, unknown>>;
  readonly bodyLimit?: number;
  readonly jsonLimits?: JsonLimits;
  readonly upload?: UploadSpec;
}

interface Body {
  readonly raw: Buffer;
  readonly body: unknown;
  readonly stream?: BodyStream;
  readonly files?: Readonly<Record<string, Upload>>;
}

const BODY_LIMIT = 1_048_576;
const NOTHING = Buffer.alloc(0);

/** Throws the refusals of a body that cannot be taken. */
export async function readBody(req: IncomingMessage, spec: Spec, idleMs: number): Promise<Body> {
  const consumes = spec.consumes ?? (spec.body ? 'json' : undefined);
  if (!consumes) return { raw: NOTHING, body: undefined };
  const type = req.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (req.headers['content-encoding'] && req.headers['content-encoding'] !== 'identity')
    throw new ApiError('unsupported_content_encoding');
  if (consumes === 'stream') {
    if (type === undefined || !(type in (spec.accepts ?? {})))
      throw new ApiError(
        'unsupported_media_type',
        `The body must be one of ${Object.keys(spec.accepts ?? {}).join(', ')}. Set the Content-Type header.`,
      );
    moving.add(req.socket);
    return { raw: NOTHING, body: undefined, stream: { type, pieces: (limit) => piecesOf(req, limit, idleMs) } };
  }
  if (spec.upload && type === 'multipart/form-data') return readUpload(req, spec.upload, idleMs);
  if (consumes === 'json' && type !== 'application/json') throw new ApiError('unsupported_media_type');
  if (consumes === 'form' && type !== 'application/x-www-form-urlencoded')
    throw new ApiError('unsupported_media_type', 'The body must be a form.');
  const limit = spec.bodyLimit ?? BODY_LIMIT;
  const raw = await wholeOf(req, limit);
  if (consumes === 'raw') return { raw, body: undefined };
  if (consumes === 'form') return { raw, body: readForm(raw) };
  return { raw, body: readJsonObject(raw, spec.jsonLimits) };
}

/** Most bodies come in one piece. What is beyond the limit is not kept. */
function wholeOf(req: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(req.headers['content-length'] ?? 0) > limit) return reject(tooLarge(limit));
    let first: Buffer = NOTHING;
    let more: Buffer[] | undefined;
    let size = 0;
    req.on('data', (piece: Buffer) => {
      size += piece.length;
      if (size > limit) {
        req.pause();
        more = undefined;
        reject(tooLarge(limit));
      } else if (size === piece.length) first = piece;
      else {
        more ??= [first];
        more.push(piece);
      }
    });
    req.on('end', () => resolve(more ? Buffer.concat(more, size) : first));
    const broken = () => reject(new ApiError('malformed_json', 'The body broke off before its end.'));
    req.on('error', broken);
    req.on('close', () => req.complete || broken());
  });
}

/** As slowly as it may come; what is too large is taken and forgotten for a while, so that a browser gets to see why. */
async function readUpload(req: IncomingMessage, { bytes, beyond }: UploadSpec, idleMs: number): Promise<Body> {
  moving.add(req.socket);
  try {
    const pieces = (limit: number) => piecesOf(req, limit, idleMs);
    const raw = await collect({ type: 'multipart/form-data', pieces }, bytes);
    const { fields, files } = readMultipart(raw, req.headers['content-type'] ?? '');
    return { raw: NOTHING, body: fields, files };
  } catch (error) {
    if (error instanceof ApiError && error.code === 'body_too_large') throw new ApiError('body_too_large', beyond);
    throw error;
  } finally {
    drain(req);
  }
}

const tooLarge = (limit: number): ApiError =>
  new ApiError(
    'body_too_large',
    `The body is larger than the ${limit.toLocaleString('en')} bytes this address takes.`,
    { headers: { Connection: 'close' } },
  );

/** A field that comes twice (a list of ticked boxes) becomes a list. */
function readForm(raw: Buffer): Record<string, string | string[]> {
  const fields = new URLSearchParams(raw.toString('utf8'));
  return Object.fromEntries(
    [...new Set(fields.keys())].map((name) => {
      const values = fields.getAll(name);
      return [name, values.length > 1 ? values : (values[0] ?? '')];
    }),
  );
}

const IDLE = Symbol('idle');

async function* piecesOf(req: IncomingMessage, limit: number, idleMs: number): AsyncGenerator<Buffer> {
  if (Number(req.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
  let size = 0;
  const source = req.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const idle = new Promise<typeof IDLE>((resolve) => {
        timer = setTimeout(() => resolve(IDLE), idleMs);
      });
      const next = await Promise.race([source.next(), idle])
        .catch((error: unknown) => {
          throw new ApiError('upload_interrupted', undefined, { cause: error });
        })
        .finally(() => clearTimeout(timer));
      if (next === IDLE)
        throw new ApiError(
          'upload_interrupted',
          `Nothing came for ${idleMs / 1_000} seconds. Nothing of it was sent.`,
          {
            headers: { Connection: 'close' },
          },
        );
      if (next.done) return;
      size += next.value.length;
      if (size > limit) throw tooLarge(limit);
      yield next.value;
    }
  } finally {
    // While it listens, what is left cannot be drained. It may be waiting for a piece that never comes: nobody waits for it.
    void source.return?.();
  }
}

/** All of a stream, for who can only judge it whole. */
export async function collect(stream: BodyStream, limit: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream.pieces(limit)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/**
 * Sockets that send a streamed body. The server's limit for a whole request is not for them: they are cut off when nothing
 * comes, not when there is much.
 */
const moving = new WeakSet<Duplex>();
export const isMoving = (socket: Duplex): boolean => moving.has(socket);

const DRAIN_MS = 10_000;

/**
 * An answer that comes before the end of the body would be lost to a client that is still sending: what is left is read and
 * thrown away, for a while.
 */
export function drain(req: IncomingMessage): void {
  const { socket } = req;
  if (req.complete || req.destroyed) return void moving.delete(socket);
  const timer = setTimeout(() => socket.destroy(), DRAIN_MS);
  const over = () => {
    clearTimeout(timer);
    moving.delete(socket);
  };
  req.on('error', over).once('end', over).once('close', over);
  req.resume();
}
