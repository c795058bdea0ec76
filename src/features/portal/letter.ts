/**
 * The HTML of an e-mail, as the only document of a sandboxed frame. Its own policy gives it no scripts, no forms, no
 * network: a picture that would tell a stranger the mail was opened is not fetched.
 */
import type { Preview } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Reply } from '../../lib/http.ts';
import { PAGE_HEADERS } from './site.ts';

export function letter(preview: Preview | undefined): Reply {
  if (preview?.kind !== 'mail' || preview.html === undefined) throw new ApiError('not_found');
  return {
    status: 200,
    type: 'text/html; charset=utf-8',
    body: preview.html,
    headers: {
      ...PAGE_HEADERS,
      'Content-Security-Policy':
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
      'X-Frame-Options': 'SAMEORIGIN',
    },
  };
}
