/**
 * The HTML of an e-mail, as the only document of a sandboxed frame. Its own policy gives it no scripts, no forms, no
 * network: a picture that would tell a stranger the mail was opened is not fetched.
 */
import type { Preview } from '../../channel-kit/index.ts';
import type { Reply } from '../../lib/http.ts';
import { PAGE_HEADERS } from './site.ts';

const NOTHING = '<!doctype html><title>Nothing to draw</title><p>There is no HTML to draw yet.</p>';

export function letter(preview: Preview | undefined): Reply {
  const html = preview?.kind === 'mail' ? preview.html : undefined;
  return {
    status: 200,
    type: 'text/html; charset=utf-8',
    body: html ?? NOTHING,
    headers: {
      ...PAGE_HEADERS,
      'Content-Security-Policy':
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
      'X-Frame-Options': 'SAMEORIGIN',
    },
  };
}
