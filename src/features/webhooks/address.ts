/** Which addresses an endpoint may have. Judged when it is saved; what a name leads to is judged again with every call. Pure. */
import type { Egress } from '../../lib/egress.ts';
import { ApiError } from '../../lib/errors.ts';

/** Where databases, brokers and desks of machines listen: nobody's webhook. */
const OTHERS = new Set([
  1433, 1521, 2049, 2375, 2376, 2379, 3306, 3389, 5432, 5433, 5672, 5900, 5984, 6379, 6380, 6443, 6432, 8086, 9042,
  9092, 9200, 9300, 10250, 11211, 27017,
]);

/** The address as it is kept. Throws `url_not_allowed`. `own`: ours, which must not call itself. */
export function checkAddress(text: string, egress: Pick<Egress, 'refusal' | 'isAllowed'>, own: string): string {
  const reason = refusalOf(text, egress, own);
  if (reason === undefined) return new URL(text).href;
  const message = `${reason}; if it is a server of your own, the operator can allow its host:port with EGRESS_ALLOW`;
  throw new ApiError('url_not_allowed', `url: ${message}.`, {
    param: 'url',
    details: { fields: [{ path: 'url', message }] },
  });
}

function refusalOf(text: string, egress: Pick<Egress, 'refusal' | 'isAllowed'>, own: string): string | undefined {
  if (!URL.canParse(text)) return 'this is not an address';
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'it must begin with https://';
  if (url.username !== '' || url.password !== '') return 'it must not hold a name or a password';
  if (url.hash !== '') return 'it must not have a fragment';
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (egress.isAllowed(host, port)) return undefined;
  if (url.protocol !== 'https:') return 'it must begin with https://';
  if (port !== 443 && (port < 1_024 || OTHERS.has(port))) return `port ${port} is not one of webhooks`;
  if (host === new URL(own).hostname) return 'it is this installation itself';
  return egress.refusal(host, port);
}
