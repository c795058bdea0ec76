/** What one person was sent by one connection, as that person saw it: our half of a conversation. */
import type { Preview, Registry } from '../../channel-kit/index.ts';
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Templates } from '../templates/index.ts';
import { countMessages, type Filter, findMessages, messagesTo } from './queries-store.ts';
import type { Render } from './render.ts';
import { loadMessages } from './store.ts';
import type { Message } from './types.ts';
import { reasonOf } from './view.ts';

export interface Outgoing {
  readonly message: Message;
  readonly failure: { readonly code: string; readonly message: string } | null;
  /** `undefined`: it cannot be drawn any more. */
  readonly preview: Preview | undefined;
}

export type Thread = (
  sql: Sql,
  to: {
    readonly tenantId: string;
    readonly mode: Mode;
    readonly channel: string;
    readonly address: string;
    readonly connectionId: string;
  },
  page: {
    /** UUID of a message; what follows it in this order. */
    readonly from: string | undefined;
    readonly order: 'asc' | 'desc';
    readonly limit: number;
  },
) => Promise<readonly Outgoing[]>;

export const createThread =
  ({
    registry,
    templates,
    render,
  }: {
    readonly registry: Registry;
    readonly templates: Templates;
    readonly render: Render;
  }): Thread =>
  async (sql, to, { from, order, limit }) => {
    const messages = await messagesTo(sql, to, from, order, limit);
    const versions = await templates.versions(messages.flatMap(({ templateVersionId }) => templateVersionId ?? []));
    const channel = registry.channel(to.channel);
    const draw = (message: Message): Preview | undefined => {
      try {
        return channel?.preview(render(channel, message, versions.get(message.templateVersionId ?? '')));
      } catch {
        return undefined;
      }
    };
    return messages.map((message) => {
      const reason = message.failureCode === null ? undefined : reasonOf(message.failureCode);
      return {
        message,
        failure: reason ? { code: reason.code, message: reason.message } : null,
        preview: draw(message),
      };
    });
  };

/** The newest of what was sent that matches, and how many there are, counted up to `most`. */
export async function sentLog(
  sql: Sql,
  filter: Filter,
  limit: number,
  most: number,
): Promise<{ readonly total: number; readonly messages: readonly Message[] }> {
  const ids = await findMessages(sql, filter, undefined, limit);
  const messages = new Map((await loadMessages(sql, ids)).map((message) => [message.id, message]));
  const counts = await countMessages(sql, filter, most);
  return {
    total: counts.reduce((sum, { count }) => sum + count, 0),
    messages: ids.flatMap((id) => messages.get(id) ?? []),
  };
}
