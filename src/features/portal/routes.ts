/** Every page, and the files they use. */
import { Type } from '@sinclair/typebox';
import { ApiError } from '../../lib/errors.ts';
import { type Route, route } from '../../lib/http.ts';
import type { View } from './view.ts';

/** A file under its hashed name never changes, so a browser may keep it for a year. */
export const assetRoute = (view: View): Route =>
  route({
    method: 'GET',
    path: '/portal/assets/:file',
    surface: 'page',
    auth: 'open',
    tag: 'Portal',
    summary: 'Style, script and sign of the portal.',
    hidden: true,
    params: Type.Object({ file: Type.String({ maxLength: 100 }) }),
    replies: { 200: { description: 'The file.' } },
    errors: ['not_found'],
    handler: async ({ params }) => {
      const asset = view.asset(params.file);
      if (!asset) throw new ApiError('not_found');
      return {
        status: 200,
        type: asset.type,
        body: asset.bytes,
        headers: { 'Cache-Control': 'public, max-age=31536000, immutable', 'X-Content-Type-Options': 'nosniff' },
      };
    },
  });

/** The browser asks for it whatever the page says. */
export const faviconRoute = (view: View, name: string): Route =>
  route({
    method: 'GET',
    path: '/favicon.ico',
    surface: 'page',
    auth: 'open',
    tag: 'Portal',
    summary: 'The sign, where browsers look for it.',
    hidden: true,
    replies: { 302: { description: 'Where the sign is.' } },
    errors: [],
    handler: async () => ({ status: 302, headers: { Location: view.assetUrl(name) } }),
  });

/** Who types the bare address means the portal. */
export const rootRoute: Route = route({
  method: 'GET',
  path: '/',
  surface: 'page',
  auth: 'open',
  tag: 'Portal',
  summary: 'To the portal.',
  hidden: true,
  replies: { 302: { description: 'Where the portal is.' } },
  errors: [],
  handler: async () => ({ status: 302, headers: { Location: '/portal' } }),
});
