/** News of providers, told on as events of their own names: once, however often the provider repeats them. */
import { type NoticeEvent, storable } from '../../channel-kit/index.ts';
import type { Sql } from '../../lib/db.ts';
import { toWire } from '../../lib/ids.ts';
import type { OpenConnection } from '../connections/index.ts';
import type { Events } from '../events/index.ts';
import { newNotices } from './take-store.ts';

export interface Notice {
  readonly connection: OpenConnection;
  readonly tenantId: string;
  readonly event: NoticeEvent;
}
export type Notices = (trx: Sql, notices: readonly Notice[]) => Promise<void>;

const KEY_MAX = 512;
const TEXT_MAX = 2_000;

export const createNotices =
  ({ events }: { readonly events: Events }): Notices =>
  async (trx, notices) => {
    if (notices.length === 0) return;
    const named = notices.map((one) => ({ ...one, key: storable(one.event.key, KEY_MAX) }));
    const fresh = await newNotices(
      trx,
      named.map(({ connection, key }) => ({ connectionId: connection.id, key })),
    );
    const left = new Set(fresh);
    // `delete`: of two in one batch the first is told.
    const told = named.filter(({ connection, key }) => left.delete(`${connection.id} ${key}`));
    await events.emit(
      trx,
      told.map(({ connection, tenantId, event }) => ({
        tenantId,
        mode: connection.mode,
        type: event.event,
        data: {
          ...Object.fromEntries(
            Object.entries(event.data).map(([name, value]) => [
              name,
              typeof value === 'string' ? storable(value, TEXT_MAX) : value,
            ]),
          ),
          channel: connection.channel.id,
          connection_id: toWire('connection', connection.id),
        },
      })),
    );
  };
