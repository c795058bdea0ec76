/**
 * Who may not be written to, and how it came to be: people who said so, addresses that are none, lists of the tenant. What
 * becomes true by a callback is written in the transaction that applies it; the worker asks before each attempt.
 */
import { AddressError, type AnyChannel, type Registry } from '../../channel-kit/index.ts';
import type { Vault } from '../../lib/crypto.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode, Principal } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import { type List, listPage, readCursor } from '../../lib/list.ts';
import type { Connections } from '../connections/index.ts';
import type { Events } from '../events/index.ts';
import type { Tenants } from '../tenants/index.ts';
import type { AddSuppression, Reason, SuppressionItem, SuppressionQuery } from './schema.ts';
import { createSeal } from './seal.ts';
import * as store from './store.ts';
import { type Word, wordIn } from './words.ts';

/** Whose address it is, and how it is written to. */
interface Party {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly channel: string;
  /** As the channel writes it. */
  readonly address: string;
  readonly connectionId: string;
}

/** Why an address is not to be written to any more. */
export interface Cause extends Omit<Party, 'connectionId'> {
  /** Only this sender; null: the whole channel. */
  readonly connectionId: string | null;
  readonly scope: 'all' | 'marketing';
  readonly reason: Reason;
  /** The message of ours that it follows. */
  readonly messageId?: string | undefined;
  readonly note?: string | undefined;
  readonly createdBy?: string | undefined;
}

/** Something a person wrote to a sender. */
export interface Heard extends Party {
  readonly text?: string | undefined;
  /** What the provider made of it, where it does. */
  readonly word?: Word | undefined;
}

/** What a person has told the provider. */
export interface Preference extends Party {
  readonly category: 'all' | 'marketing';
  readonly value: 'stop' | 'resume';
}

/** A message that is about to be sent. */
export interface Outgoing extends Party {
  readonly id: string;
  readonly category: string;
}

export interface Suppressions {
  list(principal: Principal, query: SuppressionQuery): Promise<List<SuppressionItem>>;
  /** All or none, in their order; what is there already is answered as it is. Throws `validation_failed`. */
  add(principal: Principal, entries: readonly AddSuppression[]): Promise<readonly SuppressionItem[]>;
  /** Both throw `not_found`. */
  get(principal: Principal, id: string): Promise<SuppressionItem>;
  remove(principal: Principal, id: string): Promise<SuppressionItem>;
  /** The ids of those that may not go now: one look by index, however many there are. */
  barred(messages: readonly Outgoing[]): Promise<ReadonlySet<string>>;
  suppress(trx: Sql, causes: readonly Cause[]): Promise<void>;
  /** Takes back what of this reason holds for this sender. */
  restore(
    trx: Sql,
    parties: readonly (Party & { readonly reason: Reason; readonly scope: Lifted['scope'] })[],
  ): Promise<void>;
  /** STOP and START take effect where the channel has such words. What each message was, in their order. */
  hear(trx: Sql, items: readonly Heard[]): Promise<readonly (Word | undefined)[]>;
  prefer(trx: Sql, items: readonly Preference[]): Promise<void>;
  /** What stands for this address where nobody may read it. */
  digestOf(tenantId: string, channel: string, address: string): string;
  /** The persons behind these digests are erased; that they are not written to stays. */
  forget(trx: Sql, mode: Mode, digests: readonly string[]): Promise<void>;
}

export interface SuppressionsDeps {
  readonly db: Db;
  readonly vault: Vault;
  readonly registry: Registry;
  readonly events: Events;
  readonly connections: Pick<Connections, 'open'>;
  readonly tenants: Pick<Tenants, 'tenant'>;
}

type Lifted = store.Lifted;
type Row = store.SuppressionRow;

export function createSuppressions({
  db,
  vault,
  registry,
  events,
  connections,
  tenants,
}: SuppressionsDeps): Suppressions {
  const { digest: digestOf, seal, open } = createSeal(vault);

  const show = (row: Row): SuppressionItem => ({
    id: toWire('suppression', row.id),
    object: 'suppression',
    livemode: row.mode === 'live',
    channel: row.channel,
    address: row.sealed === null ? null : (open(row.tenantId, row.digest, row.sealed) ?? null),
    scope: row.scope,
    reason: row.reason,
    connection_id: row.connectionId && toWire('connection', row.connectionId),
    message_id: row.messageId && toWire('message', row.messageId),
    note: row.note,
    created_by: row.createdBy,
    created_at: row.createdAt.toISOString(),
  });

  const tell = (trx: Sql, type: 'recipient.suppressed' | 'recipient.restored', rows: readonly Row[]): Promise<void> =>
    events.emit(
      trx,
      rows.map((row) => ({ tenantId: row.tenantId, mode: row.mode, type, data: show(row) })),
    );

  /** By what makes each of them one. */
  async function write(trx: Sql, causes: readonly Cause[]): Promise<ReadonlyMap<string, Row>> {
    const rows = new Map<string, Omit<Row, 'createdAt'>>();
    for (const cause of causes) {
      const { tenantId, channel, address } = cause;
      const digest = digestOf(tenantId, channel, address);
      const row = {
        id: newId(),
        tenantId,
        mode: cause.mode,
        channel,
        digest,
        sealed: seal(tenantId, digest, address),
        connectionId: cause.connectionId,
        scope: cause.scope,
        reason: cause.reason,
        messageId: cause.messageId ?? null,
        note: cause.note ?? null,
        createdBy: cause.createdBy ?? null,
      };
      if (!rows.has(nameOf(row))) rows.set(nameOf(row), row);
    }
    if (rows.size === 0) return new Map();
    const stored = await store.insertSuppressions(trx, [...rows.values()]);
    await tell(
      trx,
      'recipient.suppressed',
      stored.filter(({ isNew }) => isNew),
    );
    return new Map(stored.map((row) => [nameOf(row), row]));
  }

  async function lift(trx: Sql, lifted: readonly Lifted[]): Promise<void> {
    if (lifted.length > 0) await tell(trx, 'recipient.restored', await store.deleteSuppressions(trx, lifted));
  }

  const liftedOf = (
    { tenantId, mode, channel, address, connectionId }: Party,
    reason: Reason,
    scope: Lifted['scope'],
  ): Lifted => ({ digest: digestOf(tenantId, channel, address), mode, reason, connectionId, scope });

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
    async list({ tenantId, mode }, { limit, cursor, channel, address, reason }) {
      const before = readCursor('suppression', cursor);
      const { defaultCountry } = await tenants.tenant(tenantId);
      const digests =
        address === undefined
          ? undefined
          : registry.channels.flatMap((one) => {
              const read = addressOf(one, address, defaultCountry);
              return read instanceof AddressError ? [] : [digestOf(tenantId, one.id, read)];
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
        show(stored.get(nameOf({ ...cause, digest: digestOf(cause.tenantId, cause.channel, cause.address) })) as Row),
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
    async barred(messages) {
      if (messages.length === 0) return NOBODY;
      const byDigest = new Map<string, Outgoing[]>();
      for (const message of messages) {
        const digest = digestOf(message.tenantId, message.channel, message.address);
        const known = byDigest.get(digest);
        if (known) known.push(message);
        else byDigest.set(digest, [message]);
      }
      const bars = await store.findBars(db, [...byDigest.keys()]);
      if (bars.length === 0) return NOBODY;
      return new Set(
        bars.flatMap((bar) => (byDigest.get(bar.digest) ?? []).filter((one) => isBarred(one, bar)).map(({ id }) => id)),
      );
    },
    async suppress(trx, causes) {
      await write(trx, causes);
    },
    restore: (trx, parties) =>
      lift(
        trx,
        parties.map((party) => liftedOf(party, party.reason, party.scope)),
      ),
    async hear(trx, items) {
      const words = items.map(({ channel, text, word }) =>
        registry.channel(channel)?.optOut?.words ? (word ?? wordIn(text ?? '')) : undefined,
      );
      // Of several words of one person the last counts.
      const last = new Map<string, { readonly item: Heard; readonly word: Word }>();
      for (const [index, item] of items.entries()) {
        const word = words[index];
        if (word === 'stop' || word === 'start')
          last.set(`${item.mode} ${item.connectionId} ${item.tenantId} ${item.address}`, { item, word });
      }
      const said = (wanted: Word) => [...last.values()].filter(({ word }) => word === wanted).map(({ item }) => item);
      await lift(
        trx,
        said('start').map((item) => liftedOf(item, 'stop_word', null)),
      );
      await write(
        trx,
        said('stop').map(({ tenantId, mode, channel, address, connectionId }) => ({
          ...{ tenantId, mode, channel, address, connectionId },
          scope: registry.channel(channel)?.optOut?.words ?? 'all',
          reason: 'stop_word',
        })),
      );
      return words;
    },
    async prefer(trx, items) {
      const last = new Map<string, Preference>();
      for (const item of items)
        last.set(`${item.mode} ${item.connectionId} ${item.tenantId} ${item.category} ${item.address}`, item);
      const said = (value: Preference['value']) => [...last.values()].filter((item) => item.value === value);
      await lift(
        trx,
        said('resume').map((item) => liftedOf(item, 'preference', item.category === 'all' ? null : item.category)),
      );
      await write(
        trx,
        said('stop').map(({ category, value: _, ...party }) => ({ ...party, scope: category, reason: 'preference' })),
      );
    },
    digestOf,
    async forget(trx, mode, digests) {
      await store.forgetAddresses(trx, mode, digests);
    },
  };
}

const NOBODY: ReadonlySet<string> = new Set();

const nameOf = ({
  digest,
  mode,
  reason,
  scope,
  connectionId,
}: Pick<Row, 'digest' | 'mode' | 'reason' | 'scope' | 'connectionId'>) =>
  `${digest} ${mode} ${reason} ${scope} ${connectionId}`;

/** Marketing alone is what a wish against marketing is about. */
const isBarred = (
  { mode, connectionId, category }: Outgoing,
  bar: Pick<Row, 'mode' | 'scope' | 'connectionId'>,
): boolean =>
  bar.mode === mode &&
  (bar.connectionId === null || bar.connectionId === connectionId) &&
  (bar.scope === 'all' || category === 'marketing');

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
