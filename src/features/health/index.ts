/** Whether this process lives, and whether it can do its work. No versions, no details: anyone may ask. */
import { Type } from '@sinclair/typebox';
import { type Route, route } from '../../lib/http.ts';
import type { Health } from './service.ts';

export { createHealth, type Health } from './service.ts';

const Status = Type.Object({ status: Type.Union([Type.Literal('ok'), Type.Literal('unavailable')]) });
const common = { method: 'GET', auth: 'open', tag: 'Health', errors: [] } as const;

export const healthRoutes = ({ health }: { readonly health: Health }): readonly Route[] => [
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
      503: {
        description: 'It is stopping, or a store is away or not fit for its work; the log says which.',
        schema: Status,
      },
    },
    handler: async () =>
      (await health.isReady())
        ? { status: 200, body: { status: 'ok' } }
        : { status: 503, body: { status: 'unavailable' } },
  }),
];
