/**
 * What providers publish to be checked by: fetched through the connection's own guarded client, once for all who ask, and
 * kept. Whoever posts names the address, so a connection has few places: strangers cannot make us fetch without end.
 */
import { DeliveryError, type HttpClient, type VerifyContext } from '../../channel-kit/index.ts';

export interface Documents {
  of(connectionId: string, http: HttpClient): VerifyContext;
}

const KEPT_MS = 3_600_000;
/** One that could not be had is not asked for again at once. */
const FAILED_MS = 10_000;
const PER_CONNECTION = 4;
const CONNECTIONS = 1_000;

interface Document {
  readonly text: Promise<string>;
  until: number;
}

/** `now` in monotonic milliseconds. */
export function createDocuments(now: () => number = () => performance.now()): Documents {
  const shelves = new Map<string, Map<string, Document>>();
  return {
    of: (connectionId, http) => ({
      document(url) {
        const shelf = shelves.get(connectionId) ?? new Map<string, Document>();
        if (!shelves.has(connectionId) && shelves.size >= CONNECTIONS) shelves.clear();
        shelves.set(connectionId, shelf);
        for (const [address, { until }] of shelf) if (until <= now()) shelf.delete(address);
        const known = shelf.get(url);
        if (known) return known.text;
        if (shelf.size >= PER_CONNECTION) throw new DeliveryError('rate_limited');
        const document: Document = { text: fetched(url, http), until: now() + KEPT_MS };
        document.text.catch(() => {
          document.until = now() + FAILED_MS;
        });
        shelf.set(url, document);
        return document.text;
      },
    }),
  };
}

async function fetched(url: string, http: HttpClient): Promise<string> {
  const { status, text } = await http({ url, timeoutMs: 5_000 });
  if (status === 200) return text;
  throw new DeliveryError('provider_unavailable', { providerCode: String(status) });
}
