/**
 * What keeps an address from being written to, as it comes up: a word of the person, a wish told to the provider, an address that
 * is none. It is written in the transaction that applies the callback; and it is what the worker asks before each attempt.
 */
import { AddressError, type Recipient, type Registry } from '../../channel-kit/index.ts';
import type { Db, Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { newId } from '../../lib/ids.ts';
import type { Events } from '../events/index.ts';
import type { Reason, SuppressionItem } from './schema.ts';
import type { Seal } from './seal.ts';
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

/** What can be said and taken back. */
export interface Wish extends Omit<Party, 'connectionId'> {
  /** Only this sender; null: the whole channel. */
  readonly connectionId: string | null;
  readonly reason: Reason;
  readonly scope: 'all' | 'marketing';
}

/** Why an address is not to be written to any more. */
export interface Cause extends Wish {
  /** The message that it follows, of ours or of the person. */
  readonly messageId?: string | undefined;
  readonly note?: string | undefined;
  readonly createdBy?: string | undefined;
}

/** Something a person wrote to a sender. */
export interface Heard extends Party {
  /** Of what was written. */
  readonly messageId?: string | undefined;
  readonly text?: string | undefined;
  /** Of what kind it is; only what was typed is looked at. Default `text`. */
  readonly kind?: string | undefined;
  /** What the provider made of it, where it does. */
  readonly word?: Word | undefined;
}

/** What a person has told the provider. */
export interface Preference extends Omit<Party, 'address'> {
  readonly recipient: Recipient;
  readonly category: 'all' | 'marketing';
  readonly value: 'stop' | 'resume';
}

/** A message that is about to be sent. */
export interface Outgoing extends Party {
  readonly id: string;
  readonly category: string;
}

export interface Heed {
  /** The ids of those that may not go now: one look by index, however many there are. */
  barred(messages: readonly Outgoing[]): Promise<ReadonlySet<string>>;
  suppress(trx: Sql, causes: readonly Cause[]): Promise<void>;
  /** Takes back what of this reason holds for this sender. */
  restore(trx: Sql, wishes: readonly Wish[]): Promise<void>;
  /** STOP and START take effect where the channel has such words. What each message was, in their order. */
  hear(trx: Sql, items: readonly Heard[]): Promise<readonly (Word | undefined)[]>;
  prefer(trx: Sql, items: readonly Preference[]): Promise<void>;
  /** What stands for this address where nobody may read it. */
  digestOf(tenantId: string, channel: string, address: string): string;
  /** The persons behind these digests are erased; that they are not written to stays. */
  forget(trx: Sql, mode: Mode, digests: readonly string[]): Promise<void>;
}

export interface HeedDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly events: Events;
  readonly seal: Seal;
  readonly show: (row: Row) => SuppressionItem;
}

type Lifted = store.Lifted;
type Row = store.SuppressionRow;

/** Also what the list itself is changed by. */
export interface Keeping extends Heed {
  /** What stands there now, by `nameOf`. */
  write(trx: Sql, causes: readonly Cause[]): Promise<ReadonlyMap<string, Row>>;
  isKept(sql: Sql, wish: Wish): Promise<boolean>;
  tell(trx: Sql, type: 'recipient.suppressed' | 'recipient.restored', rows: readonly Row[]): Promise<void>;
}

export function createHeed({ db, registry, events, seal, show }: HeedDeps): Keeping {
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
      const digest = seal.digest(tenantId, channel, address);
      const row = {
        id: newId(),
        tenantId,
        mode: cause.mode,
        channel,
        digest,
        sealed: seal.seal(tenantId, digest, address),
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
    { tenantId, mode, channel, address, connectionId }: Pick<Wish, keyof Party>,
    reason: Reason,
    scope: Lifted['scope'],
  ): Lifted => ({ digest: seal.digest(tenantId, channel, address), mode, reason, connectionId, scope });

  return {
    write,
    tell,
    async barred(messages) {
      if (messages.length === 0) return NOBODY;
      const byDigest = new Map<string, Outgoing[]>();
      for (const message of messages) {
        const digest = seal.digest(message.tenantId, message.channel, message.address);
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
    restore: (trx, wishes) =>
      lift(
        trx,
        wishes.map((wish) => liftedOf(wish, wish.reason, wish.scope)),
      ),
    isKept: async (sql, { tenantId, mode, channel, address, reason, scope }) =>
      store.isThere(sql, { digest: seal.digest(tenantId, channel, address), mode, reason, scope }),
    async hear(trx, items) {
      // A button that says Cancel is about something else than being written to.
      const words = items.map(({ channel, kind = 'text', text = '', word }) =>
        registry.channel(channel)?.optOut?.words ? (word ?? (kind === 'text' ? wordIn(text) : undefined)) : undefined,
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
        said('stop').map(({ tenantId, mode, channel, address, connectionId, messageId }) => ({
          ...{ tenantId, mode, channel, address, connectionId, messageId },
          scope: registry.channel(channel)?.optOut?.words ?? 'all',
          reason: 'stop_word',
        })),
      );
      return words;
    },
    async prefer(trx, items) {
      if (items.length === 0) return;
      const last = new Map<string, Preference & Party>();
      for (const item of items) {
        const address = addressOf(registry, item);
        if (address !== undefined)
          last.set(`${item.mode} ${item.connectionId} ${item.tenantId} ${item.category} ${address}`, {
            ...item,
            address,
          });
      }
      const said = (value: Preference['value']) => [...last.values()].filter((item) => item.value === value);
      await lift(
        trx,
        said('resume').map((item) => liftedOf(item, 'preference', item.category === 'all' ? null : item.category)),
      );
      await write(
        trx,
        said('stop').map(({ tenantId, mode, channel, address, connectionId, category }) => ({
          ...{ tenantId, mode, channel, address, connectionId },
          scope: category,
          reason: 'preference',
        })),
      );
    },
    digestOf: seal.digest,
    async forget(trx, mode, digests) {
      await store.forgetAddresses(trx, mode, digests);
    },
  };
}

const NOBODY: ReadonlySet<string> = new Set();

/** By what a suppression is the same as another. */
export const nameOf = ({
  digest,
  mode,
  reason,
  scope,
  connectionId,
}: Pick<Row, 'digest' | 'mode' | 'reason' | 'scope' | 'connectionId'>) =>
  `${digest} ${mode} ${reason} ${scope} ${connectionId}`;

/** `undefined`: nobody could be written to by this. */
function addressOf(registry: Registry, { channel, recipient }: Preference): string | undefined {
  try {
    return registry.channel(channel)?.address(recipient, {});
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}

/** Marketing alone is what a wish against marketing is about. */
const isBarred = (
  { mode, connectionId, category }: Outgoing,
  bar: Pick<Row, 'mode' | 'scope' | 'connectionId'>,
): boolean =>
  bar.mode === mode &&
  (bar.connectionId === null || bar.connectionId === connectionId) &&
  (bar.scope === 'all' || category === 'marketing');
