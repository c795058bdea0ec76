/** Messages of both directions in one list, the newest first, as the analytics of messages show them. */
import type { Db } from '../../lib/db.ts';
import type { Principal } from '../../lib/http.ts';
import { timeOf, toWire } from '../../lib/ids.ts';
import { reasonOf, sentLog } from '../notifications/index.ts';
import type { LogQuery, LogReply } from './schema.ts';
import { inboundLog } from './store.ts';

export type MessageLog = (principal: Principal, query: LogQuery) => Promise<LogReply>;

const MOST = 10_000;
const NONE = { total: 0, messages: [], rows: [] };

export const createMessageLog =
  ({ db }: { readonly db: Db }): MessageLog =>
  ({ tenantId, mode }, { status, direction, recipient: address, limit, offset }) =>
    db.read(tenantId, async (sql) => {
      const rows = offset + limit;
      const filter = { tenantId, mode, ...(address ? { address } : {}), ...(status ? { status } : {}) };
      const wantsIn = direction !== 'outbound' && (status === undefined || status === 'received');
      const wantsOut = direction !== 'inbound' && status !== 'received';
      const came = wantsIn ? await inboundLog(sql, { tenantId, mode, address, limit: rows, most: MOST }) : NONE;
      const went = wantsOut ? await sentLog(sql, filter, rows, MOST) : NONE;
      const logs = [
        ...came.rows.map((one) => ({
          ...idsOf(one.id),
          recipient: one.address,
          direction: 'inbound' as const,
          type: one.kind,
          status: 'received',
          error_message: null,
        })),
        ...went.messages.map((one) => ({
          ...idsOf(one.id),
          recipient: one.address,
          direction: 'outbound' as const,
          type: one.templateSlug === null ? 'text' : 'template',
          status: one.status,
          error_message: one.failureCode === null ? null : reasonOf(one.failureCode).message,
        })),
      ];
      logs.sort((a, b) => (a.id < b.id ? 1 : -1));
      const total = came.total + went.total;
      return { status: 200, message: 'OK', data: { total, limit, offset, logs: logs.slice(offset, rows) } };
    });

const idsOf = (id: string) => ({
  id: toWire('message', id),
  message_id: toWire('message', id),
  created_at: timeOf(id).toISOString(),
});
