/** A request as it came: where it is meant for, who sent it, what it is called. Nothing of it is believed yet. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Clock } from './clock.ts';
import type { Principal, Request } from './http.ts';
import { newId, toWire } from './ids.ts';

const NOTHING = Buffer.alloc(0);
const NOBODY: Principal = { tenantId: '', mode: 'sandbox', scopes: [], actor: { kind: 'user', id: '' } };

/** A request target, taken apart. */
export interface Target {
  readonly whole: string;
  readonly path: string;
  /** Without the question mark. */
  readonly search: string;
  /** Characters, with the host if there was one. */
  readonly sent: number;
}

/**
 * A request target may be absolute (`GET http://host/path`). Its host says nothing we believe, and everything after this builds
 * on a path. Without a parser: signatures cover the bytes, and a parser may throw.
 */
export function targetOf(url: string): Target {
  let whole = url;
  if (!whole.startsWith('/')) {
    const path = whole.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
    whole = path.startsWith('/') ? path : `/${path}`;
  }
  const at = whole.indexOf('?');
  const sent = url.length;
  return at < 0
    ? { whole, path: whole, search: '', sent }
    : { whole, path: whole.slice(0, at), search: whole.slice(at + 1), sent };
}

/** A request while it is being found out about. */
export type Arrival = { -readonly [K in keyof Request]: Request[K] };

export function arrival(req: IncomingMessage, { whole }: Target, clock: Clock, trustedProxies: number): Arrival {
  const given = req.headers['x-request-id'];
  return {
    principal: NOBODY,
    params: undefined,
    query: undefined,
    body: undefined,
    raw: NOTHING,
    method: req.method as string,
    target: whole,
    headers: headersOf(req.headers),
    ip: ipOf(req, trustedProxies),
    requestId: typeof given === 'string' && /^[\w.-]{8,64}$/.test(given) ? given : toWire('request', newId()),
    at: clock.now(),
  };
}

/** Each proxy adds whom it has heard from; of those that are trusted the first one's word counts. */
function ipOf({ headers, socket }: IncomingMessage, trustedProxies: number): string {
  const told = trustedProxies > 0 && (headers['x-forwarded-for'] as string | undefined);
  const ip = told ? told.split(',').slice(-trustedProxies)[0]?.trim() : undefined;
  const found = ip || (socket.remoteAddress ?? '');
  return found.startsWith('::ffff:') ? found.slice(7) : found;
}

/** Node has joined what came twice, but for one name that no client has reason to send. */
function headersOf(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  const cookies = headers['set-cookie'];
  return (cookies ? { ...headers, 'set-cookie': cookies.join(', ') } : headers) as Record<string, string>;
}
