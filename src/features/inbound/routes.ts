/** `/hooks/{adapter}/{connection_id}`: the address given to providers. */
import { Type } from '@sinclair/typebox';
import { type Request, type Route, route } from '../../lib/http.ts';
import type { Inbound } from './index.ts';
import { queryOf } from './query.ts';

export function inboundRoutes({
  inbound,
  publicUrl,
}: {
  readonly inbound: Pick<Inbound, 'receive'>;
  readonly publicUrl: () => string;
}): readonly Route[] {
  const params = Type.Object({
    adapter: Type.String({ pattern: '^[a-z0-9_-]{1,64}$' }),
    connection_id: Type.String({ maxLength: 64 }),
  });
  const handler = async (request: Request<{ adapter: string; connection_id: string }>) => {
    const { method, headers, raw, at, target } = request;
    // The public address comes from the configuration, never from the Host header, because signatures cover it.
    const url = publicUrl() + target;
    return inbound.receive(request.params.adapter, request.params.connection_id, {
      method,
      url,
      query: queryOf(url),
      headers,
      body: raw,
      at,
    });
  };
  const common = {
    path: '/hooks/:adapter/:connection_id',
    surface: 'hook',
    auth: 'open',
    tag: 'Callbacks',
    params,
    hidden: true,
    errors: ['not_found', 'bad_signature'],
    replies: { 200: { description: 'Stored.' } },
  } as const;
  return [
    route({
      ...common,
      method: 'GET',
      summary: "Answers a provider's subscription challenge",
      handler: handler as never,
    }),
    route({
      ...common,
      method: 'POST',
      summary: 'Takes a callback of a provider',
      consumes: 'raw',
      bodyLimit: 3 * 1_048_576,
      handler: handler as never,
    }),
  ];
}
