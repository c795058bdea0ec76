/**
 * What comes with a message, copied when it arrives: providers hand it out for days at most. Each file is fetched by its adapter,
 * or from its address, behind the egress guard, at most so large, and tried again for about a day.
 */
import { DeliveryError, type HttpRequest, type MediaContext } from '../../channel-kit/index.ts';
import { sha256Hex } from '../../lib/crypto.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import { type Fetch, FetchError } from '../../lib/fetch.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { Connections, OpenConnection } from '../connections/index.ts';
import { type ClaimedMedia, claimMedia, failMedia, readMedia, storeMedia } from './media-store.ts';
import { MEDIA_MAX } from './take.ts';

export interface MediaFile {
  readonly mime: string;
  readonly filename: string;
  readonly bytes: Buffer;
}

export interface Media {
  /** Throws `not_found`; `conflict` while it is being fetched, and when it could not be. */
  get(principal: Principal, id: string): Promise<MediaFile>;
  /** Fetches some of what is due; returns how many. For a worker. */
  fetch(): Promise<number>;
}

export interface MediaDeps {
  readonly db: Db;
  readonly log: Log;
  readonly connections: Pick<Connections, 'open'>;
  /** Takes bodies of the size of a file. */
  readonly download: Fetch;
}

const AT_ONCE = 8;
const TIMEOUT_MS = 30_000;
const LEASE_SECONDS = 90;
const DELAYS_SECONDS = [10, 60, 600, 3_600, 21_600, 43_200];
const HOPS = 3;

export function createMedia({ db, log, connections, download }: MediaDeps): Media {
  const contextOf = (connection: OpenConnection, signal: AbortSignal): MediaContext => {
    const { credentials, http, fault } = connection.checkContext(signal);
    return { credentials, http, signal, fault, download: (request) => load(download, request, signal) };
  };

  async function fetchOne(item: ClaimedMedia, connection: OpenConnection | undefined): Promise<void> {
    try {
      if (!connection || connection.mode === 'sandbox') throw new DeliveryError('provider_unavailable');
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const context = contextOf(connection, signal);
      const { bytes, mime } = connection.adapter.webhook?.media
        ? await connection.adapter.webhook.media(describe(item), context)
        : await context.download({ url: item.url ?? '' });
      if (bytes.length > MEDIA_MAX) throw tooLarge();
      // What the message said of itself is more than what a file server guesses.
      const type = /^[\w.+-]+\/[\w.+-]+/.exec(item.mime)?.[0] ?? mime;
      await storeMedia(db, { id: item.id, mime: type, sha256: sha256Hex(bytes), bytes });
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      const { kind, providerMessage } = error.fault;
      const delay = kind === 'content_invalid' ? undefined : DELAYS_SECONDS[item.tries - 1];
      await failMedia(db, item.id, kind, delay ?? null);
      log.warn(
        { media: toWire('media', item.id), fault: kind, said: providerMessage, tries: item.tries, again: delay },
        'a file that came with a message could not be fetched',
      );
    }
  }

  return {
    async get({ tenantId, mode }, id) {
      const uuid = fromWire('media', id);
      const row = uuid && (await db.read(tenantId, (sql) => readMedia(sql, tenantId, mode, uuid)));
      if (!row) throw new ApiError('not_found');
      if (!row.bytes)
        throw new ApiError(
          'conflict',
          row.status === 'waiting'
            ? 'It is being fetched from the provider. Ask again in a moment.'
            : 'The provider did not hand it out, or it is larger than 16 MB.',
          row.status === 'waiting' ? { retryAfterSeconds: 5 } : {},
        );
      return { mime: row.mime, filename: row.filename ?? id, bytes: row.bytes };
    },
    async fetch() {
      const items = await claimMedia(db, AT_ONCE, LEASE_SECONDS);
      if (items.length === 0) return 0;
      const opened = await connections.open(items.map(({ connectionId }) => connectionId));
      const done = await Promise.allSettled(items.map((item) => fetchOne(item, opened.get(item.connectionId))));
      const broken = done.find((one) => one.status === 'rejected');
      if (broken) throw broken.reason;
      return items.length;
    },
  };
}

const describe = ({ mime, providerId, url, filename, sha256 }: ClaimedMedia) => ({
  mime,
  ...(providerId === null ? {} : { providerId }),
  ...(url === null ? {} : { url }),
  ...(filename === null ? {} : { filename }),
  ...(sha256 === null ? {} : { sha256 }),
});

const tooLarge = (): DeliveryError =>
  new DeliveryError('content_invalid', { providerMessage: 'larger than the 16 MB that are kept' });

/** The bytes at an address. A redirect is followed, each hop judged anew; what proves who we are goes to the first host only. */
async function load(
  fetch: Fetch,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<{ readonly mime: string; readonly bytes: Buffer }> {
  let next = request;
  for (let hop = 0; hop <= HOPS; hop++) {
    const { status, headers, bytes } = await asked(fetch, next, signal);
    const to = headers.location;
    if (status >= 300 && status < 400 && to !== undefined && URL.canParse(to, next.url)) {
      next = { url: new URL(to, next.url).href };
      continue;
    }
    if (status === 200) return { mime: headers['content-type'] ?? 'application/octet-stream', bytes };
    throw new DeliveryError(status === 404 || status === 410 ? 'content_invalid' : 'provider_unavailable', {
      providerCode: String(status),
    });
  }
  throw new DeliveryError('content_invalid', { providerMessage: 'led from one address to the next' });
}

async function asked(fetch: Fetch, request: HttpRequest, signal: AbortSignal) {
  try {
    return await fetch({ timeoutMs: TIMEOUT_MS, ...request, signal });
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    if (error.code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') throw tooLarge();
    throw new DeliveryError('provider_unavailable', { providerMessage: error.message });
  }
}
