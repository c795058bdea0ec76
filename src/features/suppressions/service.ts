/** The list of those who are not written to, as a tenant looks at it and changes it; what fills it by itself is in `heed.ts`. */
import { AddressError, type AnyChannel, type Registry } from '../../channel-kit/index.ts';
import type { Vault } from '../../lib/crypto.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, toWire } from '../../lib/ids.ts';
import { type List, listPage, readCursor } from '../../lib/list.ts';
import type { Connections } from '../connections/index.ts';
import type { Events } from '../events/index.ts';
import type { Tenants } from '../tenants/index.ts';
import { type Cause, createHeed, type Heed, nameOf } from './heed.ts';
import { createLinks, type Linked } from './link.ts';
import type { AddSuppression, SuppressionItem, SuppressionQuery } from './schema.ts';
import { createSeal } from './seal.ts';
import * as store from './store.ts';
import { createUnsubscribe, type Unsubscribe } from './unsubscribe.ts';

export interface Suppressions extends Heed {
  list(principal: Principal, query: SuppressionQuery): Promise<List<SuppressionItem>>;
  /** All or none, in their order; what is there already is answered as it is. Throws `validation_failed`. */
  add(principal: Principal, entries: readonly AddSuppression[]): Promise<readonly SuppressionItem[]>;
  /** Both throw `not_found`. */
  get(principal: Principal, id: string): Promise<SuppressionItem>;
  remove(principal: Principal, id: string): Promise<SuppressionItem>;
  /** The address in a message at which one click ends marketing; `undefined` while there is no public address. */
  linkOf(linked: Linked): string | undefined;
  readonly unsubscribe: Unsubscribe;
}

export interface SuppressionsDeps {
  readonly db: Db;
  readonly vault: Vault;
  readonly registry: Registry;
  readonly events: Events;
  readonly connections: Pick<Connections, 'open'>;
  readonly tenants: Pick<Tenants, 'tenant'>;
  /** Absent while nobody has said under which address this installation is reached. */
  readonly publicUrl: (() => string) | undefined;
}

export function createSuppressions({
  db,
  vault,
  registry,
  events,
  connections,
  tenants,
  publicUrl,
}: SuppressionsDeps): Suppressions {
  const seal = createSeal(vault);
  const show = (row: store.SuppressionRow): SuppressionItem => ({
    id: toWire('suppression', row.id),
    object: 'suppression',
    livemode: row.mode === 'live',
    channel: row.channel,
    address: row.sealed === null ? null : (seal.open(row.tenantId, row.digest, row.sealed) ?? null),
    scope: row.scope,
    reason: row.reason,
    connection_id: row.connectionId && toWire('connection', row.connectionId),
    message_id: row.messageId && toWire('message', row.messageId),
    note: row.note,
    created_by: row.createdBy,
    created_at: row.createdAt.toISOString(),
  });

  const links = createLinks(vault, publicUrl);
  const { write, tell, isKept, ...heed } = createHeed({ db, registry, events, seal, show });

  /** The whole list of a request, checked. Throws `validation_failed` with every fault. */
  async function causesOf({ tenantId, mode, actor }: Principal, entries: readonly AddSuppression[]): Promise<Cause[]> {
    const { defaultCountry } = await tenants.tenant(tenantId);
    const ids = entries.flatMap(({ connection_id }) => fromWire('connection', connection_id ?? '') ?? []);
    const known = await connections.open(ids, { archived: true });
    const fields: { path: string; message: string }[] = [];
    const causes = entries.flatMap((entry, index): Cause[] => {
      const wrong = (name: string, message: string) => {
        fields.push({ path: `suppressions.${index}.${name}`, message });
        return [];
      };
      const channel = registry.channel(entry.channel);
      if (!channel) return wrong('channel', 'is no channel here');
      const address = addressOf(channel, entry.address, defaultCountry);
      if (address instanceof AddressError) return wrong('address', address.message);
      const connectionId = entry.connection_id === undefined ? null : fromWire('connection', entry.connection_id);
      const connection = connectionId ? known.get(connectionId) : undefined;
      const isOwn = connection && (connection.tenantId ?? tenantId) === tenantId && connection.mode === mode;
      if (connectionId === undefined || (connectionId && (!isOwn || connection.channel.id !== channel.id)))
        return wrong('connection_id', `is no connection of yours for ${channel.id}`);
      const { scope = 'all', reason = 'manual', note } = entry;
      return [{ tenantId, mode, channel: channel.id, address, connectionId, scope, reason, note, createdBy: actor.id }];
    });
    if (fields.length > 0) throw new ApiError('validation_failed', undefined, { details: { fields } });
    return causes;
  }

  return {
    ...heed,
    linkOf: links.urlOf,
    unsubscribe: createUnsubscribe({ db, links, tenants, heed: { ...heed, isKept } }),
    async list({ tenantId, mode }, { limit, cursor, channel, address, reason }) {
      const before = readCursor('suppression', cursor);
      const { defaultCountry } = await tenants.tenant(tenantId);
      const digests =
        address === undefined
          ? undefined
          : registry.channels.flatMap((one) => {
              const read = addressOf(one, address, defaultCountry);
              return read instanceof AddressError ? [] : [seal.digest(tenantId, one.id, read)];
            });
      const rows = await db.read(tenantId, (sql) =>
        store.listSuppressions(sql, { tenantId, mode, limit: limit + 1, before, channel, reason, digests }),
      );
      return listPage(rows, limit, show);
    },
    async add(principal, entries) {
      const causes = await causesOf(principal, entries);
      const stored = await db.transaction((trx) => write(trx, causes));
      return causes.map((cause) =>
        show(
          stored.get(
            nameOf({ ...cause, digest: seal.digest(cause.tenantId, cause.channel, cause.address) }),
          ) as store.SuppressionRow,
        ),
      );
    },
    get: ({ tenantId, mode }, id) =>
      db.read(tenantId, async (sql) => show(there(await store.findSuppression(sql, tenantId, mode, uuid(id))))),
    remove: ({ tenantId, mode }, id) =>
      db.transaction(async (trx) => {
        const row = there(await store.deleteSuppression(trx, tenantId, mode, uuid(id)));
        await tell(trx, 'recipient.restored', [row]);
        return show(row);
      }),
  };
}

/** Read as the one recipient field that makes an address of it. */
function addressOf(channel: AnyChannel, text: string, defaultCountry: string | undefined): string | AddressError {
  let fault: AddressError | undefined;
  for (const { name } of channel.recipient)
    try {
      return channel.address({ [name]: text.trim() }, defaultCountry ? { defaultCountry } : {});
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
      fault ??= error;
    }
  return fault ?? new AddressError('address', 'is no address of this channel');
}

function there<T>(row: T | undefined): T {
  if (row === undefined) throw new ApiError('not_found');
  return row;
}

const uuid = (id: string): string => there(fromWire('suppression', id));
