/** How a test visits the portal: with the cookie of a fixture session, and forms sent as the page's own browser would. */
import type { Served } from './fixtures.ts';

export type Who = 'test' | 'live' | 'guest';
export const cookieOf = (who: Who): Record<string, string> =>
  who === 'guest' ? {} : { cookie: `carillon_session=${who}-session` };
export const get = (served: Served, path: string, who: Who = 'test') =>
  fetch(served.url + path, { headers: cookieOf(who), redirect: 'manual' });

/** Sends a form as the page's own browser would. */
export async function post(
  served: Served,
  path: string,
  fields: Record<string, string> | [string, string][],
  { who = 'test', headers = {}, token }: { who?: Who; headers?: Record<string, string>; token?: string } = {},
): Promise<Response> {
  const holder = who === 'guest' ? 'a-guest' : `${who}-session`;
  const body = new URLSearchParams(fields);
  body.set('csrf', token ?? served.fixtures.csrfToken(holder));
  return fetch(served.url + path, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      origin: served.url,
      'sec-fetch-site': 'same-origin',
      ...(who === 'guest' ? { cookie: 'carillon_guest=a-guest' } : cookieOf(who)),
      ...headers,
    },
    body,
  });
}
