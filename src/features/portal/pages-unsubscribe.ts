/**
 * The page behind the link of a mail. Whoever holds the link may use it: no sign-in, no cookie, no check of where the form was,
 * because mailboxes post here by themselves. Looking changes nothing: programs look at every link before people do.
 */
import { Type } from '@sinclair/typebox';
import { ApiError } from '../../lib/errors.ts';
import { type Reply, type Request, type Route, route } from '../../lib/http.ts';
import type { UnsubscribeDoor } from './ports.ts';
import { PAGE_HEADERS } from './site.ts';
import type { View } from './view.ts';

const params = Type.Object({ token: Type.String({ maxLength: 2_000 }) });
type Asked = Pick<Request<{ token: string }>, 'params' | 'at'>;
const PAGE = {
  surface: 'page',
  auth: 'open',
  tag: 'Portal',
  hidden: true,
  params,
  errors: [],
  replies: { 200: { description: 'The page.', type: 'text/html' } },
} as const;
/** Whatever a mailbox posts is said by the address alone. */
const POST = { ...PAGE, method: 'POST', consumes: 'raw', bodyLimit: 4_096 } as const;

export function unsubscribePages({
  unsubscribe,
  view,
}: {
  readonly unsubscribe: UnsubscribeDoor;
  readonly view: View;
}): readonly Route[] {
  const show = async ({ params: { token }, at }: Asked, verb: keyof UnsubscribeDoor, title: string): Promise<Reply> => {
    let status = 200;
    const context = await unsubscribe[verb](token).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.code !== 'not_found') throw error;
      status = 404;
      return {};
    });
    return {
      status,
      type: 'text/html; charset=utf-8',
      body: view.render('unsubscribe', 'plain', {
        ...context,
        now: at,
        title: status === 200 ? title : 'This link is not complete',
        isBack: verb === 'comeBack',
        path: `/u/${encodeURIComponent(token)}`,
      }),
      headers: { ...PAGE_HEADERS, 'Referrer-Policy': 'no-referrer' },
    };
  };
  return [
    route({
      ...PAGE,
      method: 'GET',
      path: '/u/:token',
      summary: 'Asks whether somebody wants no more marketing.',
      handler: (request) => show(request, 'look', 'Unsubscribe'),
    }),
    route({
      ...POST,
      path: '/u/:token',
      summary: 'Ends marketing to the address in the link (RFC 8058).',
      handler: (request) => show(request, 'leave', 'You are unsubscribed'),
    }),
    route({
      ...POST,
      path: '/u/:token/undo',
      summary: 'Takes it back.',
      handler: (request) => show(request, 'comeBack', 'You are subscribed again'),
    }),
  ];
}
