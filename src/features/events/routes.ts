/** The feed of events. */
import { Type } from '@sinclair/typebox';
import { type Route, route } from '../../lib/http.ts';
import { EVENT_TYPES, eventSchema, feedPage, feedQuery } from './schema.ts';
import type { Feed } from './service.ts';

const types = Object.entries(EVENT_TYPES)
  .map(([type, meaning]) => `- \`${type}\`: ${meaning}`)
  .join('\n');

export const eventRoutes = (feed: Feed): readonly Route[] => [
  route({
    method: 'GET',
    path: '/api/v1/events',
    auth: 'key',
    scope: 'read',
    tag: 'Events',
    summary: 'Read what has happened, in order and without gaps',
    description: `Oldest first. Ask with \`after\` set to the last \`next_cursor\`, and nothing is missed: an event is shown when none can come to stand before it any more, as a rule within a second.\n\n${types}`,
    query: feedQuery,
    replies: { 200: { description: 'One page', schema: feedPage } },
    errors: ['not_found', 'validation_failed'],
    async handler({ principal, query }) {
      return { status: 200, body: await feed.list(principal, query) };
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/events/:event_id',
    auth: 'key',
    scope: 'read',
    tag: 'Events',
    summary: 'Get an event',
    params: Type.Object({ event_id: Type.String({ maxLength: 64 }) }),
    replies: { 200: { description: 'The event', schema: eventSchema } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      return { status: 200, body: await feed.get(principal, params.event_id) };
    },
  }),
];
