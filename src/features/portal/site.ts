/**
 * What every page shares: who is looking, the check that a form is ours, the layout and its headers, redirects with a note.
 * A page is a function from a visit to a reply; this room makes routes of such functions.
 */
import { randomBytes } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import { sameDigest, sha256, type Vault } from '../../lib/crypto.ts';
import { ApiError } from '../../lib/errors.ts';
import { type Principal, type Reply, type Request, type Route, route } from '../../lib/http.ts';
import { type Faults, type Fields, fieldsOf, noFaults, valuesOf } from './forms.ts';
import { NOTES } from './notes.ts';
import type { Session, TenantsDoor } from './ports.ts';
import type { View } from './view.ts';

export interface SiteDeps {
  readonly tenants: TenantsDoor;
  readonly view: View;
  readonly vault: Vault;
  /** Without a slash at its end; known once the port is. */
  readonly publicUrl: () => string;
}

export interface Shown {
  readonly title: string;
  /** The entry of the navigation that is current. */
  readonly section?: string;
  readonly status?: number;
  readonly faults?: Faults;
  readonly cookies?: readonly string[];
  readonly layout?: 'app' | 'public';
  /** The one address of a page that is reachable under several. */
  readonly canonical?: string;
}

export interface Visit {
  readonly request: Request;
  readonly principal: Principal;
  readonly session: Session | undefined;
  /** The cookie's own token; empty for a guest. */
  readonly token: string;
  readonly params: Readonly<Record<string, string>>;
  /** Only what is not empty. */
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly fields: Fields;
  values(name: string): readonly string[];
  render(page: string, shown: Shown, context?: Readonly<Record<string, unknown>>): Reply;
  /** See other. `note` is a key of the closed list; text is never reflected. */
  go(path: string, note?: keyof typeof NOTES, cookies?: readonly string[]): Reply;
}

export type Work = (visit: Visit) => Promise<Reply>;

export interface PageOptions {
  /** Guests may come in too. Default: only who is signed in. */
  readonly open?: boolean;
  /** Names read from the query. */
  readonly query?: readonly string[];
  /** The action written to the audit log when the door below does not write it itself. */
  readonly audit?: string;
  readonly bodyLimit?: number;
  /** The form may bring a file. */
  readonly upload?: Route['upload'];
}

export interface Site {
  get(path: string, summary: string, work: Work, options?: PageOptions): Route;
  post(path: string, summary: string, work: Work, options?: PageOptions): Route;
  /** The hook for `auth: 'session'`. */
  authenticate(request: Request): Promise<Principal>;
  /** The hook for errors on pages. */
  refuse(error: ApiError, request: Request): Reply;
  signedIn(token: string): string;
  signedOut(): readonly string[];
  /** A cookie that hands a secret to the next page of this session, sealed, once. */
  handOver(token: string, secret: Readonly<Record<string, string>>): string;
  /** What was handed over, and the cookie that takes it away. */
  takeOver(visit: Visit): { readonly secret: Readonly<Record<string, string>> | undefined; readonly cookie: string };
}

const CSP =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': CSP,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  // Not no-referrer: with that, browsers send `Origin: null` and the form check could not tell our own forms.
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
  'Cache-Control': 'no-store',
};
const HOUR_12 = 43_200;
const NAMES_MAX = 2_000;
const FormBody = Type.Record(Type.String(), Type.Union([Type.String(), Type.Array(Type.String())]));

interface Known {
  readonly session: Session;
  readonly token: string;
}

export function createSite({ tenants, view, vault, publicUrl }: SiteDeps): Site {
  const known = new WeakMap<object, Known>();
  const secure = () => publicUrl().startsWith('https:');
  const cookieName = (name: string) => (secure() ? `__Host-${name}` : name === 'carillon' ? 'carillon_session' : name);
  const cookie = (name: string, value: string, seconds: number) =>
    `${cookieName(name)}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure() ? '; Secure' : ''}`;
  const read = (request: Request, name: string) => readCookie(request.headers.cookie, cookieName(name));

  const find = async (request: Request): Promise<Known | undefined> => {
    const token = read(request, 'carillon');
    const session = token ? await tenants.session(token) : undefined;
    return token && session ? { session, token } : undefined;
  };

  const visitOf = (request: Request, who: Known | undefined): Visit & { readonly csrf: string } => {
    const guest = who ? undefined : (read(request, 'carillon_guest') ?? '');
    const fresh = guest === '' ? randomBytes(16).toString('base64url') : undefined;
    const csrf = tenants.csrfToken(who?.token ?? (guest || fresh || ''));
    const query = Object.fromEntries(
      Object.entries((request.query ?? {}) as Record<string, unknown>).flatMap(([name, value]) =>
        typeof value === 'string' && value.trim() !== '' ? [[name, value.trim()]] : [],
      ),
    );
    return {
      request,
      principal: who?.session.principal ?? request.principal,
      session: who?.session,
      token: who?.token ?? '',
      params: request.params as Record<string, string>,
      query,
      csrf,
      fields: fieldsOf(request.body),
      values: (name) => valuesOf(request.body, name),
      render(page, shown, context = {}) {
        const cookies = [...(shown.cookies ?? []), ...(fresh ? [cookie('carillon_guest', fresh, HOUR_12)] : [])];
        const body = view.render(page, shown.layout ?? (who ? 'app' : 'public'), {
          ...context,
          ...shown,
          faults: shown.faults ?? noFaults,
          now: request.at,
          session: who?.session,
          test: who?.session.principal.mode === 'sandbox',
          mode_word: who?.session.principal.mode === 'live' ? 'live' : 'test',
          csrf,
          note: NOTES[query.note as keyof typeof NOTES],
          base_url: publicUrl(),
          canonical: `${publicUrl()}${shown.canonical ?? request.target.split('?')[0]}`,
          here: request.target,
        });
        return {
          status: shown.status ?? (shown.faults && shown.faults !== noFaults ? 422 : 200),
          type: 'text/html; charset=utf-8',
          body,
          headers: { ...PAGE_HEADERS, ...(cookies.length > 0 ? { 'Set-Cookie': cookies } : {}) },
        };
      },
      go: (path, note, cookies = []) => ({
        status: 303,
        headers: {
          ...PAGE_HEADERS,
          Location: note ? `${path}${path.includes('?') ? '&' : '?'}note=${note}` : path,
          ...(cookies.length > 0 ? { 'Set-Cookie': [...cookies] } : {}),
        },
      }),
    };
  };

  /** A change needs an origin that is ours and the token of this session (or of this guest's cookie). */
  const checkForm = (request: Request, who: Known | undefined): void => {
    if (!sameOrigin(request, publicUrl())) throw new ApiError('csrf', ELSEWHERE, { param: 'origin' });
    const holder = who?.token ?? read(request, 'carillon_guest');
    const given = fieldsOf(request.body).csrf;
    if (!holder || !given || !tenants.checkCsrf(holder, given)) throw new ApiError('csrf', TOO_OLD);
  };

  const page = (method: 'GET' | 'POST', path: string, summary: string, work: Work, options: PageOptions): Route =>
    route({
      method,
      path,
      surface: 'page',
      auth: options.open ? 'open' : 'session',
      tag: 'Portal',
      summary,
      hidden: true,
      ...(options.audit ? { audit: options.audit } : {}),
      params: Type.Object(
        Object.fromEntries(
          [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => [name, Type.String({ maxLength: 200 })]),
        ),
      ),
      query: Type.Object(
        Object.fromEntries(
          [...(options.query ?? []), 'note'].map((name) => [
            name,
            Type.Optional(Type.String({ maxLength: NAMES_MAX })),
          ]),
        ),
      ),
      ...(method === 'POST'
        ? {
            consumes: 'form',
            body: FormBody,
            ...(options.bodyLimit ? { bodyLimit: options.bodyLimit } : {}),
            ...(options.upload ? { upload: options.upload } : {}),
          }
        : {}),
      replies:
        method === 'GET'
          ? { 200: { description: 'The page.', type: 'text/html' } }
          : {
              303: { description: 'Done; see the page it names.' },
              422: { description: 'The form, with what was wrong.', type: 'text/html' },
            },
      errors: method === 'POST' ? ['csrf'] : [],
      handler: async (request) => {
        const who = options.open ? await find(request) : known.get(request.principal);
        if (method === 'POST') checkForm(request, who);
        return work(visitOf(request, who));
      },
    });

  const place = (token: string) => `portal/once/${sha256(token).toString('hex')}`;

  return {
    get: (path, summary, work, options = {}) => page('GET', path, summary, work, options),
    post: (path, summary, work, options = {}) => page('POST', path, summary, work, options),
    async authenticate(request) {
      const who = await find(request);
      if (!who) throw new ApiError('unauthorized', 'Sign in to see this page.');
      // A copy: one principal a request, so that it can stand for the session in the handler.
      const principal: Principal = { ...who.session.principal };
      known.set(principal, { ...who, session: { ...who.session, principal } });
      known.set(request, who);
      return principal;
    },
    refuse(error, request) {
      const who = known.get(request);
      const visit = visitOf(request, who);
      if (error.code === 'unauthorized')
        return visit.go(
          request.method === 'GET' && request.target !== '/portal'
            ? `/portal/login?next=${encodeURIComponent(request.target)}`
            : '/portal/login',
        );
      return visit.render(
        'error',
        { title: titleOf(error), status: error.status },
        {
          message: error.code === 'not_found' ? undefined : error.message,
          code: error.code,
          request_id: request.requestId,
        },
      );
    },
    signedIn: (token) => cookie('carillon', token, HOUR_12),
    signedOut: () => [cookie('carillon', '', 0), cookie('carillon_once', '', 0)],
    handOver: (token, secret) => cookie('carillon_once', vault.seal(JSON.stringify(secret), place(token)), 300),
    takeOver(visit) {
      const sealed = read(visit.request, 'carillon_once');
      const gone = cookie('carillon_once', '', 0);
      if (!sealed) return { secret: undefined, cookie: gone };
      try {
        return { secret: JSON.parse(vault.open(sealed, place(visit.token))) as Record<string, string>, cookie: gone };
      } catch {
        // Sealed for another session, or meddled with: there is nothing to show.
        return { secret: undefined, cookie: gone };
      }
    },
  };
}

const TITLES: Readonly<Record<string, string>> = {
  not_found: 'There is nothing here',
  csrf: 'This page was too old',
  method_not_allowed: 'This address is not a page',
  rate_limited: 'Too many tries',
  internal_error: 'That was our fault',
  unavailable: 'The store cannot be reached',
};

const titleOf = ({ code, param }: ApiError): string =>
  code === 'csrf' && param === 'origin' ? 'This form did not come from here' : (TITLES[code] ?? 'That did not work');

/** What a browser says of where a form was is wrong or missing; the page may be as fresh as can be. */
const ELSEWHERE =
  'The request does not say that it comes from a page of this portal (its Origin header is missing or names another address), so nothing was changed. Open the page here and send the form from it; a program uses the API with a key.';
const TOO_OLD =
  'The form belongs to an earlier session or has lost its token, so nothing was changed. Open the page again and send the form from there.';

/**
 * Browsers send `Origin` with every POST. It must be the address this request came to, or the public one; and where the
 * browser says what kind of site the form was on, that must be this one.
 */
export function sameOrigin(request: Request, publicUrl: string): boolean {
  const { origin, host = '' } = request.headers;
  const site = request.headers['sec-fetch-site'];
  if (!origin || (site !== undefined && site !== 'same-origin')) return false;
  if (sameText(origin, new URL(publicUrl).origin)) return true;
  return URL.canParse(origin) && sameText(new URL(origin).host, host);
}
const sameText = (a: string, b: string) => sameDigest(sha256(a), sha256(b));

function readCookie(header: string | undefined, name: string): string | undefined {
  for (const part of (header ?? '').split(';')) {
    const [key = '', ...value] = part.trim().split('=');
    if (key === name) return value.join('=') || undefined;
  }
  return undefined;
}

/** A path of this portal to go on to, never an address elsewhere. */
export const ownPath = (path: string | undefined, otherwise = '/portal'): string =>
  path !== undefined && /^\/portal(?:[/?][\w\-./?=&%~:+@]*)?$/.test(path) && !path.includes('//') ? path : otherwise;
