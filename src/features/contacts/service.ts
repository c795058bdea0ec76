/** Contacts as a tenant keeps them: made, found, changed, merged and taken apart again. */
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode, Principal } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import { type List, readCursor } from '../../lib/list.ts';
import { invalid } from '../../lib/schema.ts';
import type { Connections } from '../connections/index.ts';
import { EVERYWHERE, type Known, known, nameOf } from './identity.ts';
import type { ContactCard, ContactItem, ContactQuery, CreateContact, PatchContact } from './schema.ts';
import * as store from './store.ts';

export interface Contacts {
  /** Throws `conflict` when another has the external id or one of the identities, and names it in `details.contact_id`. */
  create(principal: Principal, command: CreateContact): Promise<ContactItem>;
  /** Newest first. Of those that were merged, the one that stands for them. */
  list(principal: Principal, query: ContactQuery): Promise<List<ContactItem>>;
  /** All that take an id throw `not_found`. Who was merged is shown as what it is a part of. */
  get(principal: Principal, id: string): Promise<ContactItem>;
  patch(principal: Principal, id: string, command: PatchContact): Promise<ContactItem>;
  /** With all that were merged into it. */
  remove(principal: Principal, id: string): Promise<void>;
  /** Makes `fromId` a part of `id`. Throws `conflict` for one that is so already. */
  merge(principal: Principal, id: string, fromId: string): Promise<ContactItem>;
  /** Throws `conflict` when the contact has become a part of another since. */
  undo(principal: Principal, id: string, mergeId: string): Promise<ContactItem>;
  /** Short forms of contacts by their own ids, whether they were merged or not. */
  cards(sql: Sql, tenantId: string, mode: Mode, ids: readonly string[]): Promise<ReadonlyMap<string, ContactCard>>;
  /** The ids of a contact and of all that are a part of it; none when it is not there. */
  group(sql: Sql, principal: Principal, id: string): Promise<readonly string[]>;
}

export interface ContactsDeps {
  readonly db: Db;
  readonly connections: Pick<Connections, 'get'>;
}

type Said = Pick<store.ContactRow, 'externalId' | 'name' | 'email' | 'phone' | 'metadata'>;

export function createContacts({ db, connections }: ContactsDeps): Contacts {
  /** As they are stored. A provider's own names need to know where they mean this person. */
  async function read(principal: Principal, identities: CreateContact['identities'] = []) {
    const read: (Known & { connectionId: string | null })[] = [];
    for (const [index, { connection_id: wire, ...identity }] of identities.entries()) {
      if (wire !== undefined) await connections.get(principal, wire);
      const one = known(identity, wire ?? '');
      if (one.scope === '' && !(EVERYWHERE as readonly string[]).includes(one.kind))
        throw invalid([
          { path: `identities.${index}`, message: 'needs connection_id or scope, within which it means this person' },
        ]);
      read.push({ ...one, connectionId: wire === undefined ? null : (fromWire('connection', wire) ?? null) });
    }
    return read;
  }

  async function show(sql: Sql, { tenantId, mode }: Principal, ids: readonly string[]): Promise<ContactItem[]> {
    const rows = await store.readGroups(sql, tenantId, mode, ids);
    const identities = await store.identitiesOf(
      sql,
      tenantId,
      rows.map(({ id }) => id),
    );
    const merges = await store.mergesOf(sql, tenantId, ids);
    const groups = groupsOf(rows);
    return ids.flatMap((id) => {
      const group = groups.get(id);
      return group ? [itemOf(group, identities, merges)] : [];
    });
  }

  async function one(sql: Sql, principal: Principal, id: string): Promise<ContactItem> {
    const [row] = await store.readGroups(sql, principal.tenantId, principal.mode, [id]);
    const [item] = row ? await show(sql, principal, [row.mergedInto ?? row.id]) : [];
    return there(item);
  }

  /** The contact itself, held, while nobody else changes who is who. */
  const change = <T>(principal: Principal, id: string, work: (trx: Sql, row: store.ContactRow) => Promise<T>) =>
    db.transaction(async (trx) => {
      const { tenantId, mode } = principal;
      await store.lockContacts(trx, [principal]);
      return work(trx, there(await store.findContact(trx, tenantId, mode, uuid(id))));
    });

  async function claim(trx: Sql, { tenantId, mode }: Principal, contactId: string, names: readonly Known[]) {
    const rows = names.map((name) => ({ connectionId: null, ...name, tenantId, mode, contactId }));
    const other = (await store.insertIdentities(trx, rows)).find((row) => row.contactId !== contactId);
    if (!other) return;
    throw new ApiError('conflict', `Another contact is known as ${other.kind} ${other.value}.`, {
      details: { contact_id: toWire('contact', other.contactId), kind: other.kind, value: other.value },
    });
  }

  async function checkExternal(trx: Sql, { tenantId, mode }: Principal, externalId: string | null, own?: string) {
    if (externalId === null) return;
    const ask = { tenantId, mode, externalId, search: undefined, before: undefined, limit: 1 };
    const [other] = await store.listHeads(trx, ask);
    if (other === undefined || other === own) return;
    throw new ApiError('conflict', `Another contact has the external id ${externalId}.`, {
      param: 'external_id',
      details: { contact_id: toWire('contact', other) },
    });
  }

  return {
    async create(principal, { external_id = null, name = null, email = null, phone = null, ...more }) {
      const { tenantId, mode } = principal;
      const identities = await read(principal, more.identities);
      return db.transaction(async (trx) => {
        await store.lockContacts(trx, [principal]);
        await checkExternal(trx, principal, external_id);
        const said: Said = { externalId: external_id, name, email, phone, metadata: more.metadata ?? {} };
        const id = newId();
        await store.insertContacts(trx, [{ id, tenantId, mode, ...said }]);
        await claim(trx, principal, id, [...identities, ...ownNames(said)]);
        return one(trx, principal, id);
      });
    },
    list: (principal, { search, external_id: externalId, limit, cursor }) =>
      db.read(principal.tenantId, async (sql) => {
        const { tenantId, mode } = principal;
        const before = readCursor('contact', cursor);
        const ids = await store.listHeads(sql, { tenantId, mode, search, externalId, before, limit: limit + 1 });
        const data = await show(sql, principal, ids.slice(0, limit));
        const more = ids.length > limit;
        return { object: 'list', data, has_more: more, next_cursor: more ? (data.at(-1)?.id ?? null) : null };
      }),
    get: (principal, id) => db.read(principal.tenantId, (sql) => one(sql, principal, uuid(id))),
    async patch(principal, id, { external_id, name, email, phone, identities, metadata }) {
      const wanted = identities && (await read(principal, identities));
      return change(principal, id, async (trx, row) => {
        const said: Said = {
          externalId: external_id === undefined ? row.externalId : external_id,
          name: name === undefined ? row.name : name,
          email: email === undefined ? row.email : email,
          phone: phone === undefined ? row.phone : phone,
          metadata: metadata ?? row.metadata,
        };
        if (said.externalId !== row.externalId)
          await checkExternal(trx, principal, said.externalId, row.mergedInto ?? row.id);
        const names = [...(wanted ?? []), ...ownNames(said)];
        const kept = new Set(names.map(nameOf));
        // What an account has seen of a person stays, unless the whole list is given anew.
        const dropped = new Set(ownNames(row).map(nameOf));
        const gone = (await store.identitiesOf(trx, row.tenantId, [row.id])).filter(
          (known) =>
            !kept.has(nameOf(known)) && (wanted || (dropped.has(nameOf(known)) && known.connectionId === null)),
        );
        await store.deleteIdentities(trx, row.id, gone);
        await store.updateContact(trx, { ...row, ...said });
        await claim(trx, principal, row.id, names);
        return one(trx, principal, row.id);
      });
    },
    remove: (principal, id) =>
      change(principal, id, async (trx, row) => {
        await store.deleteGroup(trx, row.mergedInto ?? row.id);
      }),
    merge: (principal, id, fromId) =>
      change(principal, id, async (trx, row) => {
        const { tenantId, mode } = principal;
        const from = there(await store.findContact(trx, tenantId, mode, uuid(fromId)));
        if (row.mergedInto !== null || from.mergedInto !== null || row.id === from.id)
          throw new ApiError('conflict', 'One of the two is a part of another contact already. Merge that one.');
        await store.insertMerge(trx, { id: newId(), tenantId, mode, contactId: row.id, fromId: from.id });
        return one(trx, principal, row.id);
      }),
    undo: (principal, id, mergeId) =>
      change(principal, id, async (trx, row) => {
        const merge = there(
          await store.findMerge(trx, row.tenantId, row.mode, row.id, there(fromWire('merge', mergeId))),
        );
        if (row.mergedInto !== null)
          throw new ApiError('conflict', 'This contact has become a part of another since. Undo that merge first.');
        await store.undoMerge(trx, merge);
        return one(trx, principal, row.id);
      }),
    async cards(sql, tenantId, mode, ids) {
      if (ids.length === 0) return new Map();
      const rows = await store.readGroups(sql, tenantId, mode, ids);
      const groups = groupsOf(rows);
      return new Map(
        rows.flatMap(({ id, mergedInto }) => {
          const group = groups.get(mergedInto ?? id);
          return group ? [[id, cardOf(group)] as const] : [];
        }),
      );
    },
    async group(sql, { tenantId, mode }, id) {
      const own = fromWire('contact', id);
      return own ? (await store.readGroups(sql, tenantId, mode, [own])).map((row) => row.id) : [];
    },
  };
}

function there<T>(row: T | undefined): T {
  if (row === undefined) throw new ApiError('not_found');
  return row;
}
const uuid = (id: string): string => there(fromWire('contact', id));

/** The addresses a contact is known by, too. */
const ownNames = (said: Pick<Said, (typeof EVERYWHERE)[number]>): Known[] =>
  EVERYWHERE.flatMap((kind) => {
    const value = said[kind];
    return value === null ? [] : [known({ kind, value }, '')];
  });

/** By the id of the head, which is first. */
function groupsOf(rows: readonly store.ContactRow[]): ReadonlyMap<string, readonly store.ContactRow[]> {
  const groups = new Map<string, store.ContactRow[]>();
  for (const row of rows) {
    const head = row.mergedInto ?? row.id;
    groups.set(head, [...(groups.get(head) ?? []), row]);
  }
  return groups;
}

/** What the head says, and where it says nothing what the others do. */
function cardOf(group: readonly store.ContactRow[]): ContactCard {
  const first = (name: 'externalId' | 'name' | 'email' | 'phone') =>
    group.map((row) => row[name]).find((value) => value !== null) ?? null;
  return {
    id: toWire('contact', (group[0] as store.ContactRow).id),
    external_id: first('externalId'),
    name: first('name'),
    email: first('email'),
    phone: first('phone'),
  };
}

function itemOf(
  group: readonly store.ContactRow[],
  identities: readonly store.IdentityRow[],
  merges: readonly (store.MergeRow & { name: string | null })[],
): ContactItem {
  const head = group[0] as store.ContactRow;
  const ids = new Set(group.map(({ id }) => id));
  return {
    ...cardOf(group),
    object: 'contact',
    livemode: head.mode === 'live',
    identities: identities
      .filter(({ contactId }) => ids.has(contactId))
      .map(({ kind, value, scope, connectionId, createdAt }) => ({
        kind,
        value,
        scope: scope === '' ? null : scope,
        connection_id: connectionId && toWire('connection', connectionId),
        created_at: createdAt.toISOString(),
      })),
    metadata: Object.assign({}, ...[...group].reverse().map(({ metadata }) => metadata)),
    merges: merges
      .filter(({ contactId }) => contactId === head.id)
      .map(({ id, fromId, name, createdAt }) => ({
        id: toWire('merge', id),
        contact_id: toWire('contact', fromId),
        name,
        created_at: createdAt.toISOString(),
      })),
    created_at: head.createdAt.toISOString(),
    updated_at: head.updatedAt.toISOString(),
  };
}
