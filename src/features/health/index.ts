/** Whether this process lives, and whether it can do its work. No versions, no details: anyone may ask. */
import { Type } from '@sinclair/typebox';
import type { Db } from '../../lib/db.ts';
import { type Route, route } from '../../lib/http.ts';

const Status = Type.Object({ status: Type.Union([Type.Literal('ok'), Type.Literal('unavailable')]) });
const common = { method: 'GET', auth: 'open', tag: 'Health', errors: [] } as const;

export const healthRoutes = ({ db }: { readonly db: Db }): readonly Route[] => [
  route({
    ...common,
    path: '/health/live',
    summary: 'The process is up',
    replies: { 200: { description: 'It is.', schema: Status } },
    handler: async () => ({ status: 200, body: { status: 'ok' } }),
  }),
  route({
    ...common,
    path: '/health/ready',
    summary: 'The process can accept and deliver',
    replies: {
      200: { description: 'It can.', schema: Status },
      503: { description: 'The store cannot be reached.', schema: Status },
    },
    handler: async () => {
      try {
        await db.query('select 1');
        return { status: 200, body: { status: 'ok' } };
      } catch {
        return { status: 503, body: { status: 'unavailable' } };
      }
    },
  }),
];
